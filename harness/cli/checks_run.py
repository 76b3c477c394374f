"""Runs a project's checks: pytest in a process of its own, under guard, followed as it goes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cli.render import Progress
from harness.emulators.environment import without_credentials
from harness.emulators.guarded import GuardedProcess
from harness.emulators.handover import HANDOVER_VARIABLE
from harness.emulators.workspace import make_private_folder
from harness.errors import HarnessError, HarnessErrors, WorkflowError
from harness.project import Project
from harness.workflow.evidence import CheckResult

_POLL_S = 0.1
_SHOWN_LINES = 12
# pytest's own statuses. Source: pytest, "Exit codes".
_PYTEST_WRONG_USAGE = 4
_LOG_NAME = "last-run.log"


@dataclass(slots=True)
class _Followed:
    """What pytest has told so far."""

    checks: int | None = None
    finished: int = 0
    running: dict[str, float] = field(default_factory=dict)
    unknown_items: list[str] = field(default_factory=list)
    shard: frozenset[str] | None = None

    def take(self, event: dict[str, Any], progress: Progress) -> None:
        match event["event"]:
            case "collected":
                self.checks = event["checks"]
                progress.phase(f"{self.checks} checks collected")
            case "unknown_item":
                self.unknown_items.append(event["message"])
            case "note":
                progress.phase(event["message"])
            case "shard":
                self.shard = frozenset(event["items"])
            case "started":
                self.running[event["nodeid"]] = time.monotonic()
            case "finished":
                self.running.pop(event["nodeid"], None)
                self.finished += 1
                if event["outcome"] in ("FAILED", "ERROR"):
                    progress.phase(f"{event['outcome'].lower()}: {event['nodeid']}")

    def now(self) -> str:
        """Return what is going on, in a few words."""
        if self.checks is None:
            return "collecting checks"
        if not self.running:
            return f"{self.finished} of {self.checks} checks"
        nodeid, since = next(iter(self.running.items()))
        return (
            f"{self.finished} of {self.checks} checks · {nodeid} {time.monotonic() - since:.0f} s"
        )


@dataclass(frozen=True, slots=True)
class ChecksRun:
    """What checks found.

    Attributes:
        results: Of each check and item; items by their references, see `workflow/documents.py`.
        shard: The items that were this machine's to verify; None: all.
    """

    results: tuple[CheckResult, ...]
    shard: frozenset[str] | None


def run_checks(
    project: Project,
    *,
    workflows: Sequence[Path],
    items: Sequence[str],
    shard: tuple[int, int] | None,
    handover: Path | None,
    progress: Progress,
    suite_phase: Callable[[], str],
    against: str | None = None,
) -> ChecksRun:
    """Run the checks in the project's folder and return what they found.

    Args:
        workflows: The documents whose items they name.
        items: Run only the checks of these; empty: all.
        shard: Run only this part, I of N; None: all.
        handover: The folder through which the suite is handed over; None: there is none.
        suite_phase: Says what the suite is doing, while it is starting.
        against: A real project to ask instead, with the credentials of the environment.
    Raises:
        WorkflowError: A check names an item that the document does not have.
        HarnessError: pytest did not come to its end; with its last words.
    """
    records = Path(tempfile.mkdtemp(prefix="harness-records-"))
    project.record_folder.mkdir(exist_ok=True)
    log = project.record_folder / _LOG_NAME
    log.unlink(missing_ok=True)  # the guardian appends
    process = GuardedProcess(
        [
            *_pytest_command(project, workflows, items, shard, records),
            # What is asked elsewhere is not to replace what the last run left.
            *([f"--harness-against={against}", "--harness-rehearsal"] if against else []),
        ],
        folder=make_private_folder(),
        cwd=project.folder,
        env=_environment(handover),
        log=log,
    )
    followed = _Followed()
    try:
        tail = _Tail(records / "progress.jsonl")
        is_over = False
        while not is_over:
            is_over = process.wait_for_end(_POLL_S)
            for event in tail.new_events():
                followed.take(event, progress)
            if followed.unknown_items:
                raise HarnessErrors([_unknown_item(text) for text in followed.unknown_items])
            progress.now(" · ".join(words for words in (suite_phase(), followed.now()) if words))
        results = _results(records / "checks.jsonl", process.exit_status, log)
        return ChecksRun(tuple(results), followed.shard)
    finally:
        process.stop()
        process.close()
        shutil.rmtree(records, ignore_errors=True)


def _environment(handover: Path | None) -> dict[str, str]:
    if handover is None:
        return dict(os.environ)
    return {**without_credentials(os.environ), HANDOVER_VARIABLE: str(handover)}


def _pytest_command(
    project: Project,
    workflows: Sequence[Path],
    items: Sequence[str],
    shard: tuple[int, int] | None,
    records: Path,
) -> list[str]:
    return [
        # -P: as the `pytest` command, which does not put the working directory on the path.
        *(sys.executable, "-P", "-m", "pytest", str(project.checks_folder)),
        # By name, so that it is there where plugins are not loaded by themselves, and not twice
        # where they are.
        *("-p", "harness", "-p", "no:cacheprovider"),
        # Values behind "=": pytest looks for its settings beside everything that could be a path.
        f"--rootdir={project.folder}",
        f"--harness-project={project.folder}",
        *(f"--harness-workflow={workflow}" for workflow in workflows),
        f"--harness-evidence={records}",
        *(f"--harness-item={item}" for item in items),
        *([] if shard is None else [f"--harness-shard={shard[0]}/{shard[1]}"]),
        # One file that does not import leaves its own items open, not all.
        *("--continue-on-collection-errors", "--color=no"),
    ]


def _results(path: Path, exit_status: int | None, log: Path) -> list[CheckResult]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        words = _last_words(log)
        error = HarnessError(
            f"pytest did not run to its end (status {exit_status}){words}",
            fix=f"correct what it says; all of its output is in {log}",
        )
        error.exit_status = 2 if exit_status == _PYTEST_WRONG_USAGE else 1
        raise error from None
    return [CheckResult.from_json(json.loads(line)) for line in lines]


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    shown = [line for line in lines if line.strip()][-_SHOWN_LINES:]
    return "".join(f"\n  | {line[:200]}" for line in shown)


def _unknown_item(message: str) -> WorkflowError:
    problem, _, fix = message.partition("\n  fix: ")
    return WorkflowError(problem, fix=fix or "correct the name in the mark")


class _Tail:
    """The lines that are appended to a file, as they come; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def new_events(self) -> list[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                content = file.read()
        except FileNotFoundError:
            return []
        # A line that is still being written is read the next time.
        whole = content[: content.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return [json.loads(line) for line in whole.splitlines()]
