"""Does to requests what a project's faults say: every way in, gRPC, REST and WebChannel, calls the
methods that are wrapped here.

Which request is struck, and how, is decided in `backend/faults.py`. A request that waits, waits
alone. Where no project has a fault, a call costs one look at an empty dict more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from harness.backend.faults import ANY_ID, AskedRequest, Segments, Strike, Touched
from harness.backend.metering import RequestRecord
from harness.errors import StatusCode, StatusError
from harness.firestore.paths import (
    DatabaseName,
    parse_database_name,
    parse_database_or_parent_name,
    parse_document_name,
    parse_parent_name,
)
from harness.server import wire
from harness.server.shell import RequestHeaders, Shell, current_fault

Call = Callable[[Any, RequestHeaders], Awaitable[Any]]
TwoWayCall = Callable[[AsyncIterator[Any], RequestHeaders], AsyncIterator[Any]]

_NOT_REACHED = frozenset(
    {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}
)
"""What a client is told when a request may never have come to the server."""


class AnswerCut(StatusError):
    """An answer of several messages that breaks off: these get through, then the status."""

    def __init__(self, error: StatusError, responses: list[Any]) -> None:
        super().__init__(error.code, error.message)
        self.responses = responses


@dataclass(frozen=True, slots=True)
class _Struck:
    """A request that a fault strikes."""

    shell: Shell
    database: DatabaseName
    asked: AskedRequest
    strike: Strike
    message: Any

    async def wait(self) -> None:
        """Be late."""
        if self.strike.delay_ms:
            await asyncio.sleep(self.strike.delay_ms / 1000)

    def refuse(self) -> StatusError:
        """Return what the client is told of a request that does nothing, and put it on record."""
        error = self.strike.error
        assert error is not None
        asked, service = self.asked, self.shell.database(self.database)
        now = self.shell.clock.now(self.database.project)
        record = RequestRecord(asked.rpc, asked.caller, now.micros)
        record.place = ", ".join(dict.fromkeys(map(str, asked.touched)))
        record.code, record.message = error.code, error.message
        record.fault = self.says
        service.log.append(record)
        _end_transaction(self)
        return error

    @property
    def says(self) -> str:
        """What the record of the request says of the fault."""
        return str(self.strike.rule)


def guarded_call(shell: Shell, rpc: str, call: Call) -> Call:
    """Wrap a method that answers one request."""

    async def guarded(message: Any, headers: RequestHeaders) -> Any:
        struck = _struck(shell, rpc, message, headers) if shell.faults else None
        if struck is None:
            return await call(message, headers)
        await struck.wait()
        strike = struck.strike
        if strike.is_refusal:
            raise struck.refuse()
        current_fault.set(struck.says)
        try:
            answer = await call(message, headers)
        except StatusError:
            if strike.error is None or strike.cut_after:
                raise
            raise strike.error from None  # what the method said is lost as well
        finally:
            current_fault.set(None)
        if strike.error is None:
            return answer
        if strike.cut_after and isinstance(answer, Iterable):
            raise AnswerCut(strike.error, list(islice(answer, strike.cut_after)))
        raise strike.error

    return guarded


def guarded_stream(shell: Shell, rpc: str, call: TwoWayCall) -> TwoWayCall:
    """Wrap a method whose requests come while its responses go: each of its requests counts."""

    async def guarded(requests: AsyncIterator[Any], headers: RequestHeaders) -> AsyncIterator[Any]:
        stream = _GuardedStream(shell, rpc, requests, headers)
        responses = call(stream.requests(), headers)
        try:
            async for response in responses:
                stream.end_if_cut()
                yield response
                stream.sent += 1
                stream.end_if_cut()
        finally:
            await responses.aclose()  # type: ignore[attr-defined]

    return guarded


@dataclass(slots=True)
class _GuardedStream:
    """One stream: what it was opened for, and the fault that is to cut it."""

    shell: Shell
    rpc: str
    incoming: AsyncIterator[Any]
    headers: RequestHeaders
    database: str = ""
    cut: Strike | None = None
    sent: int = 0

    async def requests(self) -> AsyncIterator[Any]:
        """Yield the client's requests, those that are late a while later.

        Raises:
            StatusError: A fault strikes one.
        """
        async for request in self.incoming:
            self.database = self.database or request.database or self.headers.database or ""
            struck = self._struck(request) if self.shell.faults else None
            if struck is not None:
                await struck.wait()
                if struck.strike.is_refusal:
                    raise struck.refuse()
                if struck.strike.error is not None and self.cut is None:
                    self.cut, self.sent = struck.strike, 0
            # Seen by whoever serves the request: both run in the stream's task.
            current_fault.set(struck.says if struck is not None else None)
            yield request

    def end_if_cut(self) -> None:
        """End the stream where a fault says so.

        Raises:
            StatusError: It does.
        """
        cut = self.cut
        if cut is not None and self.sent >= (cut.cut_after or 0):
            assert cut.error is not None
            raise cut.error

    def _struck(self, request: Any) -> _Struck | None:
        # A handshake, a goodbye and the end of a target ask for nothing.
        if self.rpc == "Write" and not request.writes:
            return None
        if self.rpc == "Listen" and request.WhichOneof("target_change") != "add_target":
            return None
        return _struck(self.shell, self.rpc, request, self.headers, self.database)


def _struck(
    shell: Shell, rpc: str, message: Any, headers: RequestHeaders, database: str = ""
) -> _Struck | None:
    """Return what a fault makes of a request; None: nothing, or the request is malformed, which
    the method itself will say.
    """
    try:
        name, touched = _names(rpc, message, database)
        plan = shell.faults.get(name.project)
        if plan is None:
            return None
        asked = AskedRequest(rpc, headers.caller(), touched)
    except StatusError:
        return None
    strike = plan.decide(asked)
    return None if strike is None else _Struck(shell, name, asked, strike, message)


def _end_transaction(struck: _Struck) -> None:
    """End the transaction of a request that the server has answered with ABORTED, or of a commit
    that it refused otherwise: its locks would make the client's next attempt wait.
    """
    error = struck.strike.error
    transaction: bytes = getattr(struck.message, "transaction", b"")
    if not transaction or error is None or error.code in _NOT_REACHED:
        return
    transactions = struck.shell.database(struck.database).transactions
    if error.code is StatusCode.ABORTED:
        transactions.finish(transaction)
    elif struck.asked.rpc == "Commit":
        transactions.commit_failed(transaction, error)


# --- what a request names -------------------------------------------------------------------------


def _names(rpc: str, message: Any, database: str) -> tuple[DatabaseName, tuple[Touched, ...]]:
    """Return the database of a request, and what it names there.

    Args:
        database: A stream's, which only its first request names.
    Raises:
        StatusError: It is malformed.
    """
    if rpc in ("GetDocument", "DeleteDocument", "UpdateDocument"):
        text = message.document.name if rpc == "UpdateDocument" else message.name
        name, path = parse_document_name(text)
        return name, (Touched(path.segments),)
    if rpc in ("CreateDocument", "ListDocuments"):
        name, parent = parse_parent_name(message.parent)
        segments: Segments = (*parent.segments, message.collection_id or ANY_ID)
        if rpc == "CreateDocument" and message.document_id:
            segments = (*segments, message.document_id)
        return name, (Touched(segments),)
    if rpc == "ListCollectionIds":
        name, parent = parse_database_or_parent_name(message.parent)
        return name, (Touched(parent.segments),) if parent else ()
    if rpc in ("RunQuery", "PartitionQuery"):
        return _query_names(message.parent, message.structured_query)
    if rpc == "RunAggregationQuery":
        query = message.structured_aggregation_query.structured_query
        return _query_names(message.parent, query)
    if rpc == "Listen":
        target = message.add_target
        if target.WhichOneof("target_type") == "query":
            return _query_names(target.query.parent, target.query.structured_query)
        documents = target.documents.documents
        return parse_database_name(database), tuple(map(_document, documents))
    name = parse_database_name(database or message.database)
    if rpc == "BatchGetDocuments":
        return name, tuple(map(_document, message.documents))
    if rpc in ("Commit", "BatchWrite", "Write"):
        paths = [wire.write_from_proto(write, name).path for write in message.writes]
        return name, tuple(Touched(path.segments) for path in paths)
    return name, ()


def _query_names(parent_name: str, query: Any) -> tuple[DatabaseName, tuple[Touched, ...]]:
    name, parent = parse_database_or_parent_name(parent_name)
    sources = getattr(query, "from")
    collection = sources[0].collection_id or ANY_ID if sources else ANY_ID
    if sources and sources[0].all_descendants:
        return name, (Touched((collection,), is_group=True),)
    return name, (Touched((*parent.segments, collection)),)


def _document(text: str) -> Touched:
    return Touched(parse_document_name(text)[1].segments)
