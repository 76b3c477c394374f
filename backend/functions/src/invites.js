// Invites: an owner makes a code, whoever holds it joins the group.
"use strict";

const { randomInt } = require("node:crypto");
const { onCall, HttpsError } = require("firebase-functions/v2/https");
const { FieldValue, Timestamp } = require("firebase-admin/firestore");
const {
  DEFAULT_INVITE_DAYS,
  MAX_ACTIVE_INVITES,
  MAX_INVITE_DAYS,
  MAX_MEMBERS,
} = require("./config");
const { db } = require("./firebase");
const { groupRef, requireRole } = require("./groups");
const { setMembers } = require("./members");
const { optionalText, requireAuth, requireData, requireId, requireInt, requireOneOf } =
  require("./validate");

/** Letters and digits that cannot be mistaken for one another; 32 of them, so 5 bits each. */
const CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LENGTH = 10;

/**
 * `{groupId, role?: "member"|"viewer", maxUses?: 1..12, expiresInDays?: 1..30}`
 * -> `{code, expiresAt}` (ISO 8601).
 */
const createInvite = onCall(async (request) => {
  const { uid } = requireAuth(request);
  const data = requireData(request.data);
  const groupId = requireId(data, "groupId");
  const role = requireOneOf(data, "role", { values: ["member", "viewer"], fallback: "member" });
  const maxUses = requireInt(data, "maxUses", { min: 1, max: MAX_MEMBERS, fallback: 1 });
  const days = requireInt(data, "expiresInDays", {
    min: 1,
    max: MAX_INVITE_DAYS,
    fallback: DEFAULT_INVITE_DAYS,
  });

  const now = Timestamp.now();
  const expiresAt = Timestamp.fromMillis(now.toMillis() + days * 24 * 60 * 60 * 1000);
  const code = newCode();

  await db.runTransaction(async (tx) => {
    const { group } = await requireRole(tx, groupId, uid, ["owner"]);
    const active = await tx.get(
      db.collection("invites")
        .where("groupId", "==", groupId)
        .where("expiresAt", ">", now)
        .count(),
    );
    if (active.data().count >= MAX_ACTIVE_INVITES) {
      throw new HttpsError(
        "resource-exhausted",
        `A group has at most ${MAX_ACTIVE_INVITES} open invites. Withdraw one first.`,
      );
    }
    // create(): 50 random bits will not meet an existing code, and if they do nothing is lost.
    tx.create(db.collection("invites").doc(code), {
      groupId,
      groupName: group.name,
      role,
      createdBy: uid,
      createdAt: FieldValue.serverTimestamp(),
      expiresAt,
      maxUses,
      uses: 0,
    });
  });
  return { code, expiresAt: expiresAt.toDate().toISOString() };
});

/** `{code, displayName?}` -> `{groupId, role}`. */
const acceptInvite = onCall(async (request) => {
  const { uid, token } = requireAuth(request);
  const data = requireData(request.data);
  const code = requireId(data, "code").toUpperCase();
  const displayName = optionalText(data, "displayName", { maxLength: 60 })
    ?? (token.name || "New member").slice(0, 60);

  return db.runTransaction(async (tx) => {
    const inviteRef = db.collection("invites").doc(code);
    const invite = (await tx.get(inviteRef)).data();
    if (!invite) throw new HttpsError("not-found", "There is no such invite.");

    const ref = groupRef(invite.groupId);
    const memberRef = ref.collection("members").doc(uid);
    const [group, member] = await tx.getAll(ref, memberRef);
    if (!group.exists) throw new HttpsError("not-found", "The group is gone.");
    if (member.exists) throw new HttpsError("already-exists", "You are in this group already.");
    if (invite.expiresAt.toMillis() <= Date.now()) {
      throw new HttpsError("failed-precondition", "The invite has expired.");
    }
    if (group.get("archived")) {
      throw new HttpsError("failed-precondition", "The group is archived.");
    }
    if (invite.uses >= invite.maxUses) {
      throw new HttpsError("resource-exhausted", "The invite has been used up.");
    }
    const memberIds = group.get("memberIds");
    if (memberIds.includes(uid)) {
      // Left a moment ago, and onMemberWritten has not come to it: it would undo this join.
      throw new HttpsError("aborted", "You are just leaving this group. Try again in a minute.");
    }
    if (memberIds.length >= MAX_MEMBERS) {
      throw new HttpsError("resource-exhausted", `A group has at most ${MAX_MEMBERS} members.`);
    }

    tx.create(memberRef, {
      uid,
      role: invite.role,
      displayName,
      joinedAt: FieldValue.serverTimestamp(),
    });
    tx.update(inviteRef, { uses: invite.uses + 1 });
    setMembers(tx, ref, [...memberIds, uid]);
    return { groupId: invite.groupId, role: invite.role };
  });
});

function newCode() {
  return Array.from({ length: CODE_LENGTH }, () => CODE_ALPHABET[randomInt(32)]).join("");
}

module.exports = { createInvite, acceptInvite, newCode };
