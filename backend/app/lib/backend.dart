import 'package:cloud_firestore/cloud_firestore.dart';
import 'package:cloud_functions/cloud_functions.dart';
import 'package:firebase_auth/firebase_auth.dart';
import 'package:firebase_storage/firebase_storage.dart';

import 'config.dart';
import 'repositories/activity_repository.dart';
import 'repositories/balance_repository.dart';
import 'repositories/expense_repository.dart';
import 'repositories/group_repository.dart';
import 'repositories/invite_repository.dart';
import 'repositories/receipt_repository.dart';
import 'repositories/settlement_repository.dart';
import 'repositories/user_repository.dart';

/// The repositories over one set of Firebase services.
class Backend {
  Backend._(FirebaseFirestore firestore, FirebaseFunctions functions, FirebaseStorage storage)
      : users = UserRepository(firestore),
        groups = GroupRepository(firestore),
        expenses = ExpenseRepository(firestore),
        balances = BalanceRepository(firestore),
        settlements = SettlementRepository(firestore, functions),
        invites = InviteRepository(firestore, functions),
        activity = ActivityRepository(firestore),
        receipts = ReceiptRepository(storage);

  factory Backend() => Backend._(
        FirebaseFirestore.instance,
        FirebaseFunctions.instanceFor(region: functionsRegion),
        FirebaseStorage.instance,
      );

  final UserRepository users;
  final GroupRepository groups;
  final ExpenseRepository expenses;
  final BalanceRepository balances;
  final SettlementRepository settlements;
  final InviteRepository invites;
  final ActivityRepository activity;
  final ReceiptRepository receipts;

  /// Points every service at the Emulator Suite; before the first use of any of them.
  static Future<void> useEmulators(String host) async {
    await FirebaseAuth.instance.useAuthEmulator(host, 9099);
    FirebaseFirestore.instance.useFirestoreEmulator(host, 8080);
    FirebaseFunctions.instanceFor(region: functionsRegion).useFunctionsEmulator(host, 5001);
    await FirebaseStorage.instance.useStorageEmulator(host, 9199);
  }
}
