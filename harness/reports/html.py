"""RunReports -> one HTML page that needs nothing else: no script, no network, no other file.

For people and for their screen readers: headings, lists and tables as such, every state in words
and not by colour alone. All texts may come from anyone and are escaped; the page's own policy
forbids whatever would get through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from harness.reports.escaping import one_line
from harness.reports.model import (
    VERIFIER_TITLES,
    ReportedItem,
    RunReport,
    by_section,
    changes,
    headline,
    metrics_text,
    tables,
)
from harness.workflow.evidence import CheckResult, Outcome, ResultTable
from harness.workflow.states import State

_MARKS = {
    State.VERIFIED: "✓",
    State.SIGNED: "✓",
    State.FAILED: "✗",
    State.STALE: "~",
    State.CLAIMED: "!",
}
_OTHER_MARK = "·"


def render_html(reports: Sequence[RunReport], *, unchecked: bool = False) -> str:
    """Return the page.

    Args:
        reports: On each document.
        unchecked: Only what is not verified, each with its reason and what would verify it.
    """
    title = _text(" · ".join(headline(report) for report in reports)) or "no workflow document"
    body = "".join(_report(report, unchecked=unchecked) for report in reports)
    return _PAGE.format(title=title, style=_STYLE, contents=_contents(reports), body=body)


def _contents(reports: Sequence[RunReport]) -> str:
    """Return links to the documents, where there are several."""
    if len(reports) < 2:
        return ""
    links = "".join(
        f'<li><a href="#{_anchor(report)}">{_text(report.workflow_path)}</a></li>'
        for report in reports
    )
    return f'<nav aria-label="Workflow documents"><ul>{links}</ul></nav>'


def _report(report: RunReport, *, unchecked: bool) -> str:
    suite = f"Firestore: {report.suite}" if report.suite else "no suite was started"
    project = f"project {report.project}" if report.project else ""
    about = [report.workflow_path, project, suite, report.started_at]
    changed = changes(report)
    parts = [
        f'<section id="{_anchor(report)}">',
        f"<h1>{_text(headline(report))}</h1>",
        _meter(report),
        f"<p>{_text(changed)}.</p>" if changed else "",
        f'<p class="about">{_text(" · ".join(part for part in about if part))}</p>',
        _notes(report),
    ]
    items = report.left if unchecked else report.items
    if unchecked and not items and report.items:
        parts.append("<p>Nothing is left.</p>")
    parts += [_section(path, group, show_way=unchecked) for path, group in by_section(items)]
    if not unchecked:
        parts += [_costs(report), *(_table(table) for table in tables(report)), _left(report)]
    parts += [_unmapped(report.unmapped), "</section>"]
    return "\n".join(part for part in parts if part)


def _meter(report: RunReport) -> str:
    """Show how far the work is; the same is said in the headline."""
    counts = report.counts
    if not counts.total:
        return ""
    rest = counts.total - counts.verified - counts.signed - counts.failed
    shares = (
        ("verified", counts.verified),
        ("signed", counts.signed),
        ("failed", counts.failed),
        ("open", rest),
    )
    parts = "".join(
        f'<span class="{name}" style="flex-grow:{count}"></span>' for name, count in shares if count
    )
    return f'<div class="meter" aria-hidden="true">{parts}</div>'


def _notes(report: RunReport) -> str:
    notes = [f'<li class="missing">{_text(missing)}</li>' for missing in report.missing]
    notes += [f"<li>{_text(remark)}</li>" for remark in report.remarks]
    return f'<ul class="notes">{"".join(notes)}</ul>' if notes else ""


def _section(path: Sequence[str], items: Iterable[ReportedItem], *, show_way: bool) -> str:
    name = _text(" / ".join(path)) or "(before the first heading)"
    rows = "".join(_item(item, show_way=show_way) for item in items)
    return f'<h2>{name}</h2>\n<ul class="items">{rows}</ul>'


def _item(item: ReportedItem, *, show_way: bool) -> str:
    # What is left is shown by its whole name: the items around it may be done, and not here.
    words = " / ".join((*item.ancestors, item.text)) if show_way else item.text
    name = f"<strong>{_text(words)}</strong>" if item.text else "<em>(nothing is written here)</em>"
    state = item.state.value.lower().replace("_", "-")
    mark = _MARKS.get(item.state, _OTHER_MARK)
    indent = "" if show_way or not item.depth else f' style="margin-left:{min(item.depth, 6)}.5rem"'
    parts = [
        f'<li class="{state}"{indent}><span class="mark" aria-hidden="true">{mark}</span>{name}',
        f'<span class="state">{_text(item.state.words)}{_box(item)}</span>',
    ]
    if item.text or show_way:
        parts.append(f"<p>{_text(item.why)}</p>")
    if show_way:
        way = item.would_verify
        parts.append(
            f"<dl><dt>Needs</dt><dd>{_text(way.sentence)}"
            f" ({_text(VERIFIER_TITLES[way.by].lower())})</dd>"
        )
        if item.command:
            parts.append(f"<dt>Run</dt><dd><code>{_text(item.command)}</code></dd>")
        parts.append("</dl>")
    return "".join([*parts, _checks(item.checks), "</li>\n"])


def _box(item: ReportedItem) -> str:
    if item.is_unsupported_tick:
        return ", ticked"
    if item.is_ticked and not item.was_ticked:
        return ", now ticked"
    return ", tick taken back" if item.was_ticked and not item.is_ticked else ""


def _checks(checks: Sequence[CheckResult]) -> str:
    if not checks:
        return ""
    count = "1 check" if len(checks) == 1 else f"{len(checks)} checks"
    rows = "".join(map(_check, checks))
    return f"<details><summary>{count}</summary><ul>{rows}</ul></details>"


def _check(check: CheckResult) -> str:
    said = check.states if check.outcome is Outcome.PASSED else check.reason
    said = said.strip().partition("\n")[0]
    outcome = check.outcome.value.lower().replace("_", " ")
    warnings = "".join(f"<br>warning: {_text(warning)}" for warning in check.warnings)
    return (
        f"<li>{outcome} <code>{_text(check.nodeid)}</code>"
        f"{f'<br>{_text(said)}' if said else ''}{warnings}</li>"
    )


def _costs(report: RunReport) -> str:
    counted = {
        check.nodeid: check for item in report.items for check in item.checks if check.metrics
    }
    if not counted:
        return ""
    rows = tuple((nodeid, metrics_text(check)) for nodeid, check in counted.items())
    return _table(ResultTable("Counted", ("check", "counts"), rows), is_open=True)


def _table(table: ResultTable, *, is_open: bool = False) -> str:
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in table.columns)
    rows = []
    for at, row in enumerate(table.rows):
        cells = [f'<th scope="row">{_text(row[0])}</th>'] if row else []
        cells += [f"<td>{_text(cell)}</td>" for cell in row[1:]]
        rows.append(f"<tr{' class=flagged' if at in table.flagged else ''}>{''.join(cells)}</tr>")
    notes = "".join(f"<li>{_text(note)}</li>" for note in table.notes)
    return (
        f"<h2>{_text(table.title)}</h2>"
        + (f"<ul>{notes}</ul>" if notes else "")
        + f"<details{' open' if is_open else ''}><summary>The table</summary>"
        + f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        + f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _left(report: RunReport) -> str:
    if not report.left:
        return ""
    rows = []
    for item in report.left:
        title = _text(item.title) if item.text else f"line {item.line}"
        command = f"<br><code>{_text(item.command)}</code>" if item.command else ""
        rows.append(
            f"<li><strong>{title}</strong>: {_text(item.would_verify.sentence)}{command}</li>"
        )
    count = "1 item" if len(rows) == 1 else f"{len(rows)} items"
    title = f"<summary>{count}, and what would verify each</summary>"
    return f"<h2>What is left</h2><details>{title}<ul>{''.join(rows)}</ul></details>"


def _unmapped(checks: Sequence[CheckResult]) -> str:
    if not checks:
        return ""
    wrong = [check for check in checks if check.outcome in (Outcome.FAILED, Outcome.ERROR)]
    others = len(checks) - len(wrong)
    rows = "".join(map(_check, wrong))
    more = f"<p>{others} more mapped to no item.</p>" if others else ""
    return f"<h2>Mapped to no item</h2>{f'<ul>{rows}</ul>' if rows else ''}{more}"


def _anchor(report: RunReport) -> str:
    return escape("-".join(one_line(report.workflow_path).split()), quote=True)


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)


_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --paper: #fff; --soft: #f4f5f7; --line: #d5d9e0;
  --dim: #565d6b; --good: #14692e; --signed: #0b57a4; --bad: #b3261e; --warn: #7a5200; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ee; --paper: #16181d; --soft: #1f2229;
  --line: #3a3f4a; --dim: #a4abb9; --good: #6fd08c; --signed: #8ab4f8; --bad: #ff8a80;
  --warn: #e0b04c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem); max-width: 62rem;
  background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 1rem 0 .5rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .2rem 0; }
code { font: .87em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
a { color: var(--signed); }
main > section + section { margin-top: 3rem; border-top: 2px solid var(--line); }
nav ul { padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; }
.about, .items p, dd { color: var(--dim); overflow-wrap: anywhere; }
.meter { display: flex; height: .6rem; gap: 2px; margin: .5rem 0; overflow: hidden; }
.meter span { min-width: 4px; background: var(--line); border-radius: 3px; }
.meter .verified { background: var(--good); }
.meter .signed { background: var(--signed); }
.meter .failed { background: var(--bad); }
.notes { padding: .6rem 1rem .6rem 2rem; background: var(--soft); border-radius: 8px; }
.missing { color: var(--bad); }
.items { margin: 0; padding: 0; list-style: none; }
.items > li { padding: .5rem 0 .5rem 1.5rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
.mark { display: inline-block; width: 1.5rem; margin-left: -1.5rem; font-weight: bold; }
.state { margin-left: .5rem; padding: 0 .5rem; border: 1px solid; border-radius: 1rem;
  font-size: .8rem; white-space: nowrap; color: var(--dim); }
.verified > .mark, .verified > .state { color: var(--good); }
.signed > .mark, .signed > .state { color: var(--signed); }
.failed > .mark, .failed > .state { color: var(--bad); }
.stale > .mark, .stale > .state, .claimed > .mark, .claimed > .state { color: var(--warn); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .2rem 0; }
dd { margin: 0; }
dt { font-weight: 600; }
details { margin: .2rem 0; }
summary { cursor: pointer; }
summary:focus-visible, a:focus-visible, .wide:focus-visible { outline: 2px solid var(--signed); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .25rem .6rem; border: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: normal; }
thead th { background: var(--soft); font-weight: 600; }
.flagged th, .flagged td { color: var(--bad); font-weight: 600; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{contents}
<main>
{body}
</main>
</body>
</html>
"""
