"""RunReport -> text for a terminal: the verdict first, then each section, then what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from harness.reports.escaping import one_line, width_of, wrap
from harness.reports.model import (
    ReportedItem,
    RunReport,
    by_section,
    changes,
    headline,
    metrics_text,
    tables,
)
from harness.workflow.evidence import CheckResult, Outcome
from harness.workflow.states import State
from harness.workflow.verdict import ended_words, unsettled_checks

MIN_WIDTH = 40

_MARKS = {State.VERIFIED: "✓", State.SIGNED: "✓", State.FAILED: "✗", State.STALE: "~"}
_COLORS = {State.VERIFIED: "32", State.SIGNED: "36", State.FAILED: "31"}
_OTHER_MARK, _OTHER_COLOR = "·", "33"
_BOLD, _DIM, _RED = "1", "2", "31"
_COLUMN = 48  # where reasons begin
_SHOWN_GROUNDS = 6
_SHOWN_REASONS = 6
_WIDEST_CELL = 50
_MAX_INDENT = 5  # levels; deeper items stand below each other


def render_terminal(
    report: RunReport,
    *,
    unchecked: bool = False,
    color: bool = False,
    width: int = 100,
    verbose: bool = False,
) -> str:
    """Return the report as lines of at most `width` columns, with a line feed at the end.

    Args:
        report: What to print. Its texts may come from anyone: none of them reaches the terminal as
            a control sequence.
        unchecked: Only what is not verified, each with its reason and what would verify it.
        color: Whether to use ANSI colors.
        width: In columns; less than 40 is taken as 40.
        verbose: Also each check with its outcome.
    """
    page = _Page(max(width, MIN_WIDTH), color)
    page.line(headline(report), style=_BOLD)
    changed = changes(report)
    if changed:
        page.line(changed)
    suite = f"Firestore: {report.suite}" if report.suite else "no suite was started"
    about = [report.workflow_path, f"project {report.project}" if report.project else "", suite]
    page.line(" · ".join(part for part in [*about, report.started_at] if part), style=_DIM)
    for missing in report.missing:
        page.line(missing, first="! ", rest="  ", style=_RED)
    for remark in report.remarks:
        page.line(remark, first="! ", rest="  ")
    if unchecked:
        _unchecked(page, report)
    else:
        checked = [group for group in by_section(report.items) if _has_checks(group[1])]
        others = [group for group in by_section(report.items) if not _has_checks(group[1])]
        _sections(page, checked, verbose=verbose)
        _costs(page, report)
        _tables(page, report, verbose=verbose)
        _without_checks(page, others)
        _left(page, report)
    _unmapped(page, report)
    return page.text()


class _Page:
    """Lines as they are written, wrapped and styled."""

    def __init__(self, width: int, color: bool) -> None:
        self.width = width
        self.column = min(_COLUMN, width // 2)
        self.color = color
        self.lines: list[str] = []

    def line(self, text: str, *, first: str = "", rest: str | None = None, style: str = "") -> None:
        """Write a text behind `first`; where it needs more lines, those stand behind `rest`."""
        rest = " " * width_of(first) if rest is None else rest
        room = self.width - max(width_of(first), width_of(rest))
        for number, part in enumerate(wrap(one_line(text), room)):
            self.lines.append((rest if number else first) + self.styled(part, style))

    def row(self, text: str, said: str, *, first: str, mark: str = "", style: str = "") -> None:
        """Write a text and, in a column beside it or below it, what is said about it."""
        parts = wrap(one_line(text), self.width - len(first) - 2)
        mark_and_space = f"{self.styled(mark, style)} " if mark else ""
        indent = first + ("  " if mark else "")
        self.lines.append(f"{first}{mark_and_space}{parts[0]}")
        self.lines += [indent + part for part in parts[1:]]
        used = width_of(indent) + width_of(parts[0])
        said_parts = wrap(one_line(said), self.width - self.column)
        if len(parts) == 1 and used + 2 <= self.column:
            self.lines[-1] += " " * (self.column - used) + self.styled(said_parts.pop(0), _DIM)
        self.lines += [" " * self.column + self.styled(part, _DIM) for part in said_parts]

    def heading(self, text: str) -> None:
        """Write an empty line and a heading."""
        self.lines.append("")
        self.line(text, style=_BOLD)

    def styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color and style and text else text

    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines) + "\n"


_Group: TypeAlias = tuple[tuple[str, ...], Sequence[ReportedItem]]


def _has_checks(items: Iterable[ReportedItem]) -> bool:
    return any(item.checks for item in items)


def _sections(page: _Page, groups: Iterable[_Group], *, verbose: bool) -> None:
    for path, items in groups:
        page.heading(_section_name(path))
        for item in items:
            indent = "  " * (1 + min(item.depth, _MAX_INDENT))
            page.row(
                _text_and_note(item),
                item.why if item.text else "",
                first=indent,
                mark=_MARKS.get(item.state, _OTHER_MARK),
                style=_COLORS.get(item.state, _OTHER_COLOR),
            )
            if verbose:
                _checks(page, item.checks, indent + "    ")
            elif item.state is State.VERIFIED:
                _grounds(page, item, indent + "    ")


def _grounds(page: _Page, item: ReportedItem, indent: str) -> None:
    """Say what a verified item's checks have shown: the first few of their statements."""
    distinct = dict.fromkeys(check.states for check in item.checks if check.states)
    # With one check, its statement is the item's reason already.
    statements = [statement for statement in distinct if statement != item.reason]
    for statement in statements[:_SHOWN_GROUNDS]:
        page.line(statement, first=indent, rest=indent + "  ", style=_DIM)
    more = len(statements) - _SHOWN_GROUNDS
    if more > 0:
        page.line(f"and {more} more (--verbose)", first=indent, style=_DIM)


def _without_checks(page: _Page, groups: Sequence[_Group]) -> None:
    """Give the sections that no check is mapped to a line each."""
    if not groups:
        return
    page.heading("Without checks")
    for path, items in groups:
        states = [item.state for item in items]
        signed = states.count(State.SIGNED)
        unsupported = sum(item.is_unsupported_tick for item in items)
        still_open = len(items) - signed - unsupported
        said = [f"{signed} signed off" if signed else ""]
        said.append(f"{unsupported} ticked by hand, which nothing supports" if unsupported else "")
        said.append(f"{still_open} open" if still_open else "")
        page.row(_section_name(path), ", ".join(part for part in said if part), first="  ")


def _section_name(path: tuple[str, ...]) -> str:
    return " / ".join(path) or "(before the first heading)"


def _checks(page: _Page, checks: Iterable[CheckResult], indent: str) -> None:
    for check in checks:
        passed = check.outcome is Outcome.PASSED
        said = check.states if passed else check.reason.strip().partition("\n")[0]
        text = f"{check.outcome.value.lower()} {check.nodeid}"
        page.line(f"{text}: {said}" if said else text, first=indent, rest=indent + "  ", style=_DIM)


def _unchecked(page: _Page, report: RunReport) -> None:
    if not report.left:
        if report.items:
            page.heading("Nothing is left.")
        return
    for path, group in by_section(report.left):
        page.heading(_section_name(path))
        for item in group:
            mark = page.styled(
                _MARKS.get(item.state, _OTHER_MARK), _COLORS.get(item.state, _OTHER_COLOR)
            )
            # By its whole name, since the items that it is nested in may be verified and not here.
            name = " / ".join((*item.ancestors, _text_and_note(item)))
            parts = wrap(one_line(name), page.width - 4)
            page.lines.append(f"  {mark} {parts[0]}")
            page.lines += [f"    {part}" for part in parts[1:]]
            indent = " " * 11
            page.line(item.why, first="    why:   ", rest=indent)
            for said in _other_reasons(item):
                page.line(said, first="    also:  ", rest=indent)
            page.line(item.would_verify.sentence, first="    needs: ", rest=indent, style=_DIM)
            if item.command:
                page.line(item.command, first="    run:   ", rest=indent, style=_DIM)


def _other_reasons(item: ReportedItem) -> list[str]:
    """Return what else keeps an item open, where its reason is that of one check of several."""
    checks = [
        check for check in unsettled_checks(item.checks) if check.outcome is not Outcome.DESELECTED
    ]
    if not checks or ended_words(checks[0]) not in item.why:
        return []
    others = [ended_words(check) for check in checks[1 : 1 + _SHOWN_REASONS]]
    more = len(checks) - 1 - len(others)
    return [*others, f"{more} more checks (--verbose)"] if more else others


def _left(page: _Page, report: RunReport) -> None:
    count = len(report.left)
    if not count:
        return
    items = "1 item is" if count == 1 else f"{count} items are"
    page.lines.append("")
    page.line(f"{items} not verified. Why, and what would verify each: harness report --unchecked")


def _costs(page: _Page, report: RunReport) -> None:
    lines = list(_cost_lines(report))
    if lines:
        page.heading("Counted")
    for name, counts in lines:
        page.row(name, counts, first="  ")


def _tables(page: _Page, report: RunReport, *, verbose: bool) -> None:
    """Show the rows that are not as they should be, or with `verbose` all of them."""
    for table in tables(report):
        shown = [row for at, row in enumerate(table.rows) if verbose or at in table.flagged]
        page.heading(one_line(table.title))
        widths = [
            min(_WIDEST_CELL, max(width_of(one_line(cell)) for cell in column))
            for column in zip(table.columns, *shown, strict=True)
        ]
        for row in (table.columns, *shown) if shown else ():
            page.lines.append(f"  {_table_line(row, widths)}"[: page.width])
        for note in table.notes:
            page.line(note, first="  ", rest="    ")
        if table.rows and not verbose:
            page.line("the whole table: harness report --verbose", first="  ", style=_DIM)


def _table_line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = []
    for cell, width in zip(row, widths, strict=True):
        text = one_line(cell)
        text = text if width_of(text) <= width else f"{text[: width - 1]}…"
        cells.append(text + " " * (width - width_of(text)))
    return "  ".join(cells).rstrip()


def _unmapped(page: _Page, report: RunReport) -> None:
    """Checks that count for no item are worth a line each only if something is wrong with them."""
    wrong = [check for check in report.unmapped if check.outcome in (Outcome.FAILED, Outcome.ERROR)]
    if wrong:
        page.heading("Mapped to no item")
        _checks(page, wrong, "  ")
    others = len(report.unmapped) - len(wrong)
    if others:
        page.lines.append("")
        page.line(f"{others} more {'check is' if others == 1 else 'checks are'} mapped to no item.")


def _cost_lines(report: RunReport) -> Iterator[tuple[str, str]]:
    """Give each check that counted something once, by name, with its counts."""
    seen = set()
    for item in report.items:
        for check in item.checks:
            if check.metrics and check.nodeid not in seen:
                seen.add(check.nodeid)
                yield check.nodeid.partition("::")[2] or check.nodeid, metrics_text(check)


def _text_and_note(item: ReportedItem) -> str:
    text = item.text or "(nothing is written here)"
    if item.is_unsupported_tick:
        return f"{text} (ticked)"
    if item.is_ticked and not item.was_ticked:
        return f"{text} (now ticked)"
    return f"{text} (tick taken back)" if item.was_ticked and not item.is_ticked else text
