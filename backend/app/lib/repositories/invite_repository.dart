import 'package:cloud_firestore/cloud_firestore.dart';
import 'package:cloud_functions/cloud_functions.dart';

import '../models/invite.dart';
import '../models/member.dart';

class InviteRepository {
  InviteRepository(this._firestore, this._functions);

  final FirebaseFirestore _firestore;
  final FirebaseFunctions _functions;

  CollectionReference<Map<String, dynamic>> get _invites => _firestore.collection('invites');

  /// For owners: codes that still work, the next to expire first.
  Stream<List<Invite>> watchActive(String groupId) => _invites
      .where('groupId', isEqualTo: groupId)
      .where('expiresAt', isGreaterThan: Timestamp.now())
      .orderBy('expiresAt')
      .limit(20)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Invite.fromFirestore).toList());

  /// What the join screen shows before someone accepts; null for a code that does not exist.
  Future<Invite?> preview(String code) async {
    final snapshot = await _invites.doc(code).get();
    return snapshot.exists ? Invite.fromFirestore(snapshot) : null;
  }

  Future<String> create(
    String groupId, {
    MemberRole role = MemberRole.member,
    int maxUses = 1,
    int expiresInDays = 7,
  }) async {
    final result = await _functions.httpsCallable('createInvite').call<Map<String, dynamic>>({
      'groupId': groupId,
      'role': role.name,
      'maxUses': maxUses,
      'expiresInDays': expiresInDays,
    });
    return result.data['code'] as String;
  }

  /// Joins the group and returns its id.
  Future<String> accept(String code, {required String displayName}) async {
    final result = await _functions.httpsCallable('acceptInvite').call<Map<String, dynamic>>({
      'code': code,
      'displayName': displayName,
    });
    return result.data['groupId'] as String;
  }

  Future<void> withdraw(String code) => _invites.doc(code).delete();
}
