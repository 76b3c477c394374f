from __future__ import annotations

import pytest

from harness.backend.auth import ADMIN, Caller, CallerKind
from harness.backend.metering import (
    RequestLog,
    RequestRecord,
    Tally,
    collection_pattern,
    query_shape,
)
from harness.errors import StatusCode
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.query import (
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    Operator,
    Order,
    StructuredQuery,
)

ROOT = ResourcePath("")
ANA = Caller(CallerKind.USER, "ana", {})


def field(name: str) -> FieldPath:
    return FieldPath((name,))


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("users", "users"),
        ("users/ana", "users/*"),
        ("users/ana/tasks", "users/*/tasks"),
        ("users/ana/tasks/1", "users/*/tasks/*"),
    ],
)
def test_ids_are_replaced_and_collections_stay(path: str, pattern: str) -> None:
    assert collection_pattern(ResourcePath(path)) == pattern


EQUAL = FieldFilter(field("a"), Operator.EQUAL, 1)
NULL = FieldFilter(field("b"), Operator.IS_NULL)


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        (StructuredQuery(ROOT, "c"), "c"),
        (StructuredQuery(ROOT, None), "*"),
        (StructuredQuery(ROOT, "c", all_descendants=True), "**/c"),
        (StructuredQuery(ResourcePath("users/ana"), "tasks"), "users/*/tasks"),
        (StructuredQuery(ROOT, "c", where=EQUAL), "c where a == ?"),
        (
            StructuredQuery(
                ROOT,
                "c",
                where=CompositeFilter(
                    CompositeOperator.AND,
                    (EQUAL, CompositeFilter(CompositeOperator.OR, (NULL, EQUAL))),
                ),
            ),
            "c where a == ? and (b is null or a == ?)",
        ),
        (
            StructuredQuery(
                ROOT,
                "c",
                order_by=(Order(field("a")), Order(field("b"), Direction.DESCENDING)),
                start_at=Cursor((1,), before=False),
                end_at=Cursor((2,), before=True),
                offset=3,
                limit=20,
                select=(field("a"),),
            ),
            "c order by a, b desc start after end before offset 3 limit 20 select (a)",
        ),
    ],
)
def test_a_shape_says_all_but_the_operands(query: StructuredQuery, shape: str) -> None:
    assert query_shape(query) == shape


def test_aggregations_stand_before_the_query() -> None:
    aggregations = [
        Aggregation(AggregationKind.COUNT, "n"),
        Aggregation(AggregationKind.SUM, "s", field("a")),
    ]
    assert query_shape(StructuredQuery(ROOT, "c"), aggregations) == "count(), sum(a) of c"


def record(caller: Caller = ADMIN, **tally: int) -> RequestRecord:
    return RequestRecord("Commit", caller, 0, tally=Tally(**tally))


def test_the_log_keeps_the_newest_and_says_what_it_lost() -> None:
    log = RequestLog(size=3)
    for number in range(5):
        log.append(record(reads=number))
    assert [entry.sequence for entry in log.since(0)] == [3, 4, 5]
    assert [entry.sequence for entry in log.since(4)] == [5]
    assert log.since(5) == log.since(99) == []
    assert not log.reaches(1)
    assert log.reaches(2)


def test_totals_outlive_the_log() -> None:
    log = RequestLog(size=2)
    for _ in range(5):
        log.append(record(reads=1, rules_reads=2))
    cost = log.cost_since(0)
    assert cost["billed"]["reads"] == 5
    assert cost["billed"]["totalReads"] == 15
    assert not cost["truncated"]
    assert log.cost_since(1)["truncated"]


def test_costs_are_told_apart_by_caller_and_label() -> None:
    log = RequestLog()
    log.append(record(writes=1))
    log.append(record(ANA, reads=2))
    log.append(record(Caller(CallerKind.USER, "ana", {}, "home"), reads=3))
    callers = log.cost_since(0)["callers"]
    assert [
        (c["caller"], c.get("label"), c["requests"], c["billed"]["reads"]) for c in callers
    ] == [
        ("admin", None, 1, 0),
        ("user:ana", None, 1, 2),
        ("user:ana", "home", 1, 3),
    ]


def test_a_record_leaves_out_what_does_not_apply() -> None:
    plain = record().to_json()
    assert not {"message", "query", "plan", "rules", "target", "missingIndex"} & set(plain)
    refused = record()
    refused.code, refused.message = StatusCode.ABORTED, "no"
    assert refused.to_json()["status"] == "ABORTED"
    assert refused.to_json()["message"] == "no"
