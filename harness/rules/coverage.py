"""How often each expression of a ruleset was evaluated, and what it gave.

    coverage = RulesetCoverage(ruleset)
    decision = ruleset.decide(request, documents, log)
    coverage.observe(request, documents, log)
    coverage.counts()

Counting is a compilation of its own, so that decisions pay nothing for it: a request is decided,
and then evaluated once more by closures that count. It decides nothing, and reads no document that
the decision has not read, as long as both share an `AccessLog`.

Which expressions there are is in `coverage_layout.py`, how a report looks in `coverage_report.py`.

A count is of evaluations. The official emulator first evaluates without the document and counts
that attempt too, as `{"undefined": {}}`; here there is no such attempt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from harness.rules import limits, nodes
from harness.rules.compiler import Compiler, Evaluator, MeteredCompiler
from harness.rules.coverage_layout import LITERALS, CoverageLayout, coverage_layout
from harness.rules.plans import Plan, Step, run
from harness.rules.recorded import RecordedRequest, ReplaySource
from harness.rules.recorded_json import ruleset_digest
from harness.rules.request import RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import (
    KIND_NAMES,
    AccessLog,
    DocumentSource,
    EvaluationContext,
    EvaluationStopped,
    RulesError,
    RulesValue,
)
from harness.rules.scope import AllowRule
from harness.rules.value_json import TooLarge, ValueWriter, value_text
from harness.source import Span

VALUES_KEPT = 20
"""Distinct values of one expression that are kept; of the others it is known how many there were,
and of which kind. True, false and null are always kept."""

_VALUE_ROOM = 1_000
"""Parts and characters of a value that is kept."""
# Comparing and writing lists and maps costs more than evaluating: after so many different ones, an
# expression's are only counted.
_ATTEMPTS = 5
_MAX_PLANS = 10_000

TRUE = value_text({"boolValue": True})
FALSE = value_text({"boolValue": False})
NULL = value_text({"nullValue": None})
_ALWAYS_KEPT = frozenset({TRUE, FALSE, NULL})


# --- what is known of one expression ----------------------------------------------------------

Visits = Mapping[str, int]
"""What an expression gave and how often: JSON text of a value of the official report -> count.

An error is `{"undefined": {"sourcePosition": [start, end], "causeMessage": ...}}`, the span still
as in the text. `{"elidedValue": {"type": "map"}}` stands for values that were not kept.
"""


def elided(kind: str) -> str:
    """Return the text that stands for values of a kind that were not kept."""
    return value_text({"elidedValue": {"type": kind}})


class _Tally:
    """Counts what one expression gives, while requests are evaluated.

    Args:
        by_identity: Values are large, and hardly ever equal without being the same.
    """

    __slots__ = (
        "attempts",
        "by_identity",
        "elided",
        "errors",
        "examples",
        "false",
        "null",
        "scalars",
        "true",
    )

    def __init__(self, by_identity: bool = False) -> None:
        self.by_identity = by_identity
        self.true = 0
        self.false = 0
        self.null = 0
        self.scalars: dict[str | int, int] = {}
        # [value, its text, count]
        self.examples: list[list[Any]] = []
        self.attempts = _ATTEMPTS
        self.errors: dict[tuple[str, Span | None], int] = {}
        self.elided: dict[type, int] = {}

    def note(self, value: RulesValue) -> None:
        """Count a value that is neither true nor false."""
        kind = type(value)
        if kind is str or kind is int:
            scalars = self.scalars
            if value in scalars:
                scalars[value] += 1  # type: ignore[index]
                return
            if len(scalars) < VALUES_KEPT and (kind is int or len(value) <= _VALUE_ROOM):  # type: ignore[arg-type]
                scalars[value] = 1  # type: ignore[index]
                return
        elif value is None:
            self.null += 1
            return
        elif self.attempts and self._note_example(value):
            return
        self.elided[kind] = self.elided.get(kind, 0) + 1

    def _note_example(self, value: RulesValue) -> bool:
        for example in self.examples:
            # `[1] == [1.0]` in Python; here, such a pair may be counted as one.
            if example[0] is value or (not self.by_identity and example[0] == value):
                example[2] += 1
                return True
        self.attempts -= 1
        try:
            text = ValueWriter(_VALUE_ROOM).text(value)
        except TooLarge:
            return False
        self.examples.append([value, text, 1])
        return True

    def note_error(self, error: RulesError | EvaluationStopped) -> None:
        key = (error.text, error.span)
        if key in self.errors or len(self.errors) < VALUES_KEPT:
            self.errors[key] = self.errors.get(key, 0) + 1
        else:
            self.elided[Exception] = self.elided.get(Exception, 0) + 1

    def visits(self) -> dict[str, int]:
        """Return what was counted so far."""
        found = {TRUE: self.true, FALSE: self.false, NULL: self.null}
        writer = ValueWriter(VALUES_KEPT * _VALUE_ROOM * 2)
        for value, count in self.scalars.items():
            found[writer.text(value)] = count
        for _, text, count in self.examples:
            found[text] = found.get(text, 0) + count
        for (cause, span), count in self.errors.items():
            found[_error_text(cause, span)] = count
        for kind, count in self.elided.items():
            name = elided("error" if kind is Exception else KIND_NAMES[kind])
            found[name] = found.get(name, 0) + count
        return _bounded({text: count for text, count in found.items() if count})


def _error_text(cause: str, span: Span | None) -> str:
    content: dict[str, Any] = {"causeMessage": cause}
    if span is not None:
        content["sourcePosition"] = [span.start, span.end]
    return value_text({"undefined": content})


def merged_visits(one: Visits, other: Visits) -> dict[str, int]:
    """Add two counts of one expression.

    Associative and commutative: a value that is not kept here has enough others before it, by their
    texts, and would be kept in no later sum either.
    """
    total = dict(one)
    for text, count in other.items():
        total[text] = total.get(text, 0) + count
    return _bounded(total)


def _bounded(visits: dict[str, int]) -> dict[str, int]:
    """Keep the first values by their texts, and count the others by kind."""
    optional = [
        text for text in visits if text not in _ALWAYS_KEPT and not text.startswith(_ELIDED_START)
    ]
    if len(optional) <= VALUES_KEPT:
        return visits
    for text in sorted(optional)[VALUES_KEPT:]:
        name = elided(_KINDS.get(next(iter(json.loads(text))), "value"))
        visits[name] = visits.get(name, 0) + visits.pop(text)
    return visits


_ELIDED_START = '{"elidedValue"'
_KINDS = {
    "bytesValue": "bytes",
    "constraintValue": "constraint",
    "durationValue": "duration",
    "floatValue": "float",
    "intValue": "int",
    "latlngValue": "latlng",
    "listValue": "list",
    "mapDiffValue": "map_diff",
    "mapValue": "map",
    "pathValue": "path",
    "setValue": "set",
    "stringValue": "string",
    "timestampValue": "timestamp",
    "undefined": "error",
}


# --- what is known of a ruleset ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CoverageCounts:
    """What was counted for one text of rules; sums with others of the same text.

    Args:
        file_name: The file, for people.
        text: The rules.
        visits: By the expression's span; those that were never evaluated are not in it.
    """

    file_name: str
    text: str
    visits: Mapping[Span, Visits] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal digits."""
        return ruleset_digest(self.text)

    def of(self, span: Span) -> Visits:
        """Return what an expression gave."""
        return self.visits.get(span, _NOTHING)

    def count(self, span: Span) -> int:
        """Return how often an expression was evaluated."""
        return sum(self.of(span).values())

    def merged(self, other: CoverageCounts) -> CoverageCounts:
        """Add the counts of another run, worker or project.

        Raises:
            ValueError: They are counts for another text.
        """
        if self.text != other.text:
            raise ValueError("counts of different rules cannot be added")
        visits = dict(self.visits)
        for span, seen in other.visits.items():
            visits[span] = merged_visits(visits[span], seen) if span in visits else seen
        # Of two names for one text, the choice must not depend on the order.
        return CoverageCounts(min(self.file_name, other.file_name), self.text, visits)

    def to_json(self) -> dict[str, Any]:
        """Return JSON that `from_json` reads: `{"file": ..., "text": ..., "visits": {"10-14":
        {VALUE: 3}}}`.
        """
        visits = {
            f"{span.start}-{span.end}": dict(sorted(seen.items()))
            for span, seen in sorted(self.visits.items())
        }
        return {"file": self.file_name, "digest": self.digest, "text": self.text, "visits": visits}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CoverageCounts:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        try:
            visits = {}
            for key, seen in content["visits"].items():
                start, end = map(int, key.split("-"))
                visits[Span(start, end)] = {str(text): int(count) for text, count in seen.items()}
            return cls(str(content["file"]), str(content["text"]), visits)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the coverage of rules: {error}") from error


_NOTHING: Visits = {}


def merged_counts(counts: Iterable[CoverageCounts]) -> list[CoverageCounts]:
    """Add up what belongs to the same text; the first of each text decides the order."""
    by_text: dict[str, CoverageCounts] = {}
    for each in counts:
        known = by_text.get(each.text)
        by_text[each.text] = each if known is None else known.merged(each)
    return list(by_text.values())


class RulesetCoverage:
    """Counts for one ruleset, from when it is made.

    Args:
        ruleset: What the requests are decided by.
    """

    def __init__(self, ruleset: CompiledRuleset) -> None:
        self.ruleset = ruleset
        self._tallies: dict[Span, _Tally] = {}
        self._plans: dict[Plan, Plan] = {}
        self._evaluators: dict[tuple[AllowRule, bool], Evaluator] = {}
        self._compilers: dict[tuple[str, bool], Compiler] = {}

    @cached_property
    def layout(self) -> CoverageLayout:
        """The expressions that there are."""
        return coverage_layout(self.ruleset.source, self.ruleset.resolved)

    def observe(
        self, request: RulesRequest, documents: DocumentSource, log: AccessLog | None = None
    ) -> None:
        """Count one decision. It stops where the decision does: at the first allow that grants.

        Args:
            request: What was asked.
            documents: What the decision looked at.
            log: The decision's; its documents are not read again and count as no further access.
        """
        context = EvaluationContext(request, request.path, None, documents, log)
        for plan, path, resource in self.ruleset.evaluations(request):
            context.path, context.resource = path, resource
            counting = self._plans.get(plan) or self._counting_plan(request.service, plan)
            if plan.is_metered:
                context.remaining = limits.EXPRESSIONS_PER_REQUEST
            if run(counting, context, []) is None:
                return

    def observe_again(self, recorded: RecordedRequest) -> None:
        """Count a request that was kept, up to its first denial."""
        documents = ReplaySource(recorded.documents)
        log = AccessLog(
            limits.BATCH_ACCESS_CALLS if recorded.several else limits.SINGLE_REQUEST_ACCESS_CALLS
        )
        for asked in recorded.decisions:
            allowed = self.ruleset.decide(asked.request, documents, log).allowed
            self.observe(asked.request, documents, log)
            if not allowed:
                return

    def counts(self) -> CoverageCounts:
        """Return what was counted so far."""
        source = self.ruleset.source
        visits = {span: tally.visits() for span, tally in self._tallies.items()}
        return CoverageCounts(
            source.file_name, source.text, {span: seen for span, seen in visits.items() if seen}
        )

    def _counting_plan(self, service: str, plan: Plan) -> Plan:
        """Compile the conditions of a plan; requests of most kinds never come."""
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        steps = tuple(
            Step(step.rule, self._evaluator(service, step.rule, plan.is_metered), step.shift)
            for step in plan.steps
        )
        counting = self._plans[plan] = Plan(steps, plan.is_metered)
        return counting

    def _evaluator(self, service: str, rule: AllowRule, is_metered: bool) -> Evaluator:
        evaluate = self._evaluators.get((rule, is_metered))
        if evaluate is None:
            compiler = self._compilers.get((service, is_metered))
            if compiler is None:
                kind = _MeteredCountingCompiler if is_metered else _CountingCompiler
                compiler = kind(service, self._tally, self.layout.literal_spans())
                self._compilers[service, is_metered] = compiler
            statement = rule.statement
            evaluate = compiler.rule(rule)
            if statement.condition is None:
                evaluate = _counted(evaluate, self._tally(statement.span))
            self._evaluators[rule, is_metered] = evaluate
        return evaluate

    def _tally(self, span: Span) -> _Tally:
        return self._tallies.setdefault(span, _Tally())


class _Counting(Compiler):
    """The part of a compilation that counts.

    Args:
        tally: From an expression's span to where it is counted; one for all its compilations.
        literals: Literals that are counted although they have no node.
    """

    short_cuts = False

    def __init__(
        self, service: str, tally: Callable[[Span], _Tally], literals: frozenset[Span]
    ) -> None:
        super().__init__(service)
        self._tally = tally
        self._literals = literals

    def finish(self, node: nodes.Expression, evaluate: Evaluator) -> Evaluator:
        evaluate = super().finish(node, evaluate)
        if isinstance(node, LITERALS) and node.span not in self._literals:
            return evaluate
        tally = self._tally(node.span)
        tally.by_identity = isinstance(node, nodes.Variable) and node.name == "request"
        return _counted(evaluate, tally)


class _CountingCompiler(_Counting):
    """Counts what cannot exceed the budget of a request."""


class _MeteredCountingCompiler(_Counting, MeteredCompiler):
    """Counts what can, and stops where the decision did."""


def _counted(evaluate: Evaluator, tally: _Tally) -> Evaluator:
    note = tally.note

    def counted(context: EvaluationContext) -> RulesValue:
        try:
            value = evaluate(context)
        except (RulesError, EvaluationStopped) as error:
            tally.note_error(error)
            raise
        if value is True:
            tally.true += 1
        elif value is False:
            tally.false += 1
        else:
            note(value)
        return value

    return counted
