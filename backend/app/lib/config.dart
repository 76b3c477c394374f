/// Where the backend runs, and the limits that the app shares with firestore.rules.
library;

const String functionsRegion = 'europe-west1';

/// Places in a group, and so shares in an expense.
const int maxMembers = 12;

/// Largest expense, in cents.
const int maxAmountCents = 10000000;

/// Largest receipt, in bytes.
const int maxReceiptBytes = 5 * 1024 * 1024;
