"""Queries of an app's Dart code, made with the published Python client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.flutter.contract import ClientFilter, ClientQuery, Placeholder, QueryRun

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_EXAMPLE = "example"
_NAME = re.compile(r"\{([^{}]*)\}")
_OPERATORS = {
    "EQUAL": "==",
    "NOT_EQUAL": "!=",
    "LESS_THAN": "<",
    "LESS_THAN_OR_EQUAL": "<=",
    "GREATER_THAN": ">",
    "GREATER_THAN_OR_EQUAL": ">=",
    "ARRAY_CONTAINS": "array_contains",
    "ARRAY_CONTAINS_ANY": "array_contains_any",
    "IN": "in",
    "NOT_IN": "not-in",
}
_LISTS = ("ARRAY_CONTAINS_ANY", "IN", "NOT_IN")


def run_client_query(
    client: Client, use: ClientQuery, samples: Mapping[str, Any] | None = None
) -> int:
    """Run a query of the app's, and return how many documents, or counted results, it found.

    Args:
        client: On whose behalf.
        use: From the fixture `client_contract`.
        samples: Values that only the running app knows, by the names in its code; "example" stands
            for all others.
    Raises:
        LookupError: The app chooses the field, and no sample says which: another index would do.
    """
    from google.cloud.firestore_v1.base_query import FieldFilter

    known = samples or {}
    name = _NAME.sub(lambda found: str(known.get(found[1], _EXAMPLE)), "/".join(use.segments))
    query: Any = (
        client.collection_group(name) if use.is_collection_group else client.collection(name)
    )
    for each in use.filters:
        operator, value = _comparison(each, known)
        query = query.where(filter=FieldFilter(_field(each.field, known), operator, value))
    for order in use.orders:
        direction = "DESCENDING" if order.descending else "ASCENDING"
        query = query.order_by(_field(order.field, known), direction=direction)
    if isinstance(use.limit, int):
        query = query.limit(use.limit)
    if use.run is QueryRun.AGGREGATE:
        return int(query.count().get()[0][0].value)
    return len(query.get())


def _field(name: str, samples: Mapping[str, Any]) -> str:
    def known(found: re.Match[str]) -> str:
        if found[1] not in samples:
            raise LookupError(f"which field {found[0]} is, only the app knows: give a sample of it")
        return str(samples[found[1]])

    return _NAME.sub(known, name)


def _comparison(each: ClientFilter, samples: Mapping[str, Any]) -> tuple[str, Any]:
    if each.operator in ("IS_NULL", "IS_NOT_NULL"):
        return ("==" if each.operator == "IS_NULL" else "!="), None
    value = _value(each.value, samples)
    if each.operator in _LISTS and not isinstance(value, list):
        value = [value]
    return _OPERATORS[each.operator], value


def _value(value: Any, samples: Mapping[str, Any]) -> Any:
    if isinstance(value, Placeholder):
        return samples.get(value.name, _EXAMPLE)
    if isinstance(value, tuple):
        return [_value(part, samples) for part in value]
    return value
