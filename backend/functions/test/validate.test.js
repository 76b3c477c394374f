"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");
const { optionalText, requireAuth, requireData, requireId, requireInt, requireOneOf } =
  require("../src/validate");

const refuses = (code, check) => assert.throws(check, (error) => error.code === code);

describe("requireAuth", () => {
  it("refuses a caller who is not signed in", () => {
    refuses("unauthenticated", () => requireAuth({}));
  });
});

describe("requireData", () => {
  for (const data of [null, undefined, "text", 1, []]) {
    it(`refuses ${JSON.stringify(data)}`, () => {
      refuses("invalid-argument", () => requireData(data));
    });
  }
});

describe("requireId", () => {
  it("takes an id", () => assert.equal(requireId({ g: "a-B_9" }, "g"), "a-B_9"));
  for (const id of [undefined, "", "a/b", "..", "a b", 7, "x".repeat(129)]) {
    it(`refuses ${JSON.stringify(id)?.slice(0, 20)}`, () => {
      refuses("invalid-argument", () => requireId({ g: id }, "g"));
    });
  }
});

describe("requireInt", () => {
  const limits = { min: 1, max: 12 };
  it("takes the limits", () => {
    assert.equal(requireInt({ n: 1 }, "n", limits), 1);
    assert.equal(requireInt({ n: 12 }, "n", limits), 12);
  });
  it("takes the fallback for an absent field", () => {
    assert.equal(requireInt({}, "n", { ...limits, fallback: 7 }), 7);
  });
  for (const n of [0, 13, 1.5, "1", NaN, undefined, true]) {
    it(`refuses ${n}`, () => refuses("invalid-argument", () => requireInt({ n }, "n", limits)));
  }
});

describe("requireOneOf", () => {
  const roles = { values: ["member", "viewer"], fallback: "member" };
  it("takes a listed value and the fallback", () => {
    assert.equal(requireOneOf({ role: "viewer" }, "role", roles), "viewer");
    assert.equal(requireOneOf({}, "role", roles), "member");
  });
  it("refuses what is not listed", () => {
    refuses("invalid-argument", () => requireOneOf({ role: "owner" }, "role", roles));
  });
});

describe("optionalText", () => {
  it("trims", () => assert.equal(optionalText({ n: " Bo " }, "n", { maxLength: 60 }), "Bo"));
  it("is null when absent", () => assert.equal(optionalText({}, "n", { maxLength: 60 }), null));
  for (const n of ["", "  ", "x".repeat(61), 5, {}]) {
    it(`refuses ${JSON.stringify(n).slice(0, 20)}`, () => {
      refuses("invalid-argument", () => optionalText({ n }, "n", { maxLength: 60 }));
    });
  }
});
