"""From pytest's reports to CheckResults: one for each check and item it is mapped to.

A pass needs every phase (set-up, call, clean-up) and no subtest that says otherwise; the worst
phase decides.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from harness.workflow.evidence import CheckResult, Outcome, ResultTable

Metric = int | float | str

# What a report carries from the process that ran the check to the one that records it.
_REPORT_ATTRIBUTE = "harness_findings"

# The names of its inputs, where they are watched; see `inputs.py`.
INPUTS_ATTRIBUTE = "harness_inputs"

# The decision of the rules that a check probably failed for, in a line; see `decisions.py`.
_DECISION_ATTRIBUTE = "harness_decision"

_PACKAGE = Path(__file__).resolve().parents[1]
_MAX_REASON_CHARS = 300
# Of a reason, where a decision of the rules stands behind it.
_ROOM_CHARS = 140
# From best to worst. A check is as good as its worst part.
_RANKS = (Outcome.PASSED, Outcome.XFAILED, Outcome.SKIPPED, Outcome.ERROR, Outcome.FAILED)
_PHASES = frozenset({"setup", "call", "teardown"})
_PHASE_WORDS = {"setup": "set-up failed: ", "teardown": "clean-up failed: "}


@dataclass(slots=True)
class Findings:
    """What a check says that it observed, besides passing: sentences, warnings, counts that the
    same inputs give again, and tables for the report.
    """

    proofs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    tables: list[ResultTable] = field(default_factory=list)

    def add_proof(self, text: str) -> None:
        """Take a sentence; it becomes one line."""
        self.proofs.append(" ".join(text.split()))

    def add_warning(self, text: str) -> None:
        """Take a sentence on what is no failure and should not stay so; it becomes one line."""
        self.warnings.append(" ".join(text.split()))

    def add_metric(self, name: str, value: Metric) -> None:
        """Take a count; a later one of the same name replaces it."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError(f"a metric is a number or a text, and {name} is {value!r}")
        self.metrics[name] = value


_FINDINGS = pytest.StashKey[Findings]()


def findings_of(item: pytest.Item) -> Findings:
    """Return where a check's findings are kept, made on first use."""
    return item.stash.setdefault(_FINDINGS, Findings())


def attach_findings(report: pytest.TestReport, item: pytest.Item) -> None:
    """Send what a check observed along with its report, to whichever process records it."""
    findings = item.stash.get(_FINDINGS, None)
    if findings is not None:
        value = {
            "proofs": list(findings.proofs),
            "warnings": list(findings.warnings),
            "metrics": dict(findings.metrics),
            "tables": [table.to_json() for table in findings.tables],
        }
        setattr(report, _REPORT_ATTRIBUTE, value)


@dataclass(frozen=True, slots=True)
class CollectedCheck:
    """A check that was collected: the items that it is mapped to, and the sentence that a pass of
    it gives.
    """

    item_ids: tuple[str, ...]
    states: str


@dataclass(frozen=True, slots=True)
class UncollectedFile:
    """A file, or a class in one, that could not be collected.

    Args:
        item_ids: The items that its checks would verify; None when its text does not tell.
        outcome: ERROR, or SKIPPED when it skips itself as a whole.
    """

    nodeid: str
    item_ids: tuple[str, ...] | None
    outcome: Outcome
    reason: str


@dataclass(slots=True)
class Collection:
    """What one process collected."""

    checks: dict[str, CollectedCheck] = field(default_factory=dict)
    deselected: dict[str, str] = field(default_factory=dict)
    uncollected: dict[str, UncollectedFile] = field(default_factory=dict)
    unknown_items: dict[str, str] = field(default_factory=dict)
    documents: list[str] = field(default_factory=list)
    wants_suite: bool = False
    shard_items: list[str] | None = None

    def merge(self, other: Collection) -> None:
        """Add what another process collected."""
        self.checks.update(other.checks)
        self.deselected.update(other.deselected)
        self.uncollected.update(other.uncollected)
        self.unknown_items.update(other.unknown_items)
        self.documents = self.documents or other.documents
        self.wants_suite = self.wants_suite or other.wants_suite
        if self.shard_items is None:
            self.shard_items = other.shard_items

    def to_json(self) -> str:
        """Write it for another process."""
        return json.dumps(
            {
                "checks": {
                    nodeid: [list(check.item_ids), check.states]
                    for nodeid, check in self.checks.items()
                },
                "deselected": self.deselected,
                "uncollected": [
                    [file.nodeid, file.item_ids, file.outcome.value, file.reason]
                    for file in self.uncollected.values()
                ],
                "unknown_items": self.unknown_items,
                "documents": self.documents,
                "wants_suite": self.wants_suite,
                "shard_items": self.shard_items,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        files = [
            UncollectedFile(nodeid, None if ids is None else tuple(ids), Outcome(outcome), reason)
            for nodeid, ids, outcome, reason in data["uncollected"]
        ]
        return cls(
            checks={
                nodeid: CollectedCheck(tuple(ids), states)
                for nodeid, (ids, states) in data["checks"].items()
            },
            deselected=data["deselected"],
            uncollected={file.nodeid: file for file in files},
            unknown_items=data["unknown_items"],
            documents=data["documents"],
            wants_suite=data["wants_suite"],
            shard_items=data["shard_items"],
        )


@dataclass(slots=True)
class _Record:
    outcome: Outcome = Outcome.PASSED
    reason: str = ""
    phases: set[str] = field(default_factory=set)
    duration_s: float = 0.0
    findings: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    place: str = ""

    def worsen(self, outcome: Outcome, reason: str, place: str) -> None:
        if _RANKS.index(outcome) > _RANKS.index(self.outcome):
            self.outcome, self.reason, self.place = outcome, reason, place


class Recorder:
    """Collects reports as they come, and turns them into results at the end."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records: dict[str, _Record] = {}

    def add(self, report: pytest.TestReport) -> None:
        """Take one phase's report, or a subtest's."""
        if report.outcome not in ("passed", "failed", "skipped"):
            return  # another plugin's, such as "rerun": the attempt that counts is reported as well
        record = self._records.setdefault(report.nodeid, _Record())
        if not hasattr(report, "context"):  # a subtest's report does not end its check's phase
            record.phases.add(report.when)
            record.duration_s += report.duration
        record.findings = getattr(report, _REPORT_ATTRIBUTE, None) or record.findings
        record.inputs = tuple(getattr(report, INPUTS_ATTRIBUTE, None) or record.inputs)
        place = _place_in_checks(report.longrepr, self._root) if report.failed else ""
        record.worsen(*self._judge(report), place)

    def outcome_of(self, nodeid: str) -> Outcome | None:
        """Return how a check came out so far; None when nothing of it ran."""
        record = self._records.get(nodeid)
        return record.outcome if record else None

    def results(self, collection: Collection, *, unmapped: bool) -> list[CheckResult]:
        """Return a result for each check and item, in the order of collection.

        Args:
            collection: Everything that was collected, by all processes.
            unmapped: Also return the checks that ran and are mapped to no item.
        """
        results: list[CheckResult] = []
        for file in collection.uncollected.values():
            ids: Iterable[str | None] = (None,) if file.item_ids is None else file.item_ids
            # Which items a whole file left out is unknown: that no item is verified then is what
            # ERROR says.
            outcome = Outcome.ERROR if file.item_ids is None else file.outcome
            results += [
                CheckResult(file.nodeid, outcome, item_id, reason=file.reason) for item_id in ids
            ]
        for nodeid, check in collection.checks.items():
            results += [
                self._result(nodeid, item_id, check, collection) for item_id in check.item_ids
            ]
        if unmapped:
            results += [
                self._unmapped(nodeid, record)
                for nodeid, record in self._records.items()
                if nodeid not in collection.checks
            ]
        return results

    def _result(
        self, nodeid: str, item_id: str, check: CollectedCheck, collection: Collection
    ) -> CheckResult:
        record = self._records.get(nodeid)
        if record is None:
            reason = collection.deselected.get(nodeid, "the run ended before this check")
            outcome = Outcome.DESELECTED if nodeid in collection.deselected else Outcome.NOT_RUN
            return CheckResult(nodeid, outcome, item_id, reason=reason, states=check.states)
        outcome, reason, states = record.outcome, record.reason, check.states
        if outcome is Outcome.PASSED and not record.phases >= _PHASES:
            outcome, reason = Outcome.NOT_RUN, "the run ended in the middle of this check"
        proofs = record.findings.get("proofs", ())
        if outcome is Outcome.PASSED and proofs:
            states = f"{states.rstrip('.')} ({'; '.join(proofs)})"
        return CheckResult(
            nodeid,
            outcome,
            item_id,
            reason=reason,
            states=states,
            duration_s=record.duration_s,
            metrics=dict(record.findings.get("metrics", {})),
            tables=tuple(map(ResultTable.from_json, record.findings.get("tables", ()))),
            inputs=record.inputs,
            warnings=tuple(record.findings.get("warnings", ())),
            place=record.place,
        )

    def _unmapped(self, nodeid: str, record: _Record) -> CheckResult:
        # ERROR without an item would say that a file could not be collected.
        outcome = Outcome.FAILED if record.outcome is Outcome.ERROR else record.outcome
        return CheckResult(
            nodeid,
            outcome,
            None,
            reason=record.reason,
            duration_s=record.duration_s,
            place=record.place,
        )

    def _judge(self, report: pytest.TestReport) -> tuple[Outcome, str]:
        expected_failure = getattr(report, "wasxfail", None)
        if expected_failure is not None:
            if report.skipped:
                reason = expected_failure.removeprefix("reason: ") or "no reason given"
                return Outcome.XFAILED, f"expected to fail: {reason}"
            return Outcome.FAILED, "passed, although it is marked as expected to fail"
        if report.passed:
            return Outcome.PASSED, ""
        if report.skipped:
            return Outcome.SKIPPED, skip_reason(report.longrepr)
        # Neither of the two: the call, or xdist's own report of a worker that died in a check.
        words = _PHASE_WORDS.get(report.when, "")
        outcome = Outcome.ERROR if words else Outcome.FAILED
        reason = words + failure_reason(report.longrepr, self._root)
        decision = getattr(report, _DECISION_ATTRIBUTE, None)
        return outcome, _one_line(f"{reason[:_ROOM_CHARS]}; {decision}") if decision else reason


def skip_reason(longrepr: object) -> str:
    """Return why something was skipped, from a report's `longrepr`."""
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
    for name in ("Skipped", "NotVerified"):
        text = text.removeprefix(f"{name}: ")
    return _one_line(text) or "skipped without a reason"


def failure_reason(longrepr: object, root: Path) -> str:
    """Return the first line of what went wrong, and where, from a report's `longrepr`."""
    crash = getattr(longrepr, "reprcrash", None)
    if crash is None:
        lines = [line for line in str(longrepr).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E  ")]
        line = (errors or lines or ["failed without a message"])[-1 if not errors else 0]
        return _one_line(line.removeprefix("E  "))
    where = _place_in_checks(longrepr, root)
    # Paths within the project are named from its folder: the reason becomes part of evidence.
    said = _one_line(crash.message).replace(f"{root}{os.sep}", "")
    return f"{said} ({where})" if where else said


def _place_in_checks(longrepr: object, root: Path) -> str:
    """Return the innermost line of the user's own that the trouble went through; empty if none."""
    traceback = getattr(longrepr, "reprtraceback", None)
    for entry in reversed(getattr(traceback, "reprentries", ())):
        place = getattr(entry, "reprfileloc", None)
        if place is None:
            continue
        path = root / place.path
        is_others = "site-packages" in path.parts or path.is_relative_to(_PACKAGE)
        if path.is_relative_to(root) and not is_others:
            return f"{path.relative_to(root).as_posix()}:{place.lineno}"
    return ""


def _one_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _MAX_REASON_CHARS else f"{line[:_MAX_REASON_CHARS]}…"
