"""The law of list requests: an allowed query returns only what the same condition holds for.

Conditions, queries and documents are generated over one vocabulary, so that they often meet; the
condition is judged for each document with the same compiled rules, the same request, and the
document in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.rules.list_views import field_path
from harness.rules.plans import run
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.runtime import NO_DOCUMENTS, EvaluationContext
from harness.rules.values import RulesPath, RulesTimestamp
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT

FIELDS = ["n", "s", "t", "tags", "m", "m.x"]
NAN = float("nan")
EARLIER, LATER = RulesTimestamp(NOW.nanos - 10**9), RulesTimestamp(NOW.nanos + 10**9)
IDS = ["ana", "bob"]

numbers = st.sampled_from([0, -0.0, 0.0, 1, 1.0, 2, 2.5, 3, NAN, 2**53, 2**53 + 1, 2.0**53])
texts = st.sampled_from(["", "a", "ab", "b", "ana"])
scalars = st.one_of(
    numbers, texts, st.sampled_from([EARLIER, NOW, LATER]), st.booleans(), st.none()
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=2),
    st.dictionaries(st.sampled_from(["x", "y"]), scalars, max_size=2),
)


# --- what Firestore does ----------------------------------------------------------------------


def order_class(value: object) -> object:
    """Return what only values of one type order share; NaN is a type of its own."""
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value)


def same(left: Any, right: Any) -> bool:
    """Compare as Firestore does: numbers exactly, whatever their type."""
    if order_class(left) != order_class(right):
        return False
    if order_class(left) == "nan":
        return True
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def in_order(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Return what to compare for a range, which sees only values of one type, and never NaN."""
    if order_class(left) != order_class(right) or order_class(left) == "nan" or left is None:
        return None
    if isinstance(left, RulesTimestamp):
        return left.nanos, right.nanos
    if isinstance(left, dict):
        return None
    if isinstance(left, list):
        # Elements of several types: enough to know whether the lists are the same.
        return (0, 0) if same(left, right) else None
    return left, right


MISSING = object()


def stored(data: Any, field: tuple[str, ...]) -> Any:
    for step in field:
        if not isinstance(data, dict) or step not in data:
            return MISSING
        data = data[step]
    return data


def satisfies(data: dict[str, Any], name: str, constraint: QueryConstraint) -> bool:
    """Say whether a document passes a filter. Source: Firestore, Queries; Value type ordering."""
    operand: Any = constraint.value
    if constraint.field == ("__name__",):
        return bool(operand.segments[-1] == name)
    value = stored(data, constraint.field)
    if value is MISSING:
        return False
    is_null = operand is None
    match constraint.comparator:
        case Comparator.EQ:
            return same(value, operand)
        case Comparator.NEQ:
            return value is not None and not same(value, operand)
        case Comparator.IN:
            return any(same(value, each) for each in operand if each is not None)
        case Comparator.NOT_IN:
            return value is not None and not any(same(value, each) for each in operand)
        case Comparator.LIST_CONTAINS:
            return isinstance(value, list) and any(same(each, operand) for each in value)
        case Comparator.LIST_CONTAINS_ANY:
            return isinstance(value, list) and any(
                same(each, wanted) for each in value for wanted in operand
            )
    pair = in_order(value, operand)
    if pair is None or is_null:
        return False
    left, right = pair
    return {
        Comparator.LT: left < right,
        Comparator.LTE: left <= right,
        Comparator.GT: left > right,
        Comparator.GTE: left >= right,
    }[constraint.comparator]


def returns(query: RulesQuery, data: dict[str, Any], name: str) -> bool:
    """Say whether a query returns a document, its limit aside."""
    return all(stored(data, field_path(text)) is not MISSING for text in query.order_by) and any(
        all(satisfies(data, name, each) for each in disjunct) for disjunct in query.disjuncts
    )


# --- what is generated ------------------------------------------------------------------------

SYMBOLS = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "==", "NEQ": "!="}
single = st.builds(
    QueryConstraint,
    st.sampled_from(FIELDS).map(field_path),
    st.sampled_from([Comparator(name) for name in SYMBOLS]),
    values,
)
several = st.builds(
    QueryConstraint,
    st.sampled_from(FIELDS).map(field_path),
    st.sampled_from([Comparator.IN, Comparator.NOT_IN, Comparator.LIST_CONTAINS_ANY]),
    st.lists(values, min_size=1, max_size=3),
)
contains = st.builds(
    QueryConstraint, st.just(("tags",)), st.just(Comparator.LIST_CONTAINS), scalars
)
by_name = st.builds(
    QueryConstraint,
    st.just(("__name__",)),
    st.just(Comparator.EQ),
    st.sampled_from(IDS).map(lambda name: RulesPath((*ROOT, "notes", name))),
)
filters = st.one_of(single, single, single, contains, contains, several, by_name)


def rules_text(value: object) -> str:
    """Write a value as an expression."""
    if isinstance(value, str):
        return f"'{value}'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, RulesTimestamp):
        shift = (value.nanos - NOW.nanos) // 10**9
        return "request.time" if not shift else f"request.time + duration.value({shift}, 's')"
    if isinstance(value, list):
        return f"[{', '.join(map(rules_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{rules_text(k)}: {rules_text(v)}' for k, v in value.items())}}}"
    if value != value:
        return "(0.0 / 0.0)"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


@st.composite
def atoms(draw: st.DrawFn, every: list[QueryConstraint]) -> str:
    """Draw a condition, mostly about a filtered field and its own operand."""
    known = [each for each in every if each.field != ("__name__",)]
    if known and draw(st.integers(0, 4)):
        chosen = draw(st.sampled_from(known))
        name = ".".join(chosen.field)
        operands = chosen.value if isinstance(chosen.value, list) else [chosen.value]
        operand = draw(st.sampled_from(operands)) if operands else None
    else:
        name, operand = draw(st.sampled_from(FIELDS)), None
    other = draw(values)
    constant = rules_text(draw(st.sampled_from([operand, operand, other])))
    constants = f"[{', '.join(rules_text(each) for each in (operand, other))}]"
    field = f"resource.data.{name}"
    field = draw(st.sampled_from([field, field, field, f"resource.data.get('{name}', null)"]))
    symbol = draw(st.sampled_from(sorted(SYMBOLS.values())))
    kind = draw(
        st.sampled_from(["int", "float", "number", "string", "list", "map", "timestamp", "bool"])
    )
    key = draw(st.sampled_from(["n", "s", "tags", "m", "x", "nope"]))
    whole = draw(st.sampled_from(["resource.data", "resource.data", "resource.data.m"]))
    method = draw(st.sampled_from(["hasAny", "hasAll", "hasOnly"]))
    to_set = draw(st.sampled_from(["", ".toSet()"]))
    size = draw(st.integers(0, 3))
    person = draw(st.sampled_from(["'ana'", "request.auth.uid"]))
    return draw(
        st.sampled_from(
            [
                f"{field} {symbol} {constant}",
                f"{field} {symbol} {constant}",
                f"{constant} {symbol} {field}",
                f"{field} {symbol} resource.data.{draw(st.sampled_from(FIELDS))}",
                f"{field} in {constants}{to_set}",
                f"{constant} in {field}",
                f"{person} in {field}",
                f"{field} is {kind}",
                f"{field}.{method}({constants})",
                f"{constants}.{method}({field})",
                f"{field}{to_set}.{method}({constants}{to_set})",
                f"{field}.size() {symbol} {size}",
                f"'{key}' in {whole}",
                f"'{key}' in {whole}.keys()",
                f"{whole}.keys(){to_set}.{method}(['{key}', '{name}'])",
                f"{whole}.keys(){to_set}.size() {symbol} {size}",
                f"{whole}.size() {symbol} {size}",
                f"{whole}.values().hasAny({constants})",
                f"{whole}.get('{key}', {constant}) {symbol} {constant}",
                f"{whole}.get(['m', '{key}'], {constant}) {symbol} {constant}",
                f"{{'n': 1}}.diff({whole}).affectedKeys().hasAny(['{key}'])",
                f"{whole} {draw(st.sampled_from(['==', '!=']))} {constant}",
                f"{field} + 1 {symbol} {constant}",
                f"-{field} {symbol} {constant}",
                f"{field} + 'a' {symbol} {constant}",
                f"{field}[0] == {constant}",
                f"{field}[0:1] == {constant}",
                f"[{field}] == [{constant}]",
                f"{{'k': {field}}} == {{'k': {constant}}}",
                f"string({field}) == '1'",
                f"int({field}) == 1",
                f"math.abs({field}) {symbol} {constant}",
                f"{field}.matches('a.*')",
                f"{field}.seconds() < 60",
                f"same({field}, {constant})",
                f"let_size({field}) {symbol} {size}",
                f"id == {person}",
                f"id != {person}",
                f"resource.id == {person}",
                f"exists(/databases/$(db)/documents/x/$({field}))",
                f"get(/databases/$(db)/documents/x/$({field})).data.y == 1",
                "request.query.limit <= 10",
                "resource == null",
                "resource != null",
                "resource.data.nope == null",
                "true",
            ]
        )
    )


def conditions(every: list[QueryConstraint]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms(every),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
                lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
            ),
            inner.map(lambda part: f"!({part})"),
            st.tuples(inner, inner, inner).map(
                lambda parts: f"(({parts[0]}) ? ({parts[1]}) : ({parts[2]}))"
            ),
        ),
        max_leaves=4,
    )


@dataclass(frozen=True)
class Listing:
    """A condition, a query, and fields that documents may have besides the filtered ones."""

    condition: str
    query: RulesQuery
    others: dict[str, Any]


@st.composite
def listings(draw: st.DrawFn) -> Listing:
    disjuncts = draw(st.lists(st.lists(filters, min_size=1, max_size=3), min_size=1, max_size=2))
    every = [constraint for disjunct in disjuncts for constraint in disjunct]
    query = RulesQuery(
        collection_id="notes",
        limit=draw(st.sampled_from([None, 5, 20])),
        order_by=dict.fromkeys(draw(st.lists(st.sampled_from(FIELDS), max_size=2)), "ASC"),
        disjuncts=tuple(map(tuple, disjuncts)),
    )
    others = draw(st.dictionaries(st.sampled_from(["n", "s", "t", "tags", "m"]), values))
    return Listing(draw(conditions(every)), query, others)


SCALARS: list[Any] = [
    *(0, 0.0, -0.0, 1, 1.0, 2, 2.0, 2.5, 3, NAN, 2**53, 2.0**53, 2**53 + 1, "", "a", "ab", "b"),
    *("ana", EARLIER, NOW, LATER, True, False, None),
]


def results(listing: Listing) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents that the query returns: the filtered fields run through all values."""
    query = listing.query
    for disjunct in query.disjuncts:
        fields = list(dict.fromkeys(each.field for each in disjunct if each.field != ("__name__",)))
        choices: list[list[Any]] = []
        for field in fields:
            here = [each for each in disjunct if each.field == field]
            operands = [
                item
                for each in here
                for item in [each.value, *(each.value if isinstance(each.value, list) else [])]
            ]
            candidates = [*SCALARS, *operands, *([each] for each in operands)]
            candidates += [[1.0], [1, "a"], {"x": 1.0}, {"x": "a"}, {}, []]
            candidates += [form for each in candidates for form in stored_as(each)]
            choices.append(
                [each for each in candidates if all(passes(each, one) for one in here)][:12]
            )
        for chosen in product(*choices):
            for others in (listing.others, {}):
                for name in IDS:
                    data: dict[str, Any] = dict(others)
                    for field, value in zip(fields, chosen, strict=True):
                        if len(field) == 2:
                            outer = data.get("m")
                            data["m"] = {**(outer if isinstance(outer, dict) else {}), "x": value}
                        else:
                            data[field[0]] = value
                    if returns(query, data, name):
                        yield name, data


def stored_as(value: Any) -> Iterator[Any]:
    """Yield a value with its numbers of the other type."""
    if isinstance(value, bool):
        return
    if isinstance(value, int) and float(value) == value:
        yield float(value)
    if isinstance(value, float) and value.is_integer():
        yield int(value)
    if isinstance(value, list):
        yield [next(stored_as(each), each) for each in value]
    if isinstance(value, dict):
        yield {key: next(stored_as(each), each) for key, each in value.items()}


def passes(value: Any, constraint: QueryConstraint) -> bool:
    return satisfies(
        {"f": value}, "", QueryConstraint(("f",), constraint.comparator, constraint.value)
    )


def ruleset_of(condition: str) -> CompiledRuleset:
    text = (
        "rules_version = '2';\nservice cloud.firestore {\nmatch /databases/{db}/documents {\n"
        "function same(a, b) { return a == b; }\n"
        "function let_size(a) { let size = a.size(); return size; }\n"
        f"match /notes/{{id}} {{ allow list: if {condition}; }}\n}}\n}}\n"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, (condition, loaded.issues)
    return loaded.ruleset


def list_request(query: RulesQuery) -> RulesRequest:
    auth = RulesAuth("ana", {"n": 1})
    return RulesRequest(FIRESTORE, Method.LIST, (*ROOT, "notes"), auth, NOW, query=query)


def holds_for(
    ruleset: CompiledRuleset, request: RulesRequest, name: str, data: dict[str, Any]
) -> bool:
    """Say whether the rules grant the same request for one document, seen in full."""
    path = (*ROOT, "notes", name)
    (service,) = ruleset._services.values()
    plan = service.list_plan([path])
    context = EvaluationContext(
        request, path, RulesResource(data, RulesPath(path)), NO_DOCUMENTS, None
    )
    context.remaining = 1000
    return run(plan, context, []) is not None


# One query in ten is allowed, so it takes some to try each kind of proof.
@given(listings())
@settings(
    max_examples=max(300, settings().max_examples),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_the_condition_of_an_allowed_list_holds_for_all_that_the_query_returns(
    listing: Listing,
) -> None:
    ruleset = ruleset_of(listing.condition)
    request = list_request(listing.query)
    if not ruleset.decide(request, NO_DOCUMENTS).allowed:
        event("denied")
        return
    returned = 0
    for name, data in results(listing):
        returned += 1
        assert holds_for(ruleset, request, name, data), (listing.condition, listing.query, data)
    event(f"allowed, {'some' if returned else 'none'} returned")


# --- one filter, every value ------------------------------------------------------------------

CONSTANTS: list[Any] = [
    *(
        0,
        0.0,
        1,
        1.0,
        2,
        2.5,
        2**53,
        2.0**53,
        2**53 + 1,
        "",
        "a",
        "ab",
        NOW,
        LATER,
        True,
        None,
        NAN,
    ),
    *([1], ["a"], {"x": 1}, {"x": "a"}),
]
TYPES = ["int", "float", "number", "string", "list", "map", "timestamp", "bool", "constraint"]


def conditions_on(field: str) -> Iterator[str]:
    """Yield conditions about a field, and about the document that has it."""
    for constant in map(rules_text, CONSTANTS):
        yield from (f"{field} {symbol} {constant}" for symbol in SYMBOLS.values())
        yield from (f"{constant} {symbol} {field}" for symbol in ("<", ">=", "=="))
        yield from (f"{field} in [{constant}, 'b']{to_set}" for to_set in ("", ".toSet()"))
        yield from (f"{constant} in {field}", f"{field} in [{constant}]")
        for method in ("hasAny", "hasAll", "hasOnly"):
            yield f"{field}.{method}([{constant}, 'b'])"
            yield f"[{constant}, 'b'].{method}({field})"
            yield f"{field}.toSet().{method}([{constant}].toSet())"
        yield from (f"{field} + 1 == {constant}", f"{field} / 2 == {constant}")
        yield from (
            f"{field}[0] == {constant}",
            f"{field}.x == {constant}",
            f"-{field} < {constant}",
        )
        yield f"resource.data.get('n', {constant}) == {constant}"
        yield f"resource.data.get('y', {constant}) == {constant}"
        yield f"resource.data == {{'n': {constant}}}"
    yield from (f"{field} is {name}" for name in TYPES)
    for whole in ("resource.data", field):
        for key in ("n", "x", "y", "nope"):
            yield from (f"'{key}' in {whole}", f"'{key}' in {whole}.keys()")
            for method in ("hasAny", "hasAll", "hasOnly"):
                yield f"{whole}.keys().{method}(['{key}', 'n'])"
                yield f"{whole}.keys().toSet().{method}(['{key}'])"
        for size in (0, 1, 2):
            yield from (f"{whole}.size() {symbol} {size}" for symbol in SYMBOLS.values())
            yield f"{whole}.keys().size() >= {size}"
    yield from (f"string({field}) == '1'", f"int({field}) == 1", f"math.abs({field}) > 0")
    yield from (f"same({field}, 1)", f"let_size({field}) > 0", f"{field}.matches('a.*')")
    yield from (f"{field} == resource.data.y", f"id == '{IDS[0]}'", f"id != '{IDS[0]}'")
    yield "exists(/databases/$(db)/documents/x/$(string(" + field + ")))"


def queries_on(field: tuple[str, ...]) -> Iterator[RulesQuery]:
    """Yield queries with one filter on a field, a range of two, or an order."""
    for comparator in Comparator:
        for operand in CONSTANTS:
            if comparator.value in ("IN", "NOT_IN", "LIST_CONTAINS_ANY"):
                operand = [operand, "b"]
            yield one_filter(QueryConstraint(field, comparator, operand))
    at_least, below = Comparator.GTE, Comparator.LT
    for low, high in ((0, 2), (1, 2.5), ("a", "b"), (NOW, LATER)):
        yield one_filter(QueryConstraint(field, at_least, low), QueryConstraint(field, below, high))
    yield RulesQuery(collection_id="notes", order_by={".".join(field): "ASC"})
    yield one_filter(
        QueryConstraint(("__name__",), Comparator.EQ, RulesPath((*ROOT, "notes", IDS[0])))
    )


def one_filter(*constraints: QueryConstraint) -> RulesQuery:
    return RulesQuery(collection_id="notes", disjuncts=(constraints,))


def stored_documents(field: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Return documents whose field has any of the values, with and without another field."""
    every = [*SCALARS, *CONSTANTS, [], {}, ["b"], ["a", "b"], [1.0], [1, "b"], {"x": 1.0}]
    every += [[each] for each in CONSTANTS] + [{"x": "b", "y": 1}]
    documents = []
    for index, value in enumerate(every):
        data: dict[str, Any] = {"m": {"x": value}} if len(field) == 2 else {field[0]: value}
        others: dict[str, Any] = {"y": 1, "nope": "a"} if index % 2 else {}
        documents += [(IDS[index % 2], data), (IDS[0], {**data, **others}), (IDS[1], others)]
    return documents


@pytest.mark.parametrize(("field", "every"), [("n", 1), ("m.x", 5)])
def test_whatever_one_filter_shows_holds_for_every_value_that_passes_it(
    field: str, every: int
) -> None:
    """Every proof there is, one by one: all conditions against all filters and all values."""
    path = field_path(field)
    documents = stored_documents(path)
    queries = [
        (
            list_request(query),
            [i for i, (name, data) in enumerate(documents) if returns(query, data, name)],
        )
        for query in queries_on(path)
    ]
    shown = 0
    for condition in islice(conditions_on(f"resource.data.{field}"), 0, None, every):
        for tested in (condition, f"!({condition})"):
            ruleset = ruleset_of(tested)
            # None of these conditions asks about the query itself.
            holds = [holds_for(ruleset, queries[0][0], *document) for document in documents]
            for request, returned in queries:
                if ruleset.decide(request, NO_DOCUMENTS).allowed:
                    shown += 1
                    for index in returned:
                        assert holds[index], (tested, request.query, documents[index])
    # Neither empty nor of a few: there is much that a filter shows.
    assert shown * every > 5000


@given(
    st.sampled_from(["n", "m.x", "t", "s"]),
    st.sampled_from(sorted(SYMBOLS)),
    st.one_of(st.sampled_from([0, 1, 2.5, 3, EARLIER, NOW]), texts),
    st.booleans(),
)
def test_a_condition_equal_to_the_filter_is_shown_by_it_and_its_opposite_is_refuted(
    field: str, comparator: str, value: Any, negated: bool
) -> None:
    """The proofs are not empty."""
    constraint = QueryConstraint(field_path(field), Comparator(comparator), value)
    condition = f"resource.data.{field} {SYMBOLS[comparator]} {rules_text(value)}"
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
    if negated:
        symbol = opposite[SYMBOLS[comparator]]
        condition = f"!(resource.data.{field} {symbol} {rules_text(value)})"
    request = list_request(RulesQuery(collection_id="notes", disjuncts=((constraint,),)))
    assert ruleset_of(condition).decide(request, NO_DOCUMENTS).allowed
