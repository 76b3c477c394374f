"""Rows of tests/corpus/queries as queries of the published Python client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector
from google.protobuf.timestamp_pb2 import Timestamp as ProtoTimestamp

from harness.firestore.values import Reference, Timestamp
from harness.firestore.values import Vector as CoreVector
from tests.firestore.values_from_yaml import value as core_value

_OPERATORS = {"array-contains": "array_contains", "array-contains-any": "array_contains_any"}
_UNARY = {
    "is-null": ("==", None),
    "is-not-null": ("!=", None),
    "is-nan": ("==", float("nan")),
    "is-not-nan": ("!=", float("nan")),
}


def client_query(client: Any, row: Mapping[str, Any]) -> Any:
    """Return the row's query, without its aggregations and vector search."""
    if row.get("group"):
        query = client.collection_group(row["collection"])
    else:
        parent = f"{row['parent']}/" if "parent" in row else ""
        query = client.collection(parent + row["collection"])
    if "where" in row:
        query = query.where(filter=_filter(client, row["where"]))
    orders = list(row.get("order", ()))
    cursors = [key for key in ("start_at", "start_after", "end_at", "end_before") if key in row]
    if cursors and not orders:
        orders = ["__name__"]  # the client wants to see what a cursor is a value of
    for order in orders:
        field, *direction = order.split()
        descends = direction == ["desc"]
        query = query.order_by(field, direction="DESCENDING" if descends else "ASCENDING")
    for key in cursors:
        fields = [order.split()[0] for order in orders]
        values = [client_value(client, each) for each in row[key]]
        query = getattr(query, key)(dict(zip(fields, values, strict=False)))
    if "limit" in row:
        query = query.limit(row["limit"])
    if "offset" in row:
        query = query.offset(row["offset"])
    if "select" in row:
        query = query.select(row["select"])
    return query


def client_aggregation(client: Any, row: Mapping[str, Any]) -> Any:
    """Return the row's aggregation query; `count 3` is left to `bound_counts`."""
    query = client_query(client, row)
    found: Any = None
    for alias, text in row["aggregate"].items():
        kind, *operand = text.split()
        owner = query if found is None else found
        if kind == "count":
            found = owner.count(alias=alias)
        else:
            found = getattr(owner, kind)(operand[0], alias=alias)
    return found


def vector_query(client: Any, row: Mapping[str, Any]) -> Any:
    """Return the row's vector search."""
    near = row["near"]
    return client_query(client, row).find_nearest(
        near["field"],
        Vector([float(each) for each in near["vector"]]),
        near["limit"],
        DistanceMeasure[near["measure"]],
    )


def client_value(client: Any, notation: Any) -> Any:
    """Return a value of the corpus as the client takes it."""
    return _plain(client, core_value(notation))


def _plain(client: Any, found: Any) -> Any:
    if isinstance(found, Timestamp):
        seconds, micros = divmod(found.micros, 1_000_000)
        message = ProtoTimestamp(seconds=seconds, nanos=micros * 1_000)
        return DatetimeWithNanoseconds.from_timestamp_pb(message)
    if isinstance(found, Reference):
        return client.document(found.path)
    if isinstance(found, CoreVector):
        return Vector(found.values)
    if isinstance(found, tuple | list):
        return [_plain(client, each) for each in found]
    return found


def _filter(client: Any, notation: Any) -> Any:
    if isinstance(notation, Mapping):
        ((kind, parts),) = notation.items()
        return (Or if kind == "or" else And)([_filter(client, part) for part in parts])
    if isinstance(notation[0], str):
        field, operator, *operand = notation
        if operator in _UNARY:
            return FieldFilter(field, *_UNARY[operator])
        value = client_value(client, operand[0])
        return FieldFilter(field, _OPERATORS.get(operator, operator), value)
    parts = [_filter(client, part) for part in notation]
    return parts[0] if len(parts) == 1 else And(parts)


def stored_fields(client: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of the data set as the client writes it."""
    return {name: _plain(client, each) for name, each in fields.items()}
