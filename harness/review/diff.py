"""Two rulesets asked the same requests: which answers changed, and why on both sides.

Requests that changed for the same reasons are one `RulesChange`, with the first of them as its
example; so put those first that people really make. A newly allowed request is *declared* when the
access matrix expects one in the same situation (`situation.py`), which changed for the same
reasons, to be allowed.

A record may lack documents that only one of the rulesets looks at. They are taken as missing, for
both: what then changes is a real difference in a database that fits the record, and the change says
so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from harness.review.neighbours import change_in
from harness.review.reasons import ReasonFinder
from harness.review.situation import Situation, situation_of
from harness.review.vocabulary import vocabulary
from harness.rules import limits
from harness.rules.denials import Decision
from harness.rules.explain_text import Reason
from harness.rules.recorded import (
    DocumentPath,
    RecordedRequest,
    Replay,
    ReplaySource,
    replay,
)
from harness.rules.request import Method
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog

_DENIED = Replay(False)
# To look into conditions costs some ten times what a decision costs (of the sample's recorded
# requests in the median 0.8 ms, and 0.07 ms). Of requests that the same statements denied, the
# first few are looked into, then so many of each kind of neighbour up to a limit; and all that
# could be declared.
_FIRST_EXPLAINED = 500
_MOST_ALIKE_EXPLAINED = 2
_MOST_EXPLAINED = 1000
_MOST_OTHERS = 3


class ChangeKind(StrEnum):
    """What became of an answer."""

    NEWLY_ALLOWED = "newly allowed"
    NEWLY_DENIED = "newly denied"


@dataclass(frozen=True, slots=True)
class RulesChange:
    """Requests whose answer changed for the same reasons.

    Args:
        kind: Allowed now, or denied now.
        method: Of the decision that changed.
        example: The first of them.
        old: Why the old ruleset answered as it did: the statement that granted, or each condition
            that denied.
        new: The same of the new one.
        count: How many they are.
        also: Titles of a few more of them.
        declared_by: The origin of the request that the access matrix declares as allowed, if it
            speaks for all of these.
        assumed_missing: Documents that the example's record lacks and that were taken as missing.
    """

    kind: ChangeKind
    method: Method
    example: RecordedRequest
    old: tuple[Reason, ...]
    new: tuple[Reason, ...]
    count: int
    also: tuple[str, ...] = ()
    declared_by: str | None = None
    assumed_missing: tuple[DocumentPath, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesDiff:
    """What changed between two rulesets.

    Args:
        changes: Newly allowed and not declared, then declared ones, then newly denied.
        asked: How many requests both were asked.
        incomplete: For how many of them a document was taken as missing.
        is_same_text: The two mean the same without asking: comments and layout aside they are
            equal.
    """

    changes: tuple[RulesChange, ...] = ()
    asked: int = 0
    incomplete: int = 0
    is_same_text: bool = False

    @property
    def undeclared(self) -> tuple[RulesChange, ...]:
        """Return what is newly allowed although nobody declared it."""
        return tuple(
            change
            for change in self.changes
            if change.kind is ChangeKind.NEWLY_ALLOWED and change.declared_by is None
        )

    @property
    def declared(self) -> tuple[RulesChange, ...]:
        """Return what is newly allowed, as declared."""
        return tuple(change for change in self.changes if change.declared_by is not None)

    @property
    def newly_denied(self) -> tuple[RulesChange, ...]:
        """Return what is denied now."""
        return tuple(each for each in self.changes if each.kind is ChangeKind.NEWLY_DENIED)


def diff_rulesets(
    old: CompiledRuleset | None,
    new: CompiledRuleset | None,
    requests: Iterable[RecordedRequest],
    declared: Iterable[RecordedRequest] = (),
) -> RulesDiff:
    """Ask both rulesets, and return what changed.

    Args:
        old: None when there were no rules, which allow nothing.
        new: The same.
        requests: What to ask; the answers in them are not looked at.
        declared: Requests that are meant to be allowed now.
    """
    if means_the_same(old, new):
        return RulesDiff(is_same_text=True)
    compared = _Comparison(old, new)
    for recorded in declared:
        compared.declare(recorded)
    for recorded in requests:
        compared.ask(recorded)
    return compared.result()


def means_the_same(old: CompiledRuleset | None, new: CompiledRuleset | None) -> bool:
    """Say whether two rulesets are the same but for comments, layout and parentheses."""
    if old is None or new is None:
        return old is new
    return old.tree == new.tree


@dataclass(slots=True)
class _Changed:
    """One request whose answer changed.

    Args:
        index: Which of its decisions changed.
        granted: What the side that allows says to that.
        denied: What the other side says.
    """

    kind: ChangeKind
    recorded: RecordedRequest
    index: int
    granted: Decision
    denied: Decision
    assumed: tuple[DocumentPath, ...]

    @property
    def method(self) -> Method:
        return self.recorded.decisions[self.index].request.method


@dataclass(slots=True)
class _Group:
    first: _Changed
    old: tuple[Reason, ...]
    new: tuple[Reason, ...]
    declared_by: str | None
    also: list[str] = field(default_factory=list)
    count: int = 0


class _Comparison:
    """Two rulesets, and what was found so far."""

    def __init__(self, old: CompiledRuleset | None, new: CompiledRuleset | None) -> None:
        self._old, self._new = old, new
        self._asked = self._incomplete = 0
        self._words = vocabulary(*(each for each in (old, new) if each is not None))
        self._finders = {
            ChangeKind.NEWLY_ALLOWED: (ReasonFinder(new), ReasonFinder(old)),
            ChangeKind.NEWLY_DENIED: (ReasonFinder(old), ReasonFinder(new)),
        }
        one, other = self._finders[ChangeKind.NEWLY_ALLOWED]
        self._unchanged = frozenset(one.meanings.values()) & frozenset(other.meanings.values())
        # By reasons and situation: the origin that declares it. And by what is known without
        # looking for reasons, whether anything is declared there.
        self._declared: dict[Hashable, str] = {}
        self._declared_roughly: set[Hashable] = set()
        self._explained: Counter[Hashable] = Counter()
        self._groups: dict[Hashable, _Group] = {}

    def declare(self, recorded: RecordedRequest) -> None:
        """Note a request that is meant to be allowed."""
        changed = self._compare(recorded)
        if changed is not None and changed.kind is ChangeKind.NEWLY_ALLOWED:
            situation = self._situation(changed)
            reasons = _places(changed, self._reasons(changed))
            self._declared.setdefault((reasons, situation), recorded.origin)
            self._declared_roughly.add((_rough_key(changed), situation))

    def ask(self, recorded: RecordedRequest) -> None:
        """Ask both, and note a change."""
        self._asked += 1
        changed = self._compare(recorded)
        if changed is None:
            return
        self._incomplete += bool(changed.assumed)
        rough = _rough_key(changed)
        situation: Situation = ()
        could_be_declared = False
        if self._declared and changed.kind is ChangeKind.NEWLY_ALLOWED:
            situation = self._situation(changed)
            could_be_declared = (rough, situation) in self._declared_roughly
        if could_be_declared or self._may_explain(rough, change_in(recorded)):
            reasons = self._reasons(changed)
        else:
            granting, denying = self._finders[changed.kind]
            reasons = (
                (granting.granted(changed.granted),),
                denying.denied_roughly(changed.denied),
            )
        key = _places(changed, reasons)
        declared_by = self._declared.get((key, situation))
        self._note(changed, reasons, (key, declared_by), declared_by)

    def result(self) -> RulesDiff:
        """Return what was found."""
        changes = [
            RulesChange(
                group.first.kind,
                group.first.method,
                group.first.recorded,
                group.old,
                group.new,
                group.count,
                tuple(group.also),
                group.declared_by,
                group.first.assumed,
            )
            for group in self._groups.values()
        ]
        changes.sort(key=_rank)
        return RulesDiff(tuple(changes), self._asked, self._incomplete)

    def _note(
        self, changed: _Changed, reasons: _Reasons, key: Hashable, declared_by: str | None
    ) -> None:
        group = self._groups.get(key)
        if group is None:
            old, new = reasons
            if changed.kind is ChangeKind.NEWLY_ALLOWED:
                old, new = new, old
            group = self._groups[key] = _Group(changed, old, new, declared_by)
        elif len(group.also) < _MOST_OTHERS:
            title = changed.recorded.title
            if title != group.first.recorded.title and title not in group.also:
                group.also.append(title)
        group.count += 1

    def _may_explain(self, rough: Hashable, change: str) -> bool:
        explained = self._explained
        is_new = explained[rough, change] < _MOST_ALIKE_EXPLAINED
        if explained[rough] >= (_MOST_EXPLAINED if is_new else _FIRST_EXPLAINED):
            return False
        explained[rough] += 1
        explained[rough, change] += 1
        return True

    def _compare(self, recorded: RecordedRequest) -> _Changed | None:
        """Ask both; documents that are not known are taken as missing."""
        before, after = _replay(self._old, recorded), _replay(self._new, recorded)
        assumed: tuple[DocumentPath, ...] = ()
        while unknown := {*before.unknown, *after.unknown}:
            assumed = (*assumed, *sorted(unknown))
            documents = recorded.documents
            missing = documents.missing | unknown
            recorded = replace(recorded, documents=replace(documents, missing=missing))
            before, after = _replay(self._old, recorded), _replay(self._new, recorded)
        if before.allowed == after.allowed:
            return None
        kind = ChangeKind.NEWLY_DENIED if before.allowed else ChangeKind.NEWLY_ALLOWED
        allowing = self._old if before.allowed else self._new
        index, denied = (after if before.allowed else before).denied or (0, Decision(False))
        granted = _decide(allowing, recorded, index)
        return _Changed(kind, recorded, index, granted, denied, assumed)

    def _reasons(self, changed: _Changed) -> _Reasons:
        granting, denying = self._finders[changed.kind]
        return (
            (granting.granted(changed.granted),),
            denying.denied(changed.recorded, changed.index, self._unchanged),
        )

    def _situation(self, changed: _Changed) -> Situation:
        looked_at = changed.granted.accesses
        return situation_of(changed.recorded, changed.index, looked_at, self._words)


# Why one side granted, and why the other denied.
_Reasons: TypeAlias = tuple[tuple[Reason, ...], tuple[Reason, ...]]


def _replay(ruleset: CompiledRuleset | None, recorded: RecordedRequest) -> Replay:
    return _DENIED if ruleset is None else replay(ruleset, recorded)


def _decide(ruleset: CompiledRuleset | None, recorded: RecordedRequest, index: int) -> Decision:
    """Take one decision of a request that is allowed again, to hear who granted."""
    if ruleset is None:
        return Decision(False)
    log = AccessLog(
        limits.BATCH_ACCESS_CALLS if recorded.several else limits.SINGLE_REQUEST_ACCESS_CALLS
    )
    return ruleset.decide(recorded.decisions[index].request, ReplaySource(recorded.documents), log)


def _places(changed: _Changed, reasons: _Reasons) -> Hashable:
    """Return what requests of one `RulesChange` share: where the reasons are, without the values
    of one request.
    """
    where = tuple(
        tuple(reason.at if reason.at is not None else reason.text for reason in side)
        for side in reasons
    )
    return changed.kind, changed.method, where


def _rough_key(changed: _Changed) -> Hashable:
    """Return what is known of the reasons without looking into conditions."""
    denied = tuple((reason.line, reason.column) for reason in changed.denied.reasons)
    return changed.kind, changed.method, changed.granted.allowed_by, denied


def _rank(change: RulesChange) -> int:
    if change.kind is ChangeKind.NEWLY_DENIED:
        return 2
    return 0 if change.declared_by is None else 1
