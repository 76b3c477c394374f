"""What each kind of query costs and which indexes it uses, asked by the published client over a
socket: the worked cases, and more of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.query_profile import ExplainOptions, QueryExplainError

from harness.firestore.documents import Write, WriteKind
from harness.firestore.index_definitions import index_to_json
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from tests.firestore.orders_data import EMPLOYEES, ORDERS, employee, item, order
from tests.firestore.queries_from_yaml import index_from
from tests.firestore.values_from_yaml import load_corpus
from tests.server.client_queries import client_aggregation, client_query, vector_query
from tests.server.running import Project, ServerUnderTest, running_server

WORKED = load_corpus("queries/worked_cases.yaml", ("indexes", "cases"))
FILES = ("scans", "several_scans", "merges", "composites", "aggregations", "groups")
FURTHER = {
    f"{name}: {row['name']}": row
    for name in FILES
    for row in load_corpus(f"queries/wire_{name}.yaml", ("cases",))["cases"]
}
# Everything below a document is no query of the client's: recursive_delete asks it.
CASES = {row["name"]: row for row in WORKED["cases"] if row["collection"] is not None} | FURTHER
BLOB = {"collectionGroup": "orders", "fieldPath": "blob", "indexes": []}
LARGE = 2_000
"""From so many documents on, only their names are asked for: that costs the same (case 81)."""


def documents() -> Iterator[tuple[str, Any]]:
    for i in range(ORDERS):
        yield f"orders/o{i:04}", order(i)
        for j in range(3):
            yield f"orders/o{i:04}/items/i{j}", item(i, j)
    for i in range(EMPLOYEES):
        yield f"emp/e{i:05}", employee(i)


@pytest.fixture(scope="session")
def orders() -> Iterator[Project]:
    """A project with the data set of the worked cases, on a server of its own."""
    with running_server() as server, ExitStack() as cleanups:
        store = server.running.shell.database(DatabaseName("demo-orders")).store
        writes = [
            Write(WriteKind.UPDATE, ResourcePath(path), fields) for path, fields in documents()
        ]
        store.commit(store.prepare(writes, Timestamp(1)))
        yield Project(server, "demo-orders", cleanups.callback)


@pytest.fixture(scope="session")
def client(orders: Project) -> Any:
    return orders.client()


def index_file(row: dict[str, Any]) -> dict[str, Any]:
    """Return the index file that a row is asked with."""
    overrides: list[dict[str, Any]] = [BLOB]
    for text in row.get("overrides", ()):
        matched = re.fullmatch(r"(\w+)\.(\w+) group asc", text)
        assert matched, text
        modes = [
            {"order": "ASCENDING", "queryScope": "COLLECTION"},
            {"order": "DESCENDING", "queryScope": "COLLECTION"},
            {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION"},
            {"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"},
        ]
        overrides.append({"collectionGroup": matched[1], "fieldPath": matched[2], "indexes": modes})
    indexes = [
        index_to_json(index_from(WORKED["indexes"][name])) for name in row.get("indexes", ())
    ]
    return {"indexes": indexes, "fieldOverrides": overrides}


def define(server: ServerUnderTest, row: dict[str, Any]) -> None:
    """Give the server the indexes of a row."""
    answer = server.http("PUT", "/harness/v1/indexes", json=index_file(row))
    assert answer.status_code == 200, answer.text


def ask(client: Any, row: dict[str, Any], *, analyze: bool) -> Any:
    """Ask a row's query with explain options, and return the client's list of results."""
    options = ExplainOptions(analyze=analyze)
    if "aggregate" in row:
        return client_aggregation(client, row).get(explain_options=options)
    if "near" in row:
        return vector_query(client, row).get(explain_options=options)
    if row.get("results", 0) > LARGE:
        row = {**row, "select": ["__name__"]}
    return client_query(client, row).get(explain_options=options)


def is_bounded_count(row: dict[str, Any]) -> bool:
    """Whether a row needs `up_to`, which the client does not offer."""
    return any(text.startswith("count ") for text in row.get("aggregate", {}).values())


@pytest.mark.parametrize(
    "row", [row for row in CASES.values() if not is_bounded_count(row)], ids=lambda row: row["name"]
)
def test_a_query_costs_what_production_bills(
    orders: Project, client: Any, row: dict[str, Any]
) -> None:
    define(orders.server, row)
    if "error" in row:
        with pytest.raises(exceptions.GoogleAPICallError) as failed:
            ask(client, row, analyze=True)
        assert failed.value.grpc_status_code.name == row["error"]
        assert billed_reads(orders) == 0
        return
    if "missing" in row:
        assert_refused(orders, client, row)
        return
    found = ask(client, row, analyze=True)
    metrics = found.get_explain_metrics()
    statistics = metrics.execution_stats
    used = metrics.plan_summary.indexes_used
    assert sorted(index["properties"] for index in used) == sorted(row["used"])
    assert {index["query_scope"] for index in used} <= {row.get("scope", "Collection")}
    assert statistics.read_operations == row["reads"]
    assert billed_reads(orders) == row["reads"]
    assert_entries(int(statistics.debug_stats["index_entries_scanned"]), row["entries"])
    if "aggregate" in row:
        assert {each.alias: each.value for each in found[0]} == row["expect"]
        assert statistics.results_returned == 1
    else:
        assert statistics.results_returned == len(found)
        if "results" in row:
            assert len(found) == row["results"]
        if "first" in row:
            assert found[0].id == row["first"]
    if not used:
        return  # the client takes an empty plan for none
    planned = ask(client, row, analyze=False).get_explain_metrics().plan_summary.indexes_used
    assert planned == used
    assert billed_reads(orders) == 1


def test_a_bound_of_a_count_ends_its_scan(orders: Project, client: Any) -> None:
    rows = [row for row in CASES.values() if is_bounded_count(row)]
    assert len(rows) == 3
    for row in rows:
        define(orders.server, row)
        aggregation = client_aggregation(client, row)
        message = aggregation._to_protobuf()
        (text,) = row["aggregate"].values()
        message.aggregations[0].count.up_to = int(text.split()[1])
        (answer,) = client._firestore_api.run_aggregation_query(
            request={
                "parent": f"{client._database_string}/documents",
                "structured_aggregation_query": message,
                "explain_options": {"analyze": True},
            },
            metadata=client._rpc_metadata,
        )
        assert answer.result.aggregate_fields["n"].integer_value == row["expect"]["n"]
        statistics = answer.explain_metrics.execution_stats
        assert statistics.read_operations == row["reads"]
        assert statistics.debug_stats["index_entries_scanned"] == str(row["entries"])


def assert_refused(orders: Project, client: Any, row: dict[str, Any]) -> None:
    with pytest.raises(exceptions.FailedPrecondition) as refused:
        ask(client, row, analyze=True)
    words = "gcloud firestore indexes composite create" if "vector" in row else "requires an index"
    assert row.get("single_field", words) in refused.value.message
    assert ("inequality filters on multiple fields" in refused.value.message) == (
        "several_ranges" in row
    )
    assert billed_reads(orders) == 0
    suggested = orders.requests()[-1]["missingIndex"]
    properties = row["missing"].replace("ARRAY_CONTAINS", "CONTAINS")
    for field in re.findall(r"([\w.]+) (?:ASC|DESC|CONTAINS|VECTOR)", properties):
        assert field == "__name__" or f'"{field}"' in str(suggested).replace("'", '"')
    with pytest.raises(exceptions.FailedPrecondition, match="no matching index found"):
        ask(client, row, analyze=False)


def billed_reads(orders: Project) -> int:
    """Return what the last request was billed."""
    reads: int = orders.requests(last_of(orders) - 1)[-1]["billed"]["reads"]
    return reads


def last_of(orders: Project) -> int:
    last: int = orders.cost(10**15)["lastSequence"]
    return last


def assert_entries(scanned: int, expected: Any) -> None:
    if isinstance(expected, int):
        assert scanned == expected
    elif "most" in expected:
        assert scanned <= expected["most"]
    else:
        assert abs(scanned - expected["about"]) <= expected["about"] / 50


def test_there_are_enough_cases() -> None:
    assert len(FURTHER) >= 150
    numbers = {int(match[0]) for row in WORKED["cases"] if (match := re.match(r"\d+", row["name"]))}
    elsewhere = {*range(1, 4), *range(85, 105)} - {102}
    assert numbers | elsewhere == set(range(1, 105))


NODE = Path(__file__).parents[1] / "javascript" / "node"
# Every fifth, and all the kinds that the client builds in its own way.
SAMPLE = [
    row
    for place, row in enumerate(CASES.values())
    if not is_bounded_count(row)
    and row.get("results", 0) <= LARGE
    and (place % 5 == 0 or {"near", "aggregate", "start_at", "start_after"} & row.keys())
]


def test_the_node_client_is_told_the_same(orders: Project) -> None:
    if shutil.which("node") is None or not (NODE.parent / "node_modules").is_dir():
        pytest.skip("the packages of tests/javascript are not installed: make test")
    lines = [json.dumps({"row": row, "indexes": index_file(row)}) for row in SAMPLE]
    run = subprocess.run(
        ["node", str(NODE / "explain.mjs"), orders.id],
        input="\n".join(lines) + "\n",
        env={**os.environ, "FIRESTORE_EMULATOR_HOST": orders.server.host},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(SAMPLE) >= 60
    for row, answer in zip(SAMPLE, answers, strict=True):
        compare(row, answer)


def compare(row: dict[str, Any], answer: dict[str, Any]) -> None:
    """Hold what a JavaScript client was told to a row."""
    codes = {"INVALID_ARGUMENT": 3, "FAILED_PRECONDITION": 9}
    if "error" in row or "missing" in row:
        assert answer["code"] == codes[row.get("error", "FAILED_PRECONDITION")], row["name"]
        return
    assert "code" not in answer, (row["name"], answer)
    used = sorted(index["properties"] for index in answer["used"])
    assert (used, answer["reads"]) == (sorted(row["used"]), row["reads"]), row["name"]
    assert_entries(answer["entries"], row["entries"])
    if "aggregate" in row:
        assert answer["values"] == row["expect"], row["name"]
    elif "results" in row:
        assert answer["results"] == row["results"], row["name"]
    if "first" in row:
        assert answer["first"] == row["first"], row["name"]


def test_figures_are_not_to_be_had_before_the_end(client: Any) -> None:
    stream = (
        client.collection("orders").limit(2).stream(explain_options=ExplainOptions(analyze=True))
    )
    next(stream)
    with pytest.raises(QueryExplainError, match="not available until query is complete"):
        stream.get_explain_metrics()
    list(stream)
    assert stream.get_explain_metrics().execution_stats.results_returned == 2
    planned = client.collection("orders").get(explain_options=ExplainOptions(analyze=False))
    with pytest.raises(QueryExplainError, match="analyze=False"):
        _ = planned.get_explain_metrics().execution_stats
