// Checks on what a caller sends. Each returns the value or throws an HttpsError that names the field.
"use strict";

const { HttpsError } = require("firebase-functions/v2/https");

/** The caller's token, or `unauthenticated`. */
function requireAuth(request) {
  if (!request.auth) throw new HttpsError("unauthenticated", "Sign in first.");
  return request.auth;
}

function requireData(data) {
  if (data === null || typeof data !== "object" || Array.isArray(data)) {
    throw invalid("data", "an object");
  }
  return data;
}

/** A document id as clients generate them; never a path. */
function requireId(data, field) {
  const value = data[field];
  if (typeof value !== "string" || !/^[A-Za-z0-9_-]{1,128}$/.test(value)) {
    throw invalid(field, "1 to 128 letters, digits, '-' or '_'");
  }
  return value;
}

function requireInt(data, field, { min, max, fallback }) {
  const value = data[field] ?? fallback;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw invalid(field, `a whole number from ${min} to ${max}`);
  }
  return value;
}

function requireOneOf(data, field, { values, fallback }) {
  const value = data[field] ?? fallback;
  if (!values.includes(value)) throw invalid(field, `one of ${values.join(", ")}`);
  return value;
}

/** Trimmed text, or null when the field is absent. */
function optionalText(data, field, { maxLength }) {
  const value = data[field];
  if (value === undefined || value === null) return null;
  const text = typeof value === "string" ? value.trim() : "";
  if (text.length < 1 || text.length > maxLength) {
    throw invalid(field, `1 to ${maxLength} characters`);
  }
  return text;
}

function invalid(field, expected) {
  return new HttpsError("invalid-argument", `${field} must be ${expected}.`, { field });
}

module.exports = {
  requireAuth,
  requireData,
  requireId,
  requireInt,
  requireOneOf,
  optionalText,
};
