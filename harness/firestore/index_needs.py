"""What a disjunct of a query needs of indexes, and which of those there are serve it.

A need is the structure alone, without the values that are compared: it is what `planner.py` matches
indexes against, and what is kept of queries that were seen (`index_suggestions.py`).

Source: Firestore, "Index types", "Index merging"; "Query with range and inequality filters on
multiple fields"; recorded from production's error links and query explain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
)
from harness.firestore.paths import FieldPath, parse_field_path
from harness.firestore.query import NAME

Term: TypeAlias = tuple[FieldPath, bool]
"""A field that an index can pin, and whether by array-contains."""

Candidate: TypeAlias = tuple[IndexDefinition, frozenset[Term]]
"""An index, and the terms of a need that it pins."""


@dataclass(frozen=True, slots=True)
class IndexNeed:
    """What one disjunct needs: pinned fields in any sequence, then the suffix exactly.

    Attributes:
        collection_group: None for a kindless query.
        pinned: The fields that equalities pin, sorted.
        contains: The field of an array-contains filter.
        suffix: The fields behind, `__name__` among them; a vector comes last.
    """

    collection_group: str | None
    query_scope: QueryScope
    pinned: tuple[FieldPath, ...]
    contains: FieldPath | None
    suffix: tuple[IndexField, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        """What an index can pin: the array field first, then the others by name."""
        pinned = tuple((path, False) for path in self.pinned)
        return pinned if self.contains is None else ((self.contains, True), *pinned)

    @property
    def is_vector_search(self) -> bool:
        """Whether it is served by a vector index, which takes no part in merges."""
        return any(item.mode is IndexMode.VECTOR for item in self.suffix)

    def index(self) -> IndexDefinition:
        """Return the index that production suggests.

        The array field comes first, then the pinned ones by name, then the suffix.

        Source: decoded from the links of production's errors.
        """
        return self.index_of(self.terms)

    def index_of(self, terms: Sequence[Term]) -> IndexDefinition:
        """Return an index that pins some of the terms, in this sequence."""
        leading = [
            IndexField(path, IndexMode.CONTAINS if is_array else IndexMode.ASCENDING)
            for path, is_array in terms
        ]
        if len(leading) == 1 and len(self.suffix) == 1 and leading[0].mode is IndexMode.ASCENDING:
            # One pinned field in descending name order is served by its descending index.
            leading = [IndexField(leading[0].field, self.suffix[0].mode)]
        return IndexDefinition(self.collection_group, self.query_scope, (*leading, *self.suffix))

    def match(self, index: IndexDefinition) -> frozenset[Term] | None:
        """Return the terms that an index pins, or None if it is no use to this need.

        The index must be of the need's collection group and scope.
        """
        split = len(index.fields) - len(self.suffix)
        if split < 0 or index.fields[split:] != self.suffix:
            return None
        covered: set[Term] = set()
        for item in index.fields[:split]:
            if item.mode is IndexMode.CONTAINS:
                if self.contains != item.field:
                    return None
            elif item.mode is IndexMode.VECTOR or item.field not in self.pinned:
                return None
            covered.add((item.field, item.mode is IndexMode.CONTAINS))
        return frozenset(covered) if len(covered) == split else None

    def serving(self, definitions: IndexDefinitions) -> tuple[IndexDefinition, ...] | None:
        """Return the index that serves it, else the smallest merge that does, else None."""
        wanted = frozenset(self.terms)
        candidates = self.candidates(definitions)
        for index, covered in candidates:
            if covered == wanted:
                return (index,)
        if len(wanted) < 2 or self.is_vector_search:
            return None
        members = _smallest_cover(wanted, [item for item in candidates if item[1]])
        return None if members is None else tuple(members)

    def candidates(self, definitions: IndexDefinitions) -> list[Candidate]:
        """Return the indexes that could take part, the automatic ones first."""
        indexes = [*self._single_fields(definitions)]
        if self.collection_group is not None:
            indexes += definitions.composites_of(self.collection_group, self.query_scope)
        return [(index, covered) for index in indexes if (covered := self.match(index)) is not None]

    def _single_fields(self, definitions: IndexDefinitions) -> list[IndexDefinition]:
        """Return the key index and the single-field indexes that fit."""
        group, scope, suffix = self.collection_group, self.query_scope, self.suffix
        if group is None:
            return [IndexDefinition(None, scope, suffix)]
        if len(suffix) == 1 and suffix[0].field == NAME:
            mode = suffix[0].mode
            if not self.terms:
                whole = IndexDefinition(group, scope, suffix)
                return [whole] if mode is IndexMode.ASCENDING else []
            indexes = []
            for path, is_array in self.terms:
                if is_array and mode is IndexMode.DESCENDING:
                    continue
                kind = IndexMode.CONTAINS if is_array else mode
                if (scope, kind) in definitions.single_field_indexes(group, path):
                    fields = (IndexField(path, kind), *suffix)
                    indexes.append(IndexDefinition(group, scope, fields))
            return indexes
        if (
            len(suffix) == 2
            and suffix[1] == IndexField(NAME, suffix[0].mode)
            and (scope, suffix[0].mode) in definitions.single_field_indexes(group, suffix[0].field)
        ):
            return [IndexDefinition(group, scope, suffix)]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return it as `{"group": "orders", "scope": "COLLECTION", "pinned": ["status"], ...}`."""
        return {
            "group": self.collection_group,
            "scope": self.query_scope.value,
            "pinned": [str(path) for path in self.pinned],
            "contains": None if self.contains is None else str(self.contains),
            "suffix": index_fields_to_json(self.suffix),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> IndexNeed:
        """Read what `to_json` returned."""
        contains = value["contains"]
        return cls(
            value["group"],
            QueryScope(value["scope"]),
            tuple(map(parse_field_path, value["pinned"])),
            None if contains is None else parse_field_path(contains),
            index_fields_from_json(value["suffix"]),
        )


def index_fields_to_json(fields: Sequence[IndexField]) -> list[list[Any]]:
    """Return the fields of an index as `[["status", "ASCENDING", null], ...]`."""
    return [[str(item.field), item.mode.value, item.dimension] for item in fields]


def index_fields_from_json(value: Sequence[Sequence[Any]]) -> tuple[IndexField, ...]:
    """Read what `index_fields_to_json` returned."""
    return tuple(
        IndexField(parse_field_path(path), IndexMode(mode), dimension)
        for path, mode, dimension in value
    )


# Beyond this many pinned fields the smallest cover is not searched for: its cost grows as 2^n.
_EXACT_COVER_TERMS = 10


def _smallest_cover(
    wanted: frozenset[Term], candidates: Sequence[Candidate]
) -> list[IndexDefinition] | None:
    if len(wanted) > _EXACT_COVER_TERMS:
        return _greedy_cover(wanted, candidates)
    reached: dict[frozenset[Term], list[IndexDefinition]] = {frozenset(): []}
    frontier = reached
    while frontier:
        following: dict[frozenset[Term], list[IndexDefinition]] = {}
        for covered, members in frontier.items():
            for index, added in candidates:
                union = covered | added
                if union not in reached and union not in following:
                    following[union] = [*members, index]
        if wanted in following:
            return following[wanted]
        reached = {**reached, **following}
        frontier = following
    return None


def _greedy_cover(
    wanted: frozenset[Term], candidates: Sequence[Candidate]
) -> list[IndexDefinition] | None:
    left = set(wanted)
    members = []
    while left:
        index, covered = max(
            candidates, key=lambda item: len(item[1] & left), default=(None, frozenset())
        )
        if index is None or not covered & left:
            return None
        members.append(index)
        left -= covered
    return members
