"""Everything there is to say of one decision: which match blocks applied, what each condition gave.

Made for people and only when asked for; the decision itself is `ruleset.py`'s, and how it looks in
print is decided in `explain_text.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.rules import nodes
from harness.rules.decisive import Decisive, decisive_part
from harness.rules.explain import RuleExplanation
from harness.rules.matching import shift_of_match
from harness.rules.request import Method, RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import UNKNOWN_SEGMENT, DocumentSource
from harness.rules.scope import Capture, MatchScope, PatternSegment, Scope
from harness.source import SourcePosition, SourceText


@dataclass(frozen=True, slots=True)
class MatchReport:
    """A match block that speaks about the path.

    Args:
        position: Of its `match`.
        pattern: In full, with what it is nested in.
        captures: What each wildcard stands for, the outermost first; None where a list leaves it
            open.
        allows: Its statements for the method.
    """

    position: SourcePosition
    pattern: str
    captures: tuple[tuple[str, str | None], ...]
    allows: tuple[SourcePosition, ...]


@dataclass(frozen=True, slots=True)
class RequestExplanation:
    """Why one question got its answer.

    Args:
        source: The ruleset's text.
        request: The question.
        allowed: The answer.
        message: For a denial what a client is told.
        matches: Those that applied, in source order.
        rules: What each statement gave, up to the first that granted.
        decided_by: For each of `rules` what decided it.
        disjunct: Which alternative of a list's filter the rules are explained for: the first that
            none of them allows, or the last; counted from 1, with the number of all.
    """

    source: SourceText
    request: RulesRequest
    allowed: bool
    message: str
    matches: tuple[MatchReport, ...]
    rules: tuple[RuleExplanation, ...]
    decided_by: tuple[Decisive | None, ...]
    disjunct: tuple[int, int] = (1, 1)

    @property
    def granted_by(self) -> tuple[RuleExplanation, Decisive | None] | None:
        """The statement that granted, and what made its condition true."""
        pairs = zip(self.rules, self.decided_by, strict=True)
        return next((pair for pair in pairs if self.allowed and pair[0].granted), None)

    @property
    def nearest(self) -> tuple[RuleExplanation, Decisive | None] | None:
        """Of the statements that did not grant, the one that came closest, in the sense that most
        of its parts were true: probably the one that was meant to.
        """
        pairs = list(zip(self.rules, self.decided_by, strict=True))
        return max(pairs, key=lambda pair: _true_parts(pair[0]), default=None)


def explain_request(
    ruleset: CompiledRuleset, request: RulesRequest, documents: DocumentSource
) -> RequestExplanation:
    """Decide a request, and say why."""
    decision = ruleset.decide(request, documents)
    path = request.path
    rules: tuple[RuleExplanation, ...] = ()
    disjunct = (1, 1)
    evaluations = ruleset.evaluations(request)
    explainer = ruleset.explainer(request.service)
    for number, (plan, path, resource) in enumerate(evaluations, 1):
        rules = explainer.explain(plan.steps, request, path, resource, documents)
        disjunct = (number, len(evaluations))
        if not any(rule.granted for rule in rules):
            break
    bodies = {symbol.declaration.body.span for symbol in ruleset.resolved.functions}
    return RequestExplanation(
        ruleset.source,
        request,
        decision.allowed,
        decision.message,
        tuple(_matches(ruleset, request.service, request.method, path)),
        rules,
        tuple(decisive_part(rule.expressions, bodies) for rule in rules),
        disjunct,
    )


def _true_parts(rule: RuleExplanation) -> int:
    return sum(report.value is True for report in rule.expressions)


def _matches(
    ruleset: CompiledRuleset, service: str, method: Method, path: tuple[str, ...]
) -> list[MatchReport]:
    reports = []
    for match in ruleset.resolved.matches.get(service, ()):
        shift = shift_of_match(match.pattern, path, ruleset.version)
        if shift is None:
            continue
        allows = [
            item.span.start
            for item in match.block.body
            if isinstance(item, nodes.AllowStatement) and method in item.granted
        ]
        reports.append(
            MatchReport(
                ruleset.source.position(match.block.span.start),
                pattern_text(match.pattern),
                tuple(_captures(match, path, shift)),
                tuple(map(ruleset.source.position, allows)),
            )
        )
    return reports


def pattern_text(pattern: tuple[PatternSegment, ...]) -> str:
    """Return a match block's full pattern as it would be written."""
    words = []
    for segment in pattern:
        match segment:
            case nodes.LiteralSegment(text):
                words.append(text)
            case nodes.RecursiveWildcard(name):
                words.append(f"{{{name}=**}}")
            case nodes.WildcardSegment(name):
                words.append(f"{{{name}}}")
    return "/" + "/".join(words)


def _captures(match: MatchScope, path: tuple[str, ...], shift: int) -> list[tuple[str, str | None]]:
    found: list[tuple[int, str, str | None]] = []
    scope: Scope | None = match.scope
    while scope is not None:
        for name, capture in scope.captures.items():
            found.append((capture.index, name, _captured(capture, path, shift)))
        scope = scope.parent
    return [(name, value) for _, name, value in sorted(found, key=lambda each: each[0])]


def _captured(capture: Capture, path: tuple[str, ...], shift: int) -> str | None:
    if capture.recursive:
        taken = path[capture.index : capture.index + 1 + shift]
    else:
        index = capture.index + (shift if capture.behind_recursive else 0)
        taken = (path[index],)
    return None if any(each is UNKNOWN_SEGMENT for each in taken) else "/".join(taken)
