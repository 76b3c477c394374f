"""What checks found, and the file that keeps it: Outcome, CheckResult, Evidence, to and from an
in-toto Statement.

Text in, text out, the same bytes for the same findings: no durations, no times of day. The shape is
`evidence.schema.json` beside this file. Must not live here: what results mean for an item
(`verdict.py`, `states.py`), hashing and reading files.

Source: in-toto Attestation Framework, "Predicate type: Test Result" v0.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.source import SourceText
from harness.workflow.statement import (
    Statement,
    array_of,
    object_of,
    read_statement,
    statement_to_text,
    string_of,
)

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_SUITE_URN = "urn:firebase-workflow-harness:suite:"
_PACKAGE_URL = "pkg:pypi/firebase-workflow-harness@"

_REASON_LENGTH = 300
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")


class Outcome(StrEnum):
    """How one check ended. Only PASSED supports an item."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    """It ran and what it asserts does not hold. An unexpected pass of an xfail is a failure too."""
    XFAILED = "XFAILED"
    """It ran and failed as its xfail mark announces: known not to hold."""
    ERROR = "ERROR"
    """It could not come to a result: setup, teardown or collection broke."""
    SKIPPED = "SKIPPED"
    NOT_RUN = "NOT_RUN"
    """It was due and was not reached: the suite did not start, the run was interrupted."""
    DESELECTED = "DESELECTED"
    """The person who started the run left it out (`-k`, `-m`, `--deselect`)."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """A table that a check shows, such as the access matrix.

    Attributes:
        columns: Headings, the first one's rows' own.
        rows: As many cells each as there are columns.
        flagged: Indexes of rows that are not as they should be.
        notes: Lines that say why, in the order of the rows.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    flagged: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "flagged": list(self.flagged),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, value: Any) -> ResultTable:
        """Read what `to_json` gave.

        Raises:
            ValueError: The value is of another shape.
        """
        fields = object_of(value, "table")
        rows = fields.get("rows")
        flagged = fields.get("flagged", [])
        if not isinstance(rows, list) or not isinstance(flagged, list):
            raise ValueError("a table's rows or flagged is not an array")
        table = cls(
            string_of(fields, "title"),
            _strings(fields.get("columns"), "a table's columns"),
            tuple(_strings(row, "a table's rows") for row in rows),
            tuple(index for index in flagged if isinstance(index, int)),
            _strings(fields.get("notes", []), "a table's notes"),
        )
        if any(len(row) != len(table.columns) for row in table.rows):
            raise ValueError("a table's row has not as many cells as there are columns")
        return table


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} is not an array of strings")
    return tuple(value)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's result for one item; a check that is mapped to two items has two.

    Attributes:
        nodeid: pytest's name for it.
        item_id: None for a check that is not mapped. With ERROR and None it is a file that could
            not be collected.
        reason: Why it did not pass. Empty for PASSED.
        states: The sentence that holds when it passes: its docstring's first line.
        duration_s: Seconds. Never part of evidence.
        metrics: Counts that the same inputs give again, `{"reads_billed": 21}`; never timings.
        tables: What it shows in reports. Never part of evidence.
        inputs: Names of what it looked at, as `subject` of evidence has them.
        warnings: What it warns of although it passed.
        place: The line of the project's own that it failed at, as `checks/test_x.py:12`.
    """

    nodeid: str
    outcome: Outcome
    item_id: str | None
    reason: str = ""
    states: str = ""
    duration_s: float = 0.0
    metrics: Mapping[str, int | float | str] = field(default_factory=dict)
    tables: tuple[ResultTable, ...] = ()
    inputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values, for the last run's record and for xdist workers."""
        return {
            "nodeid": self.nodeid,
            "outcome": self.outcome.value,
            "item_id": self.item_id,
            "reason": self.reason,
            "states": self.states,
            "duration_s": self.duration_s,
            "metrics": dict(self.metrics),
            "tables": [table.to_json() for table in self.tables],
            "inputs": list(self.inputs),
            "warnings": list(self.warnings),
            "place": self.place,
        }

    @classmethod
    def from_json(cls, value: Any) -> CheckResult:
        """Read what `to_json` gave.

        Raises:
            ValueError: The value is of another shape; the message names the field.
        """
        fields = object_of(value, "check")
        item_id = fields.get("item_id")
        if item_id is not None and not isinstance(item_id, str):
            raise ValueError("item_id is neither a string nor null")
        duration_s = fields.get("duration_s", 0.0)
        if isinstance(duration_s, bool) or not isinstance(duration_s, int | float):
            raise ValueError("duration_s is not a number")
        tables = fields.get("tables", [])
        if not isinstance(tables, list):
            raise ValueError("tables is not an array")
        return cls(
            string_of(fields, "nodeid"),
            _outcome(fields),
            item_id,
            string_of(fields, "reason", ""),
            string_of(fields, "states", ""),
            float(duration_s),
            _metrics(fields),
            tuple(map(ResultTable.from_json, tables)),
            _strings(fields.get("inputs", []), "inputs"),
            _strings(fields.get("warnings", []), "warnings"),
            string_of(fields, "place", ""),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an item has its verdict: the checks, and the inputs that they looked at.

    Attributes:
        verdict: A `VerdictKind`'s value.
        subjects: Name of each input -> SHA-256 of its bytes in hexadecimal, at least one. Evidence
            holds for these only.
        suite: What the checks ran against: `embedded`, `official`, `attached`.
        document: The workflow document's path in the project.
        harness_version: Of the harness that ran them.
    """

    item_id: str
    verdict: str
    checks: tuple[CheckResult, ...]
    subjects: Mapping[str, str]
    suite: str = ""
    document: str = ""
    harness_version: str = ""


def evidence_to_statement(evidence: Evidence) -> str:
    """Return an in-toto Statement as JSON text, with a line feed at its end.

    `result` is PASSED or WARNED for a verified item and FAILED for every other: a reader that knows
    only the standard's fields never takes an unverified item for a verified one. Skipped checks are
    in none of the standard's lists.

    Raises:
        ValueError: There is no subject, or one has no SHA-256 digest.
    """
    checks = sorted(evidence.checks, key=lambda check: (check.nodeid, check.outcome))
    configuration = []
    if evidence.harness_version:
        configuration.append({"name": "harness", "uri": _PACKAGE_URL + evidence.harness_version})
    if evidence.suite:
        configuration.append({"name": "suite", "uri": _SUITE_URN + evidence.suite})
    passed = [check for check in checks if check.outcome is Outcome.PASSED]
    warned = [check.nodeid for check in passed if check.warnings]
    result = "WARNED" if warned else "PASSED"
    predicate = {
        "result": result if evidence.verdict == "VERIFIED" else "FAILED",
        "configuration": configuration,
        "passedTests": [check.nodeid for check in passed if not check.warnings],
        "warnedTests": warned,
        "failedTests": [
            c.nodeid
            for c in checks
            if c.outcome in (Outcome.FAILED, Outcome.XFAILED, Outcome.ERROR)
        ],
        "harnessDocument": evidence.document,
        "harnessItem": evidence.item_id,
        "harnessVerdict": evidence.verdict,
        "harnessSuite": evidence.suite,
        "harnessVersion": evidence.harness_version,
        "harnessChecks": [
            {
                "nodeid": check.nodeid,
                "outcome": check.outcome.value,
                "reason": _steady(check.reason),
                "states": check.states,
                "warnings": list(check.warnings),
                "metrics": dict(check.metrics),
                **({"place": check.place} if check.place else {}),
            }
            for check in checks
        ],
    }
    return statement_to_text(Statement(PREDICATE_TYPE, predicate, evidence.subjects))


def evidence_from_statement(source: SourceText) -> Evidence:
    """Read a Statement that `evidence_to_statement` wrote. Unknown fields are passed over, as
    in-toto asks.

    Raises:
        WorkflowError: It is not JSON, not such a Statement, or says two things at once.
    """
    return read_statement(source, evidence_of)


def evidence_of(statement: Statement) -> Evidence:
    """Read the predicate of a Statement.

    Raises:
        ValueError: It is of another type or shape, or says two things at once.
    """
    if statement.predicate_type != PREDICATE_TYPE:
        raise ValueError(f"predicateType is not {PREDICATE_TYPE}")
    predicate = statement.predicate
    item_id = string_of(predicate, "harnessItem")
    evidence = Evidence(
        item_id,
        string_of(predicate, "harnessVerdict"),
        tuple(
            CheckResult.from_json({**object_of(check, "harnessChecks[]"), "item_id": item_id})
            for check in array_of(predicate, "harnessChecks")
        ),
        dict(statement.subjects),
        string_of(predicate, "harnessSuite", ""),
        string_of(predicate, "harnessDocument", ""),
        string_of(predicate, "harnessVersion", ""),
    )
    _refuse_contradictions(predicate, evidence)
    return evidence


def changed_subjects(subjects: Mapping[str, str], digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of inputs that are not what they were: changed or gone.

    Args:
        subjects: As evidence has them.
        digests: Of the same names, as they are now; one that is gone has none.
    """
    return tuple(name for name in sorted(subjects) if subjects[name] != digests.get(name))


def _refuse_contradictions(predicate: Mapping[str, Any], evidence: Evidence) -> None:
    """A file edited by hand, or merged badly, must not count: the standard's fields and ours say
    the same."""
    if (predicate.get("result") in ("PASSED", "WARNED")) != (evidence.verdict == "VERIFIED"):
        raise ValueError("result and harnessVerdict contradict each other")
    if evidence.verdict == "VERIFIED" and not (
        evidence.checks and all(check.outcome is Outcome.PASSED for check in evidence.checks)
    ):
        raise ValueError("it claims VERIFIED, but not all of its checks passed")


def _steady(reason: str) -> str:
    """Cut a reason to its first line, without addresses in memory: those differ at each run."""
    first = reason.strip().partition("\n")[0]
    return _ADDRESS.sub("0x…", first)[:_REASON_LENGTH]


def _outcome(fields: dict[str, Any]) -> Outcome:
    name = string_of(fields, "outcome")
    if name not in Outcome.__members__:
        raise ValueError(f"{name!r} is not an outcome")
    return Outcome(name)


def _metrics(fields: dict[str, Any]) -> dict[str, int | float | str]:
    metrics = object_of(fields.get("metrics", {}), "metrics")
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"metrics.{name} is neither a number nor a string")
    return metrics
