// A function that asks queries with query explain; one that reads again what its event brought it, and one that it triggers.
const { initializeApp } = require("firebase-admin/app");
const sdk = require("firebase-admin/firestore");
const { onDocumentCreated } = require("firebase-functions/v2/firestore");
const { onCall } = require("firebase-functions/v2/https");
const { explain } = require("./explained.cjs");

initializeApp();

exports.ask = onCall((request) => explain(sdk, sdk.getFirestore(), request.data));

exports.onTicket = onDocumentCreated("tickets/{id}", async (event) => {
  await event.data.ref.get();
  await event.data.ref.firestore.doc(`log/${event.params.id}`).set({ seen: true });
});

exports.onLog = onDocumentCreated("log/{id}", async (event) => {
  await event.data.ref.get();
});
