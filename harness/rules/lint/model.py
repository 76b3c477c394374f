"""What a lint rule is, and what it finds. The rules themselves are in the modules beside this."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.source import Span


class Level(StrEnum):
    """How much a finding matters. The names are those of SARIF."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    def reaches(self, other: Level) -> bool:
        """Say whether this is as bad as another level, or worse."""
        return _ORDER[self] <= _ORDER[other]


_ORDER = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}


@dataclass(frozen=True, slots=True)
class LintRule:
    """One thing that the linter looks for.

    Args:
        name: In kebab-case; comments and harness.yaml name it so.
        level: How bad it is where it is found; a finding may be less bad.
        title: What is found, in a few words.
        why: What may happen because of it.
        fix: How to mend it.
        reference: Where it is documented.
        example: Rules inside `match /databases/{database}/documents` that have it.
        in_storage: The example is inside `match /b/{bucket}/o` of a Storage ruleset.
    """

    name: str
    level: Level
    title: str
    why: str
    fix: str
    reference: str
    example: str
    in_storage: bool = False

    def at(self, span: Span, message: str, level: Level | None = None) -> Finding:
        """Make a finding of this rule."""
        return Finding(self, span, message, level or self.level)


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a ruleset where a lint rule found something.

    Args:
        rule: Which one.
        span: The code it is about.
        message: What is wrong there. One line, no full stop.
        level: How bad it is.
    """

    rule: LintRule
    span: Span
    message: str
    level: Level
