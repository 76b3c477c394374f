"""Comments that allow what a lint rule finds.

    // harness: allow open-rules, auth-only-read: the blog is public
    allow read: if true;

A comment counts for its own line; alone on a line it counts for the next line with code, and for
the whole statement or function that begins there. What stands behind the names is for readers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from harness.rules import nodes
from harness.rules.lint.model import Finding, Level, LintRule
from harness.source import SourceText, Span

_LINT = "https://firebase.google.com/docs/rules/rules-language"

UNUSED_SUPPRESSION = LintRule(
    "unused-suppression",
    Level.WARNING,
    "A comment allows what is not found",
    "It would hide the finding should it come back for another reason.",
    "take the comment out",
    _LINT,
    "match /posts/{id} {\n  // harness: allow open-rules\n"
    "  allow read: if resource.data.public;\n}",
)
UNKNOWN_SUPPRESSION = LintRule(
    "unknown-suppression",
    Level.ERROR,
    "A comment names a lint rule that does not exist",
    "It allows nothing.",
    "correct the name; docs/rules-lint.md lists all of them",
    _LINT,
    "match /posts/{id} {\n  // harness: allow open-rule\n  allow read: if resource.data.public;\n}",
)
RULES = (UNUSED_SUPPRESSION, UNKNOWN_SUPPRESSION)

# A comment, or a string, in which nothing is a comment.
_PIECE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*" """,
    re.VERBOSE | re.DOTALL,
)
_ALLOW = re.compile(r"harness:\s*allow\s+([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)")


@dataclass(slots=True)
class Suppression:
    """One rule's name in a comment.

    Args:
        name: The rule's.
        span: Where the name stands.
        covered: What the comment counts for.
        is_used: Whether it has hidden a finding.
    """

    name: str
    span: Span
    covered: Span
    is_used: bool = field(default=False)


def find_suppressions(source: SourceText, tree: nodes.Ruleset) -> list[Suppression]:
    """Return what the comments of a ruleset allow."""
    comments = [match for match in _PIECE.finditer(source.text) if match[0].startswith("/")]
    starts = [0, *(match.end() for match in re.finditer("\n", source.text)), len(source.text)]
    ends: dict[int, int] = {}
    for span in _statements(tree):
        line = source.position(span.start).line
        ends[line] = max(ends.get(line, 0), span.end)
    commented = {
        line
        for match in comments
        for line in range(
            source.position(match.start()).line, source.position(match.end() - 1).line + 1
        )
        if not source.line_text(line)[: _column(source, match.start(), line)].strip()
    }
    found = []
    for comment in comments:
        allow = _ALLOW.search(comment[0])
        if allow is None:
            continue
        line = source.position(comment.start()).line
        if line in commented:
            line = source.position(comment.end() - 1).line + 1
            while line < len(starts) and (line in commented or not source.line_text(line).strip()):
                line += 1
        line = min(line, len(starts) - 1)
        covered = Span(starts[line - 1], max(starts[line], ends.get(line, 0)))
        begin = comment.start() + allow.start(1)
        for name in re.finditer(r"[a-z0-9-]+", allow[1]):
            span = Span(begin + name.start(), begin + name.end())
            found.append(Suppression(name[0], span, covered))
    return found


def apply(
    findings: Iterable[Finding],
    suppressions: list[Suppression],
    known: Collection[str],
    off: Collection[str],
) -> Iterator[Finding]:
    """Yield the findings that no comment allows, then what is wrong with the comments.

    Args:
        findings: What was found.
        suppressions: What comments allow.
        known: The names of all lint rules.
        off: Those that were not looked for: a comment for one of them is not unused.
    """
    for finding in findings:
        hiding = [
            each
            for each in suppressions
            if each.name == finding.rule.name
            and each.covered.start <= finding.span.start < each.covered.end
        ]
        for each in hiding:
            each.is_used = True
        if not hiding:
            yield finding
    for each in suppressions:
        if each.name not in known:
            yield UNKNOWN_SUPPRESSION.at(
                each.span, f"there is no lint rule {each.name}{nearest(each.name, known)}"
            )
        elif not each.is_used and each.name not in off:
            yield UNUSED_SUPPRESSION.at(each.span, f"{each.name} is not found here")


def nearest(name: str, known: Collection[str]) -> str:
    """Return `; do you mean X?`, or nothing if no name is near."""
    close = difflib.get_close_matches(name, sorted(known), 1, 0.5)
    return f"; do you mean {close[0]}?" if close else ""


def _statements(tree: nodes.Ruleset) -> Iterator[Span]:
    """Yield the spans of allow statements and functions."""
    pending: list[object] = list(tree.body)
    while pending:
        item = pending.pop()
        if isinstance(item, (nodes.AllowStatement, nodes.FunctionDeclaration)):
            yield item.span
        elif isinstance(item, (nodes.ServiceBlock, nodes.MatchBlock)):
            pending.extend(item.body)


def _column(source: SourceText, offset: int, line: int) -> int:
    at = source.position(offset)
    return at.column - 1 if at.line == line else 0
