import 'package:firebase_app_check/firebase_app_check.dart';
import 'package:firebase_core/firebase_core.dart';
import 'package:flutter/material.dart';

import 'backend.dart';
import 'screens/group_screen.dart';

/// `flutter run --dart-define=EMULATOR_HOST=10.0.2.2` talks to the Emulator Suite.
const String emulatorHost = String.fromEnvironment('EMULATOR_HOST');

Future<void> main() async {
  WidgetsFlutterBinding.ensureInitialized();
  await Firebase.initializeApp();
  if (emulatorHost.isNotEmpty) {
    await Backend.useEmulators(emulatorHost);
  } else {
    await FirebaseAppCheck.instance.activate();
  }
  final backend = Backend();
  runApp(MaterialApp(
    title: 'Splitmates',
    onGenerateRoute: (settings) => switch (Uri.parse(settings.name ?? '/').pathSegments) {
      ['groups', final groupId] => MaterialPageRoute<void>(
          builder: (_) => GroupScreen(backend: backend, groupId: groupId),
        ),
      _ => null,
    },
    home: const Scaffold(body: Center(child: Text('Open a group to begin.'))),
  ));
}
