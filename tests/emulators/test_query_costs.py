"""What queries cost when a deployed function asks them, and which function is said to have asked.

The rows are those of tests/server/test_query_costs.py. One suite for all: a start takes seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from harness.emulators.firestore_client import firestore_client
from harness.emulators.functions import FunctionsEmulator
from harness.emulators.node import find_node_tools
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.errors import EnvironmentLacking
from harness.pytest_plugin.admin import FirestoreAdmin
from tests.firestore.orders_data import ORDERS, order
from tests.server.client_queries import stored_fields
from tests.server.test_query_costs import NODE, SAMPLE, compare, index_file

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("query costs")]

_REPOSITORY = Path(__file__).parents[2]
_COSTS = Path(__file__).parent / "projects" / "costs"
_SDK = _REPOSITORY / "backend" / "functions" / "node_modules"
_PROJECT = "demo-costs"
_BATCH = 500

# Those of orders alone, without vectors: each of these a different way to be served. The library
# within functions is an older one, which takes a limit of 0 for none.
ROWS = [
    row
    for row in SAMPLE
    if row["collection"] == "orders" and "near" not in row and row.get("limit") != 0
][::3]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorSuite]:
    try:
        find_node_tools(_REPOSITORY)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    if not (_SDK / "firebase-functions").is_dir():
        pytest.skip("firebase-functions is not installed; run: npm ci  (in backend/functions)")
    project = tmp_path_factory.mktemp("project") / "costs"
    shutil.copytree(_COSTS, project)
    shutil.copy(NODE / "explained.cjs", project / "functions")
    (project / "functions" / "node_modules").symlink_to(_SDK)
    options = SuiteOptions(project, project_id=_PROJECT, tools_dir=_REPOSITORY)
    with EmulatorSuite(options) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def client(suite: EmulatorSuite) -> Iterator[Any]:
    made = firestore_client(suite.endpoints["firestore"], _PROJECT)
    for start in range(0, ORDERS, _BATCH):
        batch = made.batch()
        for i in range(start, start + _BATCH):
            batch.set(made.document(f"orders/o{i:04}"), stored_fields(made, order(i)))
        batch.commit()
    yield made
    made.close()


def test_a_deployed_function_is_told_what_production_would_bill(
    suite: EmulatorSuite, client: Any
) -> None:
    functions = FunctionsEmulator(suite.endpoints)
    address = suite.endpoints["firestore"]
    firestore = FirestoreAdmin(address, _PROJECT, "(default)")
    for row in ROWS:
        answer = requests.put(
            f"http://{address}/harness/v1/indexes", json=index_file(row), timeout=10
        )
        assert answer.status_code == 200, answer.text
        mark = firestore.requests_since(None)["lastSequence"]
        compare(row, functions.call("ask", row))
        (record,) = firestore.requests_since(mark)["requests"]
        assert record["function"] == "ask"
        if "missing" not in row and "error" not in row:
            assert record["billed"]["reads"] == row["reads"], row["name"]
    assert len(ROWS) >= 20


def test_104_a_trigger_that_reads_its_document_again_pays_for_it(
    suite: EmulatorSuite, client: Any
) -> None:
    firestore = FirestoreAdmin(suite.endpoints["firestore"], _PROJECT, "(default)")
    mark = firestore.requests_since(None)["lastSequence"]
    client.document("tickets/1").set({"n": 1})
    firestore.drain_events(60, failures_allowed=False)
    records = firestore.requests_since(mark)["requests"]
    by_function = {each["function"]: each for each in records if each["billed"]["reads"]}
    assert {name: each["billed"]["reads"] for name, each in by_function.items()} == {
        "onTicket": 1,
        "onLog": 1,
    }
    assert by_function["onLog"]["chain"] == ["onTicket", "onLog"]
    assert "chain" not in by_function["onTicket"]
