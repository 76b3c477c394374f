// Memberships: the group's memberIds and memberCount follow its members subcollection.
"use strict";

const { onDocumentWritten } = require("firebase-functions/v2/firestore");
const { FieldValue } = require("firebase-admin/firestore");
const { memberEntry } = require("./activity");
const { groupRef } = require("./groups");
const { oncePerEvent } = require("./processedEvents");

const onMemberWritten = onDocumentWritten(
  { document: "groups/{groupId}/members/{uid}", retry: true },
  async (event) => {
    const { groupId, uid } = event.params;
    const before = event.data.before.data();
    const after = event.data.after.data();
    const entry = memberEntry(uid, before, after);
    if (!entry) return; // a new display name: nothing to count, nothing to tell

    const ref = groupRef(groupId);
    await oncePerEvent(ref, event.id, async (tx) => {
      const group = await tx.get(ref);
      if (!group.exists) return false; // the group went first: onGroupDeleted
      const memberIds = group.get("memberIds") ?? [];
      const isListed = memberIds.includes(uid);

      if (!after && isListed) {
        setMembers(tx, ref, memberIds.filter((id) => id !== uid));
      } else if (after && !isListed) {
        // Founding and acceptInvite list the member themselves. So this is an import, or a join
        // delivered after the leave that followed it, and only the document tells which.
        const member = await tx.get(ref.collection("members").doc(uid));
        if (member.exists) setMembers(tx, ref, [...memberIds, uid]);
      }
      tx.set(ref.collection("activity").doc(), {
        ...entry,
        createdAt: FieldValue.serverTimestamp(),
      });
    });
  },
);

/** Lists the members on the group; the count is never written without the list. */
function setMembers(tx, ref, memberIds) {
  tx.update(ref, { memberIds, memberCount: memberIds.length });
}

module.exports = { onMemberWritten, setMembers };
