"""Whether the app, the security rules and the index file speak of the same collections.

Every document and query of the app has a rule that can allow it (one that says `if false` allows
nothing), every query has its index, and
every index is about a collection that somebody knows. Values that only the running app knows are
stood in for: what indexes a query needs does not depend on them. Must not live here: whether rules
allow a request (they are asked for real by checks)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from harness.errors import StatusError
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath, parse_field_path
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
from harness.flutter.contract import (
    DOCUMENT_ID,
    ClientContract,
    ClientFilter,
    ClientQuery,
    NotUnderstood,
    QueryRun,
)
from harness.readiness.review import Problem, Review, count
from harness.rules import nodes
from harness.rules.request import FIRESTORE, Method
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import AllowRule, PatternSegment
from harness.workflow.address import nearest_names

_ASKED: dict[str, frozenset[Method]] = {
    "get": frozenset({Method.GET}),
    "listen": frozenset({Method.GET}),
    "set": frozenset({Method.CREATE, Method.UPDATE}),
    "update": frozenset({Method.UPDATE}),
    "delete": frozenset({Method.DELETE}),
}
"""What rules are asked for an operation of the app's; of several, one or the other."""

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
    rules = [] if ruleset is None else ruleset.resolved.rules.get(FIRESTORE, [])
    problems = [
        *_without_rule(contract, rules),
        *_without_index(contract, indexes, indexes_file),
        *_of_nobody(contract, rules, indexes, indexes_file, other_names),
    ]
    proof = (
        f"{count(len(contract.queries), 'query', 'queries')} and "
        f"{count(len(contract.documents), 'document')} of the app have rules and indexes"
    )
    if not contract.queries and not contract.documents:
        return Review(proof, tuple(problems), unknown="the app asks Firestore for nothing")
    unknown = "" if problems else _unknown(contract, contract.not_understood)
    return Review(proof, tuple(problems), unknown)


def review_indexes(
    contract: ClientContract, indexes: IndexDefinitions, *, indexes_file: str
) -> Review:
    """Return the app's queries that the index file does not serve."""
    problems = tuple(_without_index(contract, indexes, indexes_file))
    served = count(len(contract.queries), "query", "queries")
    uses = [use for use in contract.not_understood if use.may_be_query]
    unknown = "" if problems else _unknown(contract, uses)
    return Review(f"{indexes_file} serves {served} of the app", problems, unknown)


def _without_rule(contract: ClientContract, rules: Sequence[AllowRule]) -> Iterator[Problem]:
    for document in contract.documents:
        path, asked = document.segments, _ASKED[document.operation]
        matching = [rule for rule in rules if _matches(path, _pattern(rule))]
        if not _can_allow(matching, asked):
            yield _closed(str(document.position), "/".join(path), asked, matching)
    for query in contract.queries:
        asked = frozenset({Method.LIST})
        name = query.segments[-1]
        if query.is_collection_group:
            matching = [rule for rule in rules if _serves_group(name, _pattern(rule))]
            what = f"the collection group {name}"
            block = f"match /{{path=**}}/{name}/{{id}}"
        else:
            path = (*query.segments, "{id}")
            matching = [rule for rule in rules if _matches(path, _pattern(rule))]
            what, block = f"documents of {'/'.join(query.segments)}", "a match block for it"
        if not _can_allow(matching, asked):
            yield _closed(str(query.position), what, asked, matching, block)


def _closed(
    where: str,
    what: str,
    asked: frozenset[Method],
    matching: Sequence[AllowRule],
    block: str = "a match block for it",
) -> Problem:
    # What matches everything, to close what is left, is about nothing in particular.
    if all(isinstance(_only(_pattern(rule)), nodes.RecursiveWildcard) for rule in matching):
        fix = f"add {block} with its allow statements, or correct the app's path"
        return Problem(where, f"no rule matches {what}", fix)
    methods = " or ".join(sorted(method.value for method in asked))
    fix = f"add allow {', '.join(sorted(asked))} to its match block, or leave it to a function"
    return Problem(where, f"the rules allow nobody to {methods} {what}", fix)


def _only(pattern: tuple[PatternSegment, ...]) -> PatternSegment | None:
    return pattern[0] if len(pattern) == 1 else None


def _can_allow(rules: Sequence[AllowRule], asked: frozenset[Method]) -> bool:
    return any(
        rule.granted & asked
        and not (
            isinstance(rule.statement.condition, nodes.BoolLiteral)
            and not rule.statement.condition.value
        )
        for rule in rules
    )


def _unknown(contract: ClientContract, not_understood: Sequence[NotUnderstood]) -> str:
    """Say what cannot be told: what code that was not followed asks for, and indexes of queries
    whose fields the running app chooses.
    """
    said = [f"{use.position}: {use.problem}" for use in not_understood]
    for query in contract.queries:
        field = _chosen_field(query)
        if field is not None:
            said.append(f"{query.position}: which field {field} is, only the app knows")
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return f"{said[0]}{more}" if said else ""


def _chosen_field(use: ClientQuery) -> str | None:
    fields = [each.field for each in use.filters] + [order.field for order in use.orders]
    return next((field for field in fields if "{" in field and field != DOCUMENT_ID), None)


def _field(name: str) -> FieldPath:
    return NAME if name == DOCUMENT_ID else parse_field_path(name)


def _without_index(
    contract: ClientContract, indexes: IndexDefinitions, indexes_file: str
) -> Iterator[Problem]:
    for use in contract.queries:
        if _chosen_field(use):
            continue
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
    rules: Sequence[AllowRule],
    indexes: IndexDefinitions,
    indexes_file: str,
    other_names: Collection[str],
) -> Iterator[Problem]:
    known = {*other_names}
    known |= {query.segments[-1] for query in contract.queries}
    known |= {name for document in contract.documents for name in document.segments[::2]}
    known |= {
        segment.text
        for rule in rules
        for segment in _pattern(rule)
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


def _pattern(rule: AllowRule) -> tuple[PatternSegment, ...]:
    """Return the pattern of an allow statement, from below `/databases/{database}/documents`."""
    return rule.pattern[3:]


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
        tuple(Order(_field(o.field), directions[o.descending]) for o in use.orders),
    )


def _filter(item: ClientFilter) -> FieldFilter:
    operator = Operator(item.operator)
    field = _field(item.field)
    if operator in _WITHOUT_OPERAND:
        return FieldFilter(field, operator)
    operand: Value = _STAND_IN
    if field == NAME:
        operand = Reference(_DATABASE, ResourcePath("collection/id"))
        if operator in _LISTS:
            return FieldFilter(field, operator, (operand,))
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
