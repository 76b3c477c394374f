import 'package:cloud_firestore/cloud_firestore.dart';

import '../models/activity_entry.dart';

class ActivityRepository {
  ActivityRepository(this._firestore);

  static const int pageSize = 30;

  final FirebaseFirestore _firestore;

  CollectionReference<Map<String, dynamic>> _activity(String groupId) =>
      _firestore.collection('groups').doc(groupId).collection('activity');

  Stream<List<ActivityEntry>> watchRecent(String groupId) => _activity(groupId)
      .orderBy('createdAt', descending: true)
      .limit(pageSize)
      .snapshots()
      .map((snapshot) => snapshot.docs.map(ActivityEntry.fromFirestore).toList());

  Future<List<ActivityEntry>> fetchPage(
    String groupId, {
    required DocumentSnapshot<Map<String, dynamic>> after,
  }) async {
    final snapshot = await _activity(groupId)
        .orderBy('createdAt', descending: true)
        .startAfterDocument(after)
        .limit(pageSize)
        .get();
    return snapshot.docs.map(ActivityEntry.fromFirestore).toList();
  }
}
