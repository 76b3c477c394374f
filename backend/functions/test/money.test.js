"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const { formatCents } = require("../src/money");

describe("formatCents", () => {
  for (const [cents, text] of [[0, "0.00"], [5, "0.05"], [99, "0.99"], [1234, "12.34"],
    [-5, "-0.05"], [-1234, "-12.34"], [10_000_000, "100000.00"]]) {
    it(`writes ${cents} as ${text}`, () => assert.equal(formatCents(cents), text));
  }

  it("refuses a fraction of a cent", () => assert.throws(() => formatCents(1.5), TypeError));
});
