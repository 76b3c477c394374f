// Receipts: what is known of an uploaded file goes onto its expense, and goes with it.
"use strict";

const { onDocumentDeleted } = require("firebase-functions/v2/firestore");
const { onObjectFinalized } = require("firebase-functions/v2/storage");
const { Timestamp } = require("firebase-admin/firestore");
const { getStorage } = require("firebase-admin/storage");
const logger = require("firebase-functions/logger");
const { groupRef } = require("./groups");
const { deleteReceipts } = require("./receiptFiles");

/** gRPC status of an update to a document that is not there. */
const NOT_FOUND = 5;

const onReceiptFinalized = onObjectFinalized({ retry: true }, async (event) => {
  const { bucket, name, contentType, size, timeCreated } = event.data;
  const place = parseReceiptPath(name);
  if (!place) return; // another kind of file in the bucket

  const expense = groupRef(place.groupId).collection("expenses").doc(place.expenseId);
  try {
    // update(), not set(): it must not bring back an expense that was deleted meanwhile.
    await expense.update({
      receipt: {
        path: name,
        contentType: contentType ?? "application/octet-stream",
        sizeBytes: Number(size),
        uploadedAt: Timestamp.fromDate(new Date(timeCreated)),
      },
    });
  } catch (error) {
    if (error.code !== NOT_FOUND) throw error;
    logger.warn("receipt of a deleted expense removed", place);
    await getStorage().bucket(bucket).file(name).delete({ ignoreNotFound: true });
  }
});

/** A deleted expense takes its receipts along. Deleting none is no error, so a repeat is harmless. */
const onExpenseDeleted = onDocumentDeleted(
  { document: "groups/{groupId}/expenses/{expenseId}", retry: true },
  async (event) => {
    if (!event.data.get("receipt")) return;
    const { groupId, expenseId } = event.params;
    await deleteReceipts(groupId, expenseId);
  },
);

/** `receipts/{groupId}/{expenseId}/{fileName}` taken apart, or null for any other path. */
function parseReceiptPath(name) {
  const match = /^receipts\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(name ?? "");
  return match && { groupId: match[1], expenseId: match[2], fileName: match[3] };
}

module.exports = { onReceiptFinalized, onExpenseDeleted, parseReceiptPath };
