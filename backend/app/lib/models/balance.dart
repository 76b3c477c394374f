import 'package:cloud_firestore/cloud_firestore.dart';

/// groups/{groupId}/balances/{uid}, written by functions only.
class Balance {
  const Balance({required this.uid, required this.netCents});

  final String uid;

  /// Positive: the group owes this member. Negative: this member owes.
  final int netCents;

  bool get isEven => netCents == 0;

  factory Balance.fromFirestore(DocumentSnapshot<Map<String, dynamic>> snapshot) => Balance(
        uid: snapshot.id,
        netCents: snapshot.data()?['netCents'] as int? ?? 0,
      );
}
