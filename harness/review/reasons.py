"""Why a ruleset answered as it did, in one line: the allow statement that granted, or the condition
that denied.

A condition is followed down to the part that decided it: of `a && b` the one that was false, of a
function what it returns. All values are the engine's own (`CompiledRuleset.explain`); nothing here
evaluates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.review.vocabulary import expressions
from harness.rules import nodes
from harness.rules.denials import Decision
from harness.rules.display import display_text
from harness.rules.explain import ExpressionReport, RuleExplanation
from harness.rules.recorded import RecordedRequest, ReplaySource
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import AllowRule, called_functions
from harness.source import SourcePosition, Span

NOTHING_APPLIES = "no allow statement is about this"
NO_RULES = "there are no rules"

# What one allow statement means, wherever its text stands.
Meaning: TypeAlias = tuple[object, ...]

_MOST_TEXT = 120
_MOST_OPERANDS = 3


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one ruleset answered as it did.

    Args:
        at: The allow statement that granted, or the condition that denied; None when nothing in
            the text speaks of the request.
        text: What was said there, in one line.
    """

    at: SourcePosition | None
    text: str

    def __str__(self) -> str:
        return self.text if self.at is None else f"{self.at}: {self.text}"


class ReasonFinder:
    """Finds reasons in one ruleset.

    Args:
        ruleset: The ruleset; None for one that is not there, which denies everything.
    """

    def __init__(self, ruleset: CompiledRuleset | None) -> None:
        self._ruleset = ruleset
        self._nodes: dict[Span, nodes.Expression] = {}
        self._rules: dict[SourcePosition, AllowRule] = {}
        self.meanings: dict[SourcePosition, Meaning] = {}
        if ruleset is None:
            return
        for root in expressions(ruleset.resolved):
            pending = [root]
            while pending:
                node = pending.pop()
                self._nodes.setdefault(node.span, node)
                pending.extend(nodes.children(node))
        for service, rules in ruleset.resolved.rules.items():
            for rule in rules:
                at = ruleset.source.position(rule.statement.span.start)
                self._rules[at] = rule
                self.meanings[at] = (service, *_meaning(rule))

    def granted(self, decision: Decision) -> Reason:
        """Return which allow statement granted."""
        at = decision.allowed_by
        if at is None or self._ruleset is None:
            return Reason(None, NOTHING_APPLIES)
        return Reason(at, self._text(self._rules[at].statement.span))

    def denied(
        self, recorded: RecordedRequest, index: int, unchanged: frozenset[Meaning] = frozenset()
    ) -> tuple[Reason, ...]:
        """Return which condition of each statement that was tried denied a request.

        Args:
            recorded: The request.
            index: Its decision that was denied.
            unchanged: Statements that are left out, if there are others: they cannot be what makes
                two rulesets differ.
        """
        if self._ruleset is None:
            return (Reason(None, NO_RULES),)
        tried = self._ruleset.explain(
            recorded.decisions[index].request, ReplaySource(recorded.documents)
        )
        others = [each for each in tried if self.meanings.get(each.position) not in unchanged]
        reasons = tuple(self._denying(each) for each in others or tried)
        return reasons or (Reason(None, NOTHING_APPLIES),)

    def denied_roughly(self, decision: Decision) -> tuple[Reason, ...]:
        """Return which statements denied, without looking into their conditions: cheap.

        A statement whose condition has no value is named by the place of the error.
        """
        if self._ruleset is None:
            return (Reason(None, NO_RULES),)
        name = self._ruleset.source.file_name
        return tuple(
            Reason(
                SourcePosition(name, each.line, each.column), f"{self._text(each.span)} is not true"
            )
            for each in decision.reasons
        ) or (Reason(None, NOTHING_APPLIES),)

    def _denying(self, explanation: RuleExplanation) -> Reason:
        """Return the part of a condition that decided against a request."""
        reports = explanation.expressions
        if not reports:
            # `if false`, and whatever else has nothing but literals.
            words = f"{self._text(self._rules[explanation.position].statement.span)} grants nothing"
            return Reason(explanation.position, explanation.error or words)
        at = self._deciding(reports, 0)
        report = reports[at]
        if report.error is not None:
            said = _short(report.error.rstrip("."))
            return Reason(report.position, f"{_short(report.text)} has no value: {said}")
        operands = [
            each
            for each in _below(reports, at)
            if each.error is None
            and not isinstance(self._nodes.get(each.span), nodes.ListLiteral | nodes.MapLiteral)
        ][:_MOST_OPERANDS]
        where = ", ".join(f"{_short(each.text)} is {display_text(each.value)}" for each in operands)
        said = "is false" if report.value is False else f"is {display_text(report.value)}"
        return Reason(report.position, _short(report.text) + f" {said}{where and f' ({where})'}")

    def _deciding(self, reports: Sequence[ExpressionReport], at: int) -> int:
        """Return the place of the report that made the one at a place what it is."""
        while True:
            node = self._nodes.get(reports[at].span)
            below = [
                place
                for place in _places_below(reports, at)
                if reports[place].value is False or reports[place].error is not None
            ]
            is_open = isinstance(node, nodes.Call | nodes.Conditional) or (
                isinstance(node, nodes.Binary) and node.operator in ("&&", "||")
            )
            failed = [place for place in below if reports[place].error is not None]
            if not is_open and reports[at].error is not None and failed:
                # The error arose further down.
                at = failed[-1]
            elif is_open and len(below) == 1:
                at = below[0]
            elif isinstance(node, nodes.Call) and below:
                # Arguments and lets stand before the body.
                at = below[-1]
            elif isinstance(node, nodes.Binary) and node.operator == "&&" and below:
                # One operand was false and the other had no value: false wins.
                false = [place for place in below if reports[place].error is None]
                at = false[0] if false else below[0]
            else:
                return at

    def _text(self, span: Span) -> str:
        if self._ruleset is None:
            return ""
        return _short(" ".join(self._ruleset.source.text[span.start : span.end].split()))


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


def _places_below(reports: Sequence[ExpressionReport], at: int) -> list[int]:
    """Return the places of a report's direct parts."""
    depth = reports[at].depth
    found = []
    for place in range(at + 1, len(reports)):
        if reports[place].depth <= depth:
            break
        if reports[place].depth == depth + 1:
            found.append(place)
    return found


def _below(reports: Sequence[ExpressionReport], at: int) -> list[ExpressionReport]:
    return [reports[place] for place in _places_below(reports, at)]


def _short(text: str) -> str:
    return f"{text[: _MOST_TEXT - 1]}…" if len(text) > _MOST_TEXT else text
