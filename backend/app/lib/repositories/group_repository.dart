import 'package:cloud_firestore/cloud_firestore.dart';

import '../config.dart';
import '../models/group.dart';
import '../models/member.dart';

class GroupRepository {
  GroupRepository(this._firestore);

  final FirebaseFirestore _firestore;

  CollectionReference<Map<String, dynamic>> get _groups => _firestore.collection('groups');

  CollectionReference<Map<String, dynamic>> _members(String groupId) =>
      _groups.doc(groupId).collection('members');

  /// The home screen: the user's groups, newest first.
  Stream<List<Group>> watchGroups(String uid, {bool archived = false}) => _groups
      .where('memberIds', arrayContains: uid)
      .where('archived', isEqualTo: archived)
      .orderBy('createdAt', descending: true)
      .limit(50)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Group.fromFirestore).toList());

  Stream<Group?> watchGroup(String groupId) => _groups
      .doc(groupId)
      .snapshots()
      .map((snapshot) => snapshot.exists ? Group.fromFirestore(snapshot) : null);

  /// The account screen: the user's roles in all groups, archived ones too.
  Stream<List<Member>> watchMemberships(String uid) => _firestore
      .collectionGroup('members')
      .where('uid', isEqualTo: uid)
      .limit(100)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Member.fromFirestore).toList());

  Stream<List<Member>> watchMembers(String groupId) => _members(groupId)
      .orderBy('displayName')
      .limit(maxMembers)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(Member.fromFirestore).toList());

  /// Founds a group. The two documents are one batch; the rules refuse either alone.
  Future<String> createGroup({
    required String name,
    required GroupKind kind,
    required String currency,
    required String founderUid,
    required String founderName,
  }) async {
    final group = _groups.doc();
    final batch = _firestore.batch()
      ..set(
        group,
        Group.newGroup(name: name, kind: kind, currency: currency, founderUid: founderUid),
      )
      ..set(
        group.collection('members').doc(founderUid),
        Member.founder(uid: founderUid, displayName: founderName),
      );
    await batch.commit();
    return group.id;
  }

  Future<void> rename(String groupId, String name) => _groups.doc(groupId).update({'name': name});

  Future<void> setArchived(String groupId, {required bool archived}) =>
      _groups.doc(groupId).update({'archived': archived});

  Future<void> renameMember(String groupId, String uid, String displayName) =>
      _members(groupId).doc(uid).update({'displayName': displayName});

  Future<void> changeRole(String groupId, String uid, MemberRole role) =>
      _members(groupId).doc(uid).update({'role': role.name});

  /// Leaves a group, or removes someone from it; refused while their balance is not zero.
  Future<void> removeMember(String groupId, String uid) => _members(groupId).doc(uid).delete();
}
