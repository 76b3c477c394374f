"""The requests that a check makes: taken from the emulators that judged them, and kept in a file.

What is in them is not looked at here, unless the check fails: then they are explained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.costs import clear_costs
from harness.errors import HarnessError
from harness.project import load_project
from harness.pytest_plugin.context import CheckContext
from harness.pytest_plugin.suite import project_folder
from harness.pytest_plugin.xdist import worker_id
from harness.recordings import RequestsFile, clear_recordings, own_rulesets
from harness.rules.recorded_json import ReadRequest, RequestReader
from harness.server.storage_requests import start_storage_requests, take_storage_requests
from harness.source import SourceText

_ONLY_PROCESS = "main"


@dataclass(slots=True)
class RequestKeeper:
    """Where one process of a run keeps its checks' requests."""

    file: RequestsFile
    rulesets: dict[str, SourceText]
    # By project id, whether its requests can be had. To begin anew for each check would cost as
    # much as to take them.
    begun: dict[str, bool] = field(default_factory=dict)

    def begin(self, context: CheckContext) -> bool:
        """Have a project's requests kept, from the first check in it on."""
        if context.suite.endpoints.firestore is None:
            return False
        if context.project_id not in self.begun:
            self.begun[context.project_id] = context.firestore.start_recording()
        return self.begun[context.project_id]


@dataclass(slots=True)
class CheckRequests:
    """The requests of one check.

    Attributes:
        taken: What the emulators gave so far: texts of `recorded_json`.
    """

    check: str
    context: CheckContext
    keeper: RequestKeeper
    records_firestore: bool
    storage: Path | None
    taken: list[str] = field(default_factory=list)

    def take(self) -> None:
        """Take what was asked since the last time."""
        if self.records_firestore:
            self.taken.append(self.context.firestore.take_requests())
        if self.storage is not None:
            self.taken.append(take_storage_requests(self.storage))

    def read(self) -> list[ReadRequest]:
        """Return what was taken so far, in the order of each emulator."""
        lines = [line for text in self.taken for line in text.splitlines()]
        return list(RequestReader().read(lines))

    def ruleset(self, digest: str) -> SourceText | None:
        """Return the rules that decided a request, if their text can be had."""
        known = self.keeper.rulesets.get(digest)
        if known is None and self.records_firestore:
            known = self.context.firestore.ruleset(digest)
        return known


_KEEPER = pytest.StashKey[RequestKeeper]()
_REQUESTS = pytest.StashKey[CheckRequests]()


def requests_of(item: pytest.Item) -> CheckRequests | None:
    """Return the requests of a check that runs; None when they are not kept."""
    return item.stash.get(_REQUESTS, None)


def forget_last_run(config: pytest.Config) -> None:
    """Delete what the last run kept; once for each run, before its first check."""
    if config.getoption("--harness-rehearsal"):
        return
    with contextlib.suppress(HarnessError):
        clear_recordings(project_folder(config))
        clear_costs(project_folder(config))


@contextmanager
def kept_requests(item: pytest.Item, context: CheckContext) -> Iterator[None]:
    """Keep what is asked within the block, where the emulators can tell."""
    if item.config.getoption("--harness-rehearsal"):
        yield
        return
    keeper = _keeper(item.config)
    storage = context.suite.storage_requests if context.is_suite_project else None
    if storage is not None:
        start_storage_requests(storage)
    requests = CheckRequests(item.nodeid, context, keeper, keeper.begin(context), storage)
    item.stash[_REQUESTS] = requests
    try:
        yield
    finally:
        del item.stash[_REQUESTS]
        with contextlib.suppress(HarnessError):  # an emulator that has gone fails the check itself
            requests.take()
        requests.keeper.file.append(requests.check, requests.taken)


def _keeper(config: pytest.Config) -> RequestKeeper:
    keeper = config.stash.get(_KEEPER, None)
    if keeper is None:
        folder = project_folder(config)
        worker = worker_id(config)
        if not worker:
            clear_recordings(folder)
            clear_costs(folder)
        rulesets = own_rulesets(load_project(folder))
        file = RequestsFile(folder, worker or _ONLY_PROCESS, list(rulesets))
        keeper = config.stash[_KEEPER] = RequestKeeper(file, rulesets)
    return keeper
