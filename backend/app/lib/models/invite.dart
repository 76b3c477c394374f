import 'package:cloud_firestore/cloud_firestore.dart';

import 'member.dart';

/// invites/{code}, written by the callables createInvite and acceptInvite.
class Invite {
  const Invite({
    required this.code,
    required this.groupId,
    required this.groupName,
    required this.role,
    required this.expiresAt,
    required this.maxUses,
    required this.uses,
  });

  final String code;
  final String groupId;
  final String groupName;
  final MemberRole role;
  final DateTime expiresAt;
  final int maxUses;
  final int uses;

  bool get isUsedUp => uses >= maxUses;

  factory Invite.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return Invite(
      code: snapshot.id,
      groupId: data['groupId'] as String,
      groupName: data['groupName'] as String,
      role: MemberRole.values.byName(data['role'] as String),
      expiresAt: (data['expiresAt'] as Timestamp).toDate(),
      maxUses: data['maxUses'] as int,
      uses: data['uses'] as int,
    );
  }
}
