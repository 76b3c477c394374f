"""What a Flutter app expects of its back end, read from its Dart code. Text in, records out."""
