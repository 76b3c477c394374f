"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const { balanceDeltas, expenseEffect, settlementEffect } = require("../src/balances");

const dinner = { amountCents: 3000, paidBy: "ana", splits: { ana: 1000, bo: 1000, cy: 1000 } };
const sum = (effect) => Object.values(effect).reduce((total, cents) => total + cents, 0);

describe("expenseEffect", () => {
  it("credits the payer with what the others owe", () => {
    assert.deepEqual(expenseEffect(dinner), { ana: 2000, bo: -1000, cy: -1000 });
  });

  it("credits a payer who has no share with the whole amount", () => {
    const gift = { amountCents: 500, paidBy: "ana", splits: { bo: 500 } };
    assert.deepEqual(expenseEffect(gift), { ana: 500, bo: -500 });
  });

  it("does nothing when someone pays for themselves", () => {
    assert.deepEqual(expenseEffect({ amountCents: 500, paidBy: "ana", splits: { ana: 500 } }), {});
  });

  it("does nothing for no expense", () => assert.deepEqual(expenseEffect(undefined), {}));

  for (const [what, broken] of [
    ["shares that do not add up", { ...dinner, splits: { ana: 1000, bo: 1000 } }],
    ["a share with a fraction", { ...dinner, splits: { ana: 1500.5, bo: 1499.5 } }],
    ["an amount in text", { ...dinner, amountCents: "3000" }],
    ["shares in a list", { ...dinner, splits: [3000] }],
    ["no payer", { ...dinner, paidBy: undefined }],
  ]) {
    it(`refuses ${what}`, () => assert.throws(() => expenseEffect(broken), TypeError));
  }
});

describe("balanceDeltas", () => {
  it("applies a new expense", () => {
    assert.deepEqual(balanceDeltas(undefined, dinner), expenseEffect(dinner));
  });

  it("takes a deleted expense back", () => {
    assert.deepEqual(balanceDeltas(dinner, undefined), { ana: -2000, bo: 1000, cy: 1000 });
  });

  it("holds only what an edit changes", () => {
    const edited = { ...dinner, splits: { ana: 1000, bo: 1500, cy: 500 } };
    assert.deepEqual(balanceDeltas(dinner, edited), { bo: -500, cy: 500 });
  });

  it("is empty for an edit of other fields", () => {
    assert.deepEqual(balanceDeltas(dinner, { ...dinner, description: "Pizza" }), {});
  });

  it("moves the credit when someone else turns out to have paid", () => {
    assert.deepEqual(balanceDeltas(dinner, { ...dinner, paidBy: "bo" }), { ana: -3000, bo: 3000 });
  });

  it("adds up to zero, and a history of edits adds up to its last state", () => {
    const history = [
      undefined,
      dinner,
      { amountCents: 4500, paidBy: "bo", splits: { ana: 1, bo: 4000, cy: 499 } },
      { amountCents: 100, paidBy: "cy", splits: { ana: 100 } },
    ];
    const balances = {};
    for (let i = 1; i < history.length; i += 1) {
      const deltas = balanceDeltas(history[i - 1], history[i]);
      assert.equal(sum(deltas), 0);
      for (const [uid, cents] of Object.entries(deltas)) {
        balances[uid] = (balances[uid] ?? 0) + cents;
      }
    }
    assert.deepEqual(balances, { ana: -100, bo: 0, cy: 100 });
  });
});

describe("settlementEffect", () => {
  it("brings both towards zero", () => {
    assert.deepEqual(
      settlementEffect({ fromUid: "bo", toUid: "ana", amountCents: 1000 }),
      { bo: 1000, ana: -1000 },
    );
  });
});
