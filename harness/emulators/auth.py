"""Users of the Auth emulator: made, signed in, and cleared, over its REST interface."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from harness.emulators.hub import SuiteEndpoints
from harness.emulators.loopback import Loopback
from harness.emulators.tokens import ADMIN_TOKEN, id_token, token_claims
from harness.errors import HarnessError

_NAME = "Auth emulator"
_API = "/identitytoolkit.googleapis.com/v1"
_ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
# Any key is accepted; which project it means is decided by the emulator.
_API_KEY = "harness"
_DEFAULT_PASSWORD = "correct horse battery"


class AuthError(HarnessError):
    """The Auth emulator refused; `code` is its own word, such as EMAIL_EXISTS.

    Source: Identity Toolkit REST reference, error codes.
    """

    def __init__(self, code: str, message: str, *, doing: str) -> None:
        super().__init__(
            f"the {_NAME} refused to {doing}: {message}", fix="correct what the check asks for"
        )
        self.code = code


@dataclass(frozen=True, slots=True)
class AuthUser:
    """A signed-in user.

    Args:
        id_token: For callable functions and for rules: `Authorization: Bearer ...`.
        refresh_token: Empty where the emulator gave none.
        claims: All claims of the token, custom ones among them.
    """

    uid: str
    email: str | None
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


class AuthEmulator:
    """The Auth emulator of a suite, for one project id.

    Args:
        project_id: By default the suite's; users of other projects are kept apart.
    """

    def __init__(self, endpoints: SuiteEndpoints, project_id: str | None = None) -> None:
        self.project_id = project_id or endpoints.project_id
        self._suite_project_id = endpoints.project_id
        self._connection = Loopback(_NAME, endpoints["auth"])

    def create_user(
        self,
        uid: str | None = None,
        *,
        email: str | None = None,
        password: str | None = None,
        display_name: str | None = None,
        email_verified: bool = False,
        phone_number: str | None = None,
        disabled: bool = False,
        claims: Mapping[str, Any] | None = None,
    ) -> str:
        """Create a user as an administrator does, and return the uid.

        Functions that watch for new users are called, as when the Admin SDK creates one.

        Raises:
            AuthError: There is one with this uid, address or number, or a value is malformed.
        """
        body: dict[str, Any] = {"emailVerified": email_verified}
        if email is not None:
            body["email"] = email
            body["password"] = password or _DEFAULT_PASSWORD
        for key, value in (
            ("localId", uid),
            ("displayName", display_name),
            ("phoneNumber", phone_number),
            ("disabled", disabled or None),
        ):
            if value is not None:
                body[key] = value
        answer = self._admin("create a user", "accounts", body)
        local_id = str(answer["localId"])
        if claims:
            self.set_claims(local_id, claims)
        return local_id

    def set_claims(self, uid: str, claims: Mapping[str, Any]) -> None:
        """Replace a user's custom claims; tokens that are issued from now on carry them."""
        self._admin(
            "set claims",
            "accounts:update",
            {"localId": uid, "customAttributes": json.dumps(dict(claims))},
        )

    def delete_user(self, uid: str) -> None:
        """Delete a user; functions that watch for it are called."""
        self._admin("delete a user", "accounts:delete", {"localId": uid})

    def sign_in(self, email: str, password: str | None = None) -> AuthUser:
        """Sign in with email address and password.

        Raises:
            AuthError: Unknown address, wrong password, or a disabled user.
        """
        body = {
            "email": email,
            "password": password or _DEFAULT_PASSWORD,
            "returnSecureToken": True,
        }
        return self._signed_in("sign in", "signInWithPassword", body)

    def sign_in_as(self, uid: str, claims: Mapping[str, Any] | None = None) -> AuthUser:
        """Sign in by uid with a custom token; the user is created if there is none.

        Args:
            claims: Claims of this session only, as a custom token's.
        """
        token = {"uid": uid, **({"claims": dict(claims)} if claims else {})}
        # The emulator takes the payload as plain JSON in place of a signed token.
        body = {"token": json.dumps(token), "returnSecureToken": True}
        return self._signed_in("sign in with a custom token", "signInWithCustomToken", body)

    def sign_in_anonymously(self) -> AuthUser:
        """Create an anonymous user and sign in as that."""
        doing = "sign in anonymously"
        if self.project_id == self._suite_project_id:
            response = self._connection.request(
                "POST",
                f"{_API}/accounts:signUp",
                params={"key": _API_KEY},
                json={"returnSecureToken": True},
            )
            return _user(_answer(doing, response))
        # Another project can be named only by an administrator, who gets no tokens for a new user.
        uid = self.create_user()
        token = id_token(
            uid,
            project_id=self.project_id,
            now_s=int(time.time()),
            sign_in_provider="anonymous",
        )
        return _user({"idToken": token})

    def users(self) -> list[dict[str, Any]]:
        """Return all users, as `{"localId": ..., "email": ..., "customAttributes": "{...}"}`."""
        answer = self._admin("list users", "accounts:query", {})
        found = answer.get("userInfo", [])
        return list(found)

    def clear(self) -> None:
        """Delete all users of the project; no function is called for that."""
        response = self._connection.request(
            "DELETE", f"/emulator/v1/projects/{self.project_id}/accounts", headers=_ADMIN
        )
        _answer("clear accounts", response)

    def _admin(self, doing: str, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        path = f"{_API}/projects/{self.project_id}/{operation}"
        response = self._connection.request("POST", path, headers=_ADMIN, json=dict(body))
        return _answer(doing, response)

    def _signed_in(self, doing: str, operation: str, body: Mapping[str, Any]) -> AuthUser:
        response = self._connection.request(
            "POST",
            f"{_API}/accounts:{operation}",
            params={"key": _API_KEY},
            # An app names no project, its key does; the emulator knows only its own project's key.
            headers=_ADMIN,
            json={**body, "targetProjectId": self.project_id},
        )
        return _user(_answer(doing, response))


def _user(answer: Mapping[str, Any]) -> AuthUser:
    claims = token_claims(answer["idToken"])
    return AuthUser(
        uid=str(claims["user_id"]),
        email=claims.get("email"),
        id_token=str(answer["idToken"]),
        refresh_token=str(answer.get("refreshToken", "")),
        claims=claims,
    )


def _answer(doing: str, response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = {}
    if response.ok and isinstance(body, dict):
        return body
    error = body.get("error") if isinstance(body, dict) else None
    message = str(error.get("message", "")) if isinstance(error, dict) else response.text[:300]
    # "WEAK_PASSWORD : Password should be at least 6 characters"
    raise AuthError(message.split(" ")[0], message, doing=doing)
