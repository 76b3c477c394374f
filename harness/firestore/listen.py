"""What a listener is told: the result of its target once, then the differences that commits make.

A target is pure state: it takes commits in and gives `TargetUpdate`s back. The order of messages
on the wire, target ids and streams are the server's. A commit costs work for the documents it
changed, whatever the size of the result; only a limit can force the query to be run again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final, Protocol, TypeAlias

from harness.errors import StatusCode, StatusError
from harness.firestore.cost import ENTRIES_PER_READ, Cost
from harness.firestore.documents import CommitResult, DocumentChange, DocumentSnapshot
from harness.firestore.engine import QueryEngine
from harness.firestore.execute import compile_projection
from harness.firestore.filters import DocumentPredicate, compile_matcher, compile_sort_key
from harness.firestore.paths import ResourcePath
from harness.firestore.query import StructuredQuery, effective_order
from harness.firestore.query_checks import validate_query
from harness.firestore.store import Database
from harness.firestore.values import Timestamp


@dataclass(frozen=True, slots=True)
class Added:
    """A document entered the result."""

    document: DocumentSnapshot


@dataclass(frozen=True, slots=True)
class Modified:
    """A document of the result changed and stayed in it."""

    document: DocumentSnapshot


@dataclass(frozen=True, slots=True)
class Removed:
    """A document left the result and still exists: it changed, or a limit pushed it out."""

    path: ResourcePath
    has_changed: bool = True


@dataclass(frozen=True, slots=True)
class Deleted:
    """A document of the target does not exist, or no longer."""

    path: ResourcePath


TargetEvent: TypeAlias = Added | Modified | Removed | Deleted


@dataclass(frozen=True, slots=True)
class TargetUpdate:
    """What a target has to tell, consistent at `read_time`.

    `is_reset`: what the client knows of the target is void, and the events begin anew.
    """

    events: tuple[TargetEvent, ...]
    read_time: Timestamp
    cost: Cost
    is_reset: bool = False


class Target(Protocol):
    """Something that a client listens to."""

    def initial(self) -> TargetUpdate:
        """Return the whole result, as `Added` in its order, or `Deleted` for a missing document."""

    def resume(self, read_time: Timestamp) -> TargetUpdate:
        """Return what changed since a time; the whole result, as a reset, if that is not known."""

    def on_commit(self, commit: CommitResult) -> TargetUpdate | None:
        """Return what a commit changed, or None if that is nothing.

        Call it for every commit after the first update, in order, before the next commit.
        """


RESUME_S: Final = 30 * 60
"""Seconds after which a listener that comes back is billed as one that is new: it begins anew.

Source: Firestore pricing, "Listening to query results".
"""

_TOKEN: Final = Struct(">q")


def encode_resume_token(read_time: Timestamp, instance_id: bytes) -> bytes:
    """Return an opaque token for a read time, of use to this instance of the server only."""
    return _TOKEN.pack(read_time.micros) + instance_id


def decode_resume_token(token: bytes, instance_id: bytes) -> Timestamp | None:
    """Return the read time of a token; None if it is malformed or another instance's."""
    if len(token) < _TOKEN.size or token[_TOKEN.size :] != instance_id:
        return None
    (micros,) = _TOKEN.unpack(token[: _TOKEN.size])
    return Timestamp(micros)


def can_resume(since: Timestamp, now: Timestamp) -> bool:
    """Say whether a listener that knows the state of a time is told of the changes since only."""
    return now.micros - since.micros <= RESUME_S * 1_000_000


class DocumentsTarget:
    """Documents by name, existing or not."""

    def __init__(self, database: Database, paths: Iterable[ResourcePath]) -> None:
        self._database = database
        self.paths = tuple(dict.fromkeys(paths))
        self._wanted = frozenset(self.paths)

    def initial(self) -> TargetUpdate:
        """Return every document: `Added` if it exists, `Deleted` if it does not. One read each."""
        events: list[TargetEvent] = []
        for path in self.paths:
            document = self._database.get(path)
            events.append(Deleted(path) if document is None else Added(document))
        return TargetUpdate(tuple(events), self._database.last_commit_time, Cost(reads=len(events)))

    def resume(self, read_time: Timestamp) -> TargetUpdate:
        """Return what changed since a time, or everything as a reset."""
        changes = _net_changes(self._database, read_time)
        if changes is None:
            return replace(self.initial(), is_reset=True)
        return _update(self._events(changes), self._database.last_commit_time)

    def on_commit(self, commit: CommitResult) -> TargetUpdate | None:
        """Return what a commit did to the documents."""
        events = self._events(commit.changes)
        return _update(events, commit.commit_time) if events else None

    def _events(self, changes: Sequence[DocumentChange]) -> list[TargetEvent]:
        events: list[TargetEvent] = []
        for change in changes:
            if change.path not in self._wanted:
                continue
            if change.after is None:
                events.append(Deleted(change.path))
            elif change.before is None:
                events.append(Added(change.after))
            else:
                events.append(Modified(change.after))
        return events


class QueryTarget:
    """The result of a query.

    Without limit and offset a target keeps nothing: a change says by itself whether the document
    was in the result and whether it is. With a limit it keeps the window of the result.
    """

    def __init__(self, engine: QueryEngine, query: StructuredQuery) -> None:
        """Prepare to listen; nothing is read yet.

        Raises:
            StatusError: INVALID_ARGUMENT for a query that is invalid, or that nobody can listen to.
        Source: Firestore, "Search with vector embeddings", Limitations.
        """
        validate_query(query, engine.profile)
        if query.find_nearest is not None:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT, "A vector search does not support listeners."
            )
        self.query = query
        self._engine = engine
        self._in_result = compile_matcher(query)
        self._project = compile_projection(query.select)
        self._window: _Window | None = None
        if query.limit is not None or query.offset:
            self._window = _Window(engine, query, self._in_result)

    def initial(self) -> TargetUpdate:
        """Run the query and return its result.

        Raises:
            StatusError: The query is invalid, or lacks its index.
        """
        # Unprojected: the window must sort by fields that the client did not select.
        result = self._engine.run_query(replace(self.query, select=None))
        if self._window is not None:
            self._window.fill(result.documents)
        events = tuple(Added(self._projected(document)) for document in result.documents)
        return TargetUpdate(events, self._engine.database.last_commit_time, result.cost)

    def resume(self, read_time: Timestamp) -> TargetUpdate:
        """Return what changed since a time, or the whole result as a reset.

        Raises:
            StatusError: As `initial`.
        """
        database = self._engine.database
        changes = _net_changes(database, read_time)
        if changes is None:
            return replace(self.initial(), is_reset=True)
        if self._window is None:
            self._engine.required_plan(self.query)
            return _update(self._events(changes), database.last_commit_time)
        whole = replace(self.query, select=None)
        then = self._engine.run_query(whole, at=read_time).documents
        now = self._engine.run_query(whole).documents
        self._window.fill(now)
        return _update(
            self._projected_events(_difference(then, now, database)), database.last_commit_time
        )

    def on_commit(self, commit: CommitResult) -> TargetUpdate | None:
        """Return what a commit changed in the result."""
        extra = Cost()
        if self._window is None:
            events = self._events(commit.changes)
        else:
            found, extra = self._window.apply(commit.changes)
            events = self._projected_events(found)
        if not events:
            return None
        update = _update(events, commit.commit_time)
        return replace(update, cost=update.cost + extra)

    def _events(self, changes: Sequence[DocumentChange]) -> list[TargetEvent]:
        in_result = self._in_result
        events: list[TargetEvent] = []
        for change in changes:
            before, after = change.before, change.after
            was = before is not None and in_result(before)
            if after is not None and in_result(after):
                document = self._projected(after)
                events.append(Modified(document) if was else Added(document))
            elif was:
                events.append(Deleted(change.path) if after is None else Removed(change.path))
        return events

    def _projected(self, document: DocumentSnapshot) -> DocumentSnapshot:
        return document if self._project is None else self._project(document)

    def _projected_events(self, events: Sequence[TargetEvent]) -> list[TargetEvent]:
        return [
            replace(event, document=self._projected(event.document))
            if isinstance(event, Added | Modified)
            else event
            for event in events
        ]


class _Window:
    """The part of a result that a limit leaves: its documents in order.

    The query is run again only when a member leaves a full window, whose place another document
    may take, and when an offset hides what comes before the window.
    """

    def __init__(
        self, engine: QueryEngine, query: StructuredQuery, in_result: DocumentPredicate
    ) -> None:
        self._engine = engine
        self._query = replace(query, select=None)
        self._limit = query.limit
        self._in_result = in_result
        self._sort_key = compile_sort_key(effective_order(query))
        self._keys: list[bytes] = []
        self._documents: dict[ResourcePath, DocumentSnapshot] = {}
        self._paths: dict[bytes, ResourcePath] = {}

    def fill(self, documents: Iterable[DocumentSnapshot]) -> None:
        """Start from a result."""
        self._keys = []
        self._documents = {}
        self._paths = {}
        for document in documents:
            key = self._sort_key(document)
            self._keys.append(key)
            self._paths[key] = document.path
            self._documents[document.path] = document

    def apply(self, changes: Sequence[DocumentChange]) -> tuple[list[TargetEvent], Cost]:
        """Take in the changes of a commit; return the difference, and what running again cost.

        What running again cost is its index entries: the documents are billed with the events.
        """
        then = dict(self._documents)
        touching = [change for change in changes if self._concerns(change)]
        if not touching or self._limit == 0:
            return [], Cost()
        cost = Cost()
        if self._query.offset or self._must_run_again(touching):
            result = self._engine.run_query(self._query)
            self.fill(result.documents)
            entries = result.cost.index_entries_billed
            cost = Cost(
                reads=-(-entries // ENTRIES_PER_READ),
                index_entries_scanned=result.cost.index_entries_scanned,
                index_entries_billed=entries,
            )
        return _difference(then.values(), self._documents.values(), self._engine.database), cost

    def _concerns(self, change: DocumentChange) -> bool:
        before, after = change.before, change.after
        return (before is not None and self._in_result(before)) or (
            after is not None and self._in_result(after)
        )

    def _must_run_again(self, changes: Sequence[DocumentChange]) -> bool:
        """Apply the changes to the window; say whether documents outside could belong in it."""
        was_full = self._limit is not None and len(self._keys) >= self._limit
        last = self._keys[-1] if self._keys else None
        for change in changes:
            if change.path in self._documents:
                assert change.before is not None
                self._remove(change.before)
            after = change.after
            if after is None or not self._in_result(after):
                continue
            key = self._sort_key(after)
            if was_full and last is not None and key > last:
                continue  # beyond what was seen: others may come before it
            self._insert(key, after)
        if self._limit is None:
            return False
        if was_full and len(self._keys) < self._limit:
            return True
        while len(self._keys) > self._limit:
            key = self._keys.pop()
            del self._documents[self._paths.pop(key)]
        return False

    def _insert(self, key: bytes, document: DocumentSnapshot) -> None:
        insort(self._keys, key)
        self._paths[key] = document.path
        self._documents[document.path] = document

    def _remove(self, document: DocumentSnapshot) -> None:
        key = self._sort_key(document)
        del self._keys[bisect_left(self._keys, key)]
        del self._paths[key]
        del self._documents[document.path]


def _difference(
    then: Iterable[DocumentSnapshot], now: Iterable[DocumentSnapshot], database: Database
) -> list[TargetEvent]:
    """Return the events that turn one result into another."""
    known = {document.path: document for document in then}
    events: list[TargetEvent] = []
    kept = set()
    for document in now:
        kept.add(document.path)
        old = known.get(document.path)
        if old is None:
            events.append(Added(document))
        elif old.update_time != document.update_time or old.create_time != document.create_time:
            events.append(Modified(document))
    for path, old in known.items():
        if path in kept:
            continue
        current = database.get(path)
        if current is None:
            events.append(Deleted(path))
        else:
            events.append(Removed(path, current.update_time != old.update_time))
    return events


def _net_changes(database: Database, read_time: Timestamp) -> list[DocumentChange] | None:
    """Return what happened to each document since a time, as one change; None if not known."""
    if read_time > database.last_commit_time:
        read_time = database.last_commit_time
    changes = database.changes_since(read_time)
    if changes is None:
        return None
    before: dict[ResourcePath, DocumentSnapshot | None] = {}
    for change in changes:
        before.setdefault(change.path, change.before)
    net = []
    for path, old in before.items():
        after = database.get(path)
        if after is not old:
            net.append(DocumentChange(path, old, after))
    return net


def _update(events: Sequence[TargetEvent], read_time: Timestamp) -> TargetUpdate:
    """Return an update of events that a commit caused, billed.

    A document added to the result or changed in it is one read, and so is one that leaves it
    because it changed. One that is deleted, or pushed out by a limit, is free.

    Source: Firestore pricing, "Listening to query results".
    """
    reads = sum(
        event.has_changed if isinstance(event, Removed) else not isinstance(event, Deleted)
        for event in events
    )
    return TargetUpdate(tuple(events), read_time, Cost(reads=reads))
