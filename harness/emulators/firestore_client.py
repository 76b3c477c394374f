"""The published Firestore client, speaking to an emulator as whoever it is told to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

OWNER_TOKEN = "owner"
"""The word by which emulators know an administrator."""
DEFAULT_DATABASE = "(default)"


CallingLine = Callable[[], str | None]


class _Identity:
    """What the published client takes from its environment, given as arguments instead.

    The library chooses an emulator by an environment variable and always calls itself the owner
    there, so the two places where it does are overridden.
    """

    def __init__(
        self,
        host: str,
        project: str,
        database: str,
        token: str | None,
        label: str | None,
        calling_line: CallingLine | None,
    ) -> None:
        # The rest of the client comes after this class in the order of bases.
        super().__init__(project=project, credentials=AnonymousCredentials(), database=database)  # type: ignore[call-arg, no-untyped-call]
        self._emulator_host = host
        self._token = token
        self._label = label
        self._calling_line = calling_line

    @property
    def _rpc_metadata(self) -> list[tuple[str, str]]:
        metadata = [("google-cloud-resource-prefix", str(self._database_string))]  # type: ignore[attr-defined]
        if self._token is not None:
            metadata.append(("authorization", f"Bearer {self._token}"))
        if self._label is not None:
            metadata.append(("x-harness-caller", self._label))
        if self._calling_line is not None and (line := self._calling_line()) is not None:
            metadata.append(("x-harness-source", line))
        return metadata


class _Client(_Identity, firestore.Client):  # type: ignore[misc]
    pass


class _AsyncClient(_Identity, firestore.AsyncClient):  # type: ignore[misc]
    pass


def firestore_client(
    host: str,
    project: str,
    database: str = DEFAULT_DATABASE,
    token: str | None = OWNER_TOKEN,
    *,
    label: str | None = None,
    calling_line: CallingLine | None = None,
) -> Any:
    """Return a `google.cloud.firestore.Client` for an emulator.

    Args:
        host: `host:port`, as FIRESTORE_EMULATOR_HOST has it; the variable itself is not looked at.
        token: What `Authorization: Bearer ...` says: `owner` for an administrator, a user's token,
            or None for no header at all, which is a client that is not signed in.
        label: What the meter of the embedded Firestore shall call this client.
        calling_line: Says, for each request, which line asked: `checks/test_feed.py:12`.
    """
    return _Client(host, project, database, token, label, calling_line)


def async_firestore_client(
    host: str,
    project: str,
    database: str = DEFAULT_DATABASE,
    token: str | None = OWNER_TOKEN,
    *,
    label: str | None = None,
    calling_line: CallingLine | None = None,
) -> Any:
    """Return a `google.cloud.firestore.AsyncClient` for an emulator; see `firestore_client`."""
    return _AsyncClient(host, project, database, token, label, calling_line)
