"""Which of the indexes that there are no query uses, and what they cost each write.

An index is used if the planner takes it for one of the needs that were seen. Whether something was
seen at all is the caller's to say: without queries nothing is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.firestore.index_definitions import (
    EVERY_FIELD,
    IndexDefinition,
    IndexDefinitions,
    QueryScope,
)
from harness.firestore.index_entries import index_entries
from harness.firestore.index_needs import (
    IndexNeed,
    index_fields_from_json,
    index_fields_to_json,
)
from harness.firestore.index_suggestions import IndexSuggestion
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.values import Fields


@dataclass(frozen=True, slots=True)
class EntryCost:
    """What one index takes of the documents that were looked at, all together."""

    index: IndexDefinition
    entries: int
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return it as data; the group is that of the documents."""
        return {
            "scope": self.index.query_scope.value,
            "fields": index_fields_to_json(self.index.fields),
            "entries": self.entries,
            "bytes": self.size_bytes,
        }


@dataclass(frozen=True, slots=True)
class WrittenDocuments:
    """What was written to one collection group.

    Attributes:
        writes: How often.
        sampled: How many of the documents were looked at.
        costs: What each index has of these.
    """

    collection_group: str
    writes: int
    sampled: int
    costs: tuple[EntryCost, ...]

    @classmethod
    def of(
        cls,
        collection_group: str,
        writes: int,
        documents: Mapping[ResourcePath, Fields],
        definitions: IndexDefinitions,
    ) -> WrittenDocuments:
        """Count the index entries of documents."""
        entries: dict[IndexDefinition, int] = {}
        sizes: dict[IndexDefinition, int] = {}
        for path, fields in documents.items():
            for each in index_entries(path, fields, definitions):
                entries[each.index] = entries.get(each.index, 0) + each.count
                sizes[each.index] = sizes.get(each.index, 0) + each.size_bytes
        costs = tuple(EntryCost(index, entries[index], sizes[index]) for index in entries)
        return cls(collection_group, writes, len(documents), costs)

    def merged(self, other: WrittenDocuments) -> WrittenDocuments:
        """Add what was seen elsewhere of the same collection group."""
        costs = {cost.index: cost for cost in self.costs}
        for cost in other.costs:
            known = costs.get(cost.index, EntryCost(cost.index, 0, 0))
            costs[cost.index] = EntryCost(
                cost.index, known.entries + cost.entries, known.size_bytes + cost.size_bytes
            )
        return WrittenDocuments(
            self.collection_group,
            self.writes + other.writes,
            self.sampled + other.sampled,
            tuple(costs.values()),
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "group": self.collection_group,
            "writes": self.writes,
            "sampled": self.sampled,
            "costs": [cost.to_json() for cost in self.costs],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WrittenDocuments:
        """Read what `to_json` returned."""
        group = value["group"]
        costs = tuple(
            EntryCost(
                IndexDefinition(
                    group, QueryScope(each["scope"]), index_fields_from_json(each["fields"])
                ),
                each["entries"],
                each["bytes"],
            )
            for each in value["costs"]
        )
        return cls(group, value["writes"], value["sampled"], costs)


@dataclass(frozen=True, slots=True)
class WriteCost:
    """What an index, or a field's indexes, cost each document that is written, on average."""

    entries: float
    size_bytes: float
    writes: int


@dataclass(frozen=True, slots=True)
class UnusedIndex:
    """A composite or vector index that nothing used. `cost` None: nothing was written there."""

    index: IndexDefinition
    cost: WriteCost | None


@dataclass(frozen=True, slots=True)
class UnqueriedField:
    """A field whose single-field indexes nothing used; `cost` is what an exemption saves."""

    collection_group: str
    field: FieldPath
    cost: WriteCost


def unused_indexes(
    definitions: IndexDefinitions,
    needs: Iterable[IndexNeed],
    written: Sequence[WrittenDocuments],
    *,
    to_be_added: IndexSuggestion,
) -> list[UnusedIndex]:
    """Return the composite and vector indexes that no need uses, in the file's order.

    Args:
        to_be_added: What is lacking; an index that would be merged with one of these is used.
    """
    complete = to_be_added.added_to(definitions)
    used = {index for need in needs for index in need.serving(complete) or ()}
    costs = {
        cost.index: WriteCost(
            cost.entries / documents.sampled, cost.size_bytes / documents.sampled, documents.writes
        )
        for documents in written
        for cost in documents.costs
    }
    return [
        UnusedIndex(index, costs.get(index))
        for index in dict.fromkeys(definitions.composites)
        if index not in used
    ]


def unqueried_fields(
    definitions: IndexDefinitions,
    needs: Iterable[IndexNeed],
    written: Sequence[WrittenDocuments],
) -> list[UnqueriedField]:
    """Return the fields that were written and whose single-field indexes no need uses, the dearest
    first.
    """
    used = {
        (index.collection_group, single.field)
        for need in needs
        for index in need.serving(definitions) or ()
        if (single := index.single_field) is not None
    }
    found = []
    for documents in written:
        entries: dict[FieldPath, int] = {}
        sizes: dict[FieldPath, int] = {}
        for cost in documents.costs:
            single = cost.index.single_field
            if single is None or single.field == EVERY_FIELD:
                continue
            still = definitions.single_field_indexes(documents.collection_group, single.field)
            if (cost.index.query_scope, single.mode) in still:
                entries[single.field] = entries.get(single.field, 0) + cost.entries
                sizes[single.field] = sizes.get(single.field, 0) + cost.size_bytes
        found += [
            UnqueriedField(
                documents.collection_group,
                field,
                WriteCost(
                    entries[field] / documents.sampled,
                    sizes[field] / documents.sampled,
                    documents.writes,
                ),
            )
            for field in entries
            if (documents.collection_group, field) not in used
        ]
    return sorted(
        found,
        key=lambda each: (
            -each.cost.size_bytes * each.cost.writes,
            each.collection_group,
            each.field,
        ),
    )
