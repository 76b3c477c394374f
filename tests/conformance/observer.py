"""A pytest plugin for the process that runs the published system tests: writes down what came out.

Loaded there by `-p`; it imports nothing of ours. CONFORMANCE_OUTCOMES names the file: first one
JSON line with the tests that were collected, then one line per test that has ended. Where
CONFORMANCE_ALL is set, the tests that mark themselves as unable to run on an emulator run too.
"""

import json
import os
from pathlib import Path

import pytest

REASON_LENGTH = 4000


class Observer:
    def __init__(self, path: Path, run_all: bool) -> None:
        self.path = path
        self.run_all = run_all
        self.outcome = "passed"
        self.reasons: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.run_all:
            for item in items:
                for node in item.listchain():
                    # Each condition in these files is whether FIRESTORE_EMULATOR_HOST is set.
                    node.own_markers[:] = [m for m in node.own_markers if m.name != "skipif"]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write({"collected": [item.nodeid for item in session.items]})

    def pytest_runtest_logstart(self) -> None:
        self.outcome, self.reasons = "passed", []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        is_subtest = hasattr(report, "context")
        if report.failed:
            self.outcome = "failed"
            self.reasons.append(report.longreprtext[-REASON_LENGTH:])
        elif report.skipped and not is_subtest and self.outcome == "passed":
            # A test whose skipped subtests check more (its pipeline's results) has still passed.
            self.outcome = "skipped"
            where = report.longrepr
            reason = where[2] if isinstance(where, tuple) else str(where)
            self.reasons = [reason.removeprefix("Skipped: ")]

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write({"test": nodeid, "outcome": self.outcome, "reason": "\n".join(self.reasons)})

    def _write(self, line: object) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    path = Path(os.environ["CONFORMANCE_OUTCOMES"])
    config.pluginmanager.register(Observer(path, "CONFORMANCE_ALL" in os.environ))
