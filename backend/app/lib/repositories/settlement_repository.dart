import 'package:cloud_firestore/cloud_firestore.dart';
import 'package:cloud_functions/cloud_functions.dart';

import '../models/settlement.dart';

class SettlementRepository {
  SettlementRepository(this._firestore, this._functions);

  final FirebaseFirestore _firestore;
  final FirebaseFunctions _functions;

  CollectionReference<Map<String, dynamic>> _settlements(String groupId) =>
      _firestore.collection('groups').doc(groupId).collection('settlements');

  Stream<List<Settlement>> watchRecent(String groupId) => _settlements(groupId)
      .orderBy('createdAt', descending: true)
      .limit(25)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Settlement.fromFirestore).toList());

  /// A new id for [settleUp]; keep it for a retry, so that a lost answer does not pay twice.
  String newRequestId(String groupId) => _settlements(groupId).doc().id;

  /// Records that [fromUid] paid [toUid]. Throws a [FirebaseFunctionsException] whose code is
  /// `failed-precondition` when that is more than is owed.
  Future<String> settleUp({
    required String groupId,
    required String fromUid,
    required String toUid,
    required int amountCents,
    required String requestId,
  }) async {
    final result = await _functions.httpsCallable('settleUp').call<Map<String, dynamic>>({
      'groupId': groupId,
      'fromUid': fromUid,
      'toUid': toUid,
      'amountCents': amountCents,
      'requestId': requestId,
    });
    return result.data['settlementId'] as String;
  }
}
