"""The order in which items come due, and the gates at which the work waits for a person.

The template says that items are addressed one by one, in order. Must not live here: what is known
about an item (`states.py`), and which order a project asks for (harness.yaml)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.states import ItemState, State

# PAUSE in capitals, or the word by itself: "Pause playback during calls" is work, not a gate.
_GATE = re.compile(
    r"\W*(?:PAUSE\b|(?i:pause)\W*$|(?i:pause)\s*[,:;.–—])|.*(?i:\bcheck[ -]in with (?:the )?user\b)"
)


class OrderMode(StrEnum):
    """What is made of the order: `order:` of harness.yaml."""

    OFF = "off"
    WARN = "warn"
    """Ticks out of order are reported."""
    ENFORCE = "enforce"
    """Also, nothing after an unsigned gate is ticked."""


@dataclass(frozen=True, slots=True)
class OrderReview:
    """How the ticks of a document stand to its order.

    Attributes:
        next_id: The first item that is not done; None when all are.
        out_of_order: Id of each ticked item before which another comes due that is not done -> the
            first of those. Empty where the order is off.
        held: Id of each item after an unsigned gate -> the gate's. Empty unless order is enforced.
    """

    next_id: str | None
    out_of_order: Mapping[str, str]
    held: Mapping[str, str]


def due_order(document: WorkflowDocument) -> tuple[ChecklistItem, ...]:
    """Return the items in the order in which they come due: the document's, but what is nested in
    an item comes before it."""
    due: list[ChecklistItem] = []
    waiting: list[ChecklistItem] = []  # items whose nested ones are being gone through
    for item in document.items:
        while waiting and waiting[-1].item_id != item.parent_id:
            due.append(waiting.pop())
        waiting.append(item)
    return (*due, *reversed(waiting))


def is_gate(item: ChecklistItem) -> bool:
    """Return whether the work waits at an item for a person's word: `PAUSE, Check in with user`."""
    return _GATE.match(item.text) is not None


def gate_ids(document: WorkflowDocument, named: Iterable[str] = ()) -> frozenset[str]:
    """Return the ids of a document's gates.

    Args:
        document: The document.
        named: Addresses of items that are gates too. Those of other documents are passed over.
    Raises:
        WorkflowError: One fits several items.
    """
    more = (found for address in named if (found := document.find_if_there(address)) is not None)
    return frozenset(item.item_id for item in (*filter(is_gate, document.items), *more))


def review_order(
    document: WorkflowDocument,
    states: Mapping[str, ItemState],
    mode: OrderMode,
    gates: Collection[str],
) -> OrderReview:
    """Compare the ticks of a document with its order.

    What a person ticked without evidence counts as done, since it is no business of the order to
    doubt it; at a gate of an enforced order only a signature counts. What still is to be filled in
    holds nothing up.

    Args:
        document: As it is.
        states: Of each item.
        mode: What harness.yaml asks for.
        gates: Ids of the gates.
    """
    next_id: str | None = None
    first_undone: str | None = None
    closed_gate: str | None = None
    out_of_order = {}
    held = {}
    for item in due_order(document):
        state = states[item.item_id].state
        is_closed = item.item_id in gates and not state.supports_tick
        if closed_gate is not None:
            held[item.item_id] = closed_gate
        elif is_closed:
            closed_gate = item.item_id
        must_sign = mode is OrderMode.ENFORCE and is_closed
        is_done = state.supports_tick or (state is State.CLAIMED and not must_sign)
        if item.is_ticked and first_undone is not None:
            out_of_order[item.item_id] = first_undone
        if not is_done and not item.is_empty:
            next_id = next_id or item.item_id
            if not item.is_placeholder:
                first_undone = first_undone or item.item_id
    return OrderReview(
        next_id,
        {} if mode is OrderMode.OFF else out_of_order,
        held if mode is OrderMode.ENFORCE else {},
    )
