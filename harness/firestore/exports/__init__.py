"""The official export format of Firestore: files to documents and back. No file is opened here."""
