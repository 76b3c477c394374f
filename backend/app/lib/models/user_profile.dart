import 'package:cloud_firestore/cloud_firestore.dart';

/// users/{uid}
class UserProfile {
  const UserProfile({
    required this.uid,
    required this.displayName,
    required this.defaultCurrency,
    required this.remindersEnabled,
    this.photoUrl,
  });

  final String uid;
  final String displayName;
  final String? photoUrl;
  final String defaultCurrency;
  final bool remindersEnabled;

  factory UserProfile.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) {
    final data = snapshot.data()!;
    return UserProfile(
      uid: snapshot.id,
      displayName: data['displayName'] as String,
      photoUrl: data['photoUrl'] as String?,
      defaultCurrency: data['defaultCurrency'] as String,
      remindersEnabled: data['remindersEnabled'] as bool,
    );
  }

  /// What a person edits. The profile itself is made by the function onUserCreated.
  Map<String, dynamic> toFirestore() => {
        'displayName': displayName,
        if (photoUrl != null) 'photoUrl': photoUrl,
        'defaultCurrency': defaultCurrency,
        'remindersEnabled': remindersEnabled,
        'updatedAt': FieldValue.serverTimestamp(),
      };
}
