// CSV as RFC 4180 has it, and safe to open in a spreadsheet. Pure.
"use strict";

/**
 * One quoted cell. A text that a spreadsheet would take for a formula gets a leading apostrophe:
 * descriptions and names are written by other people than the one who opens the file.
 */
function csvCell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const harmless = /^(\s*[=+\-@]|[\t\r\n])/.test(text) ? `'${text}` : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

function csvRow(values) {
  return `${values.map(csvCell).join(",")}\r\n`;
}

module.exports = { csvCell, csvRow };
