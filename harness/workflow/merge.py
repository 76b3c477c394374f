"""Joins the evidence that several machines made: texts in, texts out.

A merge of three sides, as in version control: what a machine left as it found it says nothing, so
that old evidence in its working copy does not stand against new evidence of another. Must not live
here: finding and writing the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.source import SourceText
from harness.workflow.evidence import Evidence
from harness.workflow.sign_off import SignOff, record_from_statement

_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """Two pieces of evidence for one item that are not the same.

    Attributes:
        first: The name of one file.
        second: The name of the other.
        why: What they do not agree in.
    """

    item_id: str
    first: str
    second: str
    why: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge gives: by path the evidence that is new, and what could not be joined."""

    changed: Mapping[str, SourceText]
    conflicts: tuple[MergeConflict, ...]


def merge_evidence(
    base: Mapping[str, str], sides: Mapping[str, Mapping[str, SourceText]]
) -> Merged:
    """Join evidence.

    Args:
        base: Path below the folder of evidence -> text, as all sides began with it.
        sides: By the name of each side the same, as that side left it. A path that is not there
            says nothing.
    Raises:
        WorkflowError: A text is no evidence.
    """
    changed: dict[str, SourceText] = {}
    conflicts = []
    for side in sides.values():
        for path, source in side.items():
            record = record_from_statement(source)
            if source.text == base.get(path):
                continue
            other = changed.setdefault(path, source)
            if other.text != source.text:
                why = _difference(record_from_statement(other), record)
                conflicts.append(
                    MergeConflict(record.item_id, other.file_name, source.file_name, why)
                )
    return Merged(changed, tuple(conflicts))


def _difference(first: Evidence | SignOff, second: Evidence | SignOff) -> str:
    if isinstance(first, SignOff) or isinstance(second, SignOff):
        both = isinstance(first, SignOff) and isinstance(second, SignOff)
        return "two people signed it off" if both else "one is a sign-off, the other of checks"
    names = {*first.subjects, *second.subjects}
    inputs = sorted(n for n in names if first.subjects.get(n) != second.subjects.get(n))
    if inputs:
        return f"they are for different inputs: {_names(inputs)}"
    outcomes, others = (
        {check.nodeid: check.outcome for check in evidence.checks} for evidence in (first, second)
    )
    checks = sorted(n for n in {*outcomes, *others} if outcomes.get(n) != others.get(n))
    if checks:
        return f"the same inputs gave different results: {_names(checks)}"
    return "they were made in different ways"


def _names(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
