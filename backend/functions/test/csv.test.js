"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const { csvCell, csvRow } = require("../src/csv");

describe("csvCell", () => {
  for (const [value, cell] of [
    ["Dinner", '"Dinner"'],
    ["a, b", '"a, b"'],
    ['the "good" one', '"the ""good"" one"'],
    [12, '"12"'],
    [null, '""'],
    [undefined, '""'],
    ["two\nlines", '"two\nlines"'],
  ]) {
    it(`writes ${JSON.stringify(value)} as ${cell}`, () => assert.equal(csvCell(value), cell));
  }

  for (const formula of ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("x")']) {
    it(`does not let ${JSON.stringify(formula)} be a formula`, () => {
      assert.ok(csvCell(formula).startsWith(`"'`));
    });
  }
});

describe("csvRow", () => {
  it("ends as RFC 4180 has it", () => assert.equal(csvRow(["a", "b"]), '"a","b"\r\n'));
});
