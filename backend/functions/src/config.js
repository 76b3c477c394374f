// Settings and limits. The client and firestore.rules hold the same limits.
"use strict";

module.exports = {
  REGION: "europe-west1",
  TIME_ZONE: "Europe/Berlin",

  /** Places in a group; firestore.rules adds up as many shares. */
  MAX_MEMBERS: 12,
  /** Largest expense or settlement, in cents: 100,000.00. */
  MAX_AMOUNT_CENTS: 10_000_000,

  MAX_ACTIVE_INVITES: 10,
  MAX_INVITE_DAYS: 30,
  DEFAULT_INVITE_DAYS: 7,

  /** A debt below this, in cents, is not worth a reminder. */
  REMINDER_THRESHOLD_CENTS: 500,

  /** Events are redelivered for a day at most; markers outlive that. */
  PROCESSED_EVENT_DAYS: 7,
};
