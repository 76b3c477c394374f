"""RunReport -> JSON and back: the last run's record, and what other tools read.

The shape is `report.schema.json` beside this file. Must not live here: files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.errors import WorkflowError
from harness.reports.model import ReportedItem, RunReport
from harness.source import SourcePosition, SourceText
from harness.workflow.evidence import CheckResult
from harness.workflow.guidance import Verifier, WayToVerify
from harness.workflow.states import State
from harness.workflow.verdict import VerdictKind

FORMAT = "firebase-workflow-harness/run-report/2"
"""Changes when a reader of the old shape would be misled; new fields alone do not change it."""


SEVERAL = "firebase-workflow-harness/run-reports/1"
"""The reports on several workflow documents, `{"format": ..., "reports": [...]}`."""


def report_to_json(report: RunReport) -> str:
    """Return the report as indented JSON, with a line feed at the end. `counts` is there for
    readers, not read back."""
    return _text(_report_to_value(report))


def reports_to_json(reports: Sequence[RunReport], *, unchecked: bool = False) -> str:
    """Return the reports on all documents of a project: on one as `report_to_json` does, on several
    with each in a list.

    Args:
        reports: On each document.
        unchecked: Leave out the items that are verified or signed; `counts` stays of all.
    """
    values = [_report_to_value(report) for report in reports]
    for value, report in zip(values, reports, strict=True):
        if unchecked:
            value["items"] = [_item_to_json(item) for item in report.left]
    return _text(values[0] if len(values) == 1 else {"format": SEVERAL, "reports": values})


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _report_to_value(report: RunReport) -> dict[str, Any]:
    counts = report.counts
    return {
        "format": FORMAT,
        "project": report.project,
        "workflow_path": report.workflow_path,
        "started_at": report.started_at,
        "suite": report.suite,
        "counts": {
            "total": counts.total,
            "verified": counts.verified,
            "signed": counts.signed,
            "failed": counts.failed,
            "stale": counts.stale,
            "not_verified": counts.not_verified,
            "newly_ticked": counts.newly_ticked,
            "newly_unticked": counts.newly_unticked,
            "unsupported_ticks": counts.unsupported_ticks,
        },
        "missing": list(report.missing),
        "remarks": list(report.remarks),
        "next": report.next_id,
        "items": [_item_to_json(item) for item in report.items],
        "unmapped": [check.to_json() for check in report.unmapped],
    }


def report_from_json(source: SourceText) -> RunReport:
    """Read what `report_to_json` gave.

    Raises:
        WorkflowError: It is not JSON, or of another shape; the message names the field.
    """
    return reports_from_json(source)[0]


def reports_from_json(source: SourceText) -> tuple[RunReport, ...]:
    """Read what `reports_to_json` gave, at least one report.

    Raises:
        WorkflowError: It is not JSON, or of another shape; the message names the field.
    """
    try:
        value = _Fields(json.loads(source.text), "the report")
        if value.text("format") != SEVERAL:
            return (_report_from_json(value),)
        reports = [
            _report_from_json(_Fields(report, f"reports[{index}]"))
            for index, report in enumerate(value.array("reports"))
        ]
        if not reports:
            raise ValueError("reports is empty")
        return tuple(reports)
    except json.JSONDecodeError as error:
        at = SourcePosition(source.file_name, error.lineno, error.colno)
        raise _unusable(f"the report is not JSON: {error.msg}", at) from error
    except (ValueError, RecursionError) as error:
        at = SourcePosition(source.file_name, 1, 1)
        raise _unusable(f"not a report of a run: {error}", at) from error


def _report_from_json(value: _Fields) -> RunReport:
    if value.text("format") != FORMAT:
        raise ValueError(f"format is {value.text('format')!r}, not {FORMAT!r}")
    return RunReport(
        project=value.text("project"),
        workflow_path=value.text("workflow_path"),
        started_at=value.text("started_at"),
        suite=value.text("suite"),
        items=tuple(
            _item_from_json(_Fields(item, f"items[{index}]"))
            for index, item in enumerate(value.array("items"))
        ),
        missing=value.texts("missing"),
        unmapped=tuple(map(CheckResult.from_json, value.array("unmapped"))),
        remarks=value.texts("remarks"),
        next_id=value.text_or_null("next"),
    )


def _item_to_json(item: ReportedItem) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "heading_path": list(item.heading_path),
        "ancestors": list(item.ancestors),
        "text": item.text,
        "depth": item.depth,
        "line": item.line,
        "was_ticked": item.was_ticked,
        "is_ticked": item.is_ticked,
        "is_placeholder": item.is_placeholder,
        "verdict": item.verdict.value,
        "state": item.state.value,
        "reason": item.reason,
        "would_verify": {"by": item.would_verify.by.value, "sentence": item.would_verify.sentence},
        "command": item.command,
        "held": item.held,
        "checks": [check.to_json() for check in item.checks],
    }


def _item_from_json(value: _Fields) -> ReportedItem:
    way = value.fields("would_verify")
    return ReportedItem(
        item_id=value.text("item_id"),
        heading_path=value.texts("heading_path"),
        ancestors=value.texts("ancestors"),
        text=value.text("text"),
        depth=value.number("depth"),
        line=value.number("line"),
        was_ticked=value.flag("was_ticked"),
        is_ticked=value.flag("is_ticked"),
        is_placeholder=value.flag("is_placeholder"),
        verdict=VerdictKind(value.text("verdict")),
        reason=value.text("reason"),
        would_verify=WayToVerify(Verifier(way.text("by")), way.text("sentence")),
        checks=tuple(map(CheckResult.from_json, value.array("checks"))),
        state=State(value.text("state")),
        command=value.text("command"),
        held=value.text("held"),
    )


class _Fields:
    """A JSON object whose fields have to be of the expected kinds; ValueError names the one that is
    not."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not an object")
        self._value = value
        self._name = name

    def text(self, key: str) -> str:
        value = self._value.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def text_or_null(self, key: str) -> str | None:
        return None if self._value.get(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def number(self, key: str) -> int:
        value = self._value.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number")
        return value

    def array(self, key: str) -> list[Any]:
        value = self._value.get(key)
        if not isinstance(value, list):
            raise self._wrong(key, "an array")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.array(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "an array of strings")
        return tuple(values)

    def fields(self, key: str) -> _Fields:
        return _Fields(self._value.get(key), f"{self._name}.{key}")

    def _wrong(self, key: str, expected: str) -> ValueError:
        return ValueError(f"{self._name}.{key} is not {expected}")


def _unusable(problem: str, at: SourcePosition) -> WorkflowError:
    return WorkflowError(problem, fix="run `harness verify` to make a new one", at=at)
