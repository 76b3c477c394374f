import 'package:cloud_functions/cloud_functions.dart';
import 'package:firebase_auth/firebase_auth.dart';
import 'package:flutter/material.dart';

import '../backend.dart';
import '../models/balance.dart';

/// Balances of one group, and the button that settles the user's own debt.
class GroupScreen extends StatefulWidget {
  const GroupScreen({super.key, required this.backend, required this.groupId});

  final Backend backend;
  final String groupId;

  @override
  State<GroupScreen> createState() => _GroupScreenState();
}

class _GroupScreenState extends State<GroupScreen> {
  late final Stream<List<Balance>> _balances =
      widget.backend.balances.watchBalances(widget.groupId);

  /// By creditor; kept over retries, so that a lost answer does not pay twice.
  final Map<String, String> _requestIds = {};

  @override
  Widget build(BuildContext context) => Scaffold(
        appBar: AppBar(title: const Text('Balances')),
        body: StreamBuilder<List<Balance>>(
          stream: _balances,
          builder: (context, snapshot) => ListView(
            children: [
              for (final balance in snapshot.data ?? const <Balance>[])
                ListTile(
                  title: Text(balance.uid),
                  subtitle: Text((balance.netCents / 100).toStringAsFixed(2)),
                  trailing: balance.netCents > 0
                      ? TextButton(
                          onPressed: () => _settle(snapshot.data!, balance),
                          child: const Text('Settle up'),
                        )
                      : null,
                ),
            ],
          ),
        ),
      );

  Future<void> _settle(List<Balance> balances, Balance creditor) async {
    final uid = FirebaseAuth.instance.currentUser!.uid;
    final own = balances.where((balance) => balance.uid == uid).firstOrNull;
    if (own == null || own.netCents >= 0) return;
    final debtCents = -own.netCents;
    final settlements = widget.backend.settlements;
    final requestId =
        _requestIds[creditor.uid] ??= settlements.newRequestId(widget.groupId);
    final messenger = ScaffoldMessenger.of(context);
    try {
      await settlements.settleUp(
        groupId: widget.groupId,
        fromUid: uid,
        toUid: creditor.uid,
        amountCents: debtCents < creditor.netCents ? debtCents : creditor.netCents,
        requestId: requestId,
      );
      _requestIds.remove(creditor.uid);
    } on FirebaseFunctionsException catch (error) {
      // Recorded earlier with another amount: the next press is a new payment.
      if (error.code == 'already-exists') _requestIds.remove(creditor.uid);
      messenger.showSnackBar(SnackBar(content: Text(error.message ?? 'That did not work.')));
    }
  }
}
