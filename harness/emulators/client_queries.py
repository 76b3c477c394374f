"""What an app's Dart code asks for, asked by the published Python client."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.flutter.contract import DOCUMENT_ID, ClientFilter, ClientQuery, Placeholder, QueryRun

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


class ClientRequests:
    """The requests of an app, with samples in place of what only the running app knows.

    Args:
        samples: By the names in the app's code.
        strict: Whether a value without a sample is an error; otherwise "example" stands for it.
    """

    def __init__(self, samples: Mapping[str, Any], *, strict: bool = False) -> None:
        self._samples = samples
        self._strict = strict

    def path(self, segments: Sequence[str]) -> str:
        """Return a path of the fixture `client_contract`: ("groups", "{groupId}") -> "groups/g1".

        Raises:
            LookupError: It has a name without a sample, if these are to be strict.
        """
        return _NAME.sub(lambda found: str(self._sample(found[1])), "/".join(segments))

    def query(self, client: Client, use: ClientQuery) -> Any:
        """Return a query of the fixture `client_contract` as one of the client's.

        Raises:
            LookupError: The app chooses the field, and no sample says which: another index would
                do. Or as `path`.
        """
        from google.cloud.firestore_v1.base_query import FieldFilter

        name = self.path(use.segments)
        query: Any = (
            client.collection_group(name) if use.is_collection_group else client.collection(name)
        )
        for each in use.filters:
            operator, value = self._comparison(each)
            if each.field == DOCUMENT_ID:
                value = _references(client, name, value)
            query = query.where(filter=FieldFilter(self._field(each.field), operator, value))
        for order in use.orders:
            direction = "DESCENDING" if order.descending else "ASCENDING"
            query = query.order_by(self._field(order.field), direction=direction)
        if isinstance(use.limit, int):
            query = query.limit(use.limit)
        return query

    def run(self, client: Client, use: ClientQuery) -> int:
        """Run a query, and return how many documents, or counted results, it found.

        Raises:
            LookupError: As `query`.
        """
        query = self.query(client, use)
        if use.run is QueryRun.AGGREGATE:
            return int(query.count().get()[0][0].value)
        return len(query.get())

    def _field(self, name: str) -> str:
        if name == DOCUMENT_ID:
            return "__name__"

        def known(found: re.Match[str]) -> str:
            if found[1] not in self._samples:
                raise LookupError(
                    f"which field {found[0]} is, only the app knows: give a sample of it"
                )
            return str(self._samples[found[1]])

        return _NAME.sub(known, name)

    def _comparison(self, each: ClientFilter) -> tuple[str, Any]:
        if each.operator in ("IS_NULL", "IS_NOT_NULL"):
            return ("==" if each.operator == "IS_NULL" else "!="), None
        value = self._value(each.value)
        if each.operator in _LISTS and not isinstance(value, list):
            value = [value]
        return _OPERATORS[each.operator], value

    def _value(self, value: Any) -> Any:
        if isinstance(value, Placeholder):
            return self._sample(value.name)
        if isinstance(value, tuple):
            return [self._value(part) for part in value]
        return value

    def _sample(self, name: str) -> Any:
        if self._strict and name not in self._samples:
            raise LookupError(f"the app uses a value named {name}: give a sample of it")
        return self._samples.get(name, _EXAMPLE)


def _references(client: Client, collection: str, value: Any) -> Any:
    """Documents by their ids, or by their paths as a collection group has them."""
    if isinstance(value, list):
        return [_references(client, collection, part) for part in value]
    path = str(value)
    return client.document(path if "/" in path.strip("/") else f"{collection}/{path}")


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
    return ClientRequests(samples or {}).run(client, use)
