// Events are delivered at least once. A marker, written with the work, makes that exactly once.
"use strict";

const { FieldValue, Timestamp } = require("firebase-admin/firestore");
const { PROCESSED_EVENT_DAYS } = require("./config");

/**
 * Runs `work(tx)` in a transaction unless the event was processed before. `work` reads before it
 * writes, as transactions must; when it finds nothing to do it resolves to false, and no marker is
 * left. Resolves to whether the work was done now.
 *
 * Markers carry `expiresAt`, the field of a TTL policy (firestore.indexes.json).
 */
async function oncePerEvent(groupRef, eventId, work) {
  const marker = groupRef.collection("processedEvents").doc(documentIdOf(eventId));
  return groupRef.firestore.runTransaction(async (tx) => {
    if ((await tx.get(marker)).exists) return false;
    if ((await work(tx)) === false) return false;
    tx.create(marker, {
      processedAt: FieldValue.serverTimestamp(),
      expiresAt: Timestamp.fromMillis(Date.now() + PROCESSED_EVENT_DAYS * 24 * 60 * 60 * 1000),
    });
    return true;
  });
}

/** Event ids are opaque; a slash in one would make another path of it. */
function documentIdOf(eventId) {
  return encodeURIComponent(eventId).replaceAll(".", "%2E");
}

module.exports = { oncePerEvent, documentIdOf };
