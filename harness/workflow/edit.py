"""Ticks and unticks as TextEdits, so that every other byte of the document stays.

Must not live here: which items deserve a tick (`verdict.py`), and writing files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.source import Span
from harness.workflow.document import WorkflowDocument


@dataclass(frozen=True, slots=True)
class TextEdit:
    """A replacement for a span of the text, in code points."""

    span: Span
    replacement: str


def tick_edits(document: WorkflowDocument, wanted: Mapping[str, bool]) -> tuple[TextEdit, ...]:
    """Return the edits that make boxes as wanted, in the document's order; none for a box that is
    so already.

    Each replaces one ASCII character by another, so one byte. A `[X]` counts as ticked and stays as
    it is.

    Args:
        wanted: Item id -> whether it should be ticked. Items that are not in it stay.
    Raises:
        KeyError: An id is not in the document.
    """
    items = [document.item(item_id) for item_id in wanted]
    items.sort(key=lambda item: item.box_span)
    return tuple(
        TextEdit(item.box_span, "x" if wanted[item.item_id] else " ")
        for item in items
        if item.is_ticked != wanted[item.item_id]
    )


def apply_edits(text: str, edits: Iterable[TextEdit]) -> str:
    """Return the text with the edits made; their spans are those of the text before any of them.

    Raises:
        ValueError: Two edits overlap, or one lies outside of the text.
    """
    pieces = []
    end = 0
    for edit in sorted(edits, key=lambda edit: edit.span):
        if not end <= edit.span.start <= edit.span.end <= len(text):
            raise ValueError(
                f"edit at {edit.span.start} overlaps another one or lies outside of the text"
            )
        pieces += [text[end : edit.span.start], edit.replacement]
        end = edit.span.end
    return "".join([*pieces, text[end:]])


def set_ticks(document: WorkflowDocument, wanted: Mapping[str, bool]) -> str:
    """Return the document's text with the boxes as wanted. Doing it twice changes nothing more."""
    return apply_edits(document.text, tick_edits(document, wanted))
