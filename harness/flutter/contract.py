"""What an app asks of Firebase, as records: queries, documents, callables, Storage objects.

`reader.py` finds them in Dart code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from harness.source import SourcePosition

DOCUMENT_ID = "{documentId}"
"""The field of a filter or an order that is FieldPath.documentId in the code."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value that only the running app knows, named after the expression that gives it."""

    name: str

    def __str__(self) -> str:
        return "{" + self.name + "}"


ClientValue: TypeAlias = "str | int | float | bool | Placeholder | tuple[ClientValue, ...] | None"


class QueryRun(StrEnum):
    """How a query is run."""

    GET = "get"
    LISTEN = "listen"
    AGGREGATE = "aggregate"


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """`field operator value`, the operator spelled as in `StructuredQuery`."""

    field: str
    operator: str
    value: ClientValue


@dataclass(frozen=True, slots=True)
class ClientOrder:
    """One sort key."""

    field: str
    descending: bool


@dataclass(frozen=True, slots=True)
class ClientQuery:
    """A query that the app runs. `segments` is the collection's path, or the group's id alone.

    `is_limit_to_last`: it is sent with every order reversed.
    """

    position: SourcePosition
    run: QueryRun
    segments: tuple[str, ...]
    is_collection_group: bool
    filters: tuple[ClientFilter, ...]
    orders: tuple[ClientOrder, ...]
    limit: int | Placeholder | None
    is_limit_to_last: bool = False

    def __str__(self) -> str:
        name = "/".join(self.segments)
        parts = [f"collectionGroup({name})" if self.is_collection_group else name]
        parts += [f"where {f.field} {f.operator}" for f in self.filters]
        parts += [f"orderBy {o.field}{' desc' if o.descending else ''}" for o in self.orders]
        if self.limit is not None:
            parts.append(f"limit {self.limit}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class ClientDocument:
    """A document that the app reads or writes. A placeholder segment reads `{name}`."""

    position: SourcePosition
    operation: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientCallable:
    """A callable function that the app calls."""

    position: SourcePosition
    name: str
    region: str | None
    """None: the client's default. One that only the running app knows is in braces."""


@dataclass(frozen=True, slots=True)
class ClientObject:
    """A Storage object, or folder, that the app reads or writes."""

    position: SourcePosition
    operation: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A use whose target could not be followed, or text that is not Dart.

    Attributes:
        may_be_query: Whether it may stand for a query: not if it is about one document or a Storage
            object, whichever that is.
    """

    position: SourcePosition
    problem: str
    may_be_query: bool = True


@dataclass(frozen=True, slots=True)
class ClientContract:
    """All that the app asks for, in the order of files and lines."""

    queries: tuple[ClientQuery, ...]
    documents: tuple[ClientDocument, ...]
    callables: tuple[ClientCallable, ...]
    objects: tuple[ClientObject, ...]
    not_understood: tuple[NotUnderstood, ...]
