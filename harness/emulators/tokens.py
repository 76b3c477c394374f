"""Unsigned ID tokens, as the Auth emulator issues them and every emulator accepts them.

No emulator verifies a signature, so a token can be made here without an Auth emulator. Time is an
argument.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from harness.backend.claims import TOKEN_LIFETIME_S, claims_of_user, id_token_claims

ADMIN_TOKEN = "owner"
"""As a bearer token it bypasses rules in every emulator. Source: rules-unit-testing, Admin SDKs."""


def id_token(
    uid: str,
    *,
    project_id: str,
    now_s: int,
    email: str | None = None,
    email_verified: bool = False,
    name: str | None = None,
    phone_number: str | None = None,
    sign_in_provider: str | None = None,
    tenant: str | None = None,
    claims: Mapping[str, Any] | None = None,
) -> str:
    """Make an ID token with the claims that the Auth emulator would give.

    Args:
        now_s: Seconds since 1970; the token is issued then and lives one hour.
        sign_in_provider: By default `password` with an email address, else `custom`. An
            `anonymous` user has a `provider_id` claim too.
        claims: Custom claims; they cannot replace the standard ones.
    Source: observed: firebase-tools 15.34, emulator/auth/operations: generateJwt.
    """
    return unsigned_jwt(
        id_token_claims(
            uid,
            project_id=project_id,
            now_s=now_s,
            email=email,
            email_verified=email_verified,
            name=name,
            phone_number=phone_number,
            sign_in_provider=sign_in_provider,
            tenant=tenant,
            claims=claims,
        )
    )


def user_token(uid: str, claims: Mapping[str, Any], *, project_id: str, now_s: int) -> str:
    """Make the ID token of a user of whom a check says what is special; see `claims_of_user`."""
    return unsigned_jwt(claims_of_user(uid, claims, project_id=project_id, now_s=now_s))


def mock_user_token(uid: str, *, project_id: str, claims: Mapping[str, Any] | None = None) -> str:
    """Make the token that `testEnv.authenticatedContext(uid, claims)` of rules-unit-testing makes.

    Its clock stands at 1970 unless the claims give `iat`. Claims may replace any but the user's id.

    Raises:
        ValueError: The claims have `uid`, which that library refuses.
    Source: firebase-js-sdk, packages/util/src/emulator.ts: createMockUserToken.
    """
    given = dict(claims or {})
    if given.get("uid"):
        raise ValueError(
            'the claim "uid" is not supported; the user is named by the first argument'
        )
    issued_s = given.get("iat") or 0
    payload: dict[str, Any] = {
        "iss": f"https://securetoken.google.com/{project_id}",
        "aud": project_id,
        "iat": issued_s,
        "exp": issued_s + TOKEN_LIFETIME_S,
        "auth_time": issued_s,
        "firebase": {"sign_in_provider": "custom", "identities": {}},
        **given,
        "sub": uid,
        "user_id": uid,
    }
    return unsigned_jwt(payload, header={"alg": "none", "type": "JWT"})


def unsigned_jwt(payload: Mapping[str, Any], *, header: Mapping[str, Any] | None = None) -> str:
    """Encode claims as a JSON Web Token with `alg: none` and an empty signature."""
    return f"{_segment(header or {'alg': 'none', 'typ': 'JWT'})}.{_segment(payload)}."


def token_claims(token: str) -> dict[str, Any]:
    """Read a token's claims; the signature is not looked at.

    Raises:
        ValueError: It is no JSON Web Token.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("a token has three parts, separated by dots")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(payload)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the token's second part is not base64url of JSON") from error
    if not isinstance(claims, dict):
        raise ValueError("the token's claims are not an object")
    return claims


def _segment(value: Mapping[str, Any]) -> str:
    raw = json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
