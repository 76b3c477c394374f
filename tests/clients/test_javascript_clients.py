"""Every case of tests/corpus/clients, through every JavaScript client."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.clients.judge import judge, render
from tests.clients.run import SUITES, ask, embedded_firestore, make_plan
from tests.clients.tables import CLIENTS_FILE, read_clients, read_tables

# More are asked; fewer would mean that tables or clients have been lost.
FEWEST_ASSERTIONS = 1_500
FEWEST_BY_CLIENT = 250
LIMIT_S = 300


@pytest.mark.xdist_group("chromium")  # its npm package unpacks it once, to a shared folder
def test_the_published_clients_get_what_the_tables_say() -> None:
    if shutil.which("node") is None or not (SUITES / "node_modules" / "firebase").is_dir():
        pytest.skip("the packages of tests/javascript are not installed: make test")
    plan = make_plan(read_tables(), read_clients(CLIENTS_FILE.read_text(encoding="utf-8")), ())
    with embedded_firestore() as host:
        verdict = judge(plan.cases, ask(plan, host, LIMIT_S))
    report = render(verdict, plan.left_out, plan.titles)
    sys.stdout.write(report)
    assert not verdict.failures, report
    assert all(verdict.assertions[client] >= FEWEST_BY_CLIENT for client in plan.titles), report
    if "chromium" in plan.titles:
        assert sum(verdict.assertions.values()) >= FEWEST_ASSERTIONS, report
