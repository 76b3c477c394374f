"""What a run's checks reach of the security rules: taken from the emulators, which count, and left
in `.harness/coverage/`.

Which run counts as a whole is decided here: only of such a run may a threshold be asked.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from harness.emulators.handover import HandedSuite
from harness.emulators.loopback import Loopback, expect_ok
from harness.errors import EnvironmentLacking, HarnessError
from harness.project import Project, load_project
from harness.pytest_plugin import looks_at_coverage, run_of
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.suite import project_folder
from harness.pytest_plugin.xdist import shared_folder, worker_id
from harness.reports.rules_coverage import summary_line
from harness.rules.coverage import CoverageCounts
from harness.rules.coverage_report import CoverageSummary
from harness.rules_coverage import (
    RULES_JSON,
    RunCoverage,
    coverage_folder,
    coverage_of_cells,
    coverage_of_matrix,
    coverage_of_project,
    forget_run,
    read_run,
    write_run,
)
from harness.server.storage_coverage import coverage_path, read_storage_coverage

_NAME = "Firestore emulator"
_ANSWER_S = 30.0
# Of the other workers' checks; the longest may wait for its turn as long.
_OTHERS_S = 600.0
_POLL_S = 0.05
_OF_MATRIX = pytest.StashKey[list[CoverageCounts]]()
_NOT_OURS = "only the embedded Firestore counts what is evaluated of the rules"


def summaries_of_whole_run(
    config: pytest.Config, session: pytest.Session, suite: HandedSuite
) -> tuple[CoverageSummary, ...]:
    """Return what all other checks of this run reached of each rules file.

    The check is not verified where that would not be the whole.
    """
    __tracebackhide__ = True
    project = load_project(project_folder(config))
    partial = _partial_reason(config, suite, project)
    if partial is not None:
        not_verified(f"rules coverage is of a whole run: {partial}")
    _wait_for_others(config, session)
    counts = _counted(config, suite, project)
    if counts is None:
        not_verified(f"{_NOT_OURS} (--firestore embedded)")
    return tuple(file.summary for file in coverage_of_project(project, counts))


@contextmanager
def kept_coverage(config: pytest.Config, suite: HandedSuite) -> Iterator[None]:
    """Leave behind what is counted by the end of the block."""
    if config.getoption("--harness-rehearsal"):
        yield
        return
    try:
        yield
    finally:
        # A check's outcome is not to depend on this.
        with contextlib.suppress(HarnessError, OSError, ValueError):
            _keep(config, suite)


def coverage_summary(config: pytest.Config, since_s: float) -> list[str]:
    """Return one line for each rules file, if this run counted.

    Args:
        since_s: When the run began.
    """
    try:
        project = load_project(project_folder(config))
        path = coverage_folder(project) / RULES_JSON
        if not path.is_file() or path.stat().st_mtime < since_s:
            return []
        run = read_run(path)
        files = coverage_of_project(project, run.rulesets)
    except (HarnessError, OSError):
        return []
    return [f"  {summary_line(file.summary)}" for file in files if file.has_counts]


def note_finished(config: pytest.Config, nodeid: str) -> None:
    """Tell the other workers that a check is done."""
    shared, worker = shared_folder(config), worker_id(config)
    if worker and shared is not None:
        shared.mkdir(mode=0o700, exist_ok=True)
        with (shared / f"finished-{worker}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{nodeid}\n")


def _keep(config: pytest.Config, suite: HandedSuite) -> None:
    project = load_project(project_folder(config))
    shared = shared_folder(config) if worker_id(config) else None
    # Each worker takes everything, of all projects, when it is done: the last one has it all. The
    # lock keeps an earlier answer from being written over a later one.
    lock = FileLock(shared / "coverage.lock", timeout=_ANSWER_S) if shared is not None else None
    with lock or contextlib.nullcontext():
        counts = _counted(config, suite, project)
        if counts is None:
            forget_run(project)
            return
        files = coverage_of_project(project, counts)
        own = {file.counts.text for file in files}
        run = run_of(config)
        write_run(
            project,
            RunCoverage(
                tuple(each for each in counts if each.text in own),
                run.selected_count if run is not None else 0,
                _partial_reason(config, suite, project),
            ),
            files,
        )


def _counted(
    config: pytest.Config, suite: HandedSuite, project: Project
) -> list[CoverageCounts] | None:
    """Return what the emulators have counted, and what a check of the access matrix decides in
    process; None where the emulators do not count.
    """
    counts: list[CoverageCounts] = []
    address = suite.endpoints.firestore
    if address is not None:
        response = Loopback(_NAME, address).request(
            "GET", "/harness/v1/rules:coverage", timeout_s=_ANSWER_S
        )
        if response.status_code == 404:
            return None
        content = expect_ok(_NAME, response)
        counts += map(CoverageCounts.from_json, content["rulesets"])
    if suite.storage_requests is not None:
        try:
            counts += read_storage_coverage(coverage_path(suite.storage_requests))
        except ValueError as error:
            raise EnvironmentLacking(
                f"what the Storage rules runtime has counted cannot be read: {error}",
                fix="run the checks again",
            ) from error
    run = run_of(config)
    if run is not None and run.decides_matrix:
        counts += _counted_of_matrix(config, project)
    return counts


def _counted_of_matrix(config: pytest.Config, project: Project) -> list[CoverageCounts]:
    """Return what the access matrix evaluates, which is the same for all of a run."""
    from harness.pytest_plugin.access import known_project

    counts = config.stash.get(_OF_MATRIX, None)
    if counts is None:
        known = known_project(config)
        counts = (
            coverage_of_cells(known.rulesets, known.decided.cells)
            if known is not None and known.decided is not None
            else coverage_of_matrix(project)
        )
        config.stash[_OF_MATRIX] = counts
    return counts


def _partial_reason(config: pytest.Config, suite: HandedSuite, project: Project) -> str | None:
    """Return why a run is not one of all checks on a suite of their own; None if it is."""
    if suite.firestore == "attach":
        return "the suite was running before, and counts what others asked of it too"
    run = run_of(config)
    if run is None or not run.is_complete:
        return "some checks were left out of this run"
    if not _covers(config.args, config.invocation_params.dir, project.checks_folder):
        return "checks of some files were left out of this run"
    return None


def _covers(arguments: Sequence[str], start: Path, checks: Path) -> bool:
    """Whether pytest was asked for the whole folder of checks."""
    for argument in arguments:
        name, _, inside = argument.partition("::")
        path = Path(os.path.realpath(start / name))
        if not inside and (path == checks.resolve() or path in checks.resolve().parents):
            return True
    return False


def _wait_for_others(config: pytest.Config, session: pytest.Session) -> None:
    """Wait until the other workers have run all checks that do not look at coverage themselves."""
    __tracebackhide__ = True
    shared = shared_folder(config)
    if not worker_id(config) or shared is None:
        return
    run = run_of(config)
    if run is not None and run.next_item is not None and not looks_at_coverage(run.next_item):
        not_verified("pytest-xdist lets other checks wait for this one: use --dist load")
    others = {item.nodeid for item in session.items if not looks_at_coverage(item)}
    deadline = time.monotonic() + _OTHERS_S
    while others:
        for path in shared.glob("finished-*.txt"):
            others.difference_update(path.read_text(encoding="utf-8").splitlines())
        if others and time.monotonic() > deadline:
            not_verified(f"{len(others)} other checks had not ended after {_OTHERS_S:g} s")
        if others:
            time.sleep(_POLL_S)
