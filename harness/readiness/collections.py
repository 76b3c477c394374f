"""Whether the app, the security rules and the index file speak of the same collections.

Every document and query of the app has a rule that can match it, every query has its index, and
every index is about a collection that somebody knows. Values that only the running app knows are
stood in for: what indexes a query needs does not depend on them. Must not live here: whether rules
allow a request (they are asked for real by checks)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from harness.errors import StatusError
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import DatabaseName, ResourcePath, parse_field_path
from harness.firestore.planner import plan_query
from harness.firestore.query import (
    NAME,
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    Direction,
    FieldFilter,
    Filter,
    Operator,
    Order,
    StructuredQuery,
)
from harness.firestore.values import Reference, Value
from harness.flutter.contract import ClientContract, ClientFilter, ClientQuery, QueryRun
from harness.readiness.review import Problem, Review, count
from harness.rules import nodes
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import PatternSegment
from harness.workflow.address import nearest_names

_DATABASE = DatabaseName("demo-harness")
_STAND_IN = "value"
_LISTS = frozenset({Operator.IN, Operator.NOT_IN, Operator.ARRAY_CONTAINS_ANY})
_WITHOUT_OPERAND = frozenset(
    {Operator.IS_NULL, Operator.IS_NOT_NULL, Operator.IS_NAN, Operator.IS_NOT_NAN}
)


def review_collections(
    contract: ClientContract,
    ruleset: CompiledRuleset | None,
    indexes: IndexDefinitions,
    *,
    indexes_file: str,
    other_names: Collection[str] = (),
) -> Review:
    """Return where app, rules and indexes disagree.

    Args:
        contract: What the app asks for.
        ruleset: The rules of the database; None where firebase.json names none.
        indexes: What the index file defines.
        indexes_file: Its name.
        other_names: Names of collections that others than the app use, such as functions.
    """
    patterns = _patterns(ruleset)
    problems = [
        *_without_rule(contract, patterns),
        *_without_index(contract, indexes, indexes_file),
        *_of_nobody(contract, patterns, indexes, indexes_file, other_names),
    ]
    proof = (
        f"{count(len(contract.queries), 'query', 'queries')} and "
        f"{count(len(contract.documents), 'document')} of the app have rules and indexes"
    )
    if not contract.queries and not contract.documents:
        return Review(proof, tuple(problems), unknown="the app asks Firestore for nothing")
    return Review(proof, tuple(problems))


def review_indexes(
    contract: ClientContract, indexes: IndexDefinitions, *, indexes_file: str
) -> Review:
    """Return the app's queries that the index file does not serve."""
    problems = tuple(_without_index(contract, indexes, indexes_file))
    served = count(len(contract.queries), "query", "queries")
    return Review(f"{indexes_file} serves {served} of the app", problems)


def _without_rule(
    contract: ClientContract, patterns: Sequence[tuple[PatternSegment, ...]]
) -> Iterator[Problem]:
    fix = "add a match block for it with its allow statements, or correct the app's path"
    for document in contract.documents:
        if not any(_matches(document.segments, pattern) for pattern in patterns):
            where = str(document.position)
            yield Problem(where, f"no rule matches {'/'.join(document.segments)}", fix)
    for query in contract.queries:
        if query.is_collection_group:
            if not any(_serves_group(query.segments[-1], pattern) for pattern in patterns):
                what = f"no rule matches the collection group {query.segments[-1]}"
                fix_group = (
                    f"add match /{{path=**}}/{query.segments[-1]}/{{id}} with its statements"
                )
                yield Problem(str(query.position), what, fix_group)
        elif not any(_matches((*query.segments, "{id}"), pattern) for pattern in patterns):
            what = f"no rule matches documents of {'/'.join(query.segments)}"
            yield Problem(str(query.position), what, fix)


def _without_index(
    contract: ClientContract, indexes: IndexDefinitions, indexes_file: str
) -> Iterator[Problem]:
    for use in contract.queries:
        try:
            query = _structured(use)
            count_of = (Aggregation(AggregationKind.COUNT, "count"),)
            is_count = use.run is QueryRun.AGGREGATE
            plan = plan_query(query, indexes, count_of if is_count else ())
        except (StatusError, ValueError) as error:
            fix = "write the query as Firestore takes it"
            yield Problem(str(use.position), f"{use}: {error}", fix)
            continue
        if isinstance(plan, MissingIndex):
            fields = ", ".join(
                f"{item.field} {item.mode.value.lower()}"
                for item in plan.index.fields
                if item.field != NAME
            )
            group = plan.index.collection_group
            fix = f"add to {indexes_file} an index of {group}: {fields}"
            yield Problem(str(use.position), f"no index serves {use}", fix)


def _of_nobody(
    contract: ClientContract,
    patterns: Sequence[tuple[PatternSegment, ...]],
    indexes: IndexDefinitions,
    indexes_file: str,
    other_names: Collection[str],
) -> Iterator[Problem]:
    known = {*other_names}
    known |= {query.segments[-1] for query in contract.queries}
    known |= {name for document in contract.documents for name in document.segments[::2]}
    known |= {
        segment.text
        for pattern in patterns
        for segment in pattern
        if isinstance(segment, nodes.LiteralSegment)
    }
    groups = [index.collection_group for index in indexes.composites]
    groups += [override.collection_group for override in indexes.overrides]
    for group in dict.fromkeys(groups):
        if group is None or group in known or group == "*":
            continue
        near = nearest_names(group, sorted(known), count=1)
        fix = f"did you mean {near[0]}?" if near else "correct the name, or remove the index"
        yield Problem(indexes_file, f"no rule, query or function knows a collection {group}", fix)


def _patterns(ruleset: CompiledRuleset | None) -> list[tuple[PatternSegment, ...]]:
    """Return the patterns of the allow statements, from below `/databases/{database}/documents`."""
    rules = [] if ruleset is None else ruleset.resolved.rules.get(FIRESTORE, [])
    return [rule.pattern[3:] for rule in rules]


def _matches(path: Sequence[str], pattern: Sequence[PatternSegment]) -> bool:
    """Return whether a pattern can match a path; a placeholder of the app's is any id."""
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if isinstance(first, nodes.RecursiveWildcard):
        return any(_matches(path[taken:], rest) for taken in range(len(path) + 1))
    if not path:
        return False
    if isinstance(first, nodes.LiteralSegment) and path[0] != first.text and "{" not in path[0]:
        return False
    return _matches(path[1:], rest)


def _serves_group(name: str, pattern: Sequence[PatternSegment]) -> bool:
    if not pattern or not isinstance(pattern[0], nodes.RecursiveWildcard):
        return False
    rest = pattern[1:]
    return not rest or (
        len(rest) == 2 and isinstance(rest[0], nodes.LiteralSegment) and rest[0].text == name
    )


def _structured(use: ClientQuery) -> StructuredQuery:
    filters = tuple(_filter(item) for item in use.filters)
    where: Filter | None = filters[0] if filters else None
    if len(filters) > 1:
        where = CompositeFilter(CompositeOperator.AND, filters)
    segments = [segment if "{" not in segment else "id" for segment in use.segments]
    directions = {True: Direction.DESCENDING, False: Direction.ASCENDING}
    return StructuredQuery(
        ResourcePath("" if use.is_collection_group else "/".join(segments[:-1])),
        segments[-1],
        use.is_collection_group,
        where,
        tuple(Order(parse_field_path(o.field), directions[o.descending]) for o in use.orders),
    )


def _filter(item: ClientFilter) -> FieldFilter:
    operator = Operator(item.operator)
    field = parse_field_path(item.field)
    if operator in _WITHOUT_OPERAND:
        return FieldFilter(field, operator)
    operand: Value = _STAND_IN
    if field == NAME:
        operand = Reference(_DATABASE, ResourcePath("collection/id"))
    elif isinstance(item.value, bool | int | float | str):
        operand = item.value
    return FieldFilter(field, operator, (operand, "other") if operator in _LISTS else operand)


_IN_CODE = re.compile(
    r"""\b(?:collection|collectionGroup|collection_group)\(\s*(?:[\w.]+,\s*)?["'`]([^"'`]+)["'`]"""
    r"""|\bdoc(?:ument)?\(\s*(?:[\w.]+,\s*)?["'`]([^"'`]+)["'`]"""
    r"""|(?i:document)\w*["']?\s*[:=]?\s*\(?\s*["'`]([\w{}/$().]+/[\w{}/$().]+)["'`]"""
)


def names_in_code(text: str) -> Iterator[str]:
    """Yield names of collections that code in JavaScript, TypeScript or Python uses."""
    for found in _IN_CODE.finditer(text):
        path = next(filter(None, found.groups()))
        yield from (name for name in path.strip("/").split("/")[::2] if name.isidentifier())
