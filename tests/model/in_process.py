"""The published client without a network: its requests are served in this thread, by the functions
that serve gRPC.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1 import types

from harness.backend.databases import Backend
from harness.errors import StatusError
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import RequestHeaders, Shell

_HEADERS = RequestHeaders("Bearer owner")


class InProcessApi:
    """What the client calls its API, for the methods that take a request and answer it."""

    def __init__(self, shell: Shell) -> None:
        self._rpcs = FirestoreRpcs(shell).table()

    def __getattr__(self, name: str) -> Any:
        rpc_name = "".join(word.capitalize() for word in name.split("_"))
        rpc = self._rpcs[rpc_name]
        request_type = getattr(types, f"{rpc_name}Request")
        response_type = getattr(types, f"{rpc_name}Response")

        def call(request: Any, **_: Any) -> Any:
            data = request_type.serialize(request_type(request))
            reply = _result(rpc.call(rpc.request.FromString(data), _HEADERS))
            if not rpc.is_stream:
                return response_type.deserialize(reply.SerializeToString())
            return iter([response_type.deserialize(each.SerializeToString()) for each in reply])

        return call


def _result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except StatusError as error:
        raise exceptions.from_grpc_status(int(error.code), error.message) from error
    raise AssertionError("it waits")


class InProcessClient(firestore.Client):  # type: ignore[misc]
    """A client of a database of its own."""

    def __init__(self) -> None:
        super().__init__(project="demo-model", credentials=AnonymousCredentials())
        self.shell = Shell(Backend(IndexDefinitions(), None, enforce_indexes=False))
        self._api = InProcessApi(self.shell)

    @property
    def _firestore_api(self) -> Any:
        return self._api
