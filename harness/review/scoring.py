"""Who notices a mutant: cells of the access matrix, and requests that checks made, in process.

A cell has an expected answer, so a mutant that answers it otherwise is noticed, without running
anything. Of a check's request only the answer is known, not what the check made of it: a mutant
that changes none cannot be noticed by any check, one that changes some may be. Which of those are
really noticed is found out by running the checks (`harness/mutation/`); what is still open until
then is said by `Standing`.

A mutant can only change decisions that it reaches, so only those are asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.access.model import MatrixCell
from harness.review.mutants import Effect, Mutant, load_mutant
from harness.review.neighbours import answered, neighbours
from harness.review.vocabulary import vocabulary
from harness.rules.recorded import RecordedRequest, replay
from harness.rules.request import Method, RulesAuth
from harness.rules.ruleset import CompiledRuleset

_BASES = 24
"""Requests whose neighbours are searched for one that a mutant answers otherwise."""

_KEPT_BASES = 64


class Standing(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    OPEN = "open"
    """Answers that checks got are changed, and those checks were not run against it."""
    TIMED_OUT = "timed out"
    """The checks did not end when they were run against it."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request that a mutant answers otherwise.

    Args:
        recorded: With the ruleset's own answers.
        allowed: Whether the mutant allows it.
    """

    recorded: RecordedRequest
    allowed: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one mutant.

    Args:
        mutant: It.
        standing: Whether it was noticed.
        noticed_by: The origin of the cell, or the check, that noticed it.
        changed: Checks that got an answer which it changes, or may change, by their node ids.
        example: A request that it answers otherwise; for those that survive, if one was found.
    """

    mutant: Mutant
    standing: Standing
    noticed_by: str | None = None
    changed: tuple[str, ...] = ()
    example: Example | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a ruleset's mutants are asked. Everything in it can be sent to another process.

    Args:
        cells: Of the access matrix.
        recorded: What checks asked, with the answers that they got.
        callers: Who else could ask.
        generated: Requests made from the rules themselves. They notice nothing: a survivor that
            none of the others comes near is searched for among them.
    """

    cells: tuple[MatrixCell, ...] = ()
    recorded: tuple[RecordedRequest, ...] = ()
    callers: tuple[RulesAuth | None, ...] = ()
    generated: tuple[RecordedRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """A request whose right answer is known."""

    recorded: RecordedRequest
    allowed: bool


class Examiner:
    """Asks mutants of one ruleset what was asked before.

    Cells about which the ruleset itself is wrong, and requests that it answers otherwise than it
    did when they were recorded, say nothing about mutants: they are left out, and counted.

    Attributes:
        surprises: Cells that the ruleset itself answers wrongly.
        stale: Recorded requests that it answers otherwise by now, or not with certainty.
    """

    def __init__(self, ruleset: CompiledRuleset, evidence: Evidence) -> None:
        self.ruleset = ruleset
        self.surprises = self.stale = 0
        services = frozenset(ruleset.services)
        self._cells = _Index()
        for cell in evidence.cells:
            if cell.recorded.service in services:
                agrees = self._cells.add(ruleset, cell.recorded, cell.expected)
                self.surprises += not agrees
        self._recorded = _Index()
        for recorded in evidence.recorded:
            if recorded.service in services:
                agrees = self._recorded.add(ruleset, recorded, recorded.allowed)
                self.stale += not agrees
        self._generated = _Index()
        for recorded in evidence.generated:
            if recorded.service in services:
                self._generated.add(ruleset, recorded, recorded.allowed)
        self._callers = evidence.callers
        self._words = vocabulary(ruleset)
        self._neighbours: dict[int, tuple[_Known, ...]] = {}

    def examine(self, mutant: Mutant, *, with_example: bool = True) -> Finding:
        """Find out whether a mutant is noticed, as far as that can be without running checks.

        Args:
            with_example: Look for a request that a survivor answers otherwise, which takes a
                hundred times as long as to see that it survives.
        """
        changed_rules = load_mutant(self.ruleset, mutant)
        for known in self._cells.reached(mutant):
            answer = replay(changed_rules, known.recorded)
            if answer.allowed != known.allowed and not answer.unknown:
                return Finding(mutant, Standing.KILLED, known.recorded.origin)
        changed: dict[str, None] = {}
        example: Example | None = None
        for known in self._recorded.reached(mutant):
            answer = replay(changed_rules, known.recorded)
            if answer.unknown:
                changed[known.recorded.origin] = None  # it may be
            elif answer.allowed != known.allowed:
                changed[known.recorded.origin] = None
                if example is None or (answer.allowed and not example.allowed):
                    example = Example(known.recorded, answer.allowed)
        if changed:
            return Finding(mutant, Standing.OPEN, None, tuple(changed), example)
        example = self._search(mutant, changed_rules) if with_example else None
        return Finding(mutant, Standing.SURVIVED, None, (), example)

    def _search(self, mutant: Mutant, changed_rules: CompiledRuleset) -> Example | None:
        """Look among the neighbours of what was asked for something newly allowed, or else newly
        denied.
        """
        denied: Example | None = None
        for base in self._bases(mutant):
            for known in self._neighbours_of(base):
                answer = replay(changed_rules, known.recorded)
                if answer.allowed == known.allowed or answer.unknown:
                    continue
                if answer.allowed or mutant.effect is Effect.NARROWS:
                    return Example(known.recorded, answer.allowed)
                denied = denied or Example(known.recorded, allowed=False)
        return denied

    def _bases(self, mutant: Mutant) -> list[_Known]:
        """Choose requests to vary: of each kind one, those in the same collection first, and of
        them those that are allowed, which lack nothing but what is then taken from them.
        """
        indexes = (self._cells, self._recorded, self._generated)
        reached = [known for index in indexes for known in index.reached(mutant)]
        near = {_collection(known) for index in indexes for known in index.of_statements(mutant)}
        reached.sort(key=lambda known: (_collection(known) not in near, not known.allowed))
        kinds: dict[tuple[object, ...], _Known] = {}
        for known in reached:
            kinds.setdefault(_kind(known), known)
        return list(kinds.values())[:_BASES]

    def _neighbours_of(self, base: _Known) -> tuple[_Known, ...]:
        found = self._neighbours.get(id(base))
        if found is None:
            if len(self._neighbours) >= _KEPT_BASES:
                self._neighbours.pop(next(iter(self._neighbours)))
            found = tuple(_known(self.ruleset, self._with_answers(base)))
            self._neighbours[id(base)] = found
        return found

    def _with_answers(self, base: _Known) -> Iterator[RecordedRequest]:
        for neighbour in neighbours(base.recorded, self._callers, self._words):
            yield answered(self.ruleset, neighbour)


def _known(ruleset: CompiledRuleset, requests: Iterable[RecordedRequest]) -> Iterator[_Known]:
    for recorded in requests:
        answer = replay(ruleset, recorded)
        if not answer.unknown:
            yield _Known(recorded, answer.allowed)


def _kind(known: _Known) -> tuple[object, ...]:
    """Return what requests have in common whose neighbours would be much the same."""
    request = known.recorded.decisions[0].request
    uid = None if request.auth is None else request.auth.uid
    sent = request.new_resource
    return known.allowed, request.method, _collection(known), uid, sent is None


def _collection(known: _Known) -> tuple[str, ...]:
    request = known.recorded.decisions[0].request
    return request.path if request.method is Method.LIST else request.path[:-1]


class _Index:
    """Requests by what decides them."""

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self._by_statement: dict[int, list[int]] = {}
        self._by_method: dict[Method, list[int]] = {}

    def add(self, ruleset: CompiledRuleset, recorded: RecordedRequest, expected: bool) -> bool:
        """Take a request in; False if the ruleset does not give the expected answer."""
        answer = replay(ruleset, recorded)
        if answer.allowed != expected or answer.unknown:
            return False
        number = len(self._known)
        self._known.append(_Known(recorded, expected))
        for statement in _statements(ruleset, recorded):
            self._by_statement.setdefault(statement, []).append(number)
        for method in {decision.request.method for decision in recorded.decisions}:
            self._by_method.setdefault(method, []).append(number)
        return True

    def of_statements(self, mutant: Mutant) -> list[_Known]:
        """Return the requests that come to a statement that a mutant changes."""
        found = (self._by_statement.get(each, ()) for each in mutant.reach.statements)
        return [self._known[number] for numbers in found for number in numbers]

    def reached(self, mutant: Mutant) -> list[_Known]:
        """Return the requests that a mutant may answer otherwise."""
        reach = mutant.reach
        numbers = {
            number
            for found in (
                *(self._by_statement.get(each, ()) for each in reach.statements),
                *(self._by_method.get(each, ()) for each in reach.methods),
            )
            for number in found
        }
        return [self._known[number] for number in sorted(numbers)]


def _statements(ruleset: CompiledRuleset, recorded: RecordedRequest) -> Iterator[int]:
    """Yield the offset of each allow statement that can have a part in a request's decisions."""
    found: dict[int, None] = {}
    for decision in recorded.decisions:
        for plan, _, _ in ruleset.evaluations(decision.request):
            found.update((step.rule.statement.span.start, None) for step in plan.steps)
    return iter(found)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many mutants there are of each standing."""

    killed: int = 0
    survived: int = 0
    open: int = 0
    timed_out: int = 0

    @property
    def score(self) -> float | None:
        """Percent of the decided mutants that were noticed; None if none is decided."""
        decided = self.killed + self.survived
        return 100 * self.killed / decided if decided else None


def tally(findings: Iterable[Finding]) -> Tally:
    """Count mutants by their standing."""
    counts = dict.fromkeys(Standing, 0)
    for finding in findings:
        counts[finding.standing] += 1
    return Tally(
        counts[Standing.KILLED],
        counts[Standing.SURVIVED],
        counts[Standing.OPEN],
        counts[Standing.TIMED_OUT],
    )


def by_operator(findings: Sequence[Finding]) -> dict[str, Tally]:
    """Count mutants by operator, those with most survivors first."""
    names = dict.fromkeys(finding.mutant.operator for finding in findings)
    tallies = {
        name: tally(finding for finding in findings if finding.mutant.operator == name)
        for name in names
    }
    return dict(sorted(tallies.items(), key=lambda pair: (-pair[1].survived, pair[0])))
