"""Which allow statements speak about a path. Decided once for each shape of path, then looked up.

A shape is a path with every segment that no pattern spells out replaced by None: two paths of one
shape match the same patterns. So a decision costs one dictionary look-up however many match blocks
there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from harness.rules import nodes
from harness.rules.request import STORAGE, Method, RulesRequest
from harness.rules.runtime import UNKNOWN_SEGMENT
from harness.rules.scope import AllowRule, PatternSegment

Shape: TypeAlias = tuple[str | None, ...]
# A rule, and its context's shift for paths of the shape.
Candidate: TypeAlias = tuple[AllowRule, int]


class PathMatcher:
    """Finds candidates among the allow statements of one service."""

    def __init__(self, rules: Sequence[AllowRule], service: str, version: int) -> None:
        self._root = _PatternNode()
        for order, rule in enumerate(rules):
            self._root.add(order, rule)
        self._service = service
        self._version = version
        literals = {
            segment.text
            for rule in rules
            for segment in rule.pattern
            if isinstance(segment, nodes.LiteralSegment)
        }
        spelled = {text: text for text in literals}
        # A segment's text if some pattern spells it out, else None.
        self.spelled: Callable[[str], str | None] = spelled.get
        self._longest = max((len(rule.pattern) for rule in rules), default=0)

    def shape(self, path: tuple[str, ...]) -> Shape:
        """Return the path's shape."""
        return tuple(map(self.spelled, path))

    def candidates(self, method: Method, shape: Shape) -> list[Candidate]:
        """Return the statements for a method on paths of a shape, in source order."""
        found: list[tuple[int, AllowRule, int]] = []
        nodes_here = [self._root]
        for segment in (*shape, _PATH_END):
            nodes_below: list[_PatternNode] = []
            for node in nodes_here:
                for order, rule in node.recursive_here:
                    shift = shift_of_match(rule.pattern, shape, self._version)
                    if shift is not None and method in rule.granted:
                        found.append((order, rule, shift))
                if segment is _PATH_END:
                    found.extend(
                        (order, rule, 0) for order, rule in node.ends_here if method in rule.granted
                    )
                    continue
                below = node.literals.get(segment) if segment is not None else None
                if below is not None:
                    nodes_below.append(below)
                if node.wildcard is not None:
                    nodes_below.append(node.wildcard)
            nodes_here = nodes_below
        found.sort(key=lambda each: each[0])
        return [(rule, shift) for _, rule, shift in found]

    def list_candidates(self, paths: Sequence[tuple[str, ...]]) -> list[Candidate]:
        """Return the statements for a list over all of these paths; the shift is for the last of
        them.
        """
        if self._service == STORAGE and self._version < 2:
            # Source: Security Rules guide: Cloud Storage has list rules only under rules_version
            # '2'.
            return []
        shapes = [self.shape(path) for path in paths]
        found = self.candidates(Method.LIST, shapes[-1])
        return [
            (rule, shift)
            for rule, shift in found
            if all(
                shift_of_match(rule.pattern, shape, self._version) is not None for shape in shapes
            )
        ]

    def list_paths(self, request: RulesRequest) -> list[tuple[str, ...]]:
        """Return the paths that together stand for everything a list could return, the longest
        last.

        Segments that the request leaves open are `UNKNOWN_SEGMENT`, which only wildcards match. A
        collection-group query reaches any depth; depths beyond the longest pattern behave as the
        last one here.
        """
        query = request.query
        if request.service == STORAGE:
            depths = range(1, 2 if request.delimiter else self._longest + 2)
            return [(*request.path, *_unknown(depth)) for depth in depths]
        if query is not None and query.all_descendants:
            tail = (query.collection_id or UNKNOWN_SEGMENT, UNKNOWN_SEGMENT)
            return [
                (*query.parent, *_unknown(depth), *tail) for depth in range(0, self._longest + 2, 2)
            ]
        if query is not None and query.collection_id is None and len(request.path) % 2:
            # All collections directly below a document or the root.
            return [(*request.path, *_unknown(2))]
        return [(*request.path, UNKNOWN_SEGMENT)]


def is_in_query(document: tuple[str, ...], request: RulesRequest) -> bool:
    """Say whether a query can return the document of that path at all."""
    query = request.query
    if query is None or not query.all_descendants:
        return document[:-1] == request.path
    return (
        document[: len(query.parent)] == query.parent
        and len(document) >= len(query.parent) + 2
        and (len(document) - len(query.parent)) % 2 == 0
        and query.collection_id in (None, document[-2])
    )


_PATH_END = "/"


class _PatternNode:
    """Where patterns with a common beginning part."""

    __slots__ = ("ends_here", "literals", "recursive_here", "wildcard")

    def __init__(self) -> None:
        self.literals: dict[str, _PatternNode] = {}
        self.wildcard: _PatternNode | None = None
        # Rules by their place in the source: those whose pattern is complete here, and those whose
        # recursive wildcard stands here.
        self.ends_here: list[tuple[int, AllowRule]] = []
        self.recursive_here: list[tuple[int, AllowRule]] = []

    def add(self, order: int, rule: AllowRule) -> None:
        node = self
        for segment in rule.pattern:
            if isinstance(segment, nodes.RecursiveWildcard):
                node.recursive_here.append((order, rule))
                return
            if isinstance(segment, nodes.LiteralSegment):
                below = node.literals.get(segment.text)
                if below is None:
                    below = node.literals[segment.text] = _PatternNode()
                node = below
            else:
                node.wildcard = node.wildcard or _PatternNode()
                node = node.wildcard
        node.ends_here.append((order, rule))


def _unknown(count: int) -> Iterator[str]:
    return iter((UNKNOWN_SEGMENT,) * count)


def shift_of_match(pattern: Sequence[PatternSegment], shape: Shape, version: int) -> int | None:
    """Return by how many segments a matching path is longer than the pattern (-1: shorter), or
    None.

    Without a recursive wildcard that is 0. A recursive wildcard takes one or more segments in
    version 1, zero or more in version 2.
    """
    shift = len(shape) - len(pattern)
    recursive = next(
        (i for i, segment in enumerate(pattern) if isinstance(segment, nodes.RecursiveWildcard)),
        None,
    )
    if recursive is None:
        return 0 if shift == 0 and _all_match(pattern, shape) else None
    if shift < (0 if version == 1 else -1):
        return None
    behind = pattern[recursive + 1 :]
    if _all_match(pattern[:recursive], shape) and _all_match(
        behind, shape[len(shape) - len(behind) :]
    ):
        return shift
    return None


def _all_match(pattern: Sequence[PatternSegment], shape: Shape) -> bool:
    return all(
        not isinstance(segment, nodes.LiteralSegment) or segment.text == actual
        for segment, actual in zip(pattern, shape, strict=False)
    )
