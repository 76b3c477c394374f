// Settlements: one member pays another back.
"use strict";

const { onCall, HttpsError } = require("firebase-functions/v2/https");
const { onDocumentCreated } = require("firebase-functions/v2/firestore");
const { FieldValue } = require("firebase-admin/firestore");
const { settlementEntry } = require("./activity");
const { settlementEffect } = require("./balances");
const { MAX_AMOUNT_CENTS } = require("./config");
const { db } = require("./firebase");
const { groupRef, requireRole } = require("./groups");
const { formatCents } = require("./money");
const { oncePerEvent } = require("./processedEvents");
const { requireAuth, requireData, requireId, requireInt } = require("./validate");

/** Documents closed in one batch; a batch holds 500 writes. */
const CLOSE_BATCH = 400;

/**
 * `{groupId, fromUid, toUid, amountCents, requestId}`
 * -> `{settlementId, fromNetCents, toNetCents}`.
 *
 * `requestId` becomes the settlement's id, so a call that is repeated after a lost answer records
 * one payment. Balances move in the same transaction: two payments at once cannot both pay off the
 * same debt.
 */
const settleUp = onCall(async (request) => {
  const { uid } = requireAuth(request);
  const data = requireData(request.data);
  const groupId = requireId(data, "groupId");
  const payment = {
    fromUid: requireId(data, "fromUid"),
    toUid: requireId(data, "toUid"),
    amountCents: requireInt(data, "amountCents", { min: 1, max: MAX_AMOUNT_CENTS }),
  };
  const requestId = requireId(data, "requestId");
  if (payment.fromUid === payment.toUid) {
    throw new HttpsError("invalid-argument", "fromUid and toUid must be two people.");
  }

  return db.runTransaction(async (tx) => {
    const { ref, group, role } = await requireRole(tx, groupId, uid, ["owner", "member"]);
    if (uid !== payment.fromUid && uid !== payment.toUid && role !== "owner") {
      throw new HttpsError("permission-denied", "Only the two people concerned record a payment.");
    }
    const settlementRef = ref.collection("settlements").doc(requestId);
    const fromRef = ref.collection("balances").doc(payment.fromUid);
    const toRef = ref.collection("balances").doc(payment.toUid);
    const [recorded, from, to] = await tx.getAll(settlementRef, fromRef, toRef);
    const fromNetCents = from.get("netCents") ?? 0;
    const toNetCents = to.get("netCents") ?? 0;

    if (recorded.exists) {
      if (!isSamePayment(recorded.data(), payment)) {
        throw new HttpsError("already-exists", "requestId was used for another payment.");
      }
      return { settlementId: requestId, fromNetCents, toNetCents };
    }
    for (const party of [payment.fromUid, payment.toUid]) {
      if (!group.memberIds.includes(party)) {
        throw new HttpsError("not-found", `${party} is not in this group.`);
      }
    }
    const payable = Math.max(0, Math.min(-fromNetCents, toNetCents));
    if (payment.amountCents > payable) {
      throw new HttpsError(
        "failed-precondition",
        `At most ${formatCents(payable)} ${group.currency} can be settled between them.`,
        { payableCents: payable },
      );
    }

    const effect = settlementEffect(payment);
    const after = {
      fromNetCents: fromNetCents + effect[payment.fromUid],
      toNetCents: toNetCents + effect[payment.toUid],
    };
    const now = FieldValue.serverTimestamp();
    tx.create(settlementRef, {
      ...payment,
      currency: group.currency,
      createdBy: uid,
      createdAt: now,
    });
    tx.set(fromRef, { netCents: after.fromNetCents, updatedAt: now });
    tx.set(toRef, { netCents: after.toNetCents, updatedAt: now });
    return { settlementId: requestId, ...after };
  });
});

/** Tells the group, and closes the expenses up to here once nobody owes anything. */
const onSettlementCreated = onDocumentCreated(
  { document: "groups/{groupId}/settlements/{settlementId}", retry: true },
  async (event) => {
    const { groupId, settlementId } = event.params;
    const settlement = event.data.data();
    const ref = groupRef(groupId);

    if (await isEveryoneEven(ref)) await closeExpenses(ref, settlement.createdAt);

    await oncePerEvent(ref, event.id, async (tx) => {
      tx.set(ref.collection("activity").doc(), {
        ...settlementEntry(settlementId, settlement),
        createdAt: FieldValue.serverTimestamp(),
      });
    });
  },
);

async function isEveryoneEven(ref) {
  const uneven = await ref.collection("balances").where("netCents", "!=", 0).limit(1).get();
  return uneven.empty;
}

/** Closed expenses can no longer be edited. Closing again finds none, so a repeat is harmless. */
async function closeExpenses(ref, upTo) {
  const open = ref.collection("expenses")
    .where("status", "==", "open")
    .where("createdAt", "<=", upTo)
    .orderBy("createdAt", "desc")
    .limit(CLOSE_BATCH);
  let page;
  do {
    page = await open.get();
    const batch = db.batch();
    page.docs.forEach((expense) => batch.update(expense.ref, { status: "settled" }));
    await batch.commit();
  } while (page.size === CLOSE_BATCH);
}

function isSamePayment(one, other) {
  return one.fromUid === other.fromUid
    && one.toUid === other.toUid
    && one.amountCents === other.amountCents;
}

module.exports = { settleUp, onSettlementCreated };
