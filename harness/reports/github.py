"""RunReports -> workflow commands of GitHub Actions, which show what fails beside the line of code.

An error for each check that fails and for each tick that lost its support, a warning for each tick
that nothing ever supported. GitHub shows ten of each a step; the rest is in the log.

Source: GitHub Actions, "Workflow commands"; escapes as in actions/toolkit, `command.ts`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reports.escaping import one_line
from harness.reports.model import ReportedItem, RunReport
from harness.workflow.evidence import CheckResult, Outcome

_LEVELS = {Outcome.FAILED: "error", Outcome.ERROR: "error", Outcome.XFAILED: "warning"}
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def render_annotations(reports: Sequence[RunReport], *, folder: str = "") -> str:
    """Return a command a line; nothing where nothing is wrong.

    Args:
        reports: On each document.
        folder: The project's, from the repository's: paths in reports count from there.
    """
    prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
    lines: dict[str, None] = {}
    for report in reports:
        lines |= dict.fromkeys(_of_report(report, prefix))
    return "".join(f"{line}\n" for line in lines)


def _of_report(report: RunReport, prefix: str) -> Iterator[str]:
    for missing in report.missing:
        yield _command("warning", missing, title="not everything could run")
    seen = set()
    for item in report.items:
        for check in item.checks:
            if check.nodeid not in seen:
                seen.add(check.nodeid)
                yield from _of_check(check, item.title, prefix)
    for check in report.unmapped:
        yield from _of_check(check, "mapped to no item", prefix)
    for item in report.items:
        yield from _of_item(item, f"{prefix}{report.workflow_path}")


def _of_check(check: CheckResult, title: str, prefix: str) -> Iterator[str]:
    level = _LEVELS.get(check.outcome)
    if level is None:
        return
    file, _, line = check.place.rpartition(":")
    if not file:
        file, line = check.nodeid.partition("::")[0], ""
    name = check.nodeid.partition("::")[2] or check.nodeid
    reason = check.reason.strip().partition("\n")[0]
    yield _command(level, f"{name}: {reason}", file=f"{prefix}{file}", line=line, title=title)


def _of_item(item: ReportedItem, file: str) -> Iterator[str]:
    title = item.title or "nothing is written here"
    if item.has_lost_support:
        message = f"ticked, and its checks do not support that: {item.why}"
        yield _command("error", message, file=file, line=str(item.line), title=title)
    elif item.was_ticked and not item.is_ticked:
        message = f"the tick was taken back: {item.why}"
        yield _command("error", message, file=file, line=str(item.line), title=title)
    elif item.is_unsupported_tick:
        yield _command("warning", item.why, file=file, line=str(item.line), title=title)


def _command(level: str, message: str, **properties: str) -> str:
    given = ",".join(
        f"{name}={_escaped(one_line(value), _PROPERTY)}"
        for name, value in properties.items()
        if value
    )
    return f"::{level} {given}::{_escaped(one_line(message), _DATA)}"


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(char, char) for char in text)
