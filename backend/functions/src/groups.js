// Groups: who is in one, and what goes with one that is deleted.
"use strict";

const functionsV1 = require("firebase-functions/v1");
const { HttpsError } = require("firebase-functions/v2/https");
const logger = require("firebase-functions/logger");
const { REGION } = require("./config");
const { db } = require("./firebase");
const { deleteReceipts } = require("./receiptFiles");

function groupRef(groupId) {
  return db.collection("groups").doc(groupId);
}

/**
 * The group and the caller's role in it, read in the transaction.
 *
 * Throws `not-found` for no such group, `permission-denied` for a role that is not in `roles`,
 * `failed-precondition` for an archived group.
 */
async function requireRole(tx, groupId, uid, roles) {
  const ref = groupRef(groupId);
  const [group, member] = await tx.getAll(ref, ref.collection("members").doc(uid));
  if (!group.exists) throw new HttpsError("not-found", "There is no such group.");
  if (!member.exists || !roles.includes(member.get("role"))) {
    throw new HttpsError("permission-denied", `This takes the role ${roles.join(" or ")}.`);
  }
  if (group.get("archived")) {
    throw new HttpsError("failed-precondition", "The group is archived.");
  }
  return { ref, group: group.data(), role: member.get("role") };
}

/**
 * Clients archive groups; only an administrator deletes one. Its subcollections and receipts go
 * with it. First generation, as older parts of a code base are: a function that is deployed cannot
 * change generation under its name, and the two live side by side.
 */
const onGroupDeleted = functionsV1
  .region(REGION)
  .runWith({ timeoutSeconds: 300, maxInstances: 5 })
  .firestore.document("groups/{groupId}")
  .onDelete(async (snapshot, context) => {
    const { groupId } = context.params;
    await db.recursiveDelete(snapshot.ref);
    await deleteReceipts(groupId);
    logger.info("group deleted with its subcollections and receipts", { groupId });
  });

module.exports = { groupRef, requireRole, onGroupDeleted };
