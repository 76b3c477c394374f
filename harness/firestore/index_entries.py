"""Which index entries one document has, and how many bytes they take: what a write costs besides
the write.

This counts; the entries that queries walk are `indexes.py`'s.

Source: Firestore, "Index types", Automatic indexing; "Storage size calculations".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import TypeAlias

from harness.firestore import limits
from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
    with_implied_name,
)
from harness.firestore.keys import value_key
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.query import NAME
from harness.firestore.sizes import (
    composite_entry_size_bytes,
    document_size_bytes,
    single_field_entry_size_bytes,
)
from harness.firestore.values import MISSING, Fields, Value, Vector, get_field


@dataclass(frozen=True, slots=True)
class DocumentEntries:
    """The entries of one document in one index.

    Attributes:
        count: More than one where an array's elements are indexed.
        size_bytes: Of all of them.
        largest_bytes: Of the largest.
    """

    index: IndexDefinition
    count: int
    size_bytes: int
    largest_bytes: int


_Entry: TypeAlias = tuple[bytes, int]
"""What tells an entry from the document's others in the same index, and its size."""


def index_entries(
    path: ResourcePath, fields: Fields, definitions: IndexDefinitions
) -> Iterator[DocumentEntries]:
    """Yield the indexes that have entries of a document: single-field ones, then composites.

    The key index, which every document is in, is not among them: it is part of the document's size.
    """
    for index, entries in _entries(path, fields, definitions):
        sizes = [size for _, size in entries]
        yield DocumentEntries(index, len(sizes), sum(sizes), max(sizes))


def written_entries(
    path: ResourcePath, before: Fields | None, after: Fields | None, definitions: IndexDefinitions
) -> tuple[int, int]:
    """Return how many index entries a change of one document writes, and their bytes.

    Entries that the document had before and has still are not written again; taking entries away is
    not counted.
    """
    if after is None:
        return 0, 0
    there = {
        (index, identity)
        for index, entries in _entries(path, before or {}, definitions)
        for identity, _ in entries
    }
    written = [
        size
        for index, entries in _entries(path, after, definitions)
        for identity, size in entries
        if (index, identity) not in there
    ]
    return len(written), sum(written)


def _entries(
    path: ResourcePath, fields: Fields, definitions: IndexDefinitions
) -> Iterator[tuple[IndexDefinition, list[_Entry]]]:
    group = path.collection_id
    for field, value in _leaves(fields):
        indexes = definitions.single_field_indexes(group, field)
        for scope, mode in sorted(indexes, key=lambda item: (item[0].value, item[1].value)):
            values = _indexed(value, mode)
            if values:
                is_group = scope is QueryScope.COLLECTION_GROUP
                yield (
                    IndexDefinition(group, scope, with_implied_name([IndexField(field, mode)])),
                    [
                        (
                            value_key(each),
                            single_field_entry_size_bytes(
                                path, str(field), each, is_collection_group=is_group
                            ),
                        )
                        for each in values
                    ],
                )
    for scope in QueryScope:
        for index in definitions.composites_of(group, scope):
            entries = _composite_entries(path, fields, index)
            if entries:
                yield index, entries


def stored_bytes(path: ResourcePath, fields: Fields, definitions: IndexDefinitions) -> int:
    """Return what a document takes in storage: itself and its index entries."""
    entries = index_entries(path, fields, definitions)
    return document_size_bytes(path, fields) + sum(each.size_bytes for each in entries)


def _leaves(fields: Fields, parent: tuple[str, ...] = ()) -> Iterator[tuple[FieldPath, Value]]:
    """Yield what is indexed automatically: a map's fields stand for the map."""
    for name, value in fields.items():
        own = (*parent, name)
        if type(value) is dict:
            yield from _leaves(value, own)
        else:
            yield FieldPath(own), value


def _indexed(value: Value, mode: IndexMode) -> list[Value]:
    """Return the values by which an index of one field has entries."""
    if mode is IndexMode.CONTAINS:
        return _distinct(value) if type(value) is tuple else []
    return [] if type(value) is tuple else [value]


def _distinct(elements: Iterable[Value]) -> list[Value]:
    return list({value_key(element): element for element in elements}.values())


def _composite_entries(path: ResourcePath, fields: Fields, index: IndexDefinition) -> list[_Entry]:
    """Return a document's entries in a composite index: one for each element of an array field."""
    choices: list[list[Value]] = []
    for indexed in index.fields:
        if indexed.field == NAME:
            continue
        value = get_field(fields, indexed.field)
        if value is MISSING:
            return []
        if indexed.mode is IndexMode.CONTAINS:
            if type(value) is not tuple:
                return []
            choices.append(_distinct(value))
        elif indexed.mode is IndexMode.VECTOR:
            if type(value) is not Vector or len(value.values) != indexed.dimension:
                return []
            choices.append([value])
        else:
            choices.append([value])
    is_group = index.query_scope is QueryScope.COLLECTION_GROUP
    return [
        (
            b"".join(map(value_key, values)),
            composite_entry_size_bytes(path, values, is_collection_group=is_group),
        )
        # A document that has more is refused.
        for values in islice(product(*choices), limits.MAX_INDEX_ENTRIES_PER_DOCUMENT + 1)
    ]
