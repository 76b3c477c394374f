"""Why a ruleset answered as it did, for two that answer differently: what both say is left out.

What decided is found and worded by the engine: `rules/explain_request.py`, `rules/explain_text.py`.
"""

from __future__ import annotations

from typing import TypeAlias

from harness.rules.denials import Decision
from harness.rules.explain_request import explain_request
from harness.rules.explain_text import Reason, denial_reason, reasons, text_at
from harness.rules.recorded import RecordedRequest, ReplaySource
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import AllowRule, called_functions
from harness.source import SourcePosition

NO_RULES = Reason(None, "there are no rules")
NOTHING_APPLIES = Reason(None, "no allow statement is about this")

# What one allow statement means, wherever its text stands.
Meaning: TypeAlias = tuple[object, ...]


class ReasonFinder:
    """Finds reasons in one ruleset.

    Args:
        ruleset: The ruleset; None for one that is not there, which denies everything.
    """

    def __init__(self, ruleset: CompiledRuleset | None) -> None:
        self._ruleset = ruleset
        self._rules: dict[SourcePosition, AllowRule] = {}
        self.meanings: dict[SourcePosition, Meaning] = {}
        if ruleset is None:
            return
        for service, rules in ruleset.resolved.rules.items():
            for rule in rules:
                at = ruleset.source.position(rule.statement.span.start)
                self._rules[at] = rule
                self.meanings[at] = (service, *_meaning(rule))

    def granted(self, decision: Decision) -> Reason:
        """Return which allow statement granted."""
        at = decision.allowed_by
        if at is None or self._ruleset is None:
            return NOTHING_APPLIES
        return Reason(at, text_at(self._ruleset.source, self._rules[at].statement.span))

    def denied(
        self, recorded: RecordedRequest, index: int, unchanged: frozenset[Meaning] = frozenset()
    ) -> tuple[Reason, ...]:
        """Return what denied a request in each statement that was tried.

        Args:
            recorded: The request.
            index: Its decision that was denied.
            unchanged: Statements that are left out, if there are others: they cannot be what makes
                two rulesets differ.
        """
        if self._ruleset is None:
            return (NO_RULES,)
        explanation = explain_request(
            self._ruleset, recorded.decisions[index].request, ReplaySource(recorded.documents)
        )
        changed = tuple(
            denial_reason(rule, decisive)
            for rule, decisive in zip(explanation.rules, explanation.decided_by, strict=True)
            if self.meanings.get(rule.position) not in unchanged
        )
        return changed or reasons(explanation)

    def denied_roughly(self, decision: Decision) -> tuple[Reason, ...]:
        """Return which statements denied, without looking into their conditions: cheap.

        A statement whose condition has no value is named by the place of the error.
        """
        if self._ruleset is None:
            return (NO_RULES,)
        source = self._ruleset.source
        return tuple(
            Reason(
                SourcePosition(source.file_name, each.line, each.column),
                f"{text_at(source, each.span)} is not true",
            )
            for each in decision.reasons
        ) or (NOTHING_APPLIES,)


def _meaning(rule: AllowRule) -> Meaning:
    """Return what two allow statements share when they say the same of the same paths."""
    condition = rule.statement.condition
    called = () if condition is None else called_functions(condition, rule.scope)
    return (
        rule.pattern,
        rule.granted,
        condition,
        tuple((each.declaration.parameters, each.declaration.lets, each.declaration.body)
              for each in called),
    )  # fmt: skip
