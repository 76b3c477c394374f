"""A part of the mutants of one ruleset, to be examined anywhere: in another process, on another
machine.

A part holds all that is needed, texts and records; nothing is read from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.review.mutants import Mutant
from harness.review.scoring import Evidence, Examiner, Finding
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A part of the work.

    Args:
        file_name: The ruleset's.
        text: The ruleset's.
        key: The same for all parts of one run, and for no other.
        evidence: What the mutants are asked.
        mutants: Those of this part.
        with_examples: Look for requests that tell survivors from the ruleset.
    """

    file_name: str
    text: str
    key: str
    evidence: Evidence
    mutants: tuple[Mutant, ...]
    with_examples: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """What came out of a part.

    Args:
        findings: In the order of its mutants.
        surprises: As of `Examiner`.
        stale: As of `Examiner`.
    """

    findings: tuple[Finding, ...]
    surprises: int
    stale: int


# To prepare an examiner takes as long as some dozen mutants. A process works on one run at a time.
_prepared: dict[str, Examiner] = {}


def examine(item: WorkItem) -> Examined:
    """Examine a part. Called by the executor's workers."""
    examiner = _prepared.get(item.key)
    if examiner is None:
        _prepared.clear()
        examiner = _prepared[item.key] = Examiner(
            loaded(SourceText(item.file_name, item.text)), item.evidence
        )
    findings = tuple(
        examiner.examine(mutant, with_example=item.with_examples) for mutant in item.mutants
    )
    return Examined(findings, examiner.surprises, examiner.stale)


def loaded(source: SourceText) -> CompiledRuleset:
    """Load rules that are known to load."""
    ruleset = load_ruleset(source).ruleset
    if ruleset is None:
        raise ValueError(f"{source.file_name} does not load")
    return ruleset


def split(mutants: Sequence[Mutant], parts: int) -> list[tuple[Mutant, ...]]:
    """Cut mutants into parts of neighbours: they ask about the same requests."""
    size = max(1, -(-len(mutants) // parts))
    return [tuple(mutants[start : start + size]) for start in range(0, len(mutants), size)]
