"""Why a decision came out as it did: the value or the error of every expression that was evaluated.

Explaining is a compilation of its own, so that plain decisions pay nothing for it; it is made when
a statement is first explained, and kept. It decides nothing: what it shows is what the same
closures, without their short cuts, gave for the same request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.rules import limits, nodes
from harness.rules.compiler import Evaluator, MeteredCompiler
from harness.rules.display import display_text
from harness.rules.plans import Step
from harness.rules.request import RulesRequest
from harness.rules.runtime import (
    DocumentSource,
    EvaluationContext,
    EvaluationStopped,
    RulesError,
    RulesValue,
    not_bool,
)
from harness.rules.scope import AllowRule
from harness.source import SourcePosition, SourceText, Span


@dataclass(frozen=True, slots=True)
class ExpressionReport:
    """What one expression gave, once.

    Args:
        span: The expression's text.
        position: Where it begins.
        depth: 0 for the condition itself, one more for each level below; a called function's body
            is below its call.
        text: The expression as written, in one line.
        value: Its value; None as well when it has an error.
        error: Why it has no value.
        node: The expression itself.
    """

    span: Span
    position: SourcePosition
    depth: int
    text: str
    value: RulesValue
    error: str | None
    node: nodes.Expression = field(compare=False, repr=False)

    def __str__(self) -> str:
        result = f"error: {self.error}" if self.error is not None else display_text(self.value)
        return f"{'  ' * self.depth}{self.text} => {result}"


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """What one allow statement gave.

    Args:
        position: Of its `allow`.
        granted: Whether its condition was true.
        error: Why the condition has no boolean value, if so.
        expressions: Everything that was evaluated, each expression before its parts. What was
            skipped (the right of a decided `&&`, the other branch of a conditional) is not there;
            nor are literals.
        rule: The statement, with its match block.
    """

    position: SourcePosition
    granted: bool
    error: str | None
    expressions: tuple[ExpressionReport, ...]
    rule: AllowRule = field(compare=False, repr=False)

    def __str__(self) -> str:
        head = "granted" if self.granted else self.error or "false"
        return "\n".join([f"{self.position}: {head}", *map(str, self.expressions)])


@dataclass(slots=True)
class _Entry:
    node: nodes.Expression
    depth: int
    value: RulesValue = None
    error: str | None = None


class _TracedContext(EvaluationContext):
    """An evaluation that notes what each expression gave."""

    __slots__ = ("depth", "entries")

    def __init__(
        self,
        request: RulesRequest,
        path: tuple[str, ...],
        resource: object,
        documents: DocumentSource,
    ) -> None:
        super().__init__(request, path, resource, documents, None)
        self.entries: list[_Entry] = []
        self.depth = 0


_LITERALS = (
    nodes.NullLiteral,
    nodes.BoolLiteral,
    nodes.IntLiteral,
    nodes.FloatLiteral,
    nodes.StringLiteral,
    nodes.BytesLiteral,
)


class _ExplainingCompiler(MeteredCompiler):
    """The compilation that notes what each expression gave. It counts too, so as to stop where a
    decision does. Its closures run in a `_TracedContext`.
    """

    def finish(self, node: nodes.Expression, evaluate: Evaluator) -> Evaluator:
        evaluate = super().finish(node, evaluate)
        if isinstance(node, _LITERALS):
            return evaluate
        if isinstance(node, nodes.Variable) and node.name in ("request", "resource"):
            # Large, the same everywhere, and their members are shown.
            return evaluate

        def noted(context: EvaluationContext) -> RulesValue:
            assert isinstance(context, _TracedContext)
            depth = context.depth
            entry = _Entry(node, depth)
            context.entries.append(entry)
            context.depth = depth + 1
            try:
                entry.value = evaluate(context)
            except (RulesError, EvaluationStopped) as error:
                entry.error = error.text
                raise
            finally:
                context.depth = depth
            return entry.value

        return noted


class Explainer:
    """Explains requests to one service of a ruleset.

    Args:
        source: The ruleset's text.
        service: Its name.
    """

    def __init__(self, source: SourceText, service: str) -> None:
        self._source = source
        self._compiler = _ExplainingCompiler(service)
        self._evaluators: dict[AllowRule, Evaluator] = {}
        self._places: dict[Span, tuple[SourcePosition, str]] = {}

    def explain(
        self,
        steps: Sequence[Step],
        request: RulesRequest,
        path: tuple[str, ...],
        resource: object,
        documents: DocumentSource,
    ) -> tuple[RuleExplanation, ...]:
        """Evaluate the conditions of a plan one by one, up to the first that grants, and note
        everything.

        Args:
            steps: The plan's.
            request: What is asked.
            path: As `CompiledRuleset.evaluations` has it.
            resource: The same.
            documents: Where `get` and its kin look.
        """
        explanations: list[RuleExplanation] = []
        context = _TracedContext(request, path, resource, documents)
        context.remaining = limits.EXPRESSIONS_PER_REQUEST
        for step in steps:
            context.entries, context.depth = [], 0
            context.shift = step.shift
            granted, error, stopped = False, None, False
            try:
                value = self._evaluator(step.rule)(context)
                granted = value is True
                error = None if isinstance(value, bool) else not_bool(value).text
            except RulesError as problem:
                error = problem.text
            except EvaluationStopped as problem:
                error, stopped = problem.text, True
            except RecursionError:
                error, stopped = "Expression is nested too deeply for this engine.", True
            explanations.append(
                RuleExplanation(
                    self._source.position(step.rule.statement.span.start),
                    granted,
                    error,
                    tuple(map(self._report, context.entries)),
                    step.rule,
                )
            )
            if granted or stopped:
                break
        return tuple(explanations)

    def _evaluator(self, rule: AllowRule) -> Evaluator:
        evaluate = self._evaluators.get(rule)
        if evaluate is None:
            evaluate = self._compiler.rule(rule)
            self._evaluators[rule] = evaluate
        return evaluate

    def _report(self, entry: _Entry) -> ExpressionReport:
        span = entry.node.span
        place = self._places.get(span)
        if place is None:
            text = " ".join(self._source.text[span.start : span.end].split())
            place = self._places[span] = (self._source.position(span.start), text)
        at, text = place
        return ExpressionReport(span, at, entry.depth, text, entry.value, entry.error, entry.node)
