"""Ticks against evidence: which boxes are not as they should be, and what else is worth a look.

Must not live here: gathering what files say (a shell does), the rules of the states (`states.py`)
and of the order (`order.py`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.source import SourceText
from harness.workflow.address import nearest_names
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.order import OrderMode, OrderReview, review_order
from harness.workflow.sign_off import SignOff
from harness.workflow.states import LOST_SUPPORT, ItemState, State, Support, state_of


class FindingKind(StrEnum):
    """What is found about an item."""

    UNSUPPORTED_TICK = "UNSUPPORTED_TICK"
    """It is ticked, and nothing supports that."""
    HELD_TICK = "HELD_TICK"
    """It is ticked, after a gate that nobody signed, in an enforced order."""
    MISSING_TICK = "MISSING_TICK"
    """It is supported, and not ticked."""
    OUT_OF_ORDER = "OUT_OF_ORDER"
    """It is ticked before an item that comes due earlier."""
    CHANGED_SINCE_SIGNED = "CHANGED_SINCE_SIGNED"
    """A person signed it, and the back end is not what it was then."""
    STRAY_EVIDENCE = "STRAY_EVIDENCE"
    """Evidence for an item that the document does not have."""

    @property
    def is_about_a_box(self) -> bool:
        """Whether the box is wrong; what is not is a remark."""
        return self in (
            FindingKind.UNSUPPORTED_TICK,
            FindingKind.HELD_TICK,
            FindingKind.MISSING_TICK,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found, with its reason in one line."""

    kind: FindingKind
    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Grounds:
    supports: Mapping[str, Support]
    order: OrderMode
    gates: Collection[str]


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known about a document's items, and what is wrong with its boxes.

    Attributes:
        states: Of each item, in the document's order.
        findings: In the document's order, stray evidence at the end.
        wanted: Item id -> whether its box should be ticked, for every item.
    """

    document: WorkflowDocument
    states: Mapping[str, ItemState]
    order: OrderReview
    findings: tuple[Finding, ...]
    wanted: Mapping[str, bool]
    _grounds: _Grounds = field(repr=False, compare=False)

    def of_text(self, text: str) -> Audit:
        """Return the same audit of the document with other ticks."""
        document = parse_workflow(SourceText(self.document.source.file_name, text))
        grounds = self._grounds
        return audit_document(document, grounds.supports, order=grounds.order, gates=grounds.gates)

    @property
    def wrong_boxes(self) -> tuple[Finding, ...]:
        """The findings about boxes."""
        return tuple(found for found in self.findings if found.kind.is_about_a_box)

    @property
    def lost_ticks(self) -> tuple[Finding, ...]:
        """The findings about ticks that checks once supported, or should have, and do not."""
        return tuple(
            found
            for found in self.findings
            if found.kind is FindingKind.UNSUPPORTED_TICK
            and self.states[found.item_id].state in LOST_SUPPORT
        )

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The other findings."""
        return tuple(found for found in self.findings if not found.kind.is_about_a_box)


def audit_document(
    document: WorkflowDocument,
    supports: Mapping[str, Support],
    *,
    order: OrderMode,
    gates: Collection[str],
) -> Audit:
    """Compare a document's boxes with what files say.

    Args:
        document: As it is.
        supports: By item id; an item without one has nothing to support it. Ids that the document
            does not have are stray evidence.
        order: What harness.yaml asks for.
        gates: Ids of the gates.
    """
    states = {
        item.item_id: state_of(item, supports.get(item.item_id, Support()))
        for item in document.items
    }
    review = review_order(document, states, order, gates)
    wanted = {
        item_id: found.state.supports_tick and item_id not in review.held
        for item_id, found in states.items()
    }
    findings = []
    for item in document.items:
        findings += _of_item(document, item.item_id, states, review, supports)
    findings += [
        Finding(FindingKind.STRAY_EVIDENCE, item_id, _stray_reason(document, item_id, supports))
        for item_id in supports
        if item_id not in states
    ]
    grounds = _Grounds(supports, order, gates)
    return Audit(document, states, review, tuple(findings), wanted, grounds)


def gate_reason(document: WorkflowDocument, gate_id: str) -> str:
    """Return why an item after a gate is not ticked."""
    gate = document.item(gate_id)
    return f'held back until "{gate.text}" (line {gate.line}) is signed off'


def _stray_reason(document: WorkflowDocument, item_id: str, supports: Mapping[str, Support]) -> str:
    """Say which item may be the one that evidence was for, under another name. Nothing is made of
    it: evidence counts for the item that it names."""
    reason = "the document has no such item any more"
    bare = [
        item.item_id
        for item in document.items
        if item.item_id not in supports or supports[item.item_id].record is None
    ]
    nearest = nearest_names(item_id, bare, count=1)
    if not nearest:
        return reason
    item = document.item(nearest[0])
    return (
        f'{reason}; if "{item.title}" (line {item.line}) is it under a new name, verify it or sign '
        "it off anew"
    )


def _of_item(
    document: WorkflowDocument,
    item_id: str,
    states: Mapping[str, ItemState],
    review: OrderReview,
    supports: Mapping[str, Support],
) -> list[Finding]:
    is_ticked = document.item(item_id).is_ticked
    found = states[item_id]
    supported = found.state.supports_tick
    findings = []
    if is_ticked and not supported:
        findings.append(Finding(FindingKind.UNSUPPORTED_TICK, item_id, found.reason))
    elif is_ticked and item_id in review.held:
        reason = gate_reason(document, review.held[item_id])
        findings.append(Finding(FindingKind.HELD_TICK, item_id, reason))
    elif supported and not is_ticked and item_id not in review.held:
        findings.append(Finding(FindingKind.MISSING_TICK, item_id, found.reason))
    if item_id in review.out_of_order:
        first = document.item(review.out_of_order[item_id])
        reason = f'ticked before "{first.text}" (line {first.line}), which comes due earlier'
        findings.append(Finding(FindingKind.OUT_OF_ORDER, item_id, reason))
    is_signed = found.state is State.SIGNED and isinstance(found.record, SignOff)
    if is_signed and supports[item_id].changed:
        findings.append(Finding(FindingKind.CHANGED_SINCE_SIGNED, item_id, found.reason))
    return findings
