"""A database of the check's project other than `(default)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.emulators.auth import AuthUser
from harness.emulators.tokens import ADMIN_TOKEN
from harness.pytest_plugin.context import CheckContext

if TYPE_CHECKING:
    from google.cloud.firestore import Client


class CheckDatabase:
    """Clients of one database; the project's rules apply to it as to the others."""

    def __init__(self, context: CheckContext, database: str) -> None:
        self._context = context
        self._database = database
        self._admin: Client | None = None

    @property
    def admin(self) -> Client:
        """A client that bypasses rules."""
        if self._admin is None:
            self._admin = self._context.client(ADMIN_TOKEN, self._database)
        return self._admin

    def as_(self, uid: str | AuthUser, /, **claims: Any) -> Client:
        """Return a client that rules apply to, as a user."""
        return self._context.client(self._context.token(uid, claims), self._database)

    @property
    def unauthenticated(self) -> Client:
        """A client of someone who is not signed in."""
        return self._context.client(None, self._database)
