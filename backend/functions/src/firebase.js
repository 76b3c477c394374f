// The Admin SDK, initialised once.
"use strict";

const { getApps, initializeApp } = require("firebase-admin/app");
const { getFirestore } = require("firebase-admin/firestore");

if (getApps().length === 0) initializeApp();

module.exports = { db: getFirestore() };
