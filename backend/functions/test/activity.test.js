"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const {
  expenseEntry,
  memberEntry,
  reminderEntry,
  settlementEntry,
} = require("../src/activity");

const rent = {
  description: "Rent",
  amountCents: 90000,
  currency: "EUR",
  category: "rent",
  paidBy: "ana",
  splits: { ana: 45000, bo: 45000 },
  status: "open",
  createdBy: "ana",
  updatedBy: "ana",
};

describe("expenseEntry", () => {
  it("names who created an expense", () => {
    assert.deepEqual(expenseEntry("e1", undefined, rent), {
      type: "expense_created",
      actorUid: "ana",
      expenseId: "e1",
      summary: "Rent",
      amountCents: 90000,
      currency: "EUR",
    });
  });

  it("names who changed one", () => {
    const entry = expenseEntry("e1", rent, { ...rent, amountCents: 80000, updatedBy: "bo" });
    assert.equal(entry.type, "expense_updated");
    assert.equal(entry.actorUid, "bo");
  });

  it("sees that only the shares changed", () => {
    const after = { ...rent, splits: { ana: 40000, bo: 50000 } };
    assert.equal(expenseEntry("e1", rent, after).type, "expense_updated");
  });

  it("tells what was deleted", () => {
    const entry = expenseEntry("e1", rent, undefined);
    assert.equal(entry.type, "expense_deleted");
    assert.equal(entry.summary, "Rent");
  });

  it("is silent about a receipt and about closing", () => {
    assert.equal(expenseEntry("e1", rent, { ...rent, receipt: { path: "p" } }), null);
    assert.equal(expenseEntry("e1", rent, { ...rent, status: "settled" }), null);
  });
});

describe("memberEntry", () => {
  const bo = { uid: "bo", role: "member", displayName: "Bo" };

  it("tells joins, leaves and new roles", () => {
    assert.equal(memberEntry("bo", undefined, bo).type, "member_joined");
    assert.equal(memberEntry("bo", bo, undefined).type, "member_left");
    assert.equal(memberEntry("bo", bo, { ...bo, role: "viewer" }).type, "role_changed");
  });

  it("is silent about a new name", () => {
    assert.equal(memberEntry("bo", bo, { ...bo, displayName: "Bob" }), null);
  });
});

describe("settlementEntry", () => {
  it("names the two people, the amount and who recorded it", () => {
    const settlement = {
      fromUid: "bo",
      toUid: "ana",
      amountCents: 1200,
      currency: "EUR",
      createdBy: "ana",
    };
    assert.deepEqual(settlementEntry("s1", settlement), {
      type: "settlement_recorded",
      actorUid: "ana",
      settlementId: "s1",
      fromUid: "bo",
      toUid: "ana",
      amountCents: 1200,
      currency: "EUR",
      summary: "",
    });
  });
});

describe("reminderEntry", () => {
  it("names the debtor and the debt, and nobody who did it", () => {
    const entry = reminderEntry("bo", 700);
    assert.deepEqual([entry.type, entry.memberUid, entry.amountCents], ["reminder", "bo", 700]);
    assert.equal(entry.actorUid, null);
  });
});
