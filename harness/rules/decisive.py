"""Which part of a condition decided it: the sub-expression that a person has to look at.

A condition is false because of one of its conjuncts, that one perhaps because of a conjunct in a
function that it calls, and so on; this module follows that chain to its end. Nothing is evaluated
here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.rules import nodes
from harness.rules.explain import ExpressionReport
from harness.source import Span


@dataclass(frozen=True, slots=True)
class Decisive:
    """The end of the chain.

    Args:
        report: The sub-expression.
        operands: What its immediate parts gave, literals left out.
    """

    report: ExpressionReport
    operands: tuple[ExpressionReport, ...]


def decisive_part(
    expressions: Sequence[ExpressionReport], function_bodies: Collection[Span]
) -> Decisive | None:
    """Return what decided a condition; None for a condition that is a literal.

    Of a true `a || b` that is the side that is true; of a false `a && b` the side that is false.
    Where both sides count, as in a false `a || b`, the chain ends at the operator.

    Args:
        expressions: As in `RuleExplanation`: each before its parts.
        function_bodies: Where the bodies of the ruleset's functions stand.
    """
    if not expressions:
        return None
    at = 0
    while (below := _next(expressions, at, function_bodies)) is not None:
        at = below
    operands = [expressions[part] for part in _parts(expressions, at)]
    return Decisive(expressions[at], tuple(operands))


def _next(
    expressions: Sequence[ExpressionReport], at: int, function_bodies: Collection[Span]
) -> int | None:
    report = expressions[at]
    parts = _parts(expressions, at)
    if report.error is not None:
        # The first that failed; what a function's `let` noted was perhaps never read.
        failed = [part for part in parts if expressions[part].error == report.error]
        return failed[0] if failed else None
    node = report.node
    if isinstance(node, nodes.Binary) and node.operator in ("&&", "||"):
        # A side that fails is absorbed by one that decides.
        same = [part for part in parts if expressions[part].value is report.value is not None]
        deciding = [part for part in same if expressions[part].error is None]
        absorbs = report.value is (node.operator == "||")
        return deciding[0] if len(deciding) == 1 and absorbs else None
    if isinstance(node, nodes.Call):
        bodies = [part for part in parts if expressions[part].span in function_bodies]
        return bodies[-1] if bodies else None
    if isinstance(node, nodes.Conditional):
        branches = [part for part in parts if expressions[part].span != node.condition.span]
        return branches[-1] if branches else None
    return None


def _parts(expressions: Sequence[ExpressionReport], at: int) -> list[int]:
    """Return the places of the expressions one level below."""
    depth = expressions[at].depth
    parts = []
    for index in range(at + 1, len(expressions)):
        if expressions[index].depth <= depth:
            break
        if expressions[index].depth == depth + 1:
            parts.append(index)
    return parts
