"""Why a decision came out as it did: the value or the error of every expression that was evaluated.

Explaining is a compilation of its own, so that plain decisions pay nothing for it. It decides
nothing: what it shows is what the same closures, without their short cuts, gave for the same
request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.rules import limits, nodes
from harness.rules.compiler import Evaluator, MeteredCompiler
from harness.rules.display import display_text
from harness.rules.plans import Step
from harness.rules.runtime import (
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


@dataclass(slots=True)
class _Trace:
    entries: list[_Entry] = field(default_factory=list)
    depth: int = 0


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
    decision does.
    """

    def __init__(self, service: str, trace: _Trace) -> None:
        super().__init__(service)
        self._trace = trace

    def finish(self, node: nodes.Expression, evaluate: Evaluator) -> Evaluator:
        evaluate = super().finish(node, evaluate)
        if isinstance(node, _LITERALS):
            return evaluate
        if isinstance(node, nodes.Variable) and node.name in ("request", "resource"):
            # Large, the same everywhere, and their members are shown.
            return evaluate
        trace = self._trace

        def noted(context: EvaluationContext) -> RulesValue:
            entry = _Entry(node, trace.depth)
            trace.entries.append(entry)
            trace.depth += 1
            try:
                entry.value = evaluate(context)
            except (RulesError, EvaluationStopped) as error:
                entry.error = error.text
                raise
            finally:
                trace.depth -= 1
            return entry.value

        return noted


def explain_steps(
    source: SourceText, service: str, steps: Sequence[Step], context: EvaluationContext
) -> tuple[RuleExplanation, ...]:
    """Evaluate the conditions of a plan one by one, up to the first that grants, and note
    everything.
    """
    explanations: list[RuleExplanation] = []
    context.remaining = limits.EXPRESSIONS_PER_REQUEST
    trace = _Trace()
    compiler = _ExplainingCompiler(service, trace)
    for step in steps:
        trace.entries = []
        evaluate = compiler.condition(step.rule.statement.condition, step.rule.scope)
        context.shift = step.shift
        granted, error, stopped = False, None, False
        try:
            value = evaluate(context)
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
                source.position(step.rule.statement.span.start),
                granted,
                error,
                tuple(_report(source, entry) for entry in trace.entries),
                step.rule,
            )
        )
        if granted or stopped:
            break
    return tuple(explanations)


def _report(source: SourceText, entry: _Entry) -> ExpressionReport:
    span = entry.node.span
    text = " ".join(source.text[span.start : span.end].split())
    at = source.position(span.start)
    return ExpressionReport(span, at, entry.depth, text, entry.value, entry.error, entry.node)
