"""Text that the user wrote, and places in it.

Lines and columns count from 1, offsets from 0 in Unicode code points; spans are half-open.
Nothing here reads files.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from harness.records import record

_EXCERPT_WIDTH = 120


@record(order=True)
class Span:
    """A half-open range of offsets, `[start, end)`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """A place in a file, printed as editors and terminals can follow it: `file:line:column`."""

    file_name: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file_name}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file's name and text, able to say where an offset is and to draw a caret under it."""

    file_name: str
    text: str
    _line_starts: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        object.__setattr__(self, "_line_starts", starts)

    def position(self, offset: int) -> SourcePosition:
        """Return the line and column of an offset."""
        line = bisect_right(self._line_starts, offset)
        return SourcePosition(self.file_name, line, offset - self._line_starts[line - 1] + 1)

    def line_text(self, line: int) -> str:
        """Return one line, counted from 1, without its line end."""
        start = self._line_starts[line - 1]
        end = self._line_starts[line] if line < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def caret(self, span: Span) -> str:
        """Return the line that holds a span, with a marker under it.

        A span over several lines is marked to the end of its first. Tabs stay tabs, so that the
        marker lines up.
        """
        at = self.position(span.start)
        line = self.line_text(at.line)
        before = line[: at.column - 1]
        width = max(1, min(span.end - span.start, len(line) - len(before)))
        indent = "".join(char if char == "\t" else " " for char in before)
        marker = "^" * min(width, _EXCERPT_WIDTH)
        return f"{line[:_EXCERPT_WIDTH]}\n{indent[:_EXCERPT_WIDTH]}{marker}"
