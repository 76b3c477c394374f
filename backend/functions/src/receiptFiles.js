// Receipts in Storage, by the folder that they are in.
"use strict";

const { getStorage } = require("firebase-admin/storage");

/**
 * Deletes every receipt below `receipts/`, with no complaint about those that are gone already: a
 * group and its expenses are deleted at the same time, and each takes its receipts along.
 * (`bucket.deleteFiles()` would fail on the first file that somebody else was faster with.)
 */
async function deleteReceipts(...path) {
  const [files] = await getStorage()
    .bucket()
    .getFiles({ prefix: `receipts/${path.join("/")}/` });
  await Promise.all(files.map((file) => file.delete({ ignoreNotFound: true })));
}

module.exports = { deleteReceipts };
