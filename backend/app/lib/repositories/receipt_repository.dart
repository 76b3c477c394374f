import 'dart:typed_data';

import 'package:firebase_storage/firebase_storage.dart';

import '../config.dart';
import '../models/expense.dart';

class ReceiptRepository {
  ReceiptRepository(this._storage);

  static const Map<String, String> _extensions = {
    'image/jpeg': 'jpg',
    'image/png': 'png',
    'image/webp': 'webp',
    'image/heic': 'heic',
    'application/pdf': 'pdf',
  };

  final FirebaseStorage _storage;

  /// Uploads a receipt for an expense that is stored already. The function onReceiptFinalized then
  /// puts the path onto the expense.
  Future<void> upload({
    required String groupId,
    required String expenseId,
    required Uint8List bytes,
    required String contentType,
  }) async {
    final extension = _extensions[contentType];
    if (extension == null) throw ArgumentError.value(contentType, 'contentType');
    if (bytes.length > maxReceiptBytes) throw ArgumentError('a receipt is at most 5 MiB');
    final fileName = '${DateTime.now().millisecondsSinceEpoch}.$extension';
    await _storage
        .ref('receipts/$groupId/$expenseId/$fileName')
        .putData(bytes, SettableMetadata(contentType: contentType));
  }

  Future<String> downloadUrl(Receipt receipt) => _storage.ref(receipt.path).getDownloadURL();

  Future<void> delete(Receipt receipt) => _storage.ref(receipt.path).delete();
}
