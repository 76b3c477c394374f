// A function of each kind that the harness calls. No admin SDK: loading it costs half a second.
const { HttpsError, onCall, onRequest } = require("firebase-functions/v2/https");
const { onDocumentWritten } = require("firebase-functions/v2/firestore");
const { onMessagePublished } = require("firebase-functions/v2/pubsub");
const { onSchedule } = require("firebase-functions/v2/scheduler");
const v1 = require("firebase-functions/v1");

exports.echo = onCall({ region: "europe-west1" }, (request) => {
  console.log("echo was called");
  if (request.data && request.data.fail) {
    throw new HttpsError("failed-precondition", "asked to fail", { asked: request.data.fail });
  }
  const hidden = Object.keys(process.env).filter((name) => name.startsWith("GOOGLE_APPLICATION"));
  return { data: request.data, uid: request.auth ? request.auth.uid : null, hidden };
});

exports.hello = onRequest((request, response) => {
  response.status(201).json({ method: request.method, path: request.path, body: request.body });
});

exports.nightly = onSchedule("every day 03:00", async (event) => {
  console.log(`nightly ran for ${event.scheduleTime}`);
});

exports.weekly = v1.pubsub.schedule("every monday 09:00").onRun((context) => {
  console.log(`weekly ran for ${context.timestamp}`);
});

exports.onOrder = onDocumentWritten("orders/{order}", (event) => {
  console.log(`order ${event.params.order} was written`);
});

exports.onShipment = onMessagePublished("shipments", (event) => {
  console.log(`shipment ${event.data.message.json.id}`);
});
