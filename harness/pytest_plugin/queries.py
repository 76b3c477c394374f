"""The queries that a run's checks ask, taken from the embedded Firestore, which counts them, and
left in `.harness/queries/` for `harness indexes`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from filelock import FileLock

from harness.emulators.handover import HandedSuite
from harness.emulators.loopback import Loopback, expect_ok
from harness.errors import HarnessError
from harness.pytest_plugin.suite import project_folder
from harness.pytest_plugin.xdist import shared_folder, worker_id
from harness.query_records import clear_queries, write_queries

_NAME = "Firestore emulator"
_ANSWER_S = 30.0


@contextmanager
def kept_queries(config: pytest.Config, suite: HandedSuite) -> Iterator[None]:
    """Leave behind what was asked within the block."""
    address = suite.endpoints.firestore
    if config.getoption("--harness-rehearsal") or address is None:
        yield
        return
    connection = Loopback(_NAME, address)
    if not worker_id(config):
        clear_queries(project_folder(config))
    if suite.firestore == "attach" and not worker_id(config):
        # What others asked of it before is not of this run.
        with contextlib.suppress(HarnessError):
            connection.request("POST", "/harness/v1/queries:forget", timeout_s=_ANSWER_S)
    try:
        yield
    finally:
        # A check's outcome is not to depend on this.
        with contextlib.suppress(HarnessError, OSError, ValueError):
            _keep(config, connection)


def _keep(config: pytest.Config, connection: Loopback) -> None:
    shared = shared_folder(config) if worker_id(config) else None
    # Each worker takes everything when it is done: the last one has it all. The lock keeps an
    # earlier answer from being written over a later one.
    lock = FileLock(shared / "queries.lock", timeout=_ANSWER_S) if shared is not None else None
    with lock or contextlib.nullcontext():
        response = connection.request("GET", "/harness/v1/queries", timeout_s=_ANSWER_S)
        if response.status_code != 404:  # another Firestore does not count
            content = expect_ok(_NAME, response)
            write_queries(project_folder(config), content["databases"])
