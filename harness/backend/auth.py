"""Who sends a request, told from its Authorization header.

Tokens are decoded, never verified: that is what an emulator is for. Which caller may do what is
    decided by the rules.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from harness.errors import StatusCode, StatusError
from harness.firestore.values import Timestamp


class CallerKind(StrEnum):
    """What a caller is to the rules. The system sends no request: it deletes what has expired."""

    ADMIN = "admin"
    SYSTEM = "system"
    USER = "user"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. An admin skips the rules.

    Args:
        kind: What the rules make of it.
        uid: The user's id; None for the others.
        claims: The token's claims; empty for the others.
        label: What the client calls itself in the `x-harness-caller` header; only for the meter,
            as are the next two.
        function: The function in whose process the client runs.
        source: The line that asked, `file:line`, as the client says in `x-harness-source`.
    """

    kind: CallerKind
    uid: str | None = None
    claims: Mapping[str, Any] | None = None
    label: str | None = None
    function: str | None = None
    source: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the rules are skipped."""
        return self.kind is CallerKind.ADMIN

    def has_expired(self, now: Timestamp) -> bool:
        """Whether the caller's token says that its time has passed.

        Source: JSON Web Token (RFC 7519), 4.1.4: the current time must be before `exp`.
        """
        expiry_s = self.claims.get("exp") if self.claims else None
        return isinstance(expiry_s, int | float) and expiry_s * 1_000_000 <= now.micros

    @property
    def name(self) -> str:
        """Return the caller as reports name it: `admin`, `anonymous`, or `user:ana`."""
        return f"user:{self.uid}" if self.kind is CallerKind.USER else self.kind.value


ADMIN = Caller(CallerKind.ADMIN)
SYSTEM = Caller(CallerKind.SYSTEM)
ANONYMOUS = Caller(CallerKind.ANONYMOUS)

INVALID_TOKEN = "invalid jwt"


@lru_cache(maxsize=1024)
def classify_authorization(
    header: str | None,
    label: str | None = None,
    function: str | None = None,
    source: str | None = None,
) -> Caller:
    """Return the caller that an Authorization header stands for.

    Args:
        label: What else is known of the caller, as are `function` and `source`: see `Caller`.
    Raises:
        StatusError: INVALID_ARGUMENT for a bearer token that is no JWT, UNKNOWN for any other
            scheme.
    Source: observed: Firestore emulator 1.22.0.
    """
    if header is None or "\t" in header:
        caller = ANONYMOUS
    elif header[:7].lower() == "bearer ":
        token = header[7:]
        lowered = token[:5].lower()
        caller = (
            ADMIN
            if lowered == "ya29." or (lowered == "owner" and len(token) == 5)
            else _user(token)
        )
    else:
        raise StatusError(StatusCode.UNKNOWN, "")
    if label is None and function is None and source is None:
        return caller
    return Caller(caller.kind, caller.uid, caller.claims, label, function, source)


@lru_cache(maxsize=1024)
def _user(token: str) -> Caller:
    segments = token.split(".")
    if len(segments) != 3:
        raise StatusError(StatusCode.INVALID_ARGUMENT, INVALID_TOKEN)
    _json_object(segments[0])
    claims = _json_object(segments[1])
    _decode(segments[2])
    uid = claims.get("sub", claims.get("user_id"))
    return Caller(CallerKind.USER, uid if isinstance(uid, str) else "", claims)


def _json_object(segment: str) -> dict[str, Any]:
    try:
        parsed = json.loads(_decode(segment))
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise StatusError(StatusCode.INVALID_ARGUMENT, INVALID_TOKEN)
    return parsed


def _decode(segment: str) -> bytes:
    body = segment.rstrip("=")
    try:
        if len(body) % 4 == 1:
            raise ValueError("a length that base64 does not give")
        return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise StatusError(StatusCode.INVALID_ARGUMENT, INVALID_TOKEN) from error
