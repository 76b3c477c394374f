// Entries of a group's activity feed. Pure: what happened in, what to store out, without its time.
"use strict";

/** The entry for a written expense, or null when nothing changed that people would want to see. */
function expenseEntry(expenseId, before, after) {
  const shown = after ?? before;
  const entry = {
    expenseId,
    summary: String(shown.description ?? ""),
    amountCents: shown.amountCents,
    currency: shown.currency ?? null,
  };
  if (!before) return { type: "expense_created", actorUid: after.createdBy ?? null, ...entry };
  // The document does not say who deleted it.
  if (!after) return { type: "expense_deleted", actorUid: null, ...entry };
  const isEdited = ["description", "amountCents", "paidBy", "category"].some(
    (field) => before[field] !== after[field],
  ) || !sameShares(before.splits, after.splits);
  return isEdited
    ? { type: "expense_updated", actorUid: after.updatedBy ?? null, ...entry }
    : null;
}

/** The entry for a written membership, or null. */
function memberEntry(uid, before, after) {
  const entry = { memberUid: uid, summary: String((after ?? before).displayName ?? "") };
  if (!before) return { type: "member_joined", actorUid: uid, ...entry };
  if (!after) return { type: "member_left", actorUid: null, ...entry };
  return before.role !== after.role
    ? { type: "role_changed", actorUid: null, role: after.role, ...entry }
    : null;
}

function settlementEntry(settlementId, settlement) {
  return {
    type: "settlement_recorded",
    actorUid: settlement.createdBy,
    settlementId,
    fromUid: settlement.fromUid,
    toUid: settlement.toUid,
    amountCents: settlement.amountCents,
    currency: settlement.currency,
    summary: "",
  };
}

function reminderEntry(uid, owedCents) {
  return {
    type: "reminder",
    actorUid: null,
    memberUid: uid,
    amountCents: owedCents,
    summary: "",
  };
}

function sameShares(one = {}, other = {}) {
  const uids = Object.keys(one);
  return uids.length === Object.keys(other).length && uids.every((uid) => one[uid] === other[uid]);
}

module.exports = { expenseEntry, memberEntry, settlementEntry, reminderEntry };
