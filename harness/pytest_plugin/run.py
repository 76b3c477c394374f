"""One pytest run that uses the harness: what it collects, what it records, what it prints at the
end.

Under xdist the workers collect and the controller records; `share` is the folder through which they
tell each other.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.emulators.handover import HANDOVER_VARIABLE, Handover
from harness.errors import HarnessError
from harness.pytest_plugin import looks_at_coverage, uses_suite
from harness.pytest_plugin.mapping import ItemIndex, item_ids_in_source, item_ids_of, load_items
from harness.pytest_plugin.recorder import (
    CollectedCheck,
    Collection,
    Recorder,
    UncollectedFile,
    attach_findings,
    failure_reason,
    skip_reason,
)
from harness.pytest_plugin.summary import summary_lines
from harness.pytest_plugin.xdist import shared_folder, worker_id
from harness.workflow.evidence import CheckResult, Outcome
from harness.workflow.shards import split_checks

if TYPE_CHECKING:
    from harness.emulators.owner import SuiteOwner
    from harness.pytest_plugin.order import FunctionsAhead

CHECKS_FILE = "checks.jsonl"
PROGRESS_FILE = "progress.jsonl"

_ITEM_IDS = pytest.StashKey[tuple[str, ...]]()
_NO_ITEMS: tuple[str, ...] = ()


class HarnessRun:
    """The plugin that is registered once a run turns out to use the harness."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.began_s = time.time()
        self._collection = Collection()
        self._mapped: list[pytest.Item] = []
        self._recorder = Recorder(config.rootpath)
        self._items: ItemIndex | None = None
        self._items_error: HarnessError | None = None
        self._has_told_collection = False
        self._looks_at_coverage = False
        self.decides_matrix = False
        self._left_out = 0
        self.next_item: pytest.Item | None = None
        self._owner: SuiteOwner | None = None
        self._ahead: FunctionsAhead | None = None
        self._worker_id = worker_id(config)
        self._is_worker = bool(self._worker_id)
        self._share = shared_folder(config)
        folder = config.getoption("--harness-evidence")
        self._evidence_dir = Path(folder) if folder and not self._is_worker else None

    # What is collected

    def resolve(self, report: pytest.CollectReport, nodes: Sequence[pytest.Item]) -> None:
        """Map checks to items. Where a mark is wrong, the report fails, with every wrong mark's
        message.
        """
        wrong: dict[str, None] = {}
        for node in nodes:
            try:
                self._map(node)
            except HarnessError as error:
                wrong[str(error)] = None
        if wrong:
            message = "\n".join(wrong)
            report.outcome = "failed"
            report.longrepr = message
            report.result = []
            self._collection.unknown_items[report.nodeid] = message

    def note_uncollected(self, collector: pytest.Collector, report: pytest.CollectReport) -> None:
        """Remember what could not be collected, so that its items stay unverified."""
        if report.skipped:
            outcome, reason = Outcome.SKIPPED, skip_reason(report.longrepr)
        else:
            outcome = Outcome.ERROR
            reason = f"cannot be collected: {failure_reason(report.longrepr, self.config.rootpath)}"
        try:
            ids = item_ids_in_source(collector.path, self._load_items())
        except HarnessError:
            ids = None
        self._collection.uncollected[report.nodeid] = UncollectedFile(
            report.nodeid, ids, outcome, reason
        )

    def select(self, items: list[pytest.Item]) -> None:
        """Map checks whose mark a conftest added, and leave out those of items that were not asked
        for.
        """
        try:
            for item in items:
                is_marked = item.get_closest_marker("workflow") is not None
                if _ITEM_IDS not in item.stash and (is_marked or self.has_patterns):
                    self._map(item)
            names = self.config.getoption("--harness-item")
            wanted = {found for name in names for found in self._load_items().find(name)}
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
        if wanted:
            dropped = [item for item in items if not wanted.intersection(self._ids_of(item))]
            items[:] = [item for item in items if item not in dropped]
            self.config.hook.pytest_deselected(items=dropped)
        self._take_shard(items)
        self.decides_matrix = any("access_matrix" in _fixtures_of(item) for item in items)
        self._looks_at_coverage = any(map(looks_at_coverage, items))
        if self.config.getoption("--harness-evidence"):
            from harness.pytest_plugin.order import stage_of

            items.sort(key=stage_of)
        elif self._looks_at_coverage:
            items.sort(key=looks_at_coverage)  # behind all others, which stay in their order

    def _take_shard(self, items: list[pytest.Item]) -> None:
        """Leave out what other machines run."""
        shard: tuple[int, int] | None = self.config.getoption("--harness-shard")
        if shard is None:
            return
        number, count = shard
        own = split_checks(
            {item.nodeid: self._ids_of(item) for item in items},
            count,
            whole_run={item.nodeid for item in items if looks_at_coverage(item)},
        )[number - 1]
        self._collection.shard_items = sorted(own.items)
        dropped = [item for item in items if item.nodeid not in own.checks]
        if dropped:
            items[:] = [item for item in items if item.nodeid in own.checks]
            self.config.hook.pytest_deselected(items=dropped)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Take notice of what was left out, by whomever."""
        self._left_out += len(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell the controller, or whoever follows the progress, what there is to run."""
        if self._items is not None:
            self._collection.documents = [
                document.source.file_name for document in self._items.documents.documents
            ]
        selected = set(session.items)
        for item in self._mapped:
            self._collection.checks[item.nodeid] = CollectedCheck(
                self._ids_of(item), _statement_of(item)
            )
            # By -k, -m, --harness-item, or because another check was named on the command line.
            if item not in selected:
                self._collection.deselected[item.nodeid] = "left out of this run"
        self._collection.wants_suite = any(uses_suite(item) for item in session.items)
        if self._is_worker and self._share is not None:
            self._share.mkdir(mode=0o700, exist_ok=True)
            path = self._share / f"collected-{self._worker_id}.json"
            path.write_text(self._collection.to_json(), encoding="utf-8")
        elif self._share is None:
            self._tell_collection(len(session.items))
            self._start_functions_ahead(session.items)

    def _start_functions_ahead(self, items: Sequence[pytest.Item]) -> None:
        if self._evidence_dir is None or HANDOVER_VARIABLE not in os.environ:
            return
        from harness.pytest_plugin.order import FunctionsAhead

        self._ahead = FunctionsAhead(items, Handover(Path(os.environ[HANDOVER_VARIABLE])))
        self._ahead.begin()

    def wait_for_functions(self) -> None:
        """Wait until no function's process starts but by what checks do."""
        ahead, self._ahead = self._ahead, None
        for name in ahead.finish() if ahead is not None else ():
            self._tell(event="note", message=f"the process of {name} did not start ahead")

    @property
    def is_complete(self) -> bool:
        """Whether nothing that was found was left out of this run."""
        collection = self._collection
        return not (self._left_out or collection.uncollected or collection.unknown_items)

    @property
    def selected_count(self) -> int:
        """How many checks this run has."""
        return len(self._collection.checks) - len(self._collection.deselected)

    def _tell_collection(self, checks: int) -> None:
        for message in self._collection.unknown_items.values():
            self._tell(event="unknown_item", message=message)
        if self.collection().shard_items is not None:
            self._tell(event="shard", items=self.collection().shard_items)
        self._tell(event="collected", checks=checks)

    @property
    def has_patterns(self) -> bool:
        """Whether harness.yaml says what checks verify, so that those without marks may count."""
        try:
            return self._load_items().has_patterns
        except HarnessError:
            return False  # said of the first check with a mark

    def _map(self, item: pytest.Item) -> None:
        item_ids = item_ids_of(item, self._load_items())
        if item_ids:
            item.stash[_ITEM_IDS] = item_ids
            self._mapped.append(item)

    def _ids_of(self, item: pytest.Item) -> tuple[str, ...]:
        return item.stash.get(_ITEM_IDS, _NO_ITEMS)

    def _load_items(self) -> ItemIndex:
        if self._items_error is not None:
            raise self._items_error
        if self._items is None:
            project = self.config.getoption("--harness-project")
            start = (
                self.config.rootpath if self.config.inipath else self.config.invocation_params.dir
            )
            try:
                self._items = load_items(
                    start,
                    Path(project) if project else None,
                    self.config.getoption("--harness-workflow"),
                )
            except HarnessError as error:
                self._items_error = error
                raise
        return self._items

    def share(self, folder: Path) -> None:
        """Take the folder that the workers share."""
        self._share = folder

    def workers_collected(self) -> None:
        """Start what the workers' checks need, once, and say what there is to run."""
        collection = self.collection()
        if not self._has_told_collection:
            self._has_told_collection = True
            self._tell_collection(len(collection.checks))
            if collection.wants_suite:
                from harness.pytest_plugin.requests import forget_last_run

                forget_last_run(self.config)
        if self._owner is None and self._share is not None and collection.wants_suite:
            from harness.pytest_plugin.suite import start_for_workers

            self._owner = start_for_workers(self.config, self._share)

    # What is recorded

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what the check observed along with its report, and why rules decided as they did."""
        report = yield
        attach_findings(report, item)
        if report.when == "call" and report.failed and uses_suite(item):
            from harness.pytest_plugin.decisions import attach_decisions

            attach_decisions(report, item)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, nextitem: pytest.Item | None) -> None:
        """Remember what this process runs next."""
        self.next_item = nextitem

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which check began."""
        self._tell(event="started", nodeid=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record one phase of a check."""
        if not self._is_worker:
            self._recorder.add(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Say how a check came out."""
        if self._is_worker and self._looks_at_coverage:
            from harness.pytest_plugin.rules_coverage import note_finished

            note_finished(self.config, nodeid)
        outcome = self._recorder.outcome_of(nodeid)
        self._tell(event="finished", nodeid=nodeid, outcome=outcome.value if outcome else "")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the results, if a folder for them was named."""
        if self._evidence_dir is None:
            return
        self._evidence_dir.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(result.to_json()) for result in self._results(unmapped=True)]
        # The name appears with the last line in place: a reader that finds it finds all of it.
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._evidence_dir, delete=False, suffix=".tmp"
        ) as file:
            file.write("".join(f"{line}\n" for line in lines))
        Path(file.name).replace(self._evidence_dir / CHECKS_FILE)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print which items have passing checks; nothing where nothing was mapped."""
        collection = self.collection()
        lines = summary_lines(self._results(unmapped=False), collection.documents)
        if lines and not self._is_worker:
            terminalreporter.section("workflow")
            for line in lines:
                terminalreporter.line(line)
        if not self._is_worker and collection.wants_suite:
            from harness.pytest_plugin.rules_coverage import coverage_summary

            covered = coverage_summary(self.config, self.began_s)
            if covered:
                terminalreporter.section("rules coverage")
                for line in covered:
                    terminalreporter.line(line)

    def collection(self) -> Collection:
        """Return what was collected, by this process or by its workers."""
        if not self._is_worker and self._share is not None:
            for path in sorted(self._share.glob("collected-*.json")):
                self._collection.merge(Collection.from_json(path.read_text(encoding="utf-8")))
        return self._collection

    def pytest_unconfigure(self) -> None:
        """End the workers' suite, and take the shared folder away."""
        if self._owner is not None:
            self._owner.stop()
        if not self._is_worker and self._share is not None:
            shutil.rmtree(self._share, ignore_errors=True)

    def _results(self, *, unmapped: bool) -> list[CheckResult]:
        return self._recorder.results(self.collection(), unmapped=unmapped)

    def _tell(self, **event: object) -> None:
        if self._evidence_dir is not None:
            self._evidence_dir.mkdir(parents=True, exist_ok=True)
            with (self._evidence_dir / PROGRESS_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")


def _fixtures_of(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


def _statement_of(item: pytest.Item) -> str:
    """Return what a pass of a check states: its docstring's first line, else its name in words."""
    doc = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    first = next((line.strip() for line in doc.splitlines() if line.strip()), "")
    name = getattr(item, "originalname", None) or item.name
    return first or name.removeprefix("test_").replace("_", " ")
