"""A Firestore that is a dictionary: what the public documentation says of writes and queries, as
plainly as Python can put it. Nothing of `harness` is used here, or the comparison would be one of a
thing with itself.

Values are those of the published Python client; what is left out are NaN and the types that only
differ in how they are compared (timestamps, bytes, references, points), which have tables of their
own in tests/corpus.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Fields: TypeAlias = dict[str, Any]
RANGES = ("<", "<=", ">", ">=")
INEQUALITIES = (*RANGES, "!=", "not-in")


class Missing(Exception):
    """An update of a document that does not exist."""


class Exists(Exception):
    """A create of a document that does."""


class DeletedBefore(Exception):
    """An update of a document that the same batch deletes before."""


@dataclass(frozen=True)
class Delete:
    """In the place of a value in an update: the field goes."""


@dataclass(frozen=True)
class Increment:
    by: float


@dataclass(frozen=True)
class Union:
    elements: tuple[Any, ...]


@dataclass(frozen=True)
class Remove:
    elements: tuple[Any, ...]


def order_key(value: Any) -> tuple[Any, ...]:
    """Return a key that sorts as Firestore does, and is equal where Firestore says equal."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int | float):
        return (2, value)
    if isinstance(value, str):
        return (3, value.encode())
    if isinstance(value, list):
        return (4, tuple(map(order_key, value)))
    return (5, tuple(sorted((name.encode(), order_key(each)) for name, each in value.items())))


def exactly(value: Any) -> Any:
    """Return something equal only for the same value of the same type: 1 is not 1.0."""
    if isinstance(value, dict):
        return {name: exactly(each) for name, each in value.items()}
    if isinstance(value, list):
        return [exactly(each) for each in value]
    return type(value), value


# --- writes ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """One write. `kind` is `set`, `merge`, `update`, `create` or `delete`.

    Attributes:
        fields: Of an update by dotted paths; otherwise as they are nested.
        must_exist: Of a delete: whether it fails if there is nothing to delete.
    """

    kind: str
    path: str
    fields: Mapping[str, Any] | None = None
    must_exist: bool = False


def leaves(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterable[tuple[Any, Any]]:
    """Yield the paths and values that a merge touches."""
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def put(fields: Fields, path: Sequence[str], value: Any) -> None:
    *above, name = path
    for each in above:
        if not isinstance(fields.get(each), dict):
            if isinstance(value, Delete):
                return
            fields[each] = {}
        fields = fields[each]
    if isinstance(value, Delete):
        fields.pop(name, None)
    else:
        fields[name] = _transformed(fields.get(name), value)


def _transformed(before: Any, value: Any) -> Any:
    if isinstance(value, Increment):
        is_number = isinstance(before, int | float) and not isinstance(before, bool)
        return before + value.by if is_number else value.by
    if isinstance(value, Union | Remove):
        result = list(before) if isinstance(before, list) else []
        for element in value.elements:
            key = order_key(element)
            if isinstance(value, Remove):
                result = [each for each in result if order_key(each) != key]
            elif all(order_key(each) != key for each in result):
                result.append(element)
        return result
    return copy.deepcopy(value)


class Model:
    """All documents by path."""

    def __init__(self) -> None:
        self.documents: dict[str, Fields] = {}

    def commit(self, writes: Sequence[Write]) -> None:
        """Do all of the writes in their order, or raise and do none."""
        _refuse_updates_after_deletes(writes)
        documents = copy.deepcopy(self.documents)
        for write in writes:
            _apply(documents, write)
        self.documents = documents


def _refuse_updates_after_deletes(writes: Sequence[Write]) -> None:
    last: dict[str, str] = {}
    for write in writes:
        if write.kind == "update" and last.get(write.path) == "delete":
            raise DeletedBefore
        last[write.path] = write.kind


def _apply(documents: dict[str, Fields], write: Write) -> None:
    exists = write.path in documents
    if write.kind == "delete":
        if write.must_exist and not exists:
            raise Missing
        documents.pop(write.path, None)
        return
    if write.kind == "create" and exists:
        raise Exists
    if write.kind == "update" and not exists:
        raise Missing
    fields = write.fields or {}
    if write.kind in ("set", "create"):
        documents[write.path] = {}
        pairs = [((name,), value) for name, value in fields.items()]
    elif write.kind == "merge":
        pairs = list(leaves(fields))
    else:
        pairs = [(tuple(path.split(".")), value) for path, value in fields.items()]
    document = documents.setdefault(write.path, {})
    # A write's transforms come after its plain values.
    pairs.sort(key=lambda pair: isinstance(pair[1], Increment | Union | Remove))
    for path, value in pairs:
        put(document, path, value)


# --- queries --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filter:
    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Query:
    """A query on the collections `c`.

    Attributes:
        is_group: Whether on all of them, or on the one at the root.
        filters: All of which, or with `is_any` one of which, must hold.
        orders: Fields, with whether they descend.
        cursors: By `start_at`, `start_after`, `end_at`, `end_before`: a value of the first order.
        select: The fields to return; none: all.
    """

    is_group: bool = False
    filters: tuple[Filter, ...] = ()
    is_any: bool = False
    orders: tuple[tuple[str, bool], ...] = ()
    cursors: Mapping[str, Any] | None = None
    limit: int | None = None
    to_last: bool = False
    offset: int = 0
    select: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash(repr(self))


_ABSENT = object()


def get(fields: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(fields, dict) or name not in fields:
            return _ABSENT
        fields = fields[name]
    return fields


def holds(filter_: Filter, fields: Fields) -> bool:
    value, operand, operator = get(fields, filter_.field), filter_.value, filter_.operator
    if value is _ABSENT:
        return False
    if operator in ("==", "!=") and operand is None:
        return (value is None) == (operator == "==")
    key = order_key(value)
    if operator == "==":
        return key == order_key(operand)
    if operator in ("!=", "not-in"):
        operands = [operand] if operator == "!=" else operand
        return value is not None and all(key != order_key(each) for each in operands)
    if operator == "in":
        return any(key == order_key(each) for each in operand)
    if operator.startswith("array"):
        wanted = [operand] if operator == "array_contains" else operand
        keys = [order_key(each) for each in wanted]
        return isinstance(value, list) and any(order_key(each) in keys for each in value)
    bound = order_key(operand)
    if key[0] != bound[0]:
        return False
    tests: dict[str, Callable[[], bool]] = {
        "<": lambda: key < bound,
        "<=": lambda: key <= bound,
        ">": lambda: key > bound,
        ">=": lambda: key >= bound,
    }
    return tests[operator]()


def orders_of(query: Query) -> list[tuple[str, bool]]:
    """Return the orders of a query, with those that it implies; the last is by name."""
    orders = list(query.orders)
    descends = orders[-1][1] if orders else False
    implied = {each.field for each in query.filters if each.operator in INEQUALITIES}
    implied |= {
        each.field for each in query.filters if each.operator == "!=" and each.value is None
    }
    orders += [(field, descends) for field in sorted(implied - {field for field, _ in orders})]
    return [*orders, ("__name__", descends)]


def run(query: Query, documents: Mapping[str, Fields]) -> list[tuple[str, Fields]]:
    """Return the paths and fields of the documents of a result, in its order."""
    orders = orders_of(query)
    found = [
        (path, fields)
        for path, fields in documents.items()
        if _in_scope(query, path)
        and _passes(query, fields)
        and all(get(fields, field) is not _ABSENT for field, _ in orders[:-1])
    ]
    for field, descends in reversed(orders):  # sorting is stable
        found.sort(key=lambda each: _sort_key(each, field), reverse=descends)
    for kind, bound in (query.cursors or {}).items():
        field, descends = orders[0]
        found = [each for each in found if _is_within(kind, get(each[1], field), bound, descends)]
    if query.limit is not None:
        if query.to_last:
            found = found[len(found) - min(query.limit, len(found)) :]
        else:
            found = found[query.offset : query.offset + query.limit]
    else:
        found = found[query.offset :]
    return [(path, _selected(query, fields)) for path, fields in found]


def _in_scope(query: Query, path: str) -> bool:
    segments = path.split("/")
    return segments[-2] == "c" and (query.is_group or len(segments) == 2)


def _passes(query: Query, fields: Fields) -> bool:
    if not query.filters:
        return True
    return (any if query.is_any else all)(holds(each, fields) for each in query.filters)


def _sort_key(document: tuple[str, Fields], field: str) -> Any:
    path, fields = document
    return path.split("/") if field == "__name__" else order_key(get(fields, field))


def _is_within(kind: str, value: Any, bound: Any, descends: bool) -> bool:
    key, limit = order_key(value), order_key(bound)
    if descends:
        key, limit = limit, key
    return {
        "start_at": key >= limit,
        "start_after": key > limit,
        "end_at": key <= limit,
        "end_before": key < limit,
    }[kind]


def _selected(query: Query, fields: Fields) -> Fields:
    if not query.select:
        return fields
    result: Fields = {}
    for path in query.select:
        value = get(fields, path)
        if value is not _ABSENT:
            put(result, path.split("."), value)
    return result


def aggregate(query: Query, field: str, documents: Mapping[str, Fields]) -> tuple[Any, Any, Any]:
    """Return the count of a result, and the sum and the average of a field over it.

    Documents without the field are not counted either. Source: "Summarize data with aggregation
    queries".
    """
    having = {path: each for path, each in documents.items() if get(each, field) is not _ABSENT}
    values = [get(fields, field) for _, fields in run(replace(query, select=()), having)]
    numbers = [
        each for each in values if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    return len(values), sum(numbers), sum(numbers) / len(numbers) if numbers else None
