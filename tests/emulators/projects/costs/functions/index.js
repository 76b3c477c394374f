// A function that asks queries with query explain, and one that reads again what its event brought it.
const { initializeApp } = require("firebase-admin/app");
const sdk = require("firebase-admin/firestore");
const { onDocumentCreated } = require("firebase-functions/v2/firestore");
const { onCall } = require("firebase-functions/v2/https");
const { explain } = require("./explained.cjs");

initializeApp();

exports.ask = onCall((request) => explain(sdk, sdk.getFirestore(), request.data));

exports.onTicket = onDocumentCreated("tickets/{id}", async (event) => {
  await event.data.ref.get();
});
