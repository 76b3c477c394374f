"""Runs checks against mutants of the Firestore rules, for what replay alone cannot know: whether a
check minds the changed answer.

One embedded Firestore serves all runs; each has a project of its own in it, with the mutant's
rules. Only checks that pass so with the project's own rules can tell anything: those that need
functions or Storage do not run here, so what only they may notice stays open. Rules of Storage are
not run at all.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from harness.emulators.environment import without_credentials
from harness.emulators.firestore_alone import EmbeddedFirestore
from harness.emulators.guarded import GuardedProcess
from harness.emulators.loopback import Loopback, expect_ok
from harness.emulators.workspace import make_private_folder
from harness.errors import EnvironmentLacking
from harness.project import Project
from harness.review.scoring import Finding, Standing
from harness.rules.ruleset import CompiledRuleset
from harness.source import SourceText
from harness.workflow.evidence import Outcome

# The plugin's checks that use no functions run in the project of this name with this behind it.
_CHECKS_SUFFIX = "-checks"
_FIRST_RUN_S = 600.0
_LEAST_S = 30.0
_TIMES_AS_LONG = 5
_DROPPED_VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER")
_FAILED = (Outcome.FAILED, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class ChecksRun:
    """What some checks said.

    Args:
        outcomes: By node id, of those that ended.
        has_ended: False when the limit came first.
        seconds: How long it took.
        log: What pytest printed.
    """

    outcomes: dict[str, Outcome]
    has_ended: bool
    seconds: float
    log: str = ""

    @property
    def failed(self) -> str | None:
        """The first check that did not pass."""
        return next((name for name, said in self.outcomes.items() if said in _FAILED), None)


class MutantChecks:
    """Runs a project's checks against any rules, on an embedded Firestore of its own.

    Args:
        project: Whose checks.
        rules: Its own ruleset of Firestore.
    """

    def __init__(self, project: Project, rules: CompiledRuleset) -> None:
        self._project = project
        self._rules = rules
        database = project.firebase.default_firestore
        indexes = database.indexes if database else None
        self._firestore = EmbeddedFirestore(
            "demo-mutation",
            indexes=project.folder / indexes if indexes else None,
        )
        self._runs = 0

    def __enter__(self) -> Self:
        self._firestore.start()
        try:
            self._firestore.wait_until_ready()
        except BaseException:
            self._firestore.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._firestore.stop()

    def confirm(
        self,
        findings: Sequence[Finding],
        *,
        jobs: int = 1,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[Finding]:
        """Run the checks that may notice open findings; return all findings, decided where they
        could be.
        """
        pending = [each for each in findings if each.standing is Standing.OPEN]
        names = tuple(
            name
            for name in dict.fromkeys(name for each in pending for name in each.changed)
            # Recorded from another folder, a node id is of no use here.
            if (self._project.folder / name.partition("::")[0]).is_file()
        )
        if not names:
            return list(findings)
        first = self.run(names, self._rules.source, limit_s=_FIRST_RUN_S, stop_at_failure=False)
        able = {name for name, said in first.outcomes.items() if said is Outcome.PASSED}
        if not first.has_ended or not first.outcomes:
            raise EnvironmentLacking(
                f"the checks cannot be run on the embedded Firestore alone:\n{first.log}",
                fix="run all checks again to record what they ask, or give --no-run",
            )
        limit_s = max(_LEAST_S, _TIMES_AS_LONG * first.seconds)
        decided: dict[str, Finding] = {}
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self._confirm, each, able, limit_s) for each in pending]
            for future in as_completed(futures):
                finding = future.result()
                decided[finding.mutant.id] = finding
                if on_progress is not None:
                    on_progress(len(decided), len(pending))
        return [decided.get(each.mutant.id, each) for each in findings]

    def _confirm(self, finding: Finding, able: set[str], limit_s: float) -> Finding:
        names = [name for name in finding.changed if name in able]
        if not names:
            return finding
        text = finding.mutant.text(self._rules.source)
        run = self.run(names, text, limit_s=limit_s, stop_at_failure=True)
        if run.failed is not None:
            return replace(finding, standing=Standing.KILLED, noticed_by=run.failed)
        if not run.has_ended:
            return replace(finding, standing=Standing.TIMED_OUT)
        if len(names) < len(finding.changed) or not run.outcomes:
            return finding  # others may notice it
        return replace(finding, standing=Standing.SURVIVED)

    def run(
        self, names: Iterable[str], rules: SourceText, *, limit_s: float, stop_at_failure: bool
    ) -> ChecksRun:
        """Run checks by their node ids against some rules."""
        self._runs += 1
        project_id = f"demo-mutant-{self._runs}"
        for name in (project_id, f"{project_id}{_CHECKS_SUFFIX}"):
            self._upload(name, rules)
        evidence = Path(tempfile.mkdtemp(prefix="harness-mutant-"))
        folder = make_private_folder()
        argv = [
            *(sys.executable, "-P", "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"),
            *(["-n0"] if importlib.util.find_spec("xdist") else []),
            *(["-x"] if stop_at_failure else []),
            *("--harness-rehearsal", "--harness-evidence", str(evidence)),
            f"--harness-project={self._project.folder}",
            # So that node ids are what `harness verify` has.
            f"--rootdir={self._project.folder}",
            *names,
        ]
        began = time.monotonic()
        process = GuardedProcess(
            argv,
            folder=folder,
            cwd=self._project.folder,
            env=self._environment(project_id),
            log=folder / "pytest.log",
        )
        try:
            has_ended = process.wait_for_end(limit_s)
            process.stop()
            log = _last_lines(process.log)
            outcomes = _outcomes(evidence)
        finally:
            process.close()
            shutil.rmtree(evidence, ignore_errors=True)
        return ChecksRun(outcomes, has_ended, time.monotonic() - began, log)

    def _upload(self, project_id: str, rules: SourceText) -> None:
        name = "Firestore emulator"
        loopback = Loopback(name, str(self._firestore.endpoints.firestore))
        file = {"name": rules.file_name, "content": rules.text}
        response = loopback.request(
            "PUT",
            f"/emulator/v1/projects/{quote(project_id, safe='')}:securityRules",
            json={"rules": {"files": [file]}},
        )
        expect_ok(name, response)

    def _environment(self, project_id: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in without_credentials(os.environ).items()
            if name not in _DROPPED_VARIABLES and not name.startswith("HARNESS_")
        }
        return {
            **kept,
            "FIRESTORE_EMULATOR_HOST": str(self._firestore.endpoints.firestore),
            "GCLOUD_PROJECT": project_id,
        }


def _outcomes(evidence: Path) -> dict[str, Outcome]:
    """Return how the checks came out that ended, in their order."""
    path = evidence / "progress.jsonl"
    if not path.is_file():
        return {}
    found: dict[str, Outcome] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # it was ended in the middle of a line
        if event.get("event") == "finished" and event["outcome"]:
            found[event["nodeid"]] = Outcome(event["outcome"])
    return found


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  | {line[:200]}" for line in lines[-8:] if line.strip())
