"""A ruleset as lint rules see it: what each allow statement grants, and all code with the names
that it sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from harness.rules import nodes
from harness.rules.issues import Issue
from harness.rules.lint.kinds import KindBook
from harness.rules.lint.situations import TRUE, Caller, Outcome, Outcomes, Situation, moment_of
from harness.rules.lint.terms import OPAQUE, Op, Surroundings, Term, Terms
from harness.rules.request import Method
from harness.rules.scope import (
    AllowRule,
    FunctionSymbol,
    PatternSegment,
    ResolvedRuleset,
    called_functions,
)
from harness.source import SourceText, Span

READS = (Method.GET, Method.LIST)
WRITES = (Method.CREATE, Method.UPDATE, Method.DELETE)


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """An allow statement, and its condition with everything that it calls.

    Args:
        rule: The statement with its pattern and scope.
        service: Whose it is.
        condition: `true` for a statement without a condition.
        terms: The condition and all that it is made of, each once.
    """

    rule: AllowRule
    service: str
    condition: Term
    terms: tuple[Term, ...]

    @property
    def span(self) -> Span:
        """The statement's."""
        return self.rule.statement.span

    @property
    def methods(self) -> tuple[Method, ...]:
        """What is granted, in the order get, list, create, update, delete."""
        return tuple(method for method in (*READS, *WRITES) if method in self.rule.granted)

    @property
    def path(self) -> str:
        """The pattern as messages show it, from the database's or the bucket's root."""
        return shown_path(self.rule.pattern)

    @property
    def collection(self) -> str:
        """The last name that the pattern spells out below the root; empty if there is none."""
        below = self.rule.pattern[3:]
        names = [each.text for each in below if isinstance(each, nodes.LiteralSegment)]
        return names[-1] if names else ""

    @property
    def is_everything(self) -> bool:
        """Whether the pattern covers the whole database or bucket."""
        below = self.rule.pattern[3:] or self.rule.pattern
        return isinstance(below[0], nodes.RecursiveWildcard) and len(below) == 1

    @property
    def is_plain_denial(self) -> bool:
        """Whether the condition is just `false`, which is written on purpose."""
        return self.condition.op is Op.LITERAL and self.condition.value is False

    @property
    def is_known(self) -> bool:
        """Whether the whole condition could be followed."""
        return OPAQUE not in self.terms


@dataclass(frozen=True, slots=True)
class Code:
    """A condition, a let's value or a function's body.

    Args:
        expression: The code.
        around: What its names mean; parameters stand for anything.
        symbol: The function that it is in, if it is in one.
    """

    expression: nodes.Expression
    around: Surroundings
    symbol: FunctionSymbol | None = None


@dataclass(eq=False, slots=True)
class Program:
    """Everything that lint rules ask.

    Args:
        source: The text.
        resolved: Its names.
        issues: What the compiler warns of.
        today: The day for which rules with dates are judged.
    """

    source: SourceText
    resolved: ResolvedRuleset
    issues: Sequence[Issue]
    today: date
    terms: Terms = field(default_factory=Terms)
    kinds: KindBook = field(default_factory=KindBook)
    grants: list[Grant] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    reached: set[FunctionSymbol] = field(default_factory=set)
    _outcomes: Outcomes = field(default_factory=Outcomes)

    def __post_init__(self) -> None:
        for service, rules in self.resolved.rules.items():
            for rule in rules:
                condition = rule.statement.condition
                term = self.terms.make(Op.LITERAL, True)
                if condition is not None:
                    around = Surroundings(rule.scope, {})
                    term = self.terms.of(condition, around)
                    self.codes.append(Code(condition, around))
                    self.reached.update(called_functions(condition, rule.scope))
                self.grants.append(Grant(rule, service, term, tuple(term.within())))
        for symbol in self.resolved.functions:
            self.codes.extend(self._codes_of(symbol))

    def _codes_of(self, symbol: FunctionSymbol) -> Iterator[Code]:
        around = self.terms.inside(symbol, self.terms.parameters(symbol))
        # A let sees those before it only; that those behind it are known too does no harm here.
        for let in symbol.declaration.lets:
            yield Code(let.value, around, symbol)
        yield Code(symbol.declaration.body, around, symbol)

    @property
    def now(self) -> datetime:
        """The beginning of today."""
        return datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC)

    def outcome(
        self, grant: Grant, method: Method, caller: Caller, now: datetime | None = None
    ) -> Outcome:
        """Return what a statement's condition can come to; `now` None: at any time."""
        situation = Situation(grant.service, method, caller, now)
        return self._outcomes.of(grant.condition, situation)

    def can_grant(self, grant: Grant, method: Method) -> bool:
        """Say whether a statement can grant a method to anybody, at some time."""
        return any(
            TRUE in self.outcome(grant, method, caller)
            for caller in (Caller.SOMEONE, Caller.SIGNED_OUT)
        )

    def is_open(self, grant: Grant, method: Method) -> bool:
        """Say whether every caller who is signed in, or everyone, has a method today."""
        return self.outcome(grant, method, Caller.STRANGER, self.now) == TRUE

    def moments(self, grant: Grant) -> list[datetime]:
        """Return the dates that a condition names, in order."""
        found = (moment_of(term) for term in grant.terms)
        return sorted(moment for moment in found if moment is not None)


DAY = timedelta(days=1)


def shown_path(pattern: Sequence[PatternSegment]) -> str:
    """Write a pattern, without the root that all patterns have in common."""
    below = pattern[3:] or pattern
    return "".join(f"/{_shown(segment)}" for segment in below)


def _shown(segment: PatternSegment) -> str:
    match segment:
        case nodes.LiteralSegment(text=text):
            return text
        case nodes.RecursiveWildcard(name=name):
            return f"{{{name}=**}}"
        case nodes.WildcardSegment(name=name):
            return f"{{{name}}}"


def listed(words: Iterable[str]) -> str:
    """Join words as a sentence does: `get, list and create`."""
    found = list(words)
    return " and ".join([*([", ".join(found[:-1])] if found[:-1] else []), *found[-1:]])


def walk(node: nodes.Expression) -> Iterator[nodes.Expression]:
    """Yield an expression and all its sub-expressions, in the order of the text."""
    pending = [node]
    while pending:
        each = pending.pop()
        yield each
        pending.extend(reversed(nodes.children(each)))
