import 'package:cloud_firestore/cloud_firestore.dart';

import '../models/expense.dart';

/// A page of expenses, and where the next one begins.
class ExpensePage {
  const ExpensePage(this.expenses, this.last);

  final List<Expense> expenses;
  final DocumentSnapshot<Map<String, dynamic>>? last;
}

class ExpenseRepository {
  ExpenseRepository(this._firestore);

  static const int pageSize = 25;

  final FirebaseFirestore _firestore;

  CollectionReference<Map<String, dynamic>> _expenses(String groupId) =>
      _firestore.collection('groups').doc(groupId).collection('expenses');

  /// The first page, live.
  Stream<List<Expense>> watchRecent(String groupId) => _expenses(groupId)
      .orderBy('createdAt', descending: true)
      .limit(pageSize)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Expense.fromFirestore).toList());

  /// Older pages, fetched as the user scrolls.
  Future<ExpensePage> fetchPage(
    String groupId, {
    required DocumentSnapshot<Map<String, dynamic>> after,
  }) async {
    final snapshot = await _expenses(groupId)
        .orderBy('createdAt', descending: true)
        .startAfterDocument(after)
        .limit(pageSize)
        .get();
    return ExpensePage(
      snapshot.docs.map(Expense.fromFirestore).toList(),
      snapshot.docs.isEmpty ? null : snapshot.docs.last,
    );
  }

  Stream<List<Expense>> watchOpen(String groupId) => _expenses(groupId)
      .where('status', isEqualTo: ExpenseStatus.open.name)
      .orderBy('createdAt', descending: true)
      .limit(pageSize)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Expense.fromFirestore).toList());

  Future<List<Expense>> fetchByCategory(String groupId, ExpenseCategory category) async {
    final snapshot = await _expenses(groupId)
        .where('category', isEqualTo: category.name)
        .orderBy('createdAt', descending: true)
        .limit(pageSize)
        .get();
    return snapshot.docs.map(Expense.fromFirestore).toList();
  }

  Future<List<Expense>> fetchPaidBy(String groupId, String uid) async {
    final snapshot = await _expenses(groupId)
        .where('paidBy', isEqualTo: uid)
        .orderBy('createdAt', descending: true)
        .limit(pageSize)
        .get();
    return snapshot.docs.map(Expense.fromFirestore).toList();
  }

  Future<List<Expense>> fetchLargest(String groupId) async {
    final snapshot = await _expenses(groupId)
        .orderBy('amountCents', descending: true)
        .limit(10)
        .get();
    return snapshot.docs.map(Expense.fromFirestore).toList();
  }

  /// For the badge "99+"; the limit is what the rules ask of any list.
  Future<int> countOpen(String groupId) async {
    final snapshot = await _expenses(groupId)
        .where('status', isEqualTo: ExpenseStatus.open.name)
        .limit(100)
        .count()
        .get();
    return snapshot.count ?? 0;
  }

  Stream<Expense?> watchExpense(String groupId, String expenseId) => _expenses(groupId)
      .doc(expenseId)
      .snapshots()
      .map((snapshot) => snapshot.exists ? Expense.fromFirestore(snapshot) : null);

  Future<String> add(
    String groupId,
    ExpenseDraft draft, {
    required String uid,
    required String currency,
  }) async {
    final expense = await _expenses(groupId).add(draft.toFirestore(uid: uid, currency: currency));
    return expense.id;
  }

  Future<void> edit(String groupId, String expenseId, ExpenseDraft draft, {required String uid}) =>
      _expenses(groupId).doc(expenseId).update(draft.toUpdate(uid: uid));

  Future<void> delete(String groupId, String expenseId) =>
      _expenses(groupId).doc(expenseId).delete();
}
