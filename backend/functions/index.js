// What is deployed, by name. Each function lives in the module of its noun under src/.
"use strict";

const { setGlobalOptions } = require("firebase-functions/v2");
const { REGION } = require("./src/config");

// Before the modules below are loaded: they take these from here.
setGlobalOptions({
  region: REGION,
  maxInstances: 10,
  // The Emulator Suite has no App Check: no client could send it a token.
  enforceAppCheck: process.env.FUNCTIONS_EMULATOR !== "true",
});

const { createInvite, acceptInvite } = require("./src/invites");
const { onExpenseWritten } = require("./src/expenses");
const { settleUp, onSettlementCreated } = require("./src/settlements");
const { onMemberWritten } = require("./src/members");
const { onGroupDeleted } = require("./src/groups");
const { onExpenseDeleted, onReceiptFinalized } = require("./src/receipts");
const { exportGroup } = require("./src/exports");
const { remindDebtors } = require("./src/reminders");
const { onUserCreated, onUserDeleted } = require("./src/users");

module.exports = {
  // callables
  createInvite,
  acceptInvite,
  settleUp,
  // HTTP
  exportGroup,
  // Firestore triggers
  onExpenseWritten,
  onExpenseDeleted,
  onSettlementCreated,
  onMemberWritten,
  onGroupDeleted,
  // Storage trigger
  onReceiptFinalized,
  // Auth triggers
  onUserCreated,
  onUserDeleted,
  // schedule
  remindDebtors,
};
