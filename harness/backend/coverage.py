"""Rules coverage of one project: of the rules that it has, and of those that it had.

Loading rules begins a new count, as on the official emulator. A run wants to know what all its
checks reached, also where one of them loaded other rules meanwhile; so former counts are kept, by
text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.rules.coverage import CoverageCounts, RulesetCoverage
    from harness.rules.ruleset import CompiledRuleset

_FORMER_KEPT = 50
"""Texts that are remembered: a run that tries many rulesets must not fill the memory."""


class ProjectCoverage:
    """Counts what a project's requests reach of its rules."""

    def __init__(self) -> None:
        self._current: RulesetCoverage | None = None
        self._former: list[CoverageCounts] = []

    def of(self, ruleset: CompiledRuleset) -> RulesetCoverage:
        """Return the count of the rules in force; a new one if they have been loaded since."""
        current = self._current
        if current is None or current.ruleset is not ruleset:
            from harness.rules.coverage import RulesetCoverage, merged_counts

            self._former = merged_counts(self.all())[-_FORMER_KEPT:]
            current = self._current = RulesetCoverage(ruleset)
        return current

    def all(self) -> list[CoverageCounts]:
        """Return all counts since the start, one for each text; the one in force is the last."""
        counts = self._former
        if self._current is not None:
            from harness.rules.coverage import merged_counts

            # The last one is kept longest.
            mine = self._current.counts()
            counts = [each for each in counts if each.text != mine.text] + merged_counts(
                [*(each for each in counts if each.text == mine.text), mine]
            )
        return counts
