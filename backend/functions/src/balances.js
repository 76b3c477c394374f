// What an expense or a settlement does to balances. Pure: plain objects in, plain objects out.
//
// A balance is what the group owes a member (positive) or the member owes the group (negative).
// All balances of a group add up to zero; so do the deltas of everything in this file.
"use strict";

const { isCents } = require("./money");

/** uid -> cents that the expense adds to each balance; {} for no expense. */
function expenseEffect(expense) {
  if (!expense) return {};
  const { amountCents, paidBy, splits } = expense;
  if (!isCents(amountCents) || typeof paidBy !== "string" || !isPlainObject(splits)) {
    throw new TypeError("an expense needs amountCents, paidBy and splits");
  }
  const shares = Object.entries(splits);
  if (!shares.every(([, cents]) => isCents(cents))) {
    throw new TypeError("shares must be whole cents");
  }
  const total = shares.reduce((sum, [, cents]) => sum + cents, 0);
  if (total !== amountCents) {
    throw new TypeError(`shares add up to ${total}, not ${amountCents}`);
  }
  return addUp([[paidBy, amountCents], ...shares.map(([uid, cents]) => [uid, -cents])]);
}

/** uid -> cents that turning `before` into `after` adds to each balance; only what changes. */
function balanceDeltas(before, after) {
  const undone = Object.entries(expenseEffect(before)).map(([uid, cents]) => [uid, -cents]);
  return addUp([...undone, ...Object.entries(expenseEffect(after))]);
}

/** uid -> cents: whoever pays owes less, whoever is paid is owed less. */
function settlementEffect({ fromUid, toUid, amountCents }) {
  return addUp([[fromUid, amountCents], [toUid, -amountCents]]);
}

function addUp(entries) {
  const sums = new Map();
  for (const [uid, cents] of entries) sums.set(uid, (sums.get(uid) ?? 0) + cents);
  return Object.fromEntries([...sums].filter(([, cents]) => cents !== 0));
}

function isPlainObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

module.exports = { expenseEffect, balanceDeltas, settlementEffect };
