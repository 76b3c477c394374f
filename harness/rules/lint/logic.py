"""Conditions that say a thing twice, that always hold, or that turn on an error."""

from __future__ import annotations

from collections.abc import Iterator

from harness.rules import nodes
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import Code, Program, walk
from harness.rules.lint.terms import OPAQUE, Op, Term

_CONDITIONS = "https://firebase.google.com/docs/firestore/security/rules-conditions"
_OPERATORS = "https://firebase.google.com/docs/rules/rules-language"

DUPLICATE_CONDITION = LintRule(
    "duplicate-condition",
    Level.WARNING,
    "A condition is said twice",
    "The second one changes nothing; mostly another field or another value was meant.",
    "correct one of the two, or take it out",
    _OPERATORS,
    "match /posts/{id} { allow get: if request.auth.uid == resource.data.owner"
    " || request.auth.uid == resource.data.owner; }",
)
TAUTOLOGY = LintRule(
    "tautology",
    Level.WARNING,
    "The outcome does not depend on anything",
    "Something is compared with itself, or a condition is joined with its own opposite. It reads "
    "as a check and is none.",
    "compare with what was meant: mostly request.resource.data on one side, resource.data on the "
    "other",
    _OPERATORS,
    "match /posts/{id} { allow update: if request.auth.uid == resource.data.owner"
    " && resource.data.owner == resource.data.owner; }",
)
NEGATED_IDENTITY = LintRule(
    "negated-identity",
    Level.NOTE,
    "`not this user` is an error for callers who are not signed in",
    "Without a signed-in user request.auth is null and request.auth.uid an error, which `!` and "
    "`!=` do not turn into true: who is not signed in is refused here, and every other account "
    "passes, anonymous ones too.",
    "say first whether there must be a user: begin with request.auth != null && or with "
    "request.auth == null ||",
    _CONDITIONS,
    "match /posts/{id} { allow get: if !(request.auth.uid == resource.data.blocked); }",
)
RULES = (DUPLICATE_CONDITION, TAUTOLOGY, NEGATED_IDENTITY)

_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


def check(program: Program) -> Iterator[Finding]:
    """Find conditions that do not say what they seem to say."""
    for code in program.codes:
        inner: set[int] = set()
        for node in walk(code.expression):
            if isinstance(node, nodes.Binary) and node.operator in ("&&", "||"):
                if id(node) not in inner:
                    yield from _joined(program, code, node, inner)
            elif isinstance(node, nodes.Binary) and node.operator in _COMPARISONS:
                left = program.terms.of(node.left, code.around)
                if left is program.terms.of(node.right, code.around) and _is_plain(left):
                    yield TAUTOLOGY.at(node.span, "both sides are the same")
    for grant in program.grants:
        if not any(_asks_for_user(term) for term in grant.terms):
            condition = grant.rule.statement.condition
            if any(_negates_identity(term) for term in grant.terms):
                yield NEGATED_IDENTITY.at(
                    grant.span if condition is None else condition.span,
                    f"{grant.path}: callers who are not signed in are refused by an error here",
                )


def _joined(program: Program, code: Code, node: nodes.Binary, inner: set[int]) -> Iterator[Finding]:
    """Look at the operands of a chain of `&&` or `||`."""
    seen: dict[Term, nodes.Expression] = {}
    for operand in _operands(node, inner):
        term = program.terms.of(operand, code.around)
        if not _is_plain(term):
            continue
        opposite = program.terms.make(Op.NOT, None, (term,))
        if term.op is Op.NOT:
            opposite = term.parts[0]
        if term in seen:
            first = program.source.position(seen[term].span.start)
            yield DUPLICATE_CONDITION.at(
                operand.span, f"this is said already on line {first.line}, column {first.column}"
            )
        elif opposite in seen:
            result = "true" if node.operator == "||" else "false"
            yield TAUTOLOGY.at(node.span, f"a condition and its opposite: always {result}")
        seen.setdefault(term, operand)


def _operands(node: nodes.Binary, inner: set[int]) -> Iterator[nodes.Expression]:
    pending: list[nodes.Expression] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, nodes.Binary) and each.operator == node.operator:
            inner.add(id(each))
            pending += (each.right, each.left)
        else:
            yield each


def _is_plain(term: Term) -> bool:
    """Say whether a term is known to come out the same each time."""
    return term.op is not Op.UNKNOWN and OPAQUE not in term.within()


def _asks_for_user(term: Term) -> bool:
    """Say whether a term asks whether anybody is signed in."""
    if not term.is_binary("==", "!="):
        return False
    return any(
        one.op is Op.LITERAL and one.value is None and (other.is_auth or other.is_uid)
        for one, other in (term.parts, term.parts[::-1])
    )


def _negates_identity(term: Term) -> bool:
    """Say whether a term is `uid != data`, or `!(uid == data)`."""
    if term.op is Op.NOT:
        term = term.parts[0]
        if not term.is_binary("==", "in"):
            return False
    elif not term.is_binary("!="):
        return False
    return any(part.is_uid for part in term.parts)
