"""What a ruleset is asked: one method on one path, by one caller, at one time.

Records only. Whoever asks (the backend, the Storage rules runtime, a test) builds these; values in
them are rules values already, with plain `dict`s and `list`s below the top level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.rules.values import Placeholder, RulesPath, RulesTimestamp, RulesValue

FIRESTORE = "cloud.firestore"
STORAGE = "firebase.storage"


class Method(StrEnum):
    """What a request does. `read` and `write` exist only as groups in the rules' text."""

    GET = "get"
    LIST = "list"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Comparator(StrEnum):
    """How a query's filter compares a field.

    The first seven are the comparators of the emulator's constraint values; the rest are rewritten
    into those.
    """

    EQ = "EQ"
    NEQ = "NEQ"
    LT = "LT"
    LTE = "LTE"
    GT = "GT"
    GTE = "GTE"
    LIST_CONTAINS = "LIST_CONTAINS"
    IN = "IN"
    NOT_IN = "NOT_IN"
    LIST_CONTAINS_ANY = "LIST_CONTAINS_ANY"


@dataclass(frozen=True, slots=True)
class RulesAuth:
    """A signed-in caller.

    Args:
        uid: `request.auth.uid`; None only where a Storage token lacks the claim it comes from.
        token: `request.auth.token`, the claims.
    """

    uid: str | None
    token: Mapping[str, RulesValue]


@dataclass(frozen=True, slots=True)
class RulesResource:
    """A Firestore document as rules see it.

    Args:
        data: All fields, as rules values.
        path: From `/databases` on; `id` and `__name__` derive from it.
    """

    data: Mapping[str, RulesValue]
    path: RulesPath

    @property
    def id(self) -> str:
        """Return the document's id, the last segment of its path."""
        last = self.path.segments[-1]
        return last.name if isinstance(last, Placeholder) else last


@dataclass(frozen=True, slots=True)
class QueryConstraint:
    """One filter of a query.

    Args:
        field: The field's path, one string a segment; `("__name__",)` for the document's name.
        comparator: How it compares.
        value: The operand; for IN, NOT_IN and LIST_CONTAINS_ANY a list of operands.
    """

    field: tuple[str, ...]
    comparator: Comparator
    value: RulesValue


@dataclass(frozen=True, slots=True)
class RulesQuery:
    """What a list request asks for.

    Args:
        parent: Segments of the document (or of the root, up to `documents`) under which the query
            looks.
        collection_id: None for a query over all collections.
        all_descendants: A collection-group query.
        limit: None when the query has none.
        offset: 0 when the query has none.
        order_by: Field path text to `ASC` or `DESC`.
        disjuncts: The filter in disjunctive normal form: each result satisfies every constraint of
            at least one of these. No filter is one disjunct without constraints.
    """

    parent: tuple[str, ...] = ("databases", "(default)", "documents")
    collection_id: str | None = None
    all_descendants: bool = False
    limit: int | None = None
    offset: int = 0
    order_by: Mapping[str, str] = field(default_factory=dict)
    disjuncts: tuple[tuple[QueryConstraint, ...], ...] = ((),)


@dataclass(frozen=True, slots=True)
class RulesRequest:
    """One decision to take.

    Args:
        service: `cloud.firestore` or `firebase.storage`.
        method: What the request does.
        path: Segments from `databases` (Firestore) or `b` (Storage) on. For `list` the collection's
            path, or the prefix for Storage.
        auth: None when the caller is not signed in.
        time: When the request was received.
        resource: The document or object before, None when it is missing.
        new_resource: `request.resource`: the document or object after the write; None when there is
            none.
        query: For `list` only. None stands for a query of the whole collection.
        delimiter: Storage `list` only. None lists everything below the prefix, `/` one level.
    """

    service: str
    method: Method
    path: tuple[str, ...]
    auth: RulesAuth | None
    time: RulesTimestamp
    resource: RulesResource | Mapping[str, RulesValue] | None = None
    new_resource: RulesResource | Mapping[str, RulesValue] | None = None
    query: RulesQuery | None = None
    delimiter: str | None = None
