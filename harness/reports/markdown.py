"""RunReport -> Markdown for a pull request or a job's summary.

It holds no task-list boxes, so that a report is never taken for a workflow document.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.reports.escaping import markdown_code, markdown_text
from harness.reports.model import (
    VERIFIER_TITLES,
    ReportedItem,
    RunReport,
    by_section,
    by_verifier,
    changes,
    headline,
    metrics_text,
    tables,
)
from harness.workflow.evidence import CheckResult, Outcome
from harness.workflow.states import State

_MARKS = {State.VERIFIED: "✅", State.SIGNED: "✍️", State.FAILED: "❌", State.STALE: "⏳"}
_OTHER_MARK = "▫️"


def render_markdown(report: RunReport, *, unchecked: bool = False) -> str:
    """Return the report as GitHub Flavored Markdown, with a line feed at the end.

    Args:
        report: What to print. Its texts may come from anyone: all of them are escaped.
        unchecked: Only what is not verified, each with its reason and what would verify it.
    """
    lines = [f"# {markdown_text(headline(report))}", ""]
    changed = changes(report)
    if changed:
        lines += [f"{changed}.", ""]
    suite = f"Firestore: {markdown_text(report.suite)}" if report.suite else "no suite was started"
    about = [markdown_code(report.workflow_path)] if report.workflow_path else []
    about += [f"project {markdown_code(report.project)}"] if report.project else []
    lines += [" · ".join([*about, suite, markdown_text(report.started_at)]), ""]
    for missing in report.missing:
        lines += [f"> ⚠️ {markdown_text(missing)}", ""]
    for remark in report.remarks:
        lines += [f"> {markdown_text(remark)}", ""]
    if unchecked:
        lines += _unchecked(report.left)
    else:
        lines += _sections(report.items)
        lines += _costs(report)
        lines += _tables(report)
        lines += _left(report)
    lines += _unmapped(report.unmapped)
    while lines[-1] == "":
        lines.pop()
    return "\n".join(lines) + "\n"


def _sections(items: Iterable[ReportedItem]) -> list[str]:
    lines = []
    for path, group in by_section(items):
        lines += [_heading(path), ""]
        for item in group:
            indent = "  " * item.depth
            lines.append(f"{indent}- {_item(item)}  ")
            lines.append(f"{indent}  {markdown_text(item.why)}")
        lines.append("")
    return lines


def _unchecked(items: tuple[ReportedItem, ...]) -> list[str]:
    if not items:
        return ["Nothing is left.", ""]
    lines = []
    for path, group in by_section(items):
        lines += [_heading(path), ""]
        for item in group:
            lines.append(f"- {_item(item, whole_name=True)}")
            lines.append(f"  - why: {markdown_text(item.why)}")
            lines.append(f"  - needs: {markdown_text(item.would_verify.sentence)}")
            if item.command:
                lines.append(f"  - run: {markdown_code(item.command)}")
        lines.append("")
    return lines


def _left(report: RunReport) -> list[str]:
    if not report.left:
        return []
    lines = ["## What is left", ""]
    for verifier, group in by_verifier(report.left):
        lines += [f"### {VERIFIER_TITLES[verifier]} ({len(group)})", ""]
        for item in group:
            title = markdown_text(item.title) if item.text else f"line {item.line}"
            lines.append(f"- **{title}**: {markdown_text(item.would_verify.sentence)}")
        lines.append("")
    return lines


def _costs(report: RunReport) -> list[str]:
    counted = {
        check.nodeid: check for item in report.items for check in item.checks if check.metrics
    }
    if not counted:
        return []
    rows = []
    for nodeid, check in counted.items():
        name = markdown_code(nodeid).replace("|", "\\|")  # a cell ends at a bar even inside code
        rows.append(f"| {name} | {markdown_text(metrics_text(check))} |")
    return ["## Counted", "", "| check | counts |", "| --- | --- |", *rows, ""]


def _tables(report: RunReport) -> list[str]:
    lines = []
    for table in tables(report):
        lines += [f"## {markdown_text(table.title)}", ""]
        lines += [f"- {markdown_text(note)}" for note in table.notes]
        lines += ["", "<details><summary>The table</summary>", ""]
        lines.append(f"| {' | '.join(map(markdown_text, table.columns))} |")
        lines.append("| " + " | ".join("---" for _ in table.columns) + " |")
        for index, row in enumerate(table.rows):
            cells = [markdown_text(cell) for cell in row]
            if index in table.flagged:
                cells[0] = f"**{cells[0]}**"
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", "</details>", ""]
    return lines


def _unmapped(checks: tuple[CheckResult, ...]) -> list[str]:
    wrong = [check for check in checks if check.outcome in (Outcome.FAILED, Outcome.ERROR)]
    lines = []
    if wrong:
        lines += ["## Mapped to no item", ""]
        for check in wrong:
            reason = markdown_text(check.reason.strip().partition("\n")[0])
            lines.append(f"- {check.outcome.value.lower()} {markdown_code(check.nodeid)}: {reason}")
        lines.append("")
    others = len(checks) - len(wrong)
    if others:
        lines += [f"{others} more {'check is' if others == 1 else 'checks are'} mapped to no item."]
    return lines


def _heading(path: tuple[str, ...]) -> str:
    return f"## {markdown_text(' / '.join(path)) or '(before the first heading)'}"


def _item(item: ReportedItem, *, whole_name: bool = False) -> str:
    name = " / ".join((*item.ancestors, item.text)) if whole_name else item.text
    text = f"**{markdown_text(name)}**" if item.text else "*(nothing is written here)*"
    if item.is_unsupported_tick:
        text += " (ticked)"
    elif item.is_ticked and not item.was_ticked:
        text += " (now ticked)"
    elif item.was_ticked and not item.is_ticked:
        text += " (tick taken back)"
    return f"{_MARKS.get(item.state, _OTHER_MARK)} {text}"
