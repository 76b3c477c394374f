import 'package:cloud_firestore/cloud_firestore.dart';

enum ExpenseCategory { groceries, rent, utilities, travel, food, fun, other }

enum ExpenseStatus { open, settled }

/// groups/{groupId}/expenses/{expenseId}
class Expense {
  const Expense({
    required this.id,
    required this.description,
    required this.amountCents,
    required this.currency,
    required this.paidBy,
    required this.splits,
    required this.category,
    required this.status,
    required this.createdBy,
    required this.createdAt,
    required this.updatedAt,
    this.receipt,
  });

  final String id;
  final String description;
  final int amountCents;
  final String currency;
  final String paidBy;

  /// uid -> cents; they add up to [amountCents].
  final Map<String, int> splits;
  final ExpenseCategory category;
  final ExpenseStatus status;
  final String createdBy;
  final DateTime? createdAt;
  final DateTime? updatedAt;

  /// Written by the function onReceiptFinalized after an upload.
  final Receipt? receipt;

  factory Expense.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    final receipt = data['receipt'] as Map<String, dynamic>?;
    return Expense(
      id: snapshot.id,
      description: data['description'] as String,
      amountCents: data['amountCents'] as int,
      currency: data['currency'] as String,
      paidBy: data['paidBy'] as String,
      splits: Map<String, int>.from(data['splits'] as Map),
      category: ExpenseCategory.values.byName(data['category'] as String),
      status: ExpenseStatus.values.byName(data['status'] as String),
      createdBy: data['createdBy'] as String,
      createdAt: (data['createdAt'] as Timestamp?)?.toDate(),
      updatedAt: (data['updatedAt'] as Timestamp?)?.toDate(),
      receipt: receipt == null ? null : Receipt.fromMap(receipt),
    );
  }
}

/// What a person enters; complete enough to be stored.
class ExpenseDraft {
  const ExpenseDraft({
    required this.description,
    required this.amountCents,
    required this.paidBy,
    required this.splits,
    required this.category,
  });

  final String description;
  final int amountCents;
  final String paidBy;
  final Map<String, int> splits;
  final ExpenseCategory category;

  /// Shares as equal as cents allow; the first ones carry the cents that are left over.
  static Map<String, int> splitEvenly(int amountCents, List<String> uids) {
    final share = amountCents ~/ uids.length;
    final leftOver = amountCents - share * uids.length;
    return {
      for (final (index, uid) in uids.indexed) uid: index < leftOver ? share + 1 : share,
    };
  }

  /// The fields an edit may touch, the editor among them.
  Map<String, dynamic> toUpdate({required String uid}) => {
        'description': description,
        'amountCents': amountCents,
        'paidBy': paidBy,
        'splits': splits,
        'category': category.name,
        'updatedBy': uid,
        'updatedAt': FieldValue.serverTimestamp(),
      };

  Map<String, dynamic> toFirestore({required String uid, required String currency}) => {
        'description': description,
        'amountCents': amountCents,
        'currency': currency,
        'paidBy': paidBy,
        'splits': splits,
        'category': category.name,
        'status': ExpenseStatus.open.name,
        'createdBy': uid,
        'createdAt': FieldValue.serverTimestamp(),
        'updatedBy': uid,
        'updatedAt': FieldValue.serverTimestamp(),
      };
}

class Receipt {
  const Receipt({
    required this.path,
    required this.contentType,
    required this.sizeBytes,
    required this.uploadedAt,
  });

  final String path;
  final String contentType;
  final int sizeBytes;
  final DateTime uploadedAt;

  factory Receipt.fromMap(Map<String, dynamic> data) => Receipt(
        path: data['path'] as String,
        contentType: data['contentType'] as String,
        sizeBytes: data['sizeBytes'] as int,
        uploadedAt: (data['uploadedAt'] as Timestamp).toDate(),
      );
}
