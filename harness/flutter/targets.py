"""What an expression can be of Firebase's: a database, a query being built, a document, a row.

Records and the questions that `reader.py` asks of them; nothing here follows code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harness.flutter.contract import ClientFilter, ClientOrder, Placeholder


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """`FirebaseFirestore.instance`."""


@dataclass(frozen=True, slots=True)
class FunctionsTarget:
    """`FirebaseFunctions.instance`, or of a region."""

    region: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectTarget:
    """A Storage reference; without segments the bucket."""

    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RealtimeTarget:
    """Anything of the Realtime Database: what the app asks of it is nobody's question here."""


@dataclass(frozen=True, slots=True)
class DocumentTarget:
    """A document reference."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryTarget:
    """A collection, or a query as far as it has been built."""

    segments: tuple[str, ...]
    is_collection_group: bool = False
    filters: tuple[ClientFilter, ...] = ()
    orders: tuple[ClientOrder, ...] = ()
    limit: int | Placeholder | None = None
    is_limit_to_last: bool = False
    is_aggregation: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What a read gives: a snapshot, or the snapshots in one, of documents at this path."""

    segments: tuple[str, ...]
    is_collection_group: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A query that could not be followed and has been listed as such: it is not listed again."""


Target: TypeAlias = (
    "DatabaseTarget | FunctionsTarget | ObjectTarget | RealtimeTarget | DocumentTarget"
    " | QueryTarget | Row | Lost"
)


def is_open(target: Target) -> bool:
    """Whether a collection's id in the path is not fixed."""
    if not isinstance(target, QueryTarget | DocumentTarget):
        return False
    return any("{" in segment for segment in target.segments[::2])


def is_in_group(target: Target) -> bool:
    """Whether it is a row of a collection group, whose path is not known."""
    return isinstance(target, Row) and target.is_collection_group


def document_of(target: Target) -> Target:
    """The document that a row is of; any other target as it is."""
    return DocumentTarget(target.segments) if isinstance(target, Row) else target
