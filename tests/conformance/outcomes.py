"""What a run of the published system tests says about the embedded Firestore.

Pure: from the observer's lines and the table of exceptions to one report. An exception holds only
for the failure that it names, so that it cannot hide another one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from harness.errors import ConfigError

_SHOWN_LINES = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test's end: `passed`, `failed` or `skipped`; or `not run` when it was never reached.

    Args:
        test: As `test_system.py::test_name[parameters]`.
        reason: Why it was skipped, or the text of the failure.
    """

    test: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """Tests that are known to fail, and why that is right.

    Args:
        tests: `file::test`; with parameters for one of its variants.
        fails_with: What the failure says.
    """

    tests: tuple[str, ...]
    fails_with: str
    reason: str

    def name_for(self, test: str) -> str | None:
        """Return that of `tests` which a test falls under."""
        return next((name for name in (test, test.partition("[")[0]) if name in self.tests), None)


@dataclass(frozen=True, slots=True)
class Report:
    """A finished run, sorted out. Each test is in exactly one of the first four."""

    passed: tuple[Outcome, ...]
    failed: tuple[Outcome, ...]
    excepted: tuple[tuple[Outcome, KnownFailure], ...]
    skipped: tuple[Outcome, ...]
    outlived: tuple[str, ...]
    """Names in the table of which something ran and nothing failed."""

    @property
    def is_conformant(self) -> bool:
        """Tell whether something passed, and nothing failed or passed against the table."""
        return bool(self.passed) and not self.failed and not self.outlived


def read_exceptions(text: str) -> tuple[KnownFailure, ...]:
    """Read the table of exceptions.

    Raises:
        ConfigError: A row lacks something, or has something else.
    """
    rows = yaml.safe_load(text) or []
    keys = {"tests", "fails_with", "reason"}
    for row in rows:
        if set(row) != keys or not all(row.values()):
            raise ConfigError(
                f"a row of the exceptions has the keys {sorted(row)}, or an empty value",
                fix=f"give it {', '.join(sorted(keys))}, and nothing else",
            )
    return tuple(
        KnownFailure(tuple(row["tests"]), str(row["fails_with"]), str(row["reason"]).strip())
        for row in rows
    )


def read_outcomes(lines: Iterable[str]) -> tuple[Outcome, ...]:
    """Read what the observer wrote; a test without a line was not run to its end."""
    collected: list[str] = []
    ended: dict[str, Outcome] = {}
    for line in lines:
        entry: dict[str, Any] = json.loads(line)
        if "collected" in entry:
            collected.extend(entry["collected"])
        else:
            ended[entry["test"]] = Outcome(entry["test"], entry["outcome"], entry["reason"])
    return tuple(ended.get(test, Outcome(test, "not run")) for test in collected)


def sort_out(outcomes: Sequence[Outcome], exceptions: Sequence[KnownFailure]) -> Report:
    """Hold the outcomes against the table of exceptions."""
    passed, failed, excepted, skipped = [], [], [], []
    # By name in the table: whether something under it has failed.
    has_failed: dict[str, bool] = {}
    for outcome in outcomes:
        if outcome.outcome == "skipped":
            skipped.append(outcome)
            continue
        exception = next((item for item in exceptions if item.name_for(outcome.test)), None)
        if exception is not None:
            name = exception.name_for(outcome.test) or ""
            has_failed[name] = has_failed.get(name, False) or outcome.outcome != "passed"
        if outcome.outcome == "passed":
            passed.append(outcome)
        elif exception is not None and exception.fails_with in outcome.reason:
            excepted.append((outcome, exception))
        else:
            failed.append(outcome)
    outlived = tuple(name for name, failed_once in has_failed.items() if not failed_once)
    return Report(tuple(passed), tuple(failed), tuple(excepted), tuple(skipped), outlived)


def render(report: Report) -> str:
    """Print a report as text: the figures, then each failure, exception and reason to skip."""
    counts = {
        "passed": Counter(_file(item) for item in report.passed),
        "failed": Counter(_file(item) for item in report.failed),
        "exceptions": Counter(_file(item) for item, _ in report.excepted),
        "skipped": Counter(_file(item) for item in report.skipped),
    }
    files = sorted(set().union(*counts.values()))
    width = max((len(file) for file in files), default=0)
    lines = [" ".join([" " * width, *(f"{name:>10}" for name in counts)])]
    for file in files:
        figures = (f"{counter[file]:>10}" for counter in counts.values())
        lines.append(" ".join([f"{file:<{width}}", *figures]))
    for outcome in report.failed:
        lines += ["", f"FAILED {outcome.test} ({outcome.outcome})"]
        lines += [f"  | {line}" for line in outcome.reason.splitlines()[-_SHOWN_LINES:]]
    for reason, number in Counter(item.reason for _, item in report.excepted).items():
        lines += ["", f"{number} exceptions: {reason}"]
    if report.skipped:
        lines += ["", "Skipped by their own marks:"]
        reasons = Counter(item.reason for item in report.skipped)
        lines += [f"  {number:4} {reason}" for reason, number in reasons.most_common()]
    for name in report.outlived:
        lines += ["", f"PASSES {name}: take it out of the exceptions"]
    return "\n".join(lines) + "\n"


def _file(outcome: Outcome) -> str:
    return outcome.test.partition("::")[0]
