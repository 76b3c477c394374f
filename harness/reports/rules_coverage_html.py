"""Rules coverage as one HTML page that needs nothing else: no network, no other file.

The page shows the rules, each expression in the colour of what it gave; pointing at one, or
following a link to it, shows its values. The official JSON is embedded as it is, for programs that
read it from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from harness.rules.coverage import FALSE, NULL, TRUE, CoverageCounts
from harness.rules.coverage_layout import CoverageLayout, CoverageNode
from harness.rules.coverage_report import (
    CoverageSummary,
    RootSummary,
    Share,
    official_report,
    summarize,
)
from harness.source import Span

TITLE = "Firestore Rule Coverage Report"
"""As the official page has it; programs look for it."""

_MAX_SHOWN = 10
_MAX_VALUE = 200

_INDENTATION = re.compile(r"(\n)([ \t]+)")

# State -> its words in the legend.
_LEGEND = {
    "never": "never evaluated",
    "errors": "only errors",
    "only-true": "never false",
    "only-false": "never true",
    "seen": "seen in full",
}


def coverage_page(layout: CoverageLayout, counts: CoverageCounts) -> str:
    """Return the page."""
    summary = summarize(layout, counts)
    data = json.dumps(official_report(layout, counts), ensure_ascii=False)
    numbers = "\n".join(str(number) for number in range(1, counts.text.count("\n") + 2))
    legend = "".join(
        f'<li><span class="coverage-expr {name}">{words}</span></li>'
        for name, words in _LEGEND.items()
    )
    return _PAGE.format(
        title=TITLE,
        style=_STYLE,
        script=_SCRIPT,
        file=escape(counts.file_name),
        evaluated=escape(str(summary.evaluated)),
        both=escape(str(summary.both)),
        legend=legend,
        numbers=numbers,
        code=_marked_text(layout, counts),
        statements=_statements(summary),
        # Nothing in the text may end the element.
        data=data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    )


def _marked_text(layout: CoverageLayout, counts: CoverageCounts) -> str:
    """Return the rules with a span around each expression."""
    trees = sorted(
        (root.node for root in layout.roots if root.node is not None),
        key=lambda node: node.reported.start,
    )
    parts: list[str] = []
    end = 0
    for tree in trees:
        parts.append(escape(counts.text[end : tree.reported.start]))
        parts.append(_marked_node(tree, counts))
        end = _end(tree)
    parts.append(escape(counts.text[end:]))
    return "".join(parts)


def _marked_node(node: CoverageNode, counts: CoverageCounts) -> str:
    inside: list[str] = []
    at = node.reported.start
    for child in sorted(node.children, key=lambda child: child.reported.start):
        inside.append(_code(counts.text[at : child.reported.start]))
        inside.append(_marked_node(child, counts))
        at = _end(child)
    inside.append(_code(counts.text[at : _end(node)]))
    content = "".join(inside)
    if node.is_function:
        return content
    visits = counts.of(node.span)
    title = escape(_values_text(visits), quote=True)
    name = _name(node.span)
    return (
        f'<span class="coverage-expr {_state(node, visits)}" id="{name}" tabindex="-1"'
        f' title="{title}">{content}</span>'
    )


def _end(node: CoverageNode) -> int:
    """Return where an expression ends; the report's own ends leave closing brackets out."""
    return max(node.span.end, node.reported.end)


def _code(text: str) -> str:
    """Return a part of an expression's text; the indentation of its lines takes no colour."""
    return _INDENTATION.sub(r'\1<span class="indent">\2</span>', escape(text))


def _name(span: Span) -> str:
    return f"e{span.start}-{span.end}"


def _state(node: CoverageNode, visits: Mapping[str, int]) -> str:
    if not visits:
        return "never"
    has_value = any(not text.startswith('{"undefined"') for text in visits)
    if not has_value:
        return "errors"
    if not node.is_boolean or (TRUE in visits and FALSE in visits):
        return "seen"
    return "only-true" if TRUE in visits else "only-false"


def _values_text(visits: Mapping[str, int]) -> str:
    """Return what an expression gave, a value a line."""
    if not visits:
        return "Expression never evaluated"
    ordered = sorted(visits.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{_value_words(text)} × {count}" for text, count in ordered[:_MAX_SHOWN]]
    if len(ordered) > _MAX_SHOWN:
        lines.append(f"… and {len(ordered) - _MAX_SHOWN} other values")
    return "\n".join(lines)


def _value_words(text: str) -> str:
    if text in (TRUE, FALSE, NULL):
        return {TRUE: "true", FALSE: "false", NULL: "null"}[text]
    value = json.loads(text)
    ((kind, content),) = value.items()
    if kind == "undefined":
        return f"error: {content['causeMessage']}"
    if kind == "elidedValue":
        return f"(another {content['type']})"
    words = json.dumps(_plain(value), ensure_ascii=False)
    return words if len(words) <= _MAX_VALUE else f"{words[: _MAX_VALUE - 1]}…"


def _plain(value: Mapping[str, Any]) -> Any:
    """Return a value without the names of kinds."""
    ((kind, content),) = value.items()
    match kind:
        case "intValue":
            return int(content)
        case "mapValue":
            return {name: _plain(item) for name, item in content.get("fields", {}).items()}
        case "listValue" | "setValue":
            return [_plain(item) for item in content.get("values", ())]
        case "pathValue":
            return "".join(f"/{segment['simple']}" for segment in content.get("segments", ()))
    return content


def _statements(summary: CoverageSummary) -> str:
    """Return the table of allow statements and functions."""
    return "".join(map(_statement, summary.roots))


def _statement(root: RootSummary) -> str:
    gaps = "".join(
        f'<li><a href="#{_name(gap.span)}"><span class="where">{gap.position.line}:'
        f"{gap.position.column}</span> {escape(gap.what)}: <code>{escape(gap.text)}</code></a></li>"
        for gap in root.gaps
    )
    missing = any(gap.is_total for gap in root.gaps)
    state = "never" if missing or not root.count else ("only-true" if root.gaps else "seen")
    place = "" if root.is_function else f"<br><code>{escape(root.place)}</code>"
    details = (
        f"<details><summary>{len(root.gaps)} not seen in full</summary><ul>{gaps}</ul></details>"
        if gaps
        else ""
    )
    return (
        f'<tr class="{state}"><th scope="row">{escape(root.title)}{place}</th>'
        f"<td>{root.position.line}</td><td>{root.count}</td><td>{_share(root.evaluated)}</td>"
        f"<td>{_share(root.both)}</td><td>{details}</td></tr>"
    )


def _share(share: Share) -> str:
    return escape(str(share)) if share.whole else "–"


_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --paper: #fff; --soft: #f4f5f7; --line: #d5d9e0;
  --seen: #d9f2de; --never: #ffd5d2; --true: #fff0c2; --false: #ffe3bd; --errors: #ead9ff;
  --mark: #0b57d0; --dim: #596070; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ee; --paper: #16181d; --soft: #1f2229;
  --line: #3a3f4a; --seen: #17402a; --never: #6b2323; --true: #5a4a12; --false: #63401a;
  --errors: #46306b; --mark: #8ab4f8; --dim: #a0a7b5; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem clamp(1rem, 4vw, 3rem); background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
code, pre { font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.numbers { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin: .75rem 0; padding: 0;
  list-style: none; }
.numbers b { font-size: 1.2rem; }
.legend { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 1rem; padding: 0;
  list-style: none; }
.legend .coverage-expr { padding: .1rem .5rem; }
.rules { display: flex; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
.rules pre { margin: 0; padding: .75rem; }
.gutter { color: var(--dim); background: var(--soft); text-align: right; user-select: none;
  border-right: 1px solid var(--line); }
.coverage-expr { border-radius: 3px; }
.indent { display: inline-block; background: var(--paper); }
.coverage-expr.seen { background: var(--seen); }
.coverage-expr.never { background: var(--never);
  text-decoration: underline dashed; text-underline-offset: 3px; }
.coverage-expr.only-true { background: var(--true);
  text-decoration: underline dotted; text-underline-offset: 3px; }
.coverage-expr.only-false { background: var(--false);
  text-decoration: underline dotted; text-underline-offset: 3px; }
.coverage-expr.errors { background: var(--errors);
  text-decoration: underline wavy; text-underline-offset: 3px; }
.rules .coverage-expr:hover:not(:has(.coverage-expr:hover)),
.rules .coverage-expr:focus, .rules .coverage-expr:target { outline: 2px solid var(--mark);
  outline-offset: 1px; scroll-margin: 40vh; }
#values { position: sticky; bottom: 0; min-height: 3.2rem; margin: 1rem 0 0; padding: .6rem .9rem;
  background: var(--soft); border: 1px solid var(--line); border-radius: 8px; white-space: pre-wrap;
  max-height: 30vh; overflow: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0;
  border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: 600; border-left: 4px solid var(--line); padding-left: .6rem; }
tr.never th[scope=row] { border-left-color: #d93025; }
tr.only-true th[scope=row] { border-left-color: #e8a33d; }
tr.seen th[scope=row] { border-left-color: #1e8e3e; }
details ul { margin: .25rem 0 0; padding-left: 1rem; }
summary { cursor: pointer; }
.where { color: var(--dim); }
a { color: inherit; }
"""

_SCRIPT = """
const values = document.getElementById("values");
const idle = values.textContent;
function show(element) {
  const text = element.textContent.replace(/\\s+/g, " ");
  const short = text.length > 160 ? text.slice(0, 159) + "…" : text;
  values.textContent = short + "\\n" + element.title;
}
const rules = document.querySelector(".rules");
for (const name of ["mouseover", "focusin"]) {
  rules.addEventListener(name, (event) => {
    const element = event.target.closest(".coverage-expr");
    if (element) show(element);
  });
}
rules.addEventListener("mouseleave", () => { values.textContent = idle; });
addEventListener("hashchange", () => {
  const element = document.getElementById(location.hash.slice(1));
  if (element) element.focus();
});
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p><code>{file}</code></p>
<ul class="numbers">
<li><b>{evaluated}</b><br>of expressions evaluated</li>
<li><b>{both}</b><br>of boolean expressions seen both true and false</li>
</ul>
<ul class="legend" aria-label="Colours">{legend}</ul>
<main>
<div class="rules" role="region" aria-label="The rules" tabindex="0">
<pre class="gutter" aria-hidden="true">{numbers}</pre>
<pre>{code}</pre>
</div>
<p id="values" role="status">Point at an expression to see what it gave.</p>
<h2>Statements and functions</h2>
<table>
<thead><tr><th scope="col">Statement</th><th scope="col">Line</th>
<th scope="col">Evaluated, times</th><th scope="col">Expressions evaluated</th>
<th scope="col">Both true and false</th><th scope="col">Missing</th></tr></thead>
<tbody>{statements}</tbody>
</table>
</main>
<script type="application/json" id="coverage-data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
