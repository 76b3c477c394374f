const { onCall } = require("firebase-functions/v2/https");
const { onSchedule } = require("firebase-functions/v2/scheduler");
const { setGlobalOptions } = require("firebase-functions/v2");
const { getFirestore } = require("firebase-admin/firestore");

setGlobalOptions({ region: "europe-west3", enforceAppCheck: true });

exports.shareNote = onCall(async (request) => ({ shared: request.data.noteId }));
exports.sendDigest = onSchedule("every monday 09:00", async () => {
  await getFirestore().collection("digests").add({ expiresAt: new Date() });
});
