"""What is known about an item, from files alone: the seven states, and the rules that give them.

All rules are in this module: `state_of` has them in their order, `STATES` says of each state what
it means and whether it supports a tick (docs/workflow.md has that table, and a test compares the
two). Must not live here: what one run found (`verdict.py`), the order of items (`order.py`),
reading and hashing files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.workflow.document import ChecklistItem
from harness.workflow.evidence import Evidence
from harness.workflow.sign_off import SignOff
from harness.workflow.verdict import VerdictKind, passed_words, reason_of

_SHOWN_NAMES = 3


class State(StrEnum):
    """What is known about an item."""

    VERIFIED = "VERIFIED"
    FAILED = "FAILED"
    STALE = "STALE"
    NOT_RUN = "NOT_RUN"
    SIGNED = "SIGNED"
    CLAIMED = "CLAIMED"
    OPEN = "OPEN"

    @property
    def words(self) -> str:
        """The state's name in prose."""
        return self.value.lower().replace("_", " ")

    @property
    def supports_tick(self) -> bool:
        """Whether the item's box should be ticked."""
        return STATES[self].supports_tick


@dataclass(frozen=True, slots=True)
class StateMeaning:
    """What a state means, and what that is for a tick.

    Attributes:
        when: The condition, for people; `state_of` has it for machines.
        supports_tick: Whether something supports a tick.
    """

    when: str
    supports_tick: bool = False


STATES = {
    State.STALE: StateMeaning(
        "it has evidence from checks, and an input is not what it was, or a check that names it "
        "is not in the evidence"
    ),
    State.VERIFIED: StateMeaning(
        "its evidence holds for the inputs as they are, and all of its checks passed",
        supports_tick=True,
    ),
    State.FAILED: StateMeaning(
        "its evidence holds for the inputs as they are, and a check says that it is not so"
    ),
    State.NOT_RUN: StateMeaning(
        "checks name it, and none of them came to a result: skipped, broken, or never started"
    ),
    State.SIGNED: StateMeaning("no check names it, and a person signed it off", supports_tick=True),
    State.CLAIMED: StateMeaning("its box is ticked, and nothing of the above supports that"),
    State.OPEN: StateMeaning("its box is not ticked, and nothing of the above is there"),
}
"""In the order in which the rules are asked; the first that fits decides."""

LOST_SUPPORT = (State.FAILED, State.STALE, State.NOT_RUN)
"""Of an item that is ticked: its checks do not support that, or not any more."""


@dataclass(frozen=True, slots=True)
class Support:
    """What files say about one item.

    Attributes:
        record: Its evidence, if it has any.
        changed: Inputs of that evidence that are not what they were.
        unrun: Files of checks that name the item and that its evidence does not know.
        distrust: Why a sign-off does not count, such as a commit without a signature.
        expires: Whether a sign-off ends when the back end changes.
    """

    record: Evidence | SignOff | None = None
    changed: tuple[str, ...] = ()
    unrun: tuple[str, ...] = ()
    distrust: str = ""
    expires: bool = False


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item's state and why it has it, in one line."""

    item_id: str
    state: State
    reason: str
    record: Evidence | SignOff | None = None


def state_of(item: ChecklistItem, support: Support) -> ItemState:
    """Decide an item's state."""
    record = support.record
    if isinstance(record, Evidence):
        state, reason = _of_evidence(record, support)
    elif support.unrun:
        state, reason = State.NOT_RUN, f"{_names(support.unrun)} {_name_it(support.unrun)}"
        reason += " and has not run" if len(support.unrun) == 1 else " and have not run"
    elif record is not None and not support.distrust:
        state, reason = _of_sign_off(record, support)
    else:
        state, reason = _without_support(item, support)
    return ItemState(item.item_id, state, reason, record)


def signed_words(sign_off: SignOff) -> str:
    """Return who signed, when and on what: `signed off by Ana on 2026-11-20 at 1a2b3c4: fine`."""
    words = f"signed off by {sign_off.by} on {sign_off.day}"
    if sign_off.commit:
        words += f" at {sign_off.commit[:7]}"
    return f"{words}: {sign_off.note}" if sign_off.note else words


def _of_evidence(evidence: Evidence, support: Support) -> tuple[State, str]:
    was = "verified" if evidence.verdict == VerdictKind.VERIFIED else "checked"
    if support.changed:
        has = "has" if len(support.changed) == 1 else "have"
        return State.STALE, f"{_names(support.changed)} {has} changed since it was {was}"
    if support.unrun:
        return State.STALE, f"{_names(support.unrun)} {_name_it(support.unrun)} since it was {was}"
    if evidence.verdict == VerdictKind.VERIFIED:
        return State.VERIFIED, passed_words(evidence.checks)
    if evidence.verdict == VerdictKind.REFUTED:
        return State.FAILED, reason_of(evidence.checks)
    return State.NOT_RUN, reason_of(evidence.checks)


def _of_sign_off(sign_off: SignOff, support: Support) -> tuple[State, str]:
    words = signed_words(sign_off)
    if not support.changed:
        return State.SIGNED, words
    has = "has" if len(support.changed) == 1 else "have"
    since = f"{_names(support.changed)} {has} changed since"
    return (State.STALE if support.expires else State.SIGNED), f"{words}; {since}"


def _without_support(item: ChecklistItem, support: Support) -> tuple[State, str]:
    if isinstance(support.record, SignOff):
        reason = f"{signed_words(support.record)}, which does not count: {support.distrust}"
        return (State.CLAIMED if item.is_ticked else State.OPEN), reason
    if item.is_ticked:
        return State.CLAIMED, "ticked by hand: nothing supports it, no check is mapped to this item"
    if item.is_empty:
        return State.OPEN, "nothing is written here"
    if item.is_placeholder:
        return State.OPEN, "still a placeholder, and no check is mapped to this item"
    return State.OPEN, "no check is mapped to this item"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _name_it(files: Sequence[str]) -> str:
    return "names this item" if len(files) == 1 else "name this item"
