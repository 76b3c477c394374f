"""What is wrong with a ruleset's text: the record that parser and checks hand out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.source import SourcePosition, SourceText, Span


class Severity(StrEnum):
    """How bad an issue is. An ERROR keeps the ruleset from loading.

    Source: Rules API, Issue.Severity; the emulator sends the name, not the number.
    """

    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Issue:
    """One diagnostic.

    Args:
        severity: ERROR or WARNING.
        position: Line and column of its first character.
        span: The characters it is about.
        description: As the official compiler words it, where its words are known.
    """

    severity: Severity
    position: SourcePosition
    span: Span
    description: str

    @classmethod
    def at(cls, source: SourceText, span: Span, severity: Severity, description: str) -> Issue:
        """Make an issue about a span of a text."""
        return cls(severity, source.position(span.start), span, description)

    def __str__(self) -> str:
        return f"{self.position} - {self.severity} {self.description}"
