"""The Write stream: a handshake, then one commit a request, answered in order.

Source: observed: emulator 1.22.0; firebase-js-sdk, persistent_stream.ts.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from harness.backend.auth import Caller
from harness.backend.metering import RequestRecord
from harness.backend.requests import Commit
from harness.backend.service import DatabaseService
from harness.firestore.documents import CommitResult
from harness.firestore.paths import DatabaseName, parse_database_name
from harness.firestore.values import Timestamp
from harness.server import wire
from harness.server.shell import RequestHeaders, Shell
from harness.server.wire import invalid, pb


async def write_stream(
    shell: Shell, requests: AsyncIterator[Any], headers: RequestHeaders
) -> AsyncIterator[Any]:
    """Answer the requests of one Write stream.

    Raises:
        StatusError: A write failed, or a request is malformed; the stream ends.
    """
    database = None
    caller = None
    token = 0
    async for request in requests:
        if database is None:
            database = _check_handshake(request)
            caller = shell.caller(headers, database.project)
            yield pb.WriteResponse(stream_id=secrets.token_hex(8), stream_token=b"0")
            continue
        assert caller is not None
        if request.database and request.database != str(database):
            raise invalid(
                f"Request specified a database ({request.database}) that did not match the "
                f"expected database ({database})"
            )
        shell.check_token(caller, database.project)
        token += 1
        response = pb.WriteResponse(stream_token=str(token).encode())
        if not request.writes:
            # What the official emulator takes as the client's goodbye.
            yield response
            return
        operation = Commit(wire.writes_from_proto(request.writes, database))
        service = shell.database(database)
        result = await shell.run_waiting(
            service,
            "Write",
            caller,
            partial(_commit, service, operation, caller),
            operation.writes,
        )
        yield wire.commit_to_proto(result, response)


def _commit(
    service: DatabaseService,
    operation: Commit,
    caller: Caller,
    now: Timestamp,
    record: RequestRecord,
    give_up: bool,
) -> CommitResult:
    return service.commit(operation, caller, now, record, give_up=give_up)


def _check_handshake(request: Any) -> DatabaseName:
    if request.writes:
        raise invalid("'writes' must not be set on an initial write request.")
    if request.stream_id:
        raise invalid("Resuming streams is not supported, do not set stream ID.")
    if request.stream_token:
        raise invalid(
            "Resuming streams is not supported, 'stream_token' must not be set on an initial write "
            "request."
        )
    if not request.database:
        raise invalid("'database' must be set on an initial write request.")
    return parse_database_name(request.database)
