import 'package:cloud_firestore/cloud_firestore.dart';

final db = FirebaseFirestore.instance;

Stream<QuerySnapshot> pinned(String uid) => db
    .collection('users')
    .doc(uid)
    .collection('notes')
    .where('pinned', isEqualTo: true)
    .orderBy('changedAt', descending: true)
    .snapshots();

Future<QuerySnapshot> shared(String uid) =>
    db.collectionGroup('shares').where('with', isEqualTo: uid).get();

Future<DocumentSnapshot> profile(String uid) => db.collection('users').doc(uid).get();
