"""What a mutation operator proposes, and the text it works on.

An operator never writes a tree back: it edits the user's own text, so that a mutant can be shown as
a diff of it. So parentheses matter here, which have no node of their own. Which operators there
are: `mutate_expressions.py` and `mutate_statements.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from harness.rules import lexer
from harness.rules.lexer import Token
from harness.source import SourceText, Span

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Put `text` in the place of `[start, end)`."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[TextEdit]) -> str:
    """Return the text with all edits made. They must not overlap."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change of a ruleset, which may turn out not to load, or to be none.

    Args:
        operator: Its mutation operator's name.
        at: Offset of what is changed.
        edits: The change.
        description: One line for people.
        direction: 1 if every expression that it changes can only turn towards true, -1 towards
            false, 0 if both may happen.
    """

    operator: str
    at: int
    edits: tuple[TextEdit, ...]
    description: str
    direction: int = 0


class RulesText:
    """A ruleset's text with its tokens, to find what has no node: parentheses, operators, method
    names.
    """

    def __init__(self, source: SourceText) -> None:
        self.text = source.text
        self.tokens = lexer.tokenize(source.text)
        self._starts = [token.start for token in self.tokens]
        self._ends = [token.end for token in self.tokens]

    def of(self, span: Span) -> str:
        """Return a span's text."""
        return self.text[span.start : span.end]

    def shown(self, span: Span) -> str:
        """Return a span's text in one line, shortened, for a description."""
        line = " ".join(self.of(span).split())
        return f"`{line if len(line) <= _SHOWN else line[: _SHOWN - 1] + '…'}`"

    def between(self, start: int, end: int) -> list[Token]:
        """Return the tokens that lie in `[start, end)`."""
        return self.tokens[bisect_left(self._starts, start) : bisect_right(self._ends, end)]

    def with_parentheses(self, span: Span, within: Span) -> Span:
        """Return an expression's span with the parentheses around it that lie in `within`.

        `within` must not be a call whose argument this is: the call's parentheses are its own.
        """
        before = bisect_left(self._starts, span.start) - 1
        behind = bisect_left(self._starts, span.end)
        while (
            before >= 0
            and self._is(before, "(")
            and self._is(behind, ")")
            and self.tokens[before].start >= within.start
            and self.tokens[behind].end <= within.end
        ):
            span = Span(self.tokens[before].start, self.tokens[behind].end)
            before -= 1
            behind += 1
        return span

    def _is(self, index: int, operator: str) -> bool:
        return self.tokens[index].kind == operator
