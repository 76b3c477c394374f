import 'package:cloud_firestore/cloud_firestore.dart';

enum GroupKind { household, trip }

/// groups/{groupId}
class Group {
  const Group({
    required this.id,
    required this.name,
    required this.kind,
    required this.currency,
    required this.createdBy,
    required this.createdAt,
    required this.archived,
    required this.memberIds,
    required this.memberCount,
  });

  final String id;
  final String name;
  final GroupKind kind;

  /// ISO 4217, fixed when the group is founded.
  final String currency;
  final String createdBy;

  /// Null until the server has confirmed a group that was founded on this device.
  final DateTime? createdAt;
  final bool archived;
  final List<String> memberIds;
  final int memberCount;

  factory Group.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return Group(
      id: snapshot.id,
      name: data['name'] as String,
      kind: GroupKind.values.byName(data['kind'] as String),
      currency: data['currency'] as String,
      createdBy: data['createdBy'] as String,
      createdAt: (data['createdAt'] as Timestamp?)?.toDate(),
      archived: data['archived'] as bool,
      memberIds: List<String>.from(data['memberIds'] as List),
      memberCount: data['memberCount'] as int,
    );
  }

  /// A group as its founder writes it, together with their own membership.
  static Map<String, dynamic> newGroup({
    required String name,
    required GroupKind kind,
    required String currency,
    required String founderUid,
  }) =>
      {
        'name': name,
        'kind': kind.name,
        'currency': currency,
        'createdBy': founderUid,
        'createdAt': FieldValue.serverTimestamp(),
        'archived': false,
        'memberIds': [founderUid],
        'memberCount': 1,
      };
}
