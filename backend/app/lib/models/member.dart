import 'package:cloud_firestore/cloud_firestore.dart';

enum MemberRole {
  owner,
  member,
  viewer;

  bool get mayAddExpenses => this != viewer;
}

/// groups/{groupId}/members/{uid}
class Member {
  const Member({
    required this.uid,
    required this.groupId,
    required this.role,
    required this.displayName,
    required this.joinedAt,
  });

  final String uid;
  final String groupId;
  final MemberRole role;
  final String displayName;
  final DateTime? joinedAt;

  factory Member.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return Member(
      uid: data['uid'] as String,
      groupId: snapshot.reference.parent.parent!.id,
      role: MemberRole.values.byName(data['role'] as String),
      displayName: data['displayName'] as String,
      joinedAt: (data['joinedAt'] as Timestamp?)?.toDate(),
    );
  }

  /// The founder's own membership. Everyone else's is written by the callable acceptInvite.
  static Map<String, dynamic> founder({required String uid, required String displayName}) => {
        'uid': uid,
        'role': MemberRole.owner.name,
        'displayName': displayName,
        'joinedAt': FieldValue.serverTimestamp(),
      };
}
