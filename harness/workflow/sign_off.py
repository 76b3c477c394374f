"""A person's word for an item: SignOff, to and from an in-toto Statement.

The shape is `evidence.schema.json` beside this file. Must not live here: what a sign-off is worth
(`states.py`), git, and the time of day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.source import SourceText
from harness.workflow.evidence import PREDICATE_TYPE, Evidence, evidence_of
from harness.workflow.statement import Statement, read_statement, statement_to_text, string_of

SIGN_OFF_TYPE = "urn:firebase-workflow-harness:sign-off:v1"


@dataclass(frozen=True, slots=True)
class SignOff:
    """A person's word that an item is done, for the back end as it was then.

    Attributes:
        by: The person's name, as given.
        at: When, ISO 8601 with its time zone.
        subjects: Name of each file of the back end -> SHA-256 of its bytes, as they were.
        commit: The git commit that was checked out; empty outside of git.
        document: The workflow document's path in the project.
    """

    item_id: str
    by: str
    at: str
    subjects: Mapping[str, str]
    note: str = ""
    commit: str = ""
    document: str = ""

    @property
    def day(self) -> str:
        """The date alone."""
        return self.at.partition("T")[0]


def sign_off_to_statement(sign_off: SignOff) -> str:
    """Return an in-toto Statement as JSON text, with a line feed at its end.

    Raises:
        ValueError: There is no subject, or one has no SHA-256 digest.
    """
    predicate = {
        "harnessDocument": sign_off.document,
        "harnessItem": sign_off.item_id,
        "by": sign_off.by,
        "at": sign_off.at,
        "note": sign_off.note,
    }
    return statement_to_text(
        Statement(SIGN_OFF_TYPE, predicate, sign_off.subjects, sign_off.commit)
    )


def record_from_statement(source: SourceText) -> Evidence | SignOff:
    """Read an item's evidence, of either kind.

    Raises:
        WorkflowError: It is not JSON, or no such Statement.
    """
    return read_statement(source, _record_of)


def _record_of(statement: Statement) -> Evidence | SignOff:
    if statement.predicate_type == PREDICATE_TYPE:
        return evidence_of(statement)
    if statement.predicate_type != SIGN_OFF_TYPE:
        raise ValueError(f"predicateType is neither {PREDICATE_TYPE} nor {SIGN_OFF_TYPE}")
    predicate = statement.predicate
    by = string_of(predicate, "by")
    if not by.strip():
        raise ValueError("by is empty: a sign-off needs a name")
    return SignOff(
        string_of(predicate, "harnessItem"),
        by,
        string_of(predicate, "at"),
        dict(statement.subjects),
        string_of(predicate, "note", ""),
        statement.commit,
        string_of(predicate, "harnessDocument", ""),
    )
