"""What an ID token of the Auth emulator says about a user: its claims, as rules see them in
`request.auth.token`.

Encoding a token is not done here, nor is reading one (`auth.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOKEN_LIFETIME_S = 3600

# Claims that the Auth emulator itself derives other parts of a token from.
_IDENTITY_CLAIMS = frozenset(
    {"email", "email_verified", "name", "phone_number", "sign_in_provider", "tenant"}
)


def id_token_claims(
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
) -> dict[str, Any]:
    """Return the claims that the Auth emulator would put into a user's ID token.

    Args:
        now_s: Seconds since 1970; the token is issued then and lives one hour.
        sign_in_provider: By default `password` with an email address, else `custom`. An
            `anonymous` user has a `provider_id` claim too.
        claims: Custom claims; they cannot replace the standard ones.
    Source: observed: firebase-tools 15.34, emulator/auth/operations: generateJwt.
    """
    provider = sign_in_provider or ("password" if email else "custom")
    identities: dict[str, list[str]] = {}
    if email:
        identities["email"] = [email]
    if phone_number:
        identities["phone"] = [phone_number]
    firebase: dict[str, Any] = {"identities": identities, "sign_in_provider": provider}
    if tenant:
        firebase["tenant"] = tenant
    payload: dict[str, Any] = {"name": name} if name else {}
    payload.update(claims or {})
    if email:
        payload["email"] = email
        payload["email_verified"] = email_verified
    if phone_number:
        payload["phone_number"] = phone_number
    if provider == "anonymous":
        payload["provider_id"] = "anonymous"
    payload.update(
        auth_time=now_s,
        user_id=uid,
        firebase=firebase,
        iat=now_s,
        exp=now_s + TOKEN_LIFETIME_S,
        aud=project_id,
        iss=f"https://securetoken.google.com/{project_id}",
        sub=uid,
    )
    return payload


def claims_of_user(
    uid: str, claims: Mapping[str, Any], *, project_id: str, now_s: int
) -> dict[str, Any]:
    """Return the claims of the ID token of a user of whom a check says what is special.

    Args:
        claims: Custom claims, and among them those that the Auth emulator takes from the user's
            record: `email`, `email_verified`, `name`, `phone_number`, `sign_in_provider`,
            `tenant`.
    """
    identity = {name: claims[name] for name in _IDENTITY_CLAIMS & claims.keys()}
    custom = {name: value for name, value in claims.items() if name not in _IDENTITY_CLAIMS}
    return id_token_claims(uid, project_id=project_id, now_s=now_s, claims=custom, **identity)
