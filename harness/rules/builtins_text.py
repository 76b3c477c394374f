"""Methods of String and Bytes. Functions that make strings are in `builtins_numbers.py`, with the
conversions.
"""

from __future__ import annotations

import base64

from harness.rules import patterns
from harness.rules.runtime import RulesError, bounded
from harness.rules.signatures import Overload, method
from harness.rules.values import RulesValue, utf16_size

# Source: measured; what counts as white space beyond these is not known.
_WHITE_SPACE = " \t\n\r\x0b\x0c"


def _to_utf8(text: str) -> RulesValue:
    try:
        return bounded(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise RulesError("Invalid string: it holds half of a surrogate pair.") from None


def _to_base64(octets: bytes) -> RulesValue:
    # Source: measured: URL-safe alphabet, with padding.
    return bounded(base64.urlsafe_b64encode(octets).decode("ascii"))


METHODS: tuple[Overload, ...] = (
    method("string", "size", "", utf16_size),
    method("string", "lower", "", str.lower),
    method("string", "upper", "", lambda text: bounded(text.upper())),
    method("string", "trim", "", lambda text: text.strip(_WHITE_SPACE)),
    method("string", "matches", "string", patterns.matches),
    method("string", "replace", "string, string", patterns.replace),
    method("string", "split", "string", patterns.split),
    method("string", "toUtf8", "", _to_utf8),
    method("bytes", "size", "", len),
    method("bytes", "toBase64", "", _to_base64),
    method("bytes", "toHexString", "", lambda octets: bounded(octets.hex().upper())),
)
