"""The published Firestore client, made unable to write: for emulators, and for a real project.

Which calls may leave is decided on the channel, below everything that the library offers: a list of
calls that read. All others raise before anything is sent, also those that do not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import google.auth
import grpc
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import firestore

from harness.emulators.firestore_client import DEFAULT_DATABASE, firestore_client
from harness.errors import EnvironmentLacking, HarnessError

_SERVICE = "/google.firestore.v1.Firestore/"
READING_CALLS: Final = frozenset(
    _SERVICE + name
    for name in (
        "BatchGetDocuments",
        "GetDocument",
        "ListCollectionIds",
        "ListDocuments",
        "Listen",
        "PartitionQuery",
        "RunAggregationQuery",
        "RunQuery",
    )
)
"""The calls of google.firestore.v1.Firestore that change nothing and take no lock."""

OpenChannel = Callable[[Any, str, Any], grpc.Channel]
"""From the library's transport, the target and credentials to a channel."""


class ReadOnlyRefusal(HarnessError):
    """A call that is not known to read; it was not sent."""


class ReadOnlyGuard(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]  # generic to the type checker only
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamStreamClientInterceptor,  # type: ignore[type-arg]
):
    """Lets calls pass that read, outside of transactions."""

    def intercept_unary_unary(self, continuation: Any, call: Any, request: Any) -> Any:
        """Pass one request with one answer."""
        return self._pass(continuation, call, request)

    def intercept_unary_stream(self, continuation: Any, call: Any, request: Any) -> Any:
        """Pass one request with several answers."""
        return self._pass(continuation, call, request)

    def intercept_stream_unary(self, continuation: Any, call: Any, requests: Any) -> Any:
        """Pass several requests with one answer."""
        return self._pass(continuation, call, requests)

    def intercept_stream_stream(self, continuation: Any, call: Any, requests: Any) -> Any:
        """Pass several requests with several answers."""
        return self._pass(continuation, call, requests)

    def _pass(self, continuation: Any, call: Any, request: Any) -> Any:
        name = call.method.rpartition("/")[2]
        if call.method not in READING_CALLS:
            raise ReadOnlyRefusal(
                f"{name} is no call that reads, and was not sent",
                fix="write through firestore_admin, in a check without the mark `staging`",
            )
        message = getattr(request, "_pb", request)
        for field in ("transaction", "new_transaction"):
            if getattr(message, field, None) and _is_set(message, field):
                raise ReadOnlyRefusal(
                    f"{name} in a transaction could lock documents, and was not sent",
                    fix="read outside of transactions",
                )
        return continuation(call, request)


def _is_set(message: Any, field: str) -> bool:
    return any(each.name == field for each, _ in message.ListFields())


def _open_channel(transport: Any, target: str, credentials: Any) -> grpc.Channel:
    channel: grpc.Channel = transport.create_channel(target, credentials=credentials)
    return channel


class _ReadOnlyClient(firestore.Client):
    """The client of a real project. The environment of emulators is not looked at."""

    def __init__(self, project: str, database: str, credentials: Any, channel: OpenChannel) -> None:
        super().__init__(project=project, database=database, credentials=credentials)
        self._emulator_host = None
        self._open_channel = channel

    def _firestore_api_helper(self, transport: Any, client_class: Any, client_module: Any) -> Any:
        if self._firestore_api_internal is None:
            channel = self._open_channel(transport, self._target, self._credentials)
            guarded = grpc.intercept_channel(channel, ReadOnlyGuard())
            self._transport = transport(host=self._target, channel=guarded)
            self._firestore_api_internal = client_class(
                transport=self._transport, client_options=self._client_options
            )
            client_module._client_info = self._client_info
        return self._firestore_api_internal


def read_only_client(
    project: str,
    database: str = DEFAULT_DATABASE,
    *,
    credentials: Any = None,
    open_channel: OpenChannel | None = None,
) -> Any:
    """Return a client of a real project that can only read.

    Args:
        credentials: By default those of the environment.
        open_channel: By default the library's, to production.
    Raises:
        EnvironmentLacking: There are no credentials.
    """
    if credentials is None:
        try:
            credentials, _ = google.auth.default()
        except DefaultCredentialsError as error:
            raise EnvironmentLacking(
                f"there are no credentials for {project}",
                fix="gcloud auth application-default login, as someone who may read there",
            ) from error
    return _ReadOnlyClient(project, database, credentials, open_channel or _open_channel)


def read_only_emulator_client(host: str, project: str, database: str, **options: Any) -> Any:
    """Return an administrator's client of an emulator that can only read; see `firestore_client`
    for the options.
    """
    client = firestore_client(host, project, database, **options)
    transport = client._firestore_api.transport
    guarded = grpc.intercept_channel(transport.grpc_channel, ReadOnlyGuard())
    made = type(transport)(host=host, channel=guarded)
    client._firestore_api_internal = type(client._firestore_api)(transport=made)
    return client
