"""The documents of one database: read them, now or in the past, and commit writes to them.

A commit has two steps, so that rules can be decided in between: `prepare` says what each write
would do, and `commit` does it. Nothing here knows queries, rules, or locks; time comes in as an
argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.documents import (
    CommitResult,
    DocumentChange,
    DocumentSnapshot,
    Write,
    WriteKind,
    WriteResult,
)
from harness.firestore.history import VersionHistory
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.transforms import request_time, uses_request_time
from harness.firestore.tree import CollectionTree
from harness.firestore.values import Fields, Timestamp, Value, identical
from harness.firestore.writes import apply_write, check_writes, failed_precondition

Observer = Callable[[CommitResult], None]


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """One write of a prepared commit: the document as it finds it and as it leaves it.

    `size_bytes`: of the document as it leaves it, if anybody has looked.
    """

    write: Write
    before: DocumentSnapshot | None
    after: DocumentSnapshot | None
    transform_results: tuple[Value, ...] = ()
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """What a commit would do. It is of use until the next commit.

    Attributes:
        steps: The writes in their order, each on top of those before it.
        failure: The first precondition that does not hold. Rules are decided before it is raised.
        commit_time: The time the commit will have: the clock's, or later than the commit before it
            if the clock has been put back.
        request_time: The clock's: what server timestamps become, and `request.time` to rules.
    """

    steps: tuple[PreparedWrite, ...]
    failure: StatusError | None
    commit_time: Timestamp
    request_time: Timestamp
    _base_time: Timestamp
    _database: Database
    _before: dict[ResourcePath, DocumentSnapshot | None]
    _after: dict[ResourcePath, DocumentSnapshot | None]

    @property
    def changes(self) -> tuple[DocumentChange, ...]:
        """What each document that is written becomes, those among them that stay as they are."""
        return tuple(
            DocumentChange(path, before, self._after[path]) for path, before in self._before.items()
        )

    def get_after(self, path: ResourcePath) -> DocumentSnapshot | None:
        """Return any document of the database as it would stand after the commit."""
        if path in self._after:
            return self._after[path]
        return self._database.get(path)


class Database:
    """The documents of one database, with their versions of the last hour.

    Args:
        name: What documents' full names begin with; messages hold it.
        enforce_limits: Whether documents are held to the size and the number of transforms that
            production allows. Malformed values are refused in any case.
        max_superseded_versions: How many past versions are kept at most.
    """

    def __init__(
        self,
        name: DatabaseName,
        *,
        enforce_limits: bool = True,
        max_superseded_versions: int = limits.MAX_SUPERSEDED_VERSIONS,
    ) -> None:
        self.name = name
        self.enforce_limits = enforce_limits
        self._documents: dict[ResourcePath, DocumentSnapshot] = {}
        self._tree = CollectionTree()
        self._max_superseded_versions = max_superseded_versions
        self._history = VersionHistory(max_superseded_versions)
        self._observers: list[Observer] = []
        self._last_commit_time = Timestamp(0)
        self._last_read_time = Timestamp(0)
        self._last_server_time: Timestamp | None = None

    @property
    def last_commit_time(self) -> Timestamp:
        """The time of the last commit; the epoch before the first."""
        return self._last_commit_time

    @property
    def document_count(self) -> int:
        """How many documents exist."""
        return len(self._documents)

    # Reading

    def get(self, path: ResourcePath, at: Timestamp | None = None) -> DocumentSnapshot | None:
        """Return a document, or None if it does not exist: now, or as it was at a time.

        Raises:
            StatusError: FAILED_PRECONDITION if the time is longer ago than versions are kept.
        """
        current = self._documents.get(path)
        if at is None or at.micros >= self._last_commit_time.micros:
            return current
        self._history.check_reaches(at)
        return self._history.version_at(path, current, at)

    def strong_read_time(self, now: Timestamp) -> Timestamp:
        """Return the time of a read of the latest data. Every later commit gets a later time."""
        read_time = now if now.micros > self._last_commit_time.micros else self._last_commit_time
        if read_time.micros > self._last_read_time.micros:
            self._last_read_time = read_time
        return read_time

    def check_read_time(self, at: Timestamp, now: Timestamp) -> None:
        """Refuse a read time that a client cannot ask for.

        Raises:
            StatusError: INVALID_ARGUMENT before the epoch or in the future; FAILED_PRECONDITION
            when too old.
        Source: observed: emulator 1.22.0; proto comments of `GetDocumentRequest.read_time`.
        """
        if at.micros < 0:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT, "Only timestamps past epoch are supported."
            )
        if at.micros > max(now.micros, self._last_commit_time.micros):
            raise StatusError(
                StatusCode.INVALID_ARGUMENT, "The requested 'read_time' is in the future."
            )
        if at.micros < now.micros - limits.VERSION_RETENTION_S * 1_000_000:
            raise StatusError(
                StatusCode.FAILED_PRECONDITION, "The requested 'read_time' is too old."
            )
        self._history.check_reaches(at)

    def paths_in(self, collection: ResourcePath) -> tuple[ResourcePath, ...]:
        """Return the existing documents directly in a collection, in no order."""
        return self._tree.paths_in(collection)

    def count_in(self, collection: ResourcePath) -> int:
        """Return how many documents exist directly in a collection."""
        return self._tree.count_in(collection)

    def collections_with_id(self, collection_id: str) -> tuple[ResourcePath, ...]:
        """Return every collection with an id that holds documents, in no order."""
        return self._tree.collections_with_id(collection_id)

    def collection_ids(self, parent: ResourcePath, at: Timestamp | None = None) -> list[str]:
        """Return the ids of the collections below a document or the root, sorted by UTF-8 bytes.

        A collection whose documents are all missing counts if there are documents further down.

        Raises:
            StatusError: FAILED_PRECONDITION if the time is longer ago than versions are kept.
        """
        collections = self._tree.collections_below(parent)
        if at is None or at.micros >= self._last_commit_time.micros:
            return sorted(collection.id for collection in collections)
        self._history.check_reaches(at)
        depth = len(parent.segments)
        ids = {
            collection.id
            for collection in collections
            if any(self.get(path, at) for path in self._tree.descendants(collection))
        }
        for change in self.changes_since(at) or ():
            if change.path.is_below(parent) and self.get(change.path, at):
                ids.add(change.path.segments[depth])
        return sorted(ids)

    def descendants(self, path: ResourcePath) -> Iterator[ResourcePath]:
        """Yield the existing documents strictly below a path, in no order.

        The iterator must not be used across a commit.
        """
        return self._tree.descendants(path)

    def missing_documents(self, collection: ResourcePath) -> list[ResourcePath]:
        """Return a collection's missing documents that have documents below them, in no order."""
        return [path for path in self._tree.parents_in(collection) if path not in self._documents]

    def changes_since(self, at: Timestamp) -> list[DocumentChange] | None:
        """Return what changed after a time, oldest first; None if that is no longer known."""
        return self._history.changes_since(at)

    # Writing

    def repeats_server_time(self, writes: Iterable[Write], now: Timestamp) -> bool:
        """Whether writes would now get the server timestamp that the last such commit got."""
        return request_time(now) == self._last_server_time and any(
            uses_request_time(write.transforms) for write in writes
        )

    def prepare(self, writes: Sequence[Write], now: Timestamp) -> PreparedCommit:
        """Say what a commit of these writes would do, applied in their order.

        Raises:
            StatusError: INVALID_ARGUMENT for writes that no state of the database could make
            valid, or that
                would make a document too large.
        """
        commit_time = self._next_commit_time(now)
        check_writes(writes, commit_time, self.enforce_limits)
        before: dict[ResourcePath, DocumentSnapshot | None] = {}
        after: dict[ResourcePath, DocumentSnapshot | None] = {}
        steps = []
        failure = None
        for write in writes:
            path = write.path
            if path in after:
                state = after[path]
            else:
                state = before[path] = self._documents.get(path)
            if failure is None and write.precondition is not None:
                failure = failed_precondition(write, state, self.name)
            new_state, transform_results, size_bytes = apply_write(
                write, state, commit_time, self.name, self.enforce_limits, now
            )
            after[path] = new_state
            steps.append(PreparedWrite(write, state, new_state, transform_results, size_bytes))
        return PreparedCommit(
            tuple(steps),
            failure,
            commit_time,
            request_time(now),
            self._last_commit_time,
            self,
            before,
            after,
        )

    def commit(self, prepared: PreparedCommit) -> CommitResult:
        """Do what was prepared, all of it or, if it fails, none; then tell the observers.

        Raises:
            StatusError: The precondition that failed; ABORTED if there was another commit since
            `prepare`.
        """
        if prepared.failure is not None:
            raise prepared.failure
        commit_time = prepared.commit_time
        if (
            prepared._base_time is not self._last_commit_time
            or commit_time.micros <= self._last_read_time.micros
        ):
            raise StatusError(
                StatusCode.ABORTED, "Too much contention on these documents. Please try again."
            )
        changes = []
        unchanged: dict[ResourcePath, DocumentSnapshot] = {}
        # A single write that changes nothing has given the very snapshot back.
        is_repeated = len(prepared.steps) > len(prepared._before)
        for path, before in prepared._before.items():
            after = prepared._after[path]
            if after is before:
                continue
            if is_repeated and before is not None and after is not None and _is_same(before, after):
                # Changed and changed back: the document keeps its version, and its writes say so.
                unchanged[path] = before
                continue
            changes.append(DocumentChange(path, before, after))
        results = tuple(_write_result(step, unchanged) for step in prepared.steps)
        if any(uses_request_time(step.write.transforms) for step in prepared.steps):
            self._last_server_time = prepared.request_time
        return self._apply(commit_time, results, tuple(changes))

    def clear(self, now: Timestamp) -> CommitResult:
        """Delete every document, in one commit."""
        return self._delete(list(self._documents), now)

    def delete_tree(self, path: ResourcePath, now: Timestamp) -> CommitResult:
        """Delete a document or a collection and everything below it, in one commit."""
        paths = list(self._tree.descendants(path))
        if path in self._documents:
            paths.append(path)
        return self._delete(paths, now)

    def start_over(self, now: Timestamp) -> None:
        """Let an empty database whose last commit is later than the clock be as new.

        Otherwise its commits would stay in the future of a clock that has been put back. Who still
        listens to it, or reads it at a time, must begin anew.
        """
        last = max(self._last_commit_time.micros, self._last_read_time.micros)
        if self._documents or last <= now.micros:
            return
        self._history = VersionHistory(self._max_superseded_versions)
        self._last_commit_time = self._last_read_time = Timestamp(0)

    def snapshot(self) -> Mapping[ResourcePath, DocumentSnapshot]:
        """Return all documents as they stand, for `restore`."""
        return MappingProxyType(dict(self._documents))

    def restore(
        self, documents: Mapping[ResourcePath, DocumentSnapshot], now: Timestamp
    ) -> CommitResult:
        """Bring back the documents of a snapshot, and no others, in one commit.

        Documents that differ get the commit's time as their update time; they keep their create
        time.
        """
        commit_time = self._next_commit_time(now)
        changes = [
            DocumentChange(path, before, None)
            for path, before in self._documents.items()
            if path not in documents
        ]
        for path, wanted in documents.items():
            before = self._documents.get(path)
            if before is wanted or (before is not None and _is_same(before, wanted)):
                continue
            after = DocumentSnapshot(path, wanted.fields, wanted.create_time, commit_time)
            changes.append(DocumentChange(path, before, after))
        return self._apply(commit_time, (), tuple(changes))

    def load(self, documents: Mapping[ResourcePath, Fields], now: Timestamp) -> CommitResult:
        """Put documents in, in one commit, over those of the same paths; others stay.

        For data that Firestore has accepted once: nothing of it is checked.
        """
        commit_time = self._next_commit_time(now)
        changes = []
        for path, fields in documents.items():
            before = self._documents.get(path)
            created = commit_time if before is None else before.create_time
            after = DocumentSnapshot(path, fields, created, commit_time)
            if before is None or not _is_same(before, after):
                changes.append(DocumentChange(path, before, after))
        return self._apply(commit_time, (), tuple(changes))

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Have an observer told of every commit, after it; return what ends that.

        Observers are told of commits that change nothing too, since time advances. They must not
        commit.
        """
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def _next_commit_time(self, now: Timestamp) -> Timestamp:
        last = max(self._last_commit_time.micros, self._last_read_time.micros)
        return now if now.micros > last else Timestamp(last + 1)

    def _delete(self, paths: Iterable[ResourcePath], now: Timestamp) -> CommitResult:
        changes = tuple(DocumentChange(path, self._documents[path], None) for path in paths)
        return self._apply(self._next_commit_time(now), (), changes)

    def _apply(
        self,
        commit_time: Timestamp,
        results: tuple[WriteResult, ...],
        changes: tuple[DocumentChange, ...],
    ) -> CommitResult:
        documents = self._documents
        for change in changes:
            if change.after is None:
                del documents[change.path]
                self._tree.discard(change.path)
            else:
                documents[change.path] = change.after
                if change.before is None:
                    self._tree.add(change.path)
        self._last_commit_time = commit_time
        self._history.record(commit_time, changes)
        result = CommitResult(commit_time, results, changes)
        for observer in tuple(self._observers):
            observer(result)
        return result


def _is_same(before: DocumentSnapshot, after: DocumentSnapshot) -> bool:
    return before.create_time == after.create_time and identical(before.fields, after.fields)


def _write_result(
    step: PreparedWrite, unchanged: Mapping[ResourcePath, DocumentSnapshot]
) -> WriteResult:
    if step.write.kind is WriteKind.DELETE:
        return WriteResult(None)
    document = unchanged.get(step.write.path, step.after)
    return WriteResult(document.update_time if document else None, step.transform_results)
