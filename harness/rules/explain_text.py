"""An explanation as text: a line for a summary, and some dozens of lines for the whole of it.

Values come from whoever sent the request, so every text here is bounded and holds no control
characters. Where it is printed is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.rules import nodes
from harness.rules.decisive import Decisive
from harness.rules.display import display_text
from harness.rules.explain import ExpressionReport, RuleExplanation
from harness.rules.explain_request import MatchReport, RequestExplanation
from harness.rules.nodes import AllowStatement
from harness.rules.runtime import NULL_VALUE
from harness.rules.titles import decision_title, printable
from harness.rules.values import PartialMap
from harness.source import SourcePosition, SourceText, Span

_VALUE = 120
_EXPRESSION = 100
_SUMMARY = 320
_MAX_EXPRESSIONS = 60
"""Lines for one statement. The tests of a long list of fields are rarely read to the end."""

_NAMES = (nodes.Member, nodes.Variable)
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of an answer, in one line.

    Args:
        at: The allow statement that granted, or the expression that denied; None where nothing in
            the text speaks of the request.
        text: What stands there, and what it gave.
    """

    at: SourcePosition | None
    text: str

    def __str__(self) -> str:
        return self.text if self.at is None else f"{self.at}: {self.text}"


def reasons(explanation: RequestExplanation) -> tuple[Reason, ...]:
    """Return the statement that granted, or what denied in each statement that was tried."""
    granted = explanation.granted_by
    if granted is not None:
        rule, _ = granted
        return (Reason(rule.position, text_at(explanation.source, rule.rule.statement.span)),)
    if not explanation.rules:
        return (Reason(None, _nothing_because(explanation)),)
    pairs = zip(explanation.rules, explanation.decided_by, strict=True)
    return tuple(denial_reason(rule, decisive) for rule, decisive in pairs)


def denial_reason(rule: RuleExplanation, decisive: Decisive | None) -> Reason:
    """Return the part of a statement's condition that denied, with its values."""
    if decisive is None:
        statement = rule.rule.statement
        return Reason(rule.position, f"{_allow_text(statement)} => {rule.error or 'false'}")
    report = decisive.report
    return Reason(report.position, printable(_result(report) + _operands(decisive), _SUMMARY))


def text_at(source: SourceText, span: Span) -> str:
    """Return a part of the rules as it is written, in one line that may be cut."""
    return printable(" ".join(source.text[span.start : span.end].split()), _VALUE)


def summary(explanation: RequestExplanation) -> str:
    """Return one line: what was asked, the answer, and the expression that decided it."""
    title = decision_title(explanation.request)
    granted = explanation.granted_by
    if explanation.allowed:
        reason = _granted_because(*granted) if granted is not None else ""
        return printable(f"allowed: {title}: {reason}", _SUMMARY)
    return printable(f"denied: {title}: {_denied_because(explanation)}", _SUMMARY)


def full_text(explanation: RequestExplanation) -> str:
    """Return the match blocks that applied, and what each condition's parts gave."""
    lines = [summary(explanation)]
    number, count = explanation.disjunct
    if count > 1:
        lines.append(f"  for alternative {number} of the {count} that the query's filter has")
    for match in explanation.matches:
        lines += [f"  {line}" for line in _match_lines(match, explanation)]
    if explanation.matches and not explanation.rules:
        lines.append(f"  none of them has an allow for {explanation.request.method.value}")
    for rule, decisive in zip(explanation.rules, explanation.decided_by, strict=True):
        lines += ["", *(f"  {line}" for line in _rule_lines(explanation, rule, decisive))]
    return "\n".join(lines)


def _denied_because(explanation: RequestExplanation) -> str:
    nearest = explanation.nearest
    if nearest is None:
        return _nothing_because(explanation)
    others = len(explanation.rules) - 1
    more = f" (and {others} more allow {'statement' if others == 1 else 'statements'})"
    return f"{denial_reason(*nearest)}{more if others else ''}"


def _nothing_because(explanation: RequestExplanation) -> str:
    """Return why no statement was tried."""
    if not explanation.matches:
        return "no match block speaks about this path"
    blocks = ", ".join(str(match.position) for match in explanation.matches[:3])
    return f"no allow for {explanation.request.method.value} in {blocks}"


def _granted_because(rule: RuleExplanation, decisive: Decisive | None) -> str:
    statement = f"{rule.position}: {_allow_text(rule.rule.statement)}"
    if decisive is None:
        return f"{statement} => true"
    return f"{statement}: {_result(decisive.report)}{_operands(decisive)}"


def _allow_text(statement: AllowStatement) -> str:
    return f"allow {', '.join(statement.methods)}"


def _match_lines(match: MatchReport, explanation: RequestExplanation) -> Iterator[str]:
    yield f"{match.position} match {match.pattern}"
    if match.captures:
        captured = ", ".join(
            f"{name} = {'(any)' if value is None else _value(value)}"
            for name, value in match.captures
        )
        yield f"    where {printable(captured, _SUMMARY)}"
    if not match.allows and explanation.rules:
        yield f"    has no allow for {explanation.request.method.value}"


def _rule_lines(
    explanation: RequestExplanation, rule: RuleExplanation, decisive: Decisive | None
) -> Iterator[str]:
    source = explanation.source
    given = "granted" if rule.granted else rule.error or "false"
    yield f"{rule.position} {_allow_text(rule.rule.statement)}: {printable(given, _VALUE * 2)}"
    if decisive is not None:
        report = decisive.report
        yield f"  {'failed' if report.error else 'decided'} at {report.position}"
        yield f"    {printable(_result(report) + _operands(decisive), _SUMMARY)}"
        yield from (f"    | {line}" for line in _caret(source.caret(report.span)))
    shown = list(_worth_showing(rule.expressions))
    for depth, report in shown[:_MAX_EXPRESSIONS]:
        place = f"{report.position.line}:{report.position.column}"
        yield f"  {place:>8} {'  ' * depth}{_result(report)}"
    if len(shown) > _MAX_EXPRESSIONS:
        yield f"           … {len(shown) - _MAX_EXPRESSIONS} more expressions"


def _worth_showing(
    reports: Sequence[ExpressionReport],
) -> Iterator[tuple[int, ExpressionReport]]:
    """Yield what the line above does not say, with the depth to show it at."""
    above: list[ExpressionReport] = []
    hidden: list[int] = []
    for report in reports:
        del above[report.depth :]
        while hidden and hidden[-1] >= report.depth:
            hidden.pop()
        parent = above[-1] if above else None
        above.append(report)
        if parent is None or report.error is not None or not _is_said(report, parent):
            yield report.depth - len(hidden), report
        else:
            hidden.append(report.depth)


def _is_said(report: ExpressionReport, parent: ExpressionReport) -> bool:
    """Say whether a value is seen in that of the expression around it."""
    node, around = report.node, parent.node
    if isinstance(node, (nodes.ListLiteral, nodes.MapLiteral)):
        return True
    if isinstance(around, (nodes.Member, nodes.PathLiteral)):
        return isinstance(node, _NAMES)
    return (
        # a && b && c reads as (a && b) && c.
        isinstance(node, nodes.Binary)
        and isinstance(around, nodes.Binary)
        and node.operator == around.operator
        and node.operator in ("&&", "||")
        and report.value is parent.value
    )


def _result(report: ExpressionReport) -> str:
    given = f"error: {report.error}" if report.error is not None else _value(report.value)
    return f"{printable(report.text, _EXPRESSION)} => {printable(given, _VALUE * 2)}"


def _operands(decisive: Decisive) -> str:
    """Return the values that an expression had to do with: ` ('alice' vs 'bob')`."""
    node, operands = decisive.report.node, decisive.operands
    if any(isinstance(report.value, PartialMap) for report in operands):
        # What a list's filters leave open is not missing, as the error would have it.
        return " (the query's filters say nothing of it)"
    if isinstance(node, nodes.Binary) and decisive.report.value is True and len(operands) > 1:
        operands = () if node.operator in ("&&", "||") else operands
    if decisive.report.error == NULL_VALUE and not operands and _is_of_resource(node):
        return " (there is no such document)"
    by_span = {report.span: report for report in operands}
    if isinstance(node, nodes.Binary) and node.operator in _COMPARISONS:
        if isinstance(node.left, nodes.NullLiteral) or isinstance(node.right, nodes.NullLiteral):
            return ""  # the answer says whether the other side is null
        sides = [_side(side, by_span) for side in (node.left, node.right)]
        word = "in" if node.operator == "in" else "vs"
        return f" ({sides[0]} {word} {sides[1]})" if None not in sides else ""
    named = [
        f"{printable(each.text, 40)} = {_value(each.value)}"
        for each in operands
        if each.error is None
    ]
    return f" ({', '.join(named)})" if named else ""


def _is_of_resource(node: nodes.Expression) -> bool:
    return (
        isinstance(node, nodes.Member)
        and isinstance(node.receiver, nodes.Variable)
        and node.receiver.name == "resource"
    )


def _side(node: nodes.Expression, by_span: dict[Span, ExpressionReport]) -> str | None:
    report = by_span.get(node.span)
    if report is not None:
        return None if report.error is not None else _value(report.value)
    if isinstance(node, nodes.StringLiteral):
        return _value(node.value)
    return printable(nodes.unparse(node), 60)


def _value(value: object) -> str:
    return printable(display_text(value), _VALUE)  # type: ignore[arg-type]


def _caret(drawn: str) -> list[str]:
    line, _, marker = drawn.partition("\n")
    # The indentation of the rules' text says nothing here.
    indent = len(line) - len(line.lstrip())
    return [printable(line[indent:], 160), marker[indent:]]
