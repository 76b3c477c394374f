// Ids and paths that other people's input could bend.
"use strict";

const assert = require("node:assert/strict");
const { describe, it } = require("node:test");

process.env.GCLOUD_PROJECT ??= "demo-splitmates";
process.env.FIREBASE_CONFIG ??= JSON.stringify({
  projectId: "demo-splitmates",
  storageBucket: "demo-splitmates.appspot.com",
});

const { documentIdOf } = require("../src/processedEvents");
const { parseReceiptPath } = require("../src/receipts");
const { newCode } = require("../src/invites");
const { newProfile } = require("../src/users");

describe("documentIdOf", () => {
  it("keeps ordinary event ids", () => assert.equal(documentIdOf("5f3a-01"), "5f3a-01"));
  it("makes one path segment of any id", () => {
    assert.equal(documentIdOf("projects/p/events/1"), "projects%2Fp%2Fevents%2F1");
    assert.equal(documentIdOf(".."), "%2E%2E");
  });
});

describe("parseReceiptPath", () => {
  it("takes a receipt's path apart", () => {
    assert.deepEqual(parseReceiptPath("receipts/g1/e1/scan.jpg"), {
      groupId: "g1",
      expenseId: "e1",
      fileName: "scan.jpg",
    });
  });
  for (const name of ["avatars/u1.png", "receipts/g1/scan.jpg", "receipts/g1/e1/a/b.jpg", "", undefined]) {
    it(`leaves ${name} alone`, () => assert.equal(parseReceiptPath(name), null));
  }
});

describe("newCode", () => {
  it("is ten characters that cannot be confused", () => {
    for (let i = 0; i < 200; i += 1) assert.match(newCode(), /^[A-HJ-NP-Z2-9]{10}$/);
  });
  it("does not repeat", () => {
    assert.equal(new Set(Array.from({ length: 1000 }, newCode)).size, 1000);
  });
});

describe("newProfile", () => {
  it("takes a picture from https only, and no name longer than a profile holds", () => {
    const profile = newProfile({ displayName: "x".repeat(80), photoURL: "http://x.example/a.png" });
    assert.equal(profile.displayName.length, 60);
    assert.equal("photoUrl" in profile, false);
  });
});
