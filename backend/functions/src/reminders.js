// Reminders: once a week, debtors find a note in their groups' activity.
"use strict";

const { onSchedule } = require("firebase-functions/v2/scheduler");
const { FieldValue } = require("firebase-admin/firestore");
const logger = require("firebase-functions/logger");
const { reminderEntry } = require("./activity");
const { REMINDER_THRESHOLD_CENTS, TIME_ZONE } = require("./config");
const { db } = require("./firebase");

const PAGE_SIZE = 200;

const remindDebtors = onSchedule(
  { schedule: "every monday 09:00", timeZone: TIME_ZONE, retryCount: 2, timeoutSeconds: 540 },
  async (event) => {
    const reminded = await remindAll(event.scheduleTime);
    logger.info("debtors reminded", { reminded });
  },
);

/**
 * Writes a reminder for every balance under the threshold, at most one a day for each: the entry's
 * id holds the date, so a repeated run writes the same entries. Resolves to their number.
 */
async function remindAll(scheduleTime) {
  const date = new Date(scheduleTime).toISOString().slice(0, 10);
  let query = db.collectionGroup("balances")
    .where("netCents", "<=", -REMINDER_THRESHOLD_CENTS)
    .orderBy("netCents")
    .limit(PAGE_SIZE);
  let reminded = 0;
  for (;;) {
    const page = await query.get();
    reminded += await remindPage(page.docs, date);
    if (page.size < PAGE_SIZE) return reminded;
    query = query.startAfter(page.docs.at(-1));
  }
}

async function remindPage(balances, date) {
  if (balances.length === 0) return 0;
  const excused = await excusedPaths(balances);
  const debtors = balances.filter(
    (balance) => !excused.has(userRef(balance).path) && !excused.has(groupOf(balance).path),
  );
  const batch = db.batch();
  for (const balance of debtors) {
    const entryId = `reminder-${date}-${balance.id}`;
    batch.set(groupOf(balance).collection("activity").doc(entryId), {
      ...reminderEntry(balance.id, -balance.get("netCents")),
      createdAt: FieldValue.serverTimestamp(),
    });
  }
  await batch.commit();
  return debtors.length;
}

/**
 * Paths of people who want no reminders and of archived groups, in which nobody can settle. One
 * batched read for the page, not two for each balance.
 */
async function excusedPaths(balances) {
  const refs = new Map(
    balances
      .flatMap((balance) => [userRef(balance), groupOf(balance)])
      .map((ref) => [ref.path, ref]),
  );
  const documents = await db.getAll(...refs.values(), {
    fieldMask: ["remindersEnabled", "archived"],
  });
  return new Set(
    documents
      .filter((it) => it.get("remindersEnabled") === false || it.get("archived") === true)
      .map((it) => it.ref.path),
  );
}

function userRef(balance) {
  return db.collection("users").doc(balance.id);
}

function groupOf(balance) {
  return balance.ref.parent.parent;
}

module.exports = { remindDebtors, remindAll };
