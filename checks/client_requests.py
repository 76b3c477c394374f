"""Runs what the app's Dart code asks for, through the published Python client."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

#: What stands for the values that only the running app knows, by the names in its code.
SAMPLES: dict[str, Any] = {
    "groupId": "home",
    "uid": "alice",
    "archived": False,
    "category": "groceries",
    "code": "HOMECODE22",
    "expenseId": "rent",
    "fileName": "photo.jpg",
    "millisecondsSinceEpoch": 1767355200000,
    "extension": "jpg",
    "now": datetime(2026, 1, 2, tzinfo=UTC),
}

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


def path_of(segments: tuple[str, ...]) -> str:
    """A path with the samples in place of its placeholders."""
    return re.sub(r"\{([^{}]+)\}", lambda name: str(sample(name[1])), "/".join(segments))


def sample(name: str) -> Any:
    if name not in SAMPLES:
        raise KeyError(f"the app uses a value named {name}: add a sample of it to {__name__}.py")
    return SAMPLES[name]


def query_of(client: firestore.Client, use: Any) -> firestore.Query:
    """Build a query of the app's."""
    name = path_of(use.segments)
    query = client.collection_group(name) if use.is_collection_group else client.collection(name)
    for item in use.filters:
        value = sample(item.value.name) if hasattr(item.value, "name") else item.value
        if item.operator in ("IS_NULL", "IS_NOT_NULL"):
            operator, value = ("==" if item.operator == "IS_NULL" else "!="), None
        else:
            operator = _OPERATORS[item.operator]
        query = query.where(filter=FieldFilter(item.field, operator, value))
    for order in use.orders:
        query = query.order_by(
            order.field, direction="DESCENDING" if order.descending else "ASCENDING"
        )
    if isinstance(use.limit, int):
        query = query.limit(use.limit)
    return query


def run(client: firestore.Client, use: Any) -> int:
    """Run a query of the app's; give back how many documents (or counted results) it found."""
    query = query_of(client, use)
    if use.run == "aggregate":
        return int(query.count().get()[0][0].value)
    return len(query.get())
