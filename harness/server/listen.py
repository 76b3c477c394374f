"""The Listen stream: targets added and removed by the client, results and changes sent back.

What a target's result is, and what a commit changes in it, is decided in `firestore/listen.py`; the
rules have been asked by the service. This module keeps one stream's targets and the order of its
messages: a client raises a snapshot only at a `NO_CHANGE` without target ids, which follows every
consistent set of changes.

Source: observed: emulator 1.22.0; firebase-js-sdk, watch_change.ts; google-cloud-firestore,
    watch.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.backend.auth import Caller
from harness.backend.metering import AskedQuery, RequestRecord, query_collection, query_shape
from harness.backend.service import DatabaseService
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import CommitResult
from harness.firestore.index_building import MANY_DOCUMENTS
from harness.firestore.listen import (
    Added,
    Deleted,
    DocumentsTarget,
    Modified,
    QueryTarget,
    Removed,
    TargetUpdate,
    can_resume,
    decode_resume_token,
    encode_resume_token,
)
from harness.firestore.paths import (
    DatabaseName,
    ResourcePath,
    document_name,
    parse_database_name,
    parse_database_or_parent_name,
)
from harness.firestore.query import StructuredQuery
from harness.firestore.values import Timestamp
from harness.server import wire
from harness.server.shell import RequestHeaders, Shell
from harness.server.wire import invalid, pb

_NO_CHANGE, _ADD, _REMOVE, _CURRENT, _RESET = range(5)

MAX_QUEUED = 100_000
"""Changes that wait for a client that does not read; one more ends its stream."""
MAX_TARGETS = 10_000
"""Of one stream."""
_TURN = 500
"""Messages that are made before others have their turn."""

_FRESH_TOKEN_S = 300.0
"""How often a client to which nothing happens gets a new resume token, as from production."""

_FIRST_OWN_ID = 1_000_000
"""Ids for targets whose client leaves the choice to the server."""


async def listen_stream(
    shell: Shell, requests: AsyncIterator[Any], headers: RequestHeaders
) -> AsyncIterator[Any]:
    """Answer the requests of one Listen stream, and tell of commits until the client ends it.

    Raises:
        StatusError: A request is malformed; the stream ends. What is wrong with a target only ends
            that target.
    """
    stream = _ListenStream(shell, headers)
    reader = asyncio.get_running_loop().create_task(stream.read(requests))
    made = 0
    try:
        while True:
            item = await stream.queue.get()
            if item is None:
                stream.check()
                await reader  # raises what ended the stream, if it was an error
                return
            for response in stream.responses(item):
                yield response
                stream.check()
                made += 1
                if made % _TURN == 0:
                    await asyncio.sleep(0)
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, StatusError):
            await reader
        stream.close()
        stream.leave()


@dataclass(slots=True)
class _Listened:
    """One target of a stream. `looked_up`: what rules looked up when they were asked last."""

    target_id: int
    target: QueryTarget | DocumentsTarget
    asked: StructuredQuery | tuple[ResourcePath, ...]
    looked_up: frozenset[ResourcePath] = frozenset()


@dataclass(frozen=True, slots=True)
class _Initial:
    """The first answer to a target."""

    target_id: int
    update: TargetUpdate
    record: RequestRecord


@dataclass(frozen=True, slots=True)
class _Changes:
    """What one commit changed, target by target."""

    updates: Sequence[tuple[int, TargetUpdate, RequestRecord]]
    read_time: Timestamp


@dataclass(frozen=True, slots=True)
class _Removal:
    """A target's end; `cause` when the server ends it."""

    target_id: int
    cause: StatusError | None = None


_Item = _Initial | _Changes | _Removal


class _ListenStream:
    """The state of one stream."""

    def __init__(self, shell: Shell, headers: RequestHeaders) -> None:
        self.queue: asyncio.Queue[_Item | None] = asyncio.Queue()
        self._shell = shell
        self._headers = headers
        self._caller: Caller | None = None
        self._service: DatabaseService | None = None
        self._targets: dict[int, _Listened] = {}
        self._next_own_id = _FIRST_OWN_ID
        self._failure: StatusError | None = None
        shell.commit_listeners.append(self._committed)
        shell.rules_listeners.append(self._rules_replaced)
        shell.clock_listeners.append(self._clock_set)
        self._timer = asyncio.get_running_loop().call_later(_FRESH_TOKEN_S, self._time_passed)

    def close(self) -> None:
        """Stop hearing of commits."""
        self._targets.clear()
        with contextlib.suppress(ValueError):
            self._shell.commit_listeners.remove(self._committed)
        with contextlib.suppress(ValueError):
            self._shell.rules_listeners.remove(self._rules_replaced)
        with contextlib.suppress(ValueError):
            self._shell.clock_listeners.remove(self._clock_set)
        self._timer.cancel()

    def leave(self) -> None:
        """Let the database be forgotten."""
        if self._service is not None:
            self._service.users -= 1

    @property
    def _instance(self) -> bytes:
        """What tokens are told by: this start of the server, and the database itself."""
        assert self._service is not None
        return self._shell.instance + self._service.serial.to_bytes(4)

    # --- from the client --------------------------------------------------------------------------

    def check(self) -> None:
        """End the stream of a client that does not read, or whose time has passed.

        Raises:
            StatusError: RESOURCE_EXHAUSTED or UNAUTHENTICATED; the client listens anew, from its
                last token.
        """
        if self._failure is not None:
            raise self._failure

    async def read(self, requests: AsyncIterator[Any]) -> None:
        """Take in requests until there are no more; `None` in the queue says that this is over."""
        try:
            async for request in requests:
                await self._prepare(request)
                self._handle(request)
        finally:
            self.queue.put_nowait(None)

    async def _prepare(self, request: Any) -> None:
        """Build the indexes that a query over many documents will want."""
        target = request.add_target
        if target.WhichOneof("target_type") != "query":
            return
        service = self._open(request)
        if service.store.document_count < MANY_DOCUMENTS:
            return
        with contextlib.suppress(StatusError):  # which `_add` tells the client
            _, parent = parse_database_or_parent_name(target.query.parent)
            query = wire.query_from_proto(parent, target.query.structured_query)
            await self._shell.build_indexes(service, query)

    def _handle(self, request: Any) -> None:
        service = self._open(request)
        change = request.WhichOneof("target_change")
        if change == "add_target":
            self._add(service, request.add_target)
        elif change == "remove_target":
            if self._targets.pop(request.remove_target, None) is not None:
                self.queue.put_nowait(_Removal(request.remove_target))
        else:
            raise invalid("A listen request must add or remove a target.")

    def _open(self, request: Any) -> DatabaseService:
        if self._service is None:
            name = parse_database_name(request.database or self._headers.database or "")
            self._caller = self._shell.caller(self._headers, name.project)
            self._service = self._shell.database(name)
            self._service.users += 1
        elif request.database and request.database != str(self._service.name):
            raise invalid(
                f"Request specified a database ({request.database}) that did not match the "
                f"expected database ({self._service.name})"
            )
        return self._service

    def _add(self, service: DatabaseService, message: Any) -> None:
        target_id = message.target_id
        if target_id == 0:
            target_id, self._next_own_id = self._next_own_id, self._next_own_id + 1
        elif target_id in self._targets:
            raise invalid(f"Target id {target_id} is in use already.")
        if len(self._targets) >= MAX_TARGETS:
            raise StatusError(
                StatusCode.RESOURCE_EXHAUSTED, f"A stream has at most {MAX_TARGETS} targets."
            )
        assert self._caller is not None
        try:
            listened = _target_from_proto(service, target_id, message)
            update, record = self._shell.run(
                service,
                "Listen",
                self._caller,
                lambda now, record: self._first_update(service, listened, message, now, record),
            )
        except StatusError as error:
            # Only the target fails; the stream serves others.
            self.queue.put_nowait(_Removal(target_id, error))
            return
        self.queue.put_nowait(_Initial(target_id, update, record))
        if message.once:
            self.queue.put_nowait(_Removal(target_id))
        else:
            self._targets[target_id] = listened

    def _first_update(
        self,
        service: DatabaseService,
        listened: _Listened,
        message: Any,
        now: Timestamp,
        record: RequestRecord,
    ) -> tuple[TargetUpdate, RequestRecord]:
        assert self._caller is not None
        _describe(listened, record)
        listened.looked_up = service.authorise_target(listened.asked, self._caller, now, record)
        resume_type = message.WhichOneof("resume_type")
        since = None
        if resume_type == "resume_token":
            since = decode_resume_token(message.resume_token, self._instance)
        elif resume_type == "read_time":
            since = wire.timestamp_from_proto(message.read_time)
        if not service.profile.resumes or (since is not None and not can_resume(since, now)):
            since = None
        target = listened.target
        try:
            update = target.initial() if since is None else target.resume(since)
        except StatusError as error:
            if isinstance(listened.asked, StructuredQuery):
                record.asked = AskedQuery(listened.asked)
                service.note_missing_index(error, record, listened.asked)
            raise
        if isinstance(listened.asked, StructuredQuery):
            service.note_plan(record, listened.asked, _documents_in(update))
        is_reset = update.is_reset or (resume_type is not None and since is None)
        record.tally.add_cost(update.cost)
        record.tally.documents_returned += _documents_in(update)
        # The epoch is no read time to a client, and that is the last commit's before the first.
        read_time = service.store.strong_read_time(now)
        return TargetUpdate(update.events, read_time, update.cost, is_reset), record

    # --- from the database ------------------------------------------------------------------------

    def _committed(self, service: DatabaseService, commit: CommitResult) -> None:
        if service is not self._service or not commit.changes or not self._targets:
            return
        self._check_token()
        updates = []
        now = self._shell.clock.now(service.name.project)
        for listened in tuple(self._targets.values()):
            update = listened.target.on_commit(commit)
            if update is None:
                if any(change.path in listened.looked_up for change in commit.changes):
                    self._ask_again(service, listened, now)
                continue
            record = self._allowed_update(service, listened, update, now)
            if record is not None:
                updates.append((listened.target_id, update, record))
        if updates:
            self._enqueue(_Changes(updates, commit.commit_time))

    def _allowed_update(
        self, service: DatabaseService, listened: _Listened, update: TargetUpdate, now: Timestamp
    ) -> RequestRecord | None:
        """Ask the rules again, as each time that results change, and put the update on record;
        None when they deny it.
        """
        assert self._caller is not None
        record = RequestRecord("Listen", self._caller, now.micros)
        _describe(listened, record)
        started = time.perf_counter()
        asked = listened.asked
        if not isinstance(asked, StructuredQuery):
            asked = tuple(path for path in asked if path in _paths_in(update))
        allowed = self._authorised(service, listened, asked, now, record)
        if allowed:
            record.tally.add_cost(update.cost)
            record.tally.documents_returned += _documents_in(update)
        record.latency_ms = (time.perf_counter() - started) * 1000
        service.log.append(record)
        return record if allowed else None

    def _ask_again(self, service: DatabaseService, listened: _Listened, now: Timestamp) -> None:
        """Ask the rules, since they or what they look up have changed; put that on record."""
        assert self._caller is not None
        record = RequestRecord("Listen", self._caller, now.micros)
        _describe(listened, record)
        self._authorised(service, listened, listened.asked, now, record)
        service.log.append(record)

    def _authorised(
        self,
        service: DatabaseService,
        listened: _Listened,
        asked: StructuredQuery | tuple[ResourcePath, ...],
        now: Timestamp,
        record: RequestRecord,
    ) -> bool:
        """Ask the rules; a target that they deny ends."""
        assert self._caller is not None
        try:
            listened.looked_up = service.authorise_target(asked, self._caller, now, record)
        except StatusError as error:
            record.code, record.message = error.code, error.message
            del self._targets[listened.target_id]
            self._enqueue(_Removal(listened.target_id, error))
            return False
        return True

    def _rules_replaced(self, project: str) -> None:
        service, caller = self._service, self._caller
        if service is None or caller is None or caller.is_admin or service.name.project != project:
            return
        for listened in tuple(self._targets.values()):
            self._ask_again(service, listened, self._shell.clock.now(project))

    def _enqueue(self, item: _Item) -> None:
        if self.queue.qsize() < MAX_QUEUED:
            self.queue.put_nowait(item)
            return
        self._fail(
            StatusError(
                StatusCode.RESOURCE_EXHAUSTED, "The client does not read its listen stream."
            )
        )

    def _clock_set(self, project: str | None) -> None:
        service = self._service
        if service is not None and project in (None, service.name.project):
            self._check_token()
            self._refresh_token(service)

    def _time_passed(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_FRESH_TOKEN_S, self._time_passed)
        if self._service is not None:
            self._refresh_token(self._service)

    def _refresh_token(self, service: DatabaseService) -> None:
        """Give an idle client a resume token of now: how long it was away is counted from its last
        one.
        """
        if self._targets and self._failure is None:
            now = self._shell.clock.now(service.name.project)
            self._enqueue(_Changes((), service.store.strong_read_time(now)))

    def _check_token(self) -> None:
        """End the stream if a clock that was set has passed the caller's time."""
        if self._service is None or self._caller is None:
            return
        try:
            self._shell.check_token(self._caller, self._service.name.project)
        except StatusError as error:
            self._fail(error)

    def _fail(self, error: StatusError) -> None:
        """End the stream, whatever it has still to say."""
        self._failure = error
        self.close()
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(None)

    # --- to the client ----------------------------------------------------------------------------

    def responses(self, item: _Item) -> Iterator[Any]:
        """Yield the messages for one item of the queue, each made when it is asked for."""
        if isinstance(item, _Removal):
            yield _target_change(_REMOVE, item.target_id, cause=item.cause)
            return
        assert self._service is not None
        name = self._service.name
        if isinstance(item, _Changes):
            for target_id, changed, record in item.updates:
                yield from _counted(_update_messages(name, target_id, changed), record)
            yield self._consistent(item.read_time)
            return
        update = item.update
        yield _target_change(_ADD, item.target_id)
        if update.is_reset:
            yield _target_change(_RESET, item.target_id)
        yield from _counted(_update_messages(name, item.target_id, update), item.record)
        current = _target_change(_CURRENT, item.target_id)
        self._stamp(current.target_change, update.read_time)
        yield current
        yield self._consistent(update.read_time)

    def _consistent(self, read_time: Timestamp) -> Any:
        message = pb.ListenResponse()
        message.target_change.SetInParent()
        self._stamp(message.target_change, read_time)
        return message

    def _stamp(self, change: Any, read_time: Timestamp) -> None:
        change.resume_token = encode_resume_token(read_time, self._instance)
        wire.timestamp_to_proto(read_time, change.read_time)


def _target_from_proto(service: DatabaseService, target_id: int, message: Any) -> _Listened:
    kind = message.WhichOneof("target_type")
    if kind == "query":
        name, parent = parse_database_or_parent_name(message.query.parent)
        _check_database(service, name)
        query = wire.query_from_proto(parent, message.query.structured_query)
        return _Listened(target_id, QueryTarget(service.engine, query), query)
    if kind == "documents":
        paths = tuple(
            wire.document_path(text, service.name) for text in message.documents.documents
        )
        return _Listened(target_id, DocumentsTarget(service.store, paths), paths)
    raise invalid("A target must be a query or documents.")


def _check_database(service: DatabaseService, name: DatabaseName) -> None:
    if name != service.name:
        raise invalid(f'The query\'s parent is not in database "{service.name}".')


def _describe(listened: _Listened, record: RequestRecord) -> None:
    record.target = listened.target_id
    if isinstance(listened.asked, StructuredQuery):
        record.place = query_collection(listened.asked)
        record.query = query_shape(listened.asked)
        record.limit = listened.asked.limit
    else:
        record.paths = listened.asked


def _paths_in(update: TargetUpdate) -> set[ResourcePath]:
    return {
        event.document.path if isinstance(event, Added | Modified) else event.path
        for event in update.events
    }


def _documents_in(update: TargetUpdate) -> int:
    return sum(isinstance(event, Added | Modified) for event in update.events)


def _counted(messages: Iterable[Any], record: RequestRecord) -> Iterator[Any]:
    """Yield messages, and put on record how many bytes they have."""
    for message in messages:
        record.sent(message.ByteSize())
        yield message


def _update_messages(name: DatabaseName, target_id: int, update: TargetUpdate) -> Iterator[Any]:
    for event in update.events:
        message = pb.ListenResponse()
        if isinstance(event, Added | Modified):
            change = message.document_change
            wire.document_to_proto(name, event.document, change.document)
            change.target_ids.append(target_id)
        elif isinstance(event, Deleted):
            deletion = message.document_delete
            deletion.document = document_name(name, event.path)
            deletion.removed_target_ids.append(target_id)
            wire.timestamp_to_proto(update.read_time, deletion.read_time)
        else:
            assert isinstance(event, Removed)
            removal = message.document_remove
            removal.document = document_name(name, event.path)
            removal.removed_target_ids.append(target_id)
            wire.timestamp_to_proto(update.read_time, removal.read_time)
        yield message


def _target_change(kind: int, target_id: int, *, cause: StatusError | None = None) -> Any:
    message = pb.ListenResponse()
    change = message.target_change
    change.target_change_type = kind
    change.target_ids.append(target_id)
    if cause is not None:
        change.cause.code = cause.code
        change.cause.message = cause.message
    return message
