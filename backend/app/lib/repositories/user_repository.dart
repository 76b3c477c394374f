import 'package:cloud_firestore/cloud_firestore.dart';

import '../models/user_profile.dart';

class UserRepository {
  UserRepository(this._firestore);

  final FirebaseFirestore _firestore;

  /// Emits null until the function onUserCreated has made the profile.
  Stream<UserProfile?> watchProfile(String uid) => _firestore
      .collection('users')
      .doc(uid)
      .snapshots()
      .map((snapshot) => snapshot.exists ? UserProfile.fromFirestore(snapshot) : null);

  Future<void> updateProfile(UserProfile profile) =>
      _firestore.collection('users').doc(profile.uid).update(profile.toFirestore());
}
