"""The sorted entries behind the indexes: built on first use, kept up to date afterwards.

An entry is `(key, path)`: the keys of the indexed values and of the name, joined in the index's
sequence and directions. Because keys sort as values do, everything a query asks of an index is a
range of bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from typing import Final, Protocol, TypeAlias

from sortedcontainers import SortedList

from harness.errors import StatusCode, StatusError
from harness.firestore.documents import CommitResult, DocumentChange, DocumentSnapshot
from harness.firestore.index_building import (
    MANY_DOCUMENTS,
    Entry,
    EntryKeys,
    IndexBuild,
    changes_about_everything,
)
from harness.firestore.index_definitions import IndexDefinition, IndexField, IndexMode
from harness.firestore.keys import invert, value_key
from harness.firestore.paths import ROOT, ResourcePath
from harness.firestore.query import NAME
from harness.firestore.ranges import NameSpace, descending
from harness.firestore.store import Database
from harness.firestore.values import MISSING, Timestamp, Vector, get_field

_FLIPPED = {
    IndexMode.ASCENDING: IndexMode.DESCENDING,
    IndexMode.DESCENDING: IndexMode.ASCENDING,
}


class Entries(Protocol):
    """Sorted entries of one index, at the latest time or at one in the past."""

    def scan(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the entries with `low <= key < high`, in the index's order."""

    def first(self, low: bytes, high: bytes) -> Entry | None:
        """Return the first entry with `low <= key < high`."""

    def count(self, low: bytes, high: bytes) -> int:
        """Count the entries with `low <= key < high`."""


class SortedEntries:
    """The entries of one index at the latest time."""

    def __init__(self, entries: Iterable[Entry], entry_keys: EntryKeys) -> None:
        self._entries: SortedList[Entry] = SortedList(entries)
        self.entry_keys = entry_keys

    def scan(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the entries with `low <= key < high`, ascending."""
        # A tuple of the key alone sorts before every entry that has this key.
        return iter(self._entries.irange((low,), (high,), (True, False)))

    def scan_backwards(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the same entries, descending."""
        return iter(self._entries.irange((low,), (high,), (True, False), reverse=True))

    def first(self, low: bytes, high: bytes) -> Entry | None:
        """Return the first entry with `low <= key < high`."""
        return next(self.scan(low, high), None)

    def last(self, low: bytes, high: bytes) -> Entry | None:
        """Return the last entry with `low <= key < high`."""
        return next(self.scan_backwards(low, high), None)

    def count(self, low: bytes, high: bytes) -> int:
        """Count the entries with `low <= key < high`, without walking them."""
        entries = self._entries
        count: int = entries.bisect_left((high,)) - entries.bisect_left((low,))
        return max(0, count)

    def change(self, before: DocumentSnapshot | None, after: DocumentSnapshot | None) -> None:
        """Take in what happened to one document."""
        old = () if before is None else self.entry_keys(before)
        new = () if after is None else self.entry_keys(after)
        if old == new:
            return
        if before is not None:
            for key in old:
                self._entries.discard((key, before.path))
        if after is not None:
            for key in new:
                self._entries.add((key, after.path))

    def __len__(self) -> int:
        return len(self._entries)


class PastEntries:
    """The entries of an index as they were: the latest, with what changed since undone."""

    def __init__(
        self,
        latest: SortedEntries,
        changed: Iterable[tuple[DocumentSnapshot | None, DocumentSnapshot | None]],
        in_scope: Callable[[ResourcePath], bool],
    ) -> None:
        """Overlay `latest` with the changed documents, each as it was and as it is now."""
        self._latest = latest
        gone: list[Entry] = []
        back: list[Entry] = []
        for then, now in changed:
            if now is not None and in_scope(now.path):
                gone += ((key, now.path) for key in latest.entry_keys(now))
            if then is not None and in_scope(then.path):
                back += ((key, then.path) for key in latest.entry_keys(then))
        self._gone = SortedEntries(gone, latest.entry_keys)
        self._hidden = set(gone)
        self._back = SortedEntries(back, latest.entry_keys)

    def scan(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the entries with `low <= key < high`, ascending."""
        kept = (entry for entry in self._latest.scan(low, high) if entry not in self._hidden)
        return merge(kept, self._back.scan(low, high))

    def scan_backwards(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the same entries, descending."""
        latest = self._latest.scan_backwards(low, high)
        kept = (entry for entry in latest if entry not in self._hidden)
        return merge(kept, self._back.scan_backwards(low, high), reverse=True)

    def first(self, low: bytes, high: bytes) -> Entry | None:
        """Return the first entry with `low <= key < high`."""
        return next(self.scan(low, high), None)

    def last(self, low: bytes, high: bytes) -> Entry | None:
        """Return the last entry with `low <= key < high`."""
        return next(self.scan_backwards(low, high), None)

    def count(self, low: bytes, high: bytes) -> int:
        """Count the entries with `low <= key < high`."""
        return (
            self._latest.count(low, high)
            - self._gone.count(low, high)
            + self._back.count(low, high)
        )


class BackwardEntries:
    """An index read from its end: it serves the opposite of every direction.

    Bounds and keys are those of the index that this stands for, so they are inverted on the way in
    and out.
    """

    def __init__(self, forward: SortedEntries | PastEntries) -> None:
        self._forward = forward

    def scan(self, low: bytes, high: bytes) -> Iterator[Entry]:
        """Yield the entries with `low <= key < high`, in the order of the mirrored index."""
        for key, path in self._forward.scan_backwards(*_mirrored(low, high)):
            yield invert(key), path

    def first(self, low: bytes, high: bytes) -> Entry | None:
        """Return the first entry with `low <= key < high`."""
        return next(self.scan(low, high), None)

    def count(self, low: bytes, high: bytes) -> int:
        """Count the entries with `low <= key < high`."""
        return self._forward.count(*_mirrored(low, high))


def _mirrored(low: bytes, high: bytes) -> tuple[bytes, bytes]:
    ((mirrored_low, mirrored_high),) = descending(((low, high),))
    return mirrored_low, mirrored_high


_StoredFields: TypeAlias = tuple[IndexField, ...]
_Indexes: TypeAlias = "dict[_StoredFields, SortedEntries]"

MAX_INDEXES: Final = 500
"""Indexes kept of one collection or group: a client may sort by another field in each query, and
each commit looks at all of them. More are built again when they are asked for."""


class IndexSet:
    """The indexes of one database. Each is built when it is first asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_collection: dict[ResourcePath, _Indexes] = {}
        self._of_group: dict[str, _Indexes] = {}
        self._of_database: _Indexes = {}
        self._builds: dict[tuple[_Owner, _StoredFields], IndexBuild] = {}
        self.close = database.subscribe(self._on_commit)

    def entries(
        self,
        index: IndexDefinition,
        collection: ResourcePath | None,
        at: Timestamp | None = None,
    ) -> Entries:
        """Return the entries of an index.

        Args:
            index: Its definition. It need not be among anybody's definitions.
            collection: The collection, for an index of collection scope; None for any other.
            at: A time in the past, or None for the latest data.
        Raises:
            StatusError: FAILED_PRECONDITION if versions of that time are no longer kept.
        """
        fields, backwards = _stored(index)
        latest = self._latest(index, fields, collection)
        changed = [] if at is None else self._changed_since(at)
        forward: SortedEntries | PastEntries = latest
        if changed:
            forward = PastEntries(latest, changed, _scope_test(index, collection))
        return BackwardEntries(forward) if backwards else forward

    def build_steps(
        self, index: IndexDefinition, collection: ResourcePath | None
    ) -> Iterator[None]:
        """Build an index over many documents, if it is not there, a step for each turn.

        Between the steps anything may happen: commits, queries, another who builds the same.
        """
        fields, _ = _stored(index)
        key = (_owner(index, collection), fields)
        if fields in self._kept(index, collection):
            return
        build = self._builds.get(key)
        if build is None:
            paths = tuple(self._paths(index, collection))
            if len(paths) < MANY_DOCUMENTS:
                return
            entry_keys = compile_entry_keys(fields, NameSpace(collection))
            in_scope = _scope_test(index, collection)
            build = IndexBuild(paths, self._database.get, entry_keys, in_scope)
            self._builds[key] = build
            yield
        while not build.is_done and self._builds.get(key) is build:
            build.step()
            yield
        if self._builds.get(key) is build:
            entries, changed = build.result()
            found = SortedEntries(entries, build.entry_keys)
            for before, after in changed:
                found.change(before, after)
            self._keep(index, collection, fields, found)

    def _kept(self, index: IndexDefinition, collection: ResourcePath | None) -> _Indexes:
        if collection is not None:
            return self._of_collection.get(collection, {})
        if index.collection_group is not None:
            return self._of_group.get(index.collection_group, {})
        return self._of_database

    def _keep(
        self,
        index: IndexDefinition,
        collection: ResourcePath | None,
        fields: _StoredFields,
        entries: SortedEntries,
    ) -> None:
        """Keep an index up to date from now on; one over no documents is made as fast again."""
        self._builds.pop((_owner(index, collection), fields), None)
        if collection is not None:
            if not self._database.count_in(collection):
                return
            indexes = self._of_collection.setdefault(collection, {})
        elif index.collection_group is not None:
            if not self._database.collections_with_id(index.collection_group):
                return
            indexes = self._of_group.setdefault(index.collection_group, {})
        else:
            indexes = self._of_database
        if len(indexes) >= MAX_INDEXES:
            del indexes[next(iter(indexes))]
        indexes[fields] = entries

    def _latest(
        self, index: IndexDefinition, fields: _StoredFields, collection: ResourcePath | None
    ) -> SortedEntries:
        found = self._kept(index, collection).get(fields)
        if found is None:
            entry_keys = compile_entry_keys(fields, NameSpace(collection))
            documents = map(self._database.get, self._paths(index, collection))
            entries = ((key, each.path) for each in documents if each for key in entry_keys(each))
            found = SortedEntries(entries, entry_keys)
            self._keep(index, collection, fields, found)
        return found

    def _paths(
        self, index: IndexDefinition, collection: ResourcePath | None
    ) -> Iterable[ResourcePath]:
        if collection is not None:
            yield from self._database.paths_in(collection)
        elif index.collection_group is not None:
            for each in self._database.collections_with_id(index.collection_group):
                yield from self._database.paths_in(each)
        else:
            yield from self._database.descendants(ROOT)

    def _changed_since(
        self, at: Timestamp
    ) -> list[tuple[DocumentSnapshot | None, DocumentSnapshot | None]]:
        """Return each document changed after a time, as it was then and as it is now."""
        changes = self._database.changes_since(at)
        if changes is None:
            raise StatusError(
                StatusCode.FAILED_PRECONDITION, "The requested 'read_time' is too old."
            )
        then: dict[ResourcePath, DocumentSnapshot | None] = {}
        for change in changes:
            then.setdefault(change.path, change.before)
        return [(before, self._database.get(path)) for path, before in then.items()]

    def _on_commit(self, commit: CommitResult) -> None:
        if not (self._of_collection or self._of_group or self._of_database or self._builds):
            return
        of_collection: dict[ResourcePath, list[DocumentChange]] = {}
        of_group: dict[str, list[DocumentChange]] = {}
        for change in commit.changes:
            collection = change.path.parent()
            if collection in self._of_collection:
                of_collection.setdefault(collection, []).append(change)
            if collection.id in self._of_group:
                of_group.setdefault(collection.id, []).append(change)
        for collection, changes in of_collection.items():
            if self._database.count_in(collection):
                _take_in(self._of_collection[collection], changes)
            else:
                del self._of_collection[collection]
        for collection_id, changes in of_group.items():
            if self._database.collections_with_id(collection_id):
                _take_in(self._of_group[collection_id], changes)
            else:
                del self._of_group[collection_id]
        if self._of_database:
            _take_in(self._of_database, commit.changes)
        for key, build in tuple(self._builds.items()):
            build.hear(commit.changes)
            if build.is_outdated:
                del self._builds[key]


def _take_in(indexes: _Indexes, changes: Sequence[DocumentChange]) -> None:
    for fields, entries in tuple(indexes.items()):
        if changes_about_everything(len(changes), len(entries)):
            del indexes[fields]
            continue
        for change in changes:
            entries.change(change.before, change.after)


def _stored(index: IndexDefinition) -> tuple[tuple[IndexField, ...], bool]:
    """Return the fields by which an index is kept, and whether it is read from its end.

    One sorted structure serves a field's ascending and its descending index.
    """
    fields = index.fields
    backwards = fields[0].mode is IndexMode.DESCENDING and all(
        item.mode in _FLIPPED for item in fields
    )
    if backwards:
        fields = tuple(IndexField(item.field, _FLIPPED[item.mode]) for item in fields)
    return fields, backwards


_Owner: TypeAlias = tuple[ResourcePath | None, str | None]


def _owner(index: IndexDefinition, collection: ResourcePath | None) -> _Owner:
    """Return what an index is over: a collection or a group; neither for all documents."""
    return collection, None if collection is not None else index.collection_group


def direct_documents(
    entries: Entries, parent: ResourcePath, low: bytes, high: bytes
) -> Iterator[Entry]:
    """Yield, of the key index over every collection, what lies in a collection of `parent`.

    What lies further down is passed over by one seek for each document.
    """
    names = NameSpace(None)
    depth = len(parent.segments) + 2
    while (entry := entries.first(low, high)) is not None:
        segments = entry[1].segments
        if len(segments) == depth:
            yield entry
        _, low = names.descendants(ResourcePath("/".join(segments[:depth])))


def _scope_test(
    index: IndexDefinition, collection: ResourcePath | None
) -> Callable[[ResourcePath], bool]:
    if collection is not None:
        return lambda path: path.parent() == collection
    if index.collection_group is not None:
        return lambda path: path.collection_id == index.collection_group
    return lambda path: True


def compile_entry_keys(fields: Sequence[IndexField], names: NameSpace) -> EntryKeys:
    """Return the function from a document to its keys in an index.

    There is none if the document lacks a field, one otherwise; for an array field one for each
    distinct element.
    """
    if len(fields) == 2 and len(fields[0].field) == 1 and _is_ascending_name(fields[1]):
        first = fields[0]
        if first.mode is IndexMode.ASCENDING:
            return _single_field_keys(first.field[0], names)
    arrays = [item.mode is IndexMode.CONTAINS for item in fields]
    if not any(arrays):
        components = [_component(item, names) for item in fields]
        return lambda document: _joined(components, document)
    at = arrays.index(True)
    field = fields[at].field
    before = [_component(item, names) for item in fields[:at]]
    after = [_component(item, names) for item in fields[at + 1 :]]

    def array_keys(document: DocumentSnapshot) -> Sequence[bytes]:
        value = get_field(document.fields, field)
        if not isinstance(value, tuple) or not value:
            return ()
        heads, tails = _joined(before, document), _joined(after, document)
        if not heads or not tails:
            return ()
        elements = {value_key(element) for element in value}
        return tuple(heads[0] + element + tails[0] for element in elements)

    return array_keys


def _is_ascending_name(item: IndexField) -> bool:
    return item.field == NAME and item.mode is IndexMode.ASCENDING


def _single_field_keys(field: str, names: NameSpace) -> EntryKeys:
    # The index most often built and changed: worth its own loop.
    name_key = names.key

    def keys(document: DocumentSnapshot) -> Sequence[bytes]:
        value = document.fields.get(field, MISSING)
        return () if value is MISSING else (value_key(value) + name_key(document.path),)

    return keys


_Component: TypeAlias = Callable[[DocumentSnapshot], bytes | None]


def _joined(components: Sequence[_Component], document: DocumentSnapshot) -> Sequence[bytes]:
    parts = []
    for component in components:
        part = component(document)
        if part is None:
            return ()
        parts.append(part)
    return (b"".join(parts),)


def _component(item: IndexField, names: NameSpace) -> _Component:
    """Return the function from a document to its part of a key; to None if it lacks the field."""
    field = item.field
    descends = item.mode is IndexMode.DESCENDING
    if field == NAME:
        if descends:
            return lambda document: invert(names.key(document.path))
        return lambda document: names.key(document.path)
    if item.mode is IndexMode.VECTOR:

        def vector(document: DocumentSnapshot) -> bytes | None:
            value = get_field(document.fields, field)
            fits = isinstance(value, Vector) and len(value.values) == item.dimension
            return b"" if fits else None

        return vector

    def scalar(document: DocumentSnapshot) -> bytes | None:
        value = get_field(document.fields, field)
        if value is MISSING:
            return None
        key = value_key(value)
        return invert(key) if descends else key

    return scalar
