import 'package:cloud_firestore/cloud_firestore.dart';

/// groups/{groupId}/activity/{entryId}, written by functions only.
class ActivityEntry {
  const ActivityEntry({
    required this.id,
    required this.type,
    required this.summary,
    required this.createdAt,
    this.actorUid,
    this.memberUid,
    this.expenseId,
    this.amountCents,
  });

  final String id;

  /// A text, not an enum: an older app shows what it knows and skips the rest.
  final String type;
  final String summary;
  final DateTime createdAt;
  final String? actorUid;
  final String? memberUid;
  final String? expenseId;
  final int? amountCents;

  factory ActivityEntry.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return ActivityEntry(
      id: snapshot.id,
      type: data['type'] as String,
      summary: data['summary'] as String,
      createdAt: (data['createdAt'] as Timestamp).toDate(),
      actorUid: data['actorUid'] as String?,
      memberUid: data['memberUid'] as String?,
      expenseId: data['expenseId'] as String?,
      amountCents: data['amountCents'] as int?,
    );
  }
}
