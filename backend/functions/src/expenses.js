// Expenses: every write moves the balances of those it concerns.
"use strict";

const { onDocumentWritten } = require("firebase-functions/v2/firestore");
const { FieldValue } = require("firebase-admin/firestore");
const logger = require("firebase-functions/logger");
const { expenseEntry } = require("./activity");
const { balanceDeltas } = require("./balances");
const { groupRef } = require("./groups");
const { oncePerEvent } = require("./processedEvents");

/**
 * Works from the event's two snapshots; the expense is not read again. Deltas commute, so events
 * that arrive out of order end in the same balances.
 */
const onExpenseWritten = onDocumentWritten(
  { document: "groups/{groupId}/expenses/{expenseId}", retry: true },
  async (event) => {
    const { groupId, expenseId } = event.params;
    const before = event.data.before.data();
    const after = event.data.after.data();

    let deltas;
    try {
      deltas = balanceDeltas(before, after);
    } catch (error) {
      // Rules keep such expenses out; an import did not. A retry would find the same.
      logger.error("expense left out of balances", { groupId, expenseId, reason: error.message });
      return;
    }
    const entry = expenseEntry(expenseId, before, after);
    if (!entry && Object.keys(deltas).length === 0) return; // a receipt, a status

    const ref = groupRef(groupId);
    await oncePerEvent(ref, event.id, async (tx) => {
      // A deleted group deletes its expenses; their balances must not come back.
      if (!after && !(await tx.get(ref)).exists) return false;
      for (const [uid, cents] of Object.entries(deltas)) {
        tx.set(
          ref.collection("balances").doc(uid),
          { netCents: FieldValue.increment(cents), updatedAt: FieldValue.serverTimestamp() },
          { merge: true },
        );
      }
      if (entry) {
        tx.set(ref.collection("activity").doc(), {
          ...entry,
          createdAt: FieldValue.serverTimestamp(),
        });
      }
    });
  },
);

module.exports = { onExpenseWritten };
