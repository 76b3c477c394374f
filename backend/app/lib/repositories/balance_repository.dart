import 'package:cloud_firestore/cloud_firestore.dart';

import '../models/balance.dart';

class BalanceRepository {
  BalanceRepository(this._firestore);

  final FirebaseFirestore _firestore;

  CollectionReference<Map<String, dynamic>> _balances(String groupId) =>
      _firestore.collection('groups').doc(groupId).collection('balances');

  /// Who owes most comes first. Former members keep their (even) balance, hence more than twelve.
  Stream<List<Balance>> watchBalances(String groupId) => _balances(groupId)
      .orderBy('netCents')
      .limit(50)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Balance.fromFirestore).toList());

  Stream<Balance> watchBalance(String groupId, String uid) =>
      _balances(groupId).doc(uid).snapshots().map(Balance.fromFirestore);
}
