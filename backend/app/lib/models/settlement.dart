import 'package:cloud_firestore/cloud_firestore.dart';

/// groups/{groupId}/settlements/{settlementId}, written by the callable settleUp only.
class Settlement {
  const Settlement({
    required this.id,
    required this.fromUid,
    required this.toUid,
    required this.amountCents,
    required this.currency,
    required this.createdBy,
    required this.createdAt,
  });

  final String id;
  final String fromUid;
  final String toUid;
  final int amountCents;
  final String currency;
  final String createdBy;
  final DateTime createdAt;

  factory Settlement.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return Settlement(
      id: snapshot.id,
      fromUid: data['fromUid'] as String,
      toUid: data['toUid'] as String,
      amountCents: data['amountCents'] as int,
      currency: data['currency'] as String,
      createdBy: data['createdBy'] as String,
      createdAt: (data['createdAt'] as Timestamp).toDate(),
    );
  }
}
