"""What checks found, and the file that keeps it: Outcome, CheckResult, Evidence, to and from an
in-toto Statement.

Text in, text out, the same bytes for the same findings: no durations, no times of day. Must not
live here: what results mean for an item (`verdict.py`), hashing and reading files.

Source: in-toto Attestation Framework, "Statement layer" v1 and "Predicate type: Test Result" v0.1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from harness.errors import WorkflowError
from harness.source import SourcePosition, SourceText

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_SUITE_URN = "urn:firebase-workflow-harness:suite:"

_REASON_LENGTH = 300
_FILE_NAME_LENGTH = 120
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE_IN_FILE_NAMES = re.compile(r"[^\w.~-]")


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
        fields = _object(value, "table")
        rows = fields.get("rows")
        flagged = fields.get("flagged", [])
        if not isinstance(rows, list) or not isinstance(flagged, list):
            raise ValueError("a table's rows or flagged is not an array")
        table = cls(
            _string(fields, "title"),
            _strings(fields.get("columns"), "columns"),
            tuple(_strings(row, "rows") for row in rows),
            tuple(index for index in flagged if isinstance(index, int)),
            _strings(fields.get("notes", []), "notes"),
        )
        if any(len(row) != len(table.columns) for row in table.rows):
            raise ValueError("a table's row has not as many cells as there are columns")
        return table


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"a table's {name} is not an array of strings")
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
    """

    nodeid: str
    outcome: Outcome
    item_id: str | None
    reason: str = ""
    states: str = ""
    duration_s: float = 0.0
    metrics: Mapping[str, int | float | str] = field(default_factory=dict)
    tables: tuple[ResultTable, ...] = ()

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
        }

    @classmethod
    def from_json(cls, value: Any) -> CheckResult:
        """Read what `to_json` gave.

        Raises:
            ValueError: The value is of another shape; the message names the field.
        """
        fields = _object(value, "check")
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
            _string(fields, "nodeid"),
            _outcome(fields),
            item_id,
            _string(fields, "reason", ""),
            _string(fields, "states", ""),
            float(duration_s),
            _metrics(fields),
            tuple(map(ResultTable.from_json, tables)),
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an item has its verdict: the checks, and the inputs that they looked at.

    Attributes:
        verdict: A `VerdictKind`'s value.
        subjects: Name of each input -> SHA-256 of its bytes in hexadecimal, at least one. Evidence
            holds for these only.
        suite: What the checks ran against: `embedded`, `official`, `attached`.
    """

    item_id: str
    verdict: str
    checks: tuple[CheckResult, ...]
    subjects: Mapping[str, str]
    suite: str = ""


def evidence_to_statement(evidence: Evidence) -> str:
    """Return an in-toto Statement as JSON text, with a line feed at its end.

    `result` is PASSED for a verified item and FAILED for every other: a reader that knows only the
    standard's fields never takes an unverified item for a verified one. Skipped checks are in none
    of the standard's lists.

    Raises:
        ValueError: There is no subject, or one has no SHA-256 digest.
    """
    if not evidence.subjects:
        raise ValueError(f"evidence for {evidence.item_id} names no input")
    for name, digest in evidence.subjects.items():
        if not _SHA256.fullmatch(digest):
            raise ValueError(
                f"the digest of {name} is not SHA-256 in lower-case hexadecimal: {digest!r}"
            )
    checks = sorted(evidence.checks, key=lambda check: (check.nodeid, check.outcome))
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in sorted(evidence.subjects.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "PASSED" if evidence.verdict == "VERIFIED" else "FAILED",
            "configuration": [{"name": "suite", "uri": _SUITE_URN + evidence.suite}]
            if evidence.suite
            else [],
            "passedTests": [c.nodeid for c in checks if c.outcome is Outcome.PASSED],
            "warnedTests": [],
            "failedTests": [
                c.nodeid
                for c in checks
                if c.outcome in (Outcome.FAILED, Outcome.XFAILED, Outcome.ERROR)
            ],
            "harnessItem": evidence.item_id,
            "harnessVerdict": evidence.verdict,
            "harnessSuite": evidence.suite,
            "harnessChecks": [
                {
                    "nodeid": check.nodeid,
                    "outcome": check.outcome.value,
                    "reason": _steady(check.reason),
                    "states": check.states,
                    "metrics": dict(check.metrics),
                }
                for check in checks
            ],
        },
    }
    return json.dumps(statement, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def evidence_from_statement(source: SourceText) -> Evidence:
    """Read a Statement that `evidence_to_statement` wrote. Unknown fields are passed over, as
    in-toto asks.

    Raises:
        WorkflowError: It is not JSON, not such a Statement, or says two things at once.
    """
    try:
        statement = _object(
            json.loads(source.text, object_pairs_hook=_without_duplicates), "statement"
        )
        if statement.get("_type") != STATEMENT_TYPE:
            raise ValueError(f"_type is not {STATEMENT_TYPE}")
        if statement.get("predicateType") != PREDICATE_TYPE:
            raise ValueError(f"predicateType is not {PREDICATE_TYPE}")
        predicate = _object(statement.get("predicate"), "predicate")
        item_id = _string(predicate, "harnessItem")
        evidence = Evidence(
            item_id,
            _string(predicate, "harnessVerdict"),
            tuple(
                CheckResult.from_json({**_object(check, "harnessChecks[]"), "item_id": item_id})
                for check in _array(predicate, "harnessChecks")
            ),
            dict(_subject(entry) for entry in _array(statement, "subject")),
            _string(predicate, "harnessSuite", ""),
        )
        _refuse_contradictions(predicate, evidence)
    except json.JSONDecodeError as error:
        at = SourcePosition(source.file_name, error.lineno, error.colno)
        raise _malformed(f"evidence is not JSON: {error.msg}", at) from error
    except RecursionError as error:
        raise _malformed(
            "evidence is nested too deeply", SourcePosition(source.file_name, 1, 1)
        ) from error
    except ValueError as error:
        raise _malformed(
            f"not evidence: {error}", SourcePosition(source.file_name, 1, 1)
        ) from error
    return evidence


def evidence_file_name(item_id: str) -> str:
    """Return a file name for an item's evidence: `testing.verify-security-rules.json`.

    Different ids give different names on file systems that ignore case too, since ids are in lower
    case."""
    plain = item_id.replace("/", ".")
    name = _UNSAFE_IN_FILE_NAMES.sub(".", plain)
    if name != plain or len(name.encode()) > _FILE_NAME_LENGTH:
        digest = hashlib.sha256(item_id.encode()).hexdigest()[:16]
        name = f"{name.encode()[: _FILE_NAME_LENGTH - 17].decode(errors='ignore')}.{digest}"
    return f"{name}.json"


def stale_subjects(evidence: Evidence, digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of inputs that are not what they were: changed, gone, or new. Empty: the
    evidence holds."""
    names = sorted({*evidence.subjects, *digests})
    return tuple(name for name in names if evidence.subjects.get(name) != digests.get(name))


def _refuse_contradictions(predicate: dict[str, Any], evidence: Evidence) -> None:
    """A file edited by hand, or merged badly, must not count: the standard's fields and ours say
    the same."""
    if not evidence.subjects:
        raise ValueError("subject is empty")
    if (predicate.get("result") == "PASSED") != (evidence.verdict == "VERIFIED"):
        raise ValueError("result and harnessVerdict contradict each other")
    if evidence.verdict == "VERIFIED" and not (
        evidence.checks and all(check.outcome is Outcome.PASSED for check in evidence.checks)
    ):
        raise ValueError("it claims VERIFIED, but not all of its checks passed")


def _steady(reason: str) -> str:
    """Cut a reason to its first line, without addresses in memory: those differ at each run."""
    first = reason.strip().partition("\n")[0]
    return _ADDRESS.sub("0x…", first)[:_REASON_LENGTH]


def _malformed(problem: str, at: SourcePosition) -> WorkflowError:
    return WorkflowError(problem, fix="delete the file and run `harness verify` again", at=at)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is there twice")
    return fields


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not an object")
    return value


def _array(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} is not an array")
    return value


def _string(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return value


def _outcome(fields: dict[str, Any]) -> Outcome:
    name = _string(fields, "outcome")
    if name not in Outcome.__members__:
        raise ValueError(f"{name!r} is not an outcome")
    return Outcome(name)


def _metrics(fields: dict[str, Any]) -> dict[str, int | float | str]:
    metrics = _object(fields.get("metrics", {}), "metrics")
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"metrics.{name} is neither a number nor a string")
    return metrics


def _subject(entry: Any) -> tuple[str, str]:
    fields = _object(entry, "subject[]")
    digest = _string(_object(fields.get("digest"), "subject[].digest"), "sha256")
    if not _SHA256.fullmatch(digest):
        raise ValueError("subject[].digest.sha256 is not 64 hexadecimal digits")
    return _string(fields, "name"), digest
