// Export: a group's expenses as CSV, for any member.
"use strict";

const { onRequest } = require("firebase-functions/v2/https");
const { getAuth } = require("firebase-admin/auth");
const logger = require("firebase-functions/logger");
const { MAX_MEMBERS } = require("./config");
const { csvRow } = require("./csv");
const { groupRef } = require("./groups");
const { formatCents } = require("./money");

const PAGE_SIZE = 500;

/**
 * `GET /exportGroup?groupId=…` with `Authorization: Bearer <ID token>` -> text/csv.
 *
 * 400 no usable groupId, 401 no valid token, 403 not in the group, 404 no such group, 405 not a
 * GET. An HTTP function gets no `request.auth`: it verifies the token itself.
 */
const exportGroup = onRequest({ timeoutSeconds: 120 }, async (request, response) => {
  if (request.method !== "GET") {
    response.set("Allow", "GET");
    return sendError(response, 405, "method-not-allowed", "Use GET.");
  }
  const caller = await verifiedCaller(request.get("Authorization"));
  if (!caller) return sendError(response, 401, "unauthenticated", "Send a valid ID token.");

  const { groupId } = request.query;
  if (typeof groupId !== "string" || !/^[A-Za-z0-9_-]{1,128}$/.test(groupId)) {
    return sendError(response, 400, "invalid-argument", "groupId is missing or malformed.");
  }
  const ref = groupRef(groupId);
  const [group, members] = await Promise.all([
    ref.get(),
    ref.collection("members").limit(MAX_MEMBERS).get(),
  ]);
  if (!group.exists) return sendError(response, 404, "not-found", "There is no such group.");
  const names = new Map(members.docs.map((member) => [member.id, member.get("displayName")]));
  if (!names.has(caller.uid) && caller.support !== true) {
    return sendError(response, 403, "permission-denied", "You are not in this group.");
  }

  const uids = [...names.keys()];
  response.status(200);
  response.set("Content-Type", "text/csv; charset=utf-8");
  response.set("Content-Disposition", `attachment; filename="splitmates-${groupId}.csv"`);
  response.set("Cache-Control", "private, no-store");
  response.write(csvRow([
    "date", "description", "category", "paid by", "amount", "currency", "status",
    ...uids.map((uid) => `share of ${names.get(uid)}`),
  ]));
  for await (const expense of expensesOf(ref)) {
    response.write(csvRow([
      expense.createdAt.toDate().toISOString(),
      expense.description,
      expense.category,
      names.get(expense.paidBy) ?? expense.paidBy,
      formatCents(expense.amountCents),
      expense.currency,
      expense.status,
      ...uids.map((uid) => formatCents(expense.splits[uid] ?? 0)),
    ]));
  }
  return response.end();
});

/** Expenses, oldest first, a page at a time: a large group does not fill the memory. */
async function* expensesOf(ref) {
  let query = ref.collection("expenses").orderBy("createdAt").limit(PAGE_SIZE);
  for (;;) {
    const page = await query.get();
    for (const expense of page.docs) yield expense.data();
    if (page.size < PAGE_SIZE) return;
    query = query.startAfter(page.docs.at(-1));
  }
}

/** The decoded token, or null for none and for one that is not valid. */
async function verifiedCaller(header) {
  const token = /^Bearer (\S+)$/i.exec(header ?? "")?.[1];
  if (!token) return null;
  try {
    return await getAuth().verifyIdToken(token);
  } catch (error) {
    logger.info("ID token refused", { code: error.code });
    return null;
  }
}

function sendError(response, status, code, message) {
  response.status(status).json({ error: { code, message } });
}

module.exports = { exportGroup };
