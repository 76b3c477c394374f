// Functions that print what they received, as the SDK hands it to them.
const fs = require("fs");
const os = require("os");
const path = require("path");
const {
  onDocumentCreated,
  onDocumentWrittenWithAuthContext,
} = require("firebase-functions/v2/firestore");
const { onSchedule } = require("firebase-functions/v2/scheduler");
const v1 = require("firebase-functions/v1");

// Values with their types: JSON has no -0, no bytes, no references.
function typed(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return { number: Object.is(value, -0) ? "-0" : String(value) };
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(typed);
  if (Buffer.isBuffer(value)) return { bytes: value.toString("base64") };
  switch (value.constructor.name) {
    case "Timestamp":
      return { timestamp: [value.seconds, value.nanoseconds] };
    case "DocumentReference":
      return { reference: value.path };
    case "GeoPoint":
      return { geopoint: [value.latitude, value.longitude] };
    case "VectorValue":
      return { vector: value.toArray() };
    default:
      return Object.fromEntries(Object.keys(value).map((key) => [key, typed(value[key])]));
  }
}

function snapshot(found) {
  if (!found.exists) return { exists: false, path: found.ref.path };
  return {
    exists: true,
    path: found.ref.path,
    fields: typed(found.data()),
    created: typed(found.createTime),
    updated: typed(found.updateTime),
  };
}

function print(name, content) {
  console.log(`${name} ${JSON.stringify(content)}`);
}

exports.first = v1.firestore.document("first/{id}/{kind}/{other}").onWrite((change, context) => {
  const { before, after } = change;
  print("first", { before: snapshot(before), after: snapshot(after), context });
});

exports.second = onDocumentWrittenWithAuthContext("second/{id}", (event) => {
  const { data, ...attributes } = event;
  print("second", {
    before: snapshot(data.before),
    after: snapshot(data.after),
    attributes,
    authType: event.authType,
    authId: event.authId,
  });
});

exports.elsewhere = onDocumentCreated({ document: "{path=**}", database: "other" }, (event) => {
  const { database, namespace, params } = event;
  print("elsewhere", { database, namespace, params, data: snapshot(event.data) });
});

// Fails twice. Its process ends with each failure; the suite's temporary folder stays.
const attempts = path.join(os.tmpdir(), "attempts.txt");

exports.again = onDocumentCreated({ document: "again/{id}", retry: true }, (event) => {
  fs.appendFileSync(attempts, `${event.id}\n`);
  const ids = fs.readFileSync(attempts, "utf8").trim().split("\n");
  if (ids.length < 3) throw new Error(`attempt ${ids.length}`);
  print("again", ids);
});

const root = `projects/${process.env.GCLOUD_PROJECT}/databases/(default)/documents`;

async function write(name, fields, times = []) {
  const writes = [
    {
      update: { name: `${root}/${name}`, fields },
      updateTransforms: times.map((fieldPath) => ({
        fieldPath,
        setToServerValue: "REQUEST_TIME",
      })),
    },
  ];
  const url = `http://${process.env.FIRESTORE_EMULATOR_HOST}/v1/${root}:commit`;
  const headers = { authorization: "Bearer owner" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ writes }) });
  if (!answer.ok) throw new Error(await answer.text());
}

exports.chain = v1.firestore.document("chain/{number}").onCreate(async (found, { params }) => {
  const next = Number(params.number) + 1;
  if (next <= 4) await write(`chain/${next}`, {});
});

exports.daily = onSchedule(
  { schedule: "every day 09:00", timeZone: "Europe/Berlin" },
  async ({ scheduleTime }) => {
    await write(`runs/daily ${scheduleTime}`, {}, ["at"]);
  },
);

exports.often = v1.pubsub.schedule("0 */6 * * *").onRun(async ({ timestamp }) => {
  await write(`runs/often ${timestamp}`, {}, ["at"]);
});

// What deployed functions have, and a bound function has not.
exports.members = v1.https.onCall(async () => {
  const admin = require("firebase-admin");
  if (!admin.apps.length) admin.initializeApp();
  const { FieldValue, Timestamp, GeoPoint, v1: client } = admin.firestore;
  const at = admin.firestore().doc("members/a");
  await at.set({ at: FieldValue.serverTimestamp(), place: new GeoPoint(1, 2) });
  return {
    isTime: (await at.get()).get("at") instanceof Timestamp,
    members: [typeof client, typeof admin.database.ServerValue, typeof admin.auth().getUser],
  };
});
