// Profiles: one for each account. Auth events exist in the first generation only.
"use strict";

const functionsV1 = require("firebase-functions/v1");
const { FieldValue } = require("firebase-admin/firestore");
const { REGION } = require("./config");
const { db } = require("./firebase");

/** gRPC statuses: an update() of a document that is gone, a create() of one that is there. */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

const auth = functionsV1.region(REGION).runWith({ maxInstances: 10 }).auth.user();

const onUserCreated = auth.onCreate(async (user) => {
  try {
    await db.collection("users").doc(user.uid).create(newProfile(user));
  } catch (error) {
    // The app was faster, or the event came twice: what is there stays.
    if (error.code !== ALREADY_EXISTS) throw error;
  }
});

/** The profile goes; memberships stay, without the name, since other people's balances need them. */
const onUserDeleted = auth.onDelete(async (user) => {
  const memberships = await db.collectionGroup("members").where("uid", "==", user.uid).get();
  const writer = db.bulkWriter();
  const writes = [
    writer.delete(db.collection("users").doc(user.uid)),
    ...memberships.docs.map((membership) =>
      writer.update(membership.ref, { displayName: "Former member" }).catch(ignoreMissing)),
  ];
  // close() itself never fails; what failed shows in the writes.
  await Promise.all([...writes, writer.close()]);
});

/** Someone removed the membership meanwhile: it has no name to take off. */
function ignoreMissing(error) {
  if (error.code !== NOT_FOUND) throw error;
}

function newProfile({ displayName, photoURL }) {
  return {
    displayName: (displayName || "New member").slice(0, 60),
    ...(photoURL?.startsWith("https://") && { photoUrl: photoURL }),
    defaultCurrency: "EUR",
    remindersEnabled: true,
    createdAt: FieldValue.serverTimestamp(),
    updatedAt: FieldValue.serverTimestamp(),
  };
}

module.exports = { onUserCreated, onUserDeleted, newProfile };
