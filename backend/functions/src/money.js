// Money is a whole number of cents, always. No floating-point amount leaves or enters this module.
"use strict";

function isCents(value) {
  return Number.isSafeInteger(value);
}

/** "12.34", "-0.05": cents as a decimal, without a currency sign or thousands separator. */
function formatCents(cents) {
  if (!isCents(cents)) throw new TypeError(`not whole cents: ${cents}`);
  const digits = String(Math.abs(cents)).padStart(3, "0");
  return `${cents < 0 ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

module.exports = { isCents, formatCents };
