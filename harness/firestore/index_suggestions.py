"""The fewest indexes that have to be added so that every query that was seen is served.

An index that is of use begins with fields that a need pins, in any sequence, and ends with that
need's suffix. Of two such sets of pinned fields the larger one serves better, as long as every need
that uses the index pins all of it: so the only sets worth looking at are those that some of the
needs have in common. Among these the smallest choice is searched for exactly, collection by
collection. Where that would take too long, a choice is made greedily and what turns out not to be
needed is taken away again: every index of it is then needed, but there might be fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinition,
    IndexDefinitions,
    IndexMode,
)
from harness.firestore.index_needs import IndexNeed, Term

MAX_CHOICES: Final = 5_000
"""Sets of indexes that are tried for one collection before the search is given up."""

MAX_CANDIDATES: Final = 200
"""Indexes that the search looks at for one collection."""


@dataclass(frozen=True, slots=True)
class IndexSuggestion:
    """What to add to the definitions.

    Attributes:
        composites: Composite and vector indexes.
        overrides: Whole configurations of single fields, what they have already included.
        is_smallest: Whether it was shown that fewer indexes would not do.
    """

    composites: tuple[IndexDefinition, ...] = ()
    overrides: tuple[FieldOverride, ...] = ()
    is_smallest: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to add."""
        return not self.composites and not self.overrides

    def added_to(self, definitions: IndexDefinitions) -> IndexDefinitions:
        """Return the definitions with the suggestion taken up."""
        replaced = {(each.collection_group, each.field) for each in self.overrides}
        kept = [
            each
            for each in definitions.overrides
            if (each.collection_group, each.field) not in replaced
        ]
        return IndexDefinitions(
            (*definitions.composites, *self.composites), (*kept, *self.overrides)
        )


def suggest_indexes(needs: Iterable[IndexNeed], definitions: IndexDefinitions) -> IndexSuggestion:
    """Return the fewest indexes to add so that every need is served, merges taken into account.

    Needs that are served already stay served: nothing is taken away.
    """
    chosen: list[IndexDefinition] = []
    is_smallest = True
    for group in _by_collection(dict.fromkeys(needs)):
        if any(need.serving(definitions) is None for need in group):
            search = _Search(group, definitions)
            chosen += search.choose()
            is_smallest = is_smallest and search.is_exhaustive
    chosen.sort(key=lambda index: (index.collection_group or "", index.properties))
    return _suggestion(chosen, definitions, is_smallest=is_smallest)


def _by_collection(needs: Iterable[IndexNeed]) -> Iterator[list[IndexNeed]]:
    """Yield the needs that one index might serve together."""
    groups: dict[object, list[IndexNeed]] = {}
    for need in needs:
        if need.collection_group is not None:  # the key index serves every kindless query
            groups.setdefault((need.collection_group, need.query_scope), []).append(need)
    yield from groups.values()


_Chosen: TypeAlias = tuple[IndexDefinition, ...]


class _Search:
    """The choice of indexes for the needs of one collection, or collection group.

    `is_exhaustive`: no smaller choice has been left untried.
    """

    def __init__(self, needs: Sequence[IndexNeed], definitions: IndexDefinitions) -> None:
        self._definitions = definitions
        self._open = [need for need in needs if need.serving(definitions) is None]
        self._there = {
            need: [covered for _, covered in need.candidates(definitions)] for need in self._open
        }
        candidates = _candidates(self._open)
        self.is_exhaustive = len(candidates) <= MAX_CANDIDATES
        # What serves most comes first, so that a search that ends early ends well.
        self._candidates = sorted(candidates, key=self._rank)[:MAX_CANDIDATES]
        for need in self._open:
            if need.index() not in self._candidates:
                self._candidates.append(need.index())
        self._matches = {
            need: {
                index: covered
                for index in self._candidates
                if (covered := need.match(index)) is not None
            }
            for need in self._open
        }
        self._tried = 0

    def choose(self) -> _Chosen:
        """Return the smallest choice that was found."""
        greedy = self._without_needless(self._greedy())
        for size in range(1, len(greedy)):
            found = self._search((), size)
            if found is not None:
                return self._without_needless(found)
            if self._tried > MAX_CHOICES:
                self.is_exhaustive = False
                break
        return greedy

    def _rank(self, index: IndexDefinition) -> tuple[int, int, str]:
        wanted = [frozenset(need.terms) == need.match(index) for need in self._open]
        return -sum(wanted), len(index.fields), index.properties

    def _search(self, chosen: _Chosen, left: int) -> _Chosen | None:
        """Return a choice that adds at most `left` indexes to what is chosen, or None.

        Whatever serves the first need that is not served yet has to have a new index for it.
        """
        self._tried += 1
        unserved = self._unserved(chosen)
        if unserved is None:
            return chosen
        if not left or self._tried > MAX_CHOICES:
            return None
        for index in self._matches[unserved]:
            if index not in chosen:
                found = self._search((*chosen, index), left - 1)
                if found is not None:
                    return found
        return None

    def _greedy(self) -> _Chosen:
        """Take what serves most of what is open, until nothing is."""
        chosen: _Chosen = ()
        while (unserved := self._unserved(chosen)) is not None:
            best = max(
                self._matches[unserved],
                key=lambda index: (self._served_by((*chosen, index)), index == unserved.index()),
            )
            if self._served_by((*chosen, best)) == self._served_by(chosen):
                best = unserved.index()
            chosen = (*chosen, best)
        return chosen

    def _without_needless(self, chosen: _Chosen) -> _Chosen:
        for index in chosen:
            rest = tuple(other for other in chosen if other != index)
            if self._unserved(rest) is None:
                chosen = rest
        return chosen

    def _served_by(self, chosen: _Chosen) -> int:
        return sum(self._is_served(need, chosen) for need in self._open)

    def _unserved(self, chosen: _Chosen) -> IndexNeed | None:
        return next((need for need in self._open if not self._is_served(need, chosen)), None)

    def _is_served(self, need: IndexNeed, chosen: _Chosen) -> bool:
        matches = self._matches[need]
        added = [matches[index] for index in chosen if index in matches]
        wanted = frozenset(need.terms)
        if wanted in added:
            return True
        if len(wanted) < 2 or need.is_vector_search or not added:
            return False
        return frozenset[Term]().union(*added, *self._there[need]) == wanted


def _candidates(needs: Sequence[IndexNeed]) -> list[IndexDefinition]:
    """Return every index that could be part of a smallest choice."""
    found: dict[IndexDefinition, None] = {}
    for need in needs:
        sharing = [shared for other in needs if (shared := _shared_terms(need, other)) is not None]
        sets = {frozenset(need.terms)}
        for terms in sharing:
            sets |= {known & terms for known in sets}
            if len(sets) > MAX_CANDIDATES:
                break
        for terms in sorted(sets, key=lambda each: (-len(each), sorted(each))):
            if terms or not need.terms:
                found[need.index_of([term for term in need.terms if term in terms])] = None
    return list(found)


def _shared_terms(need: IndexNeed, other: IndexNeed) -> frozenset[Term] | None:
    """Return the terms that an index with `need`'s suffix may pin to be of use to `other` too.

    The other's suffix may be shorter: then it pins what comes before that. None if no index can
    serve both.
    """
    split = len(need.suffix) - len(other.suffix)
    if split < 0 or need.suffix[split:] != other.suffix:
        return None
    between = {(item.field, item.mode is IndexMode.CONTAINS) for item in need.suffix[:split]}
    terms = frozenset(other.terms)
    return terms - between if between <= terms else None


def _suggestion(
    chosen: Sequence[IndexDefinition], definitions: IndexDefinitions, *, is_smallest: bool
) -> IndexSuggestion:
    """Tell composites from single fields; an override repeats what its field has already."""
    composites = []
    overrides: dict[tuple[str, object], FieldOverride] = {}
    for index in chosen:
        single = index.single_field
        group = index.collection_group or ""
        if single is None:
            composites.append(index)
            continue
        known = overrides.get((group, single.field)) or definitions.override_of(group, single.field)
        wanted = known.indexes | {(index.query_scope, single.mode)}
        overrides[group, single.field] = replace(known, indexes=wanted)
    return IndexSuggestion(tuple(composites), tuple(overrides.values()), is_smallest)
