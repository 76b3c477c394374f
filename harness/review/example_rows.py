"""A recorded request as a row of the access matrix, to be pasted into it.

The row says what the rules decide now, for every persona; whoever pastes it makes sure that this is
what they mean. Not every request can be a row: a commit whose documents are not in the sample, say.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from harness.rules.recorded import DocumentPath, RecordedRequest, replay
from harness.rules.request import (
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset
from harness.rules.values import RulesLatLng, RulesTimestamp, RulesValue

_OPERATORS = {
    Comparator.EQ: "==",
    Comparator.NEQ: "!=",
    Comparator.LT: "<",
    Comparator.LTE: "<=",
    Comparator.GT: ">",
    Comparator.GTE: ">=",
    Comparator.LIST_CONTAINS: "array-contains",
    Comparator.IN: "in",
    Comparator.NOT_IN: "not-in",
    Comparator.LIST_CONTAINS_ANY: "array-contains-any",
}
# Behind databases, its name and `documents`; behind `b`, the bucket and `o`.
_PREFIX_LENGTH = 3
_MOST_GIVEN = 4
_NANOS = 1_000_000_000
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_WIDTH = 110


class _NoRow(Exception):
    """A row cannot say this."""


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Writes rows for a project's access matrix.

    Args:
        ruleset: Decides who is allowed.
        personas: The matrix's columns, as rules see them.
        sample: The matrix's documents, as rules see them.
    """

    ruleset: CompiledRuleset
    personas: Mapping[str, RulesAuth | None]
    sample: Mapping[DocumentPath, Mapping[str, RulesValue]]

    def row(self, recorded: RecordedRequest) -> str | None:
        """Return a row as YAML, an item of a list; None if a row cannot say it."""
        try:
            row: dict[str, Any] = {"name": recorded.title}
            if recorded.service == STORAGE:
                row["service"] = "storage"
            requests = [decision.request for decision in recorded.decisions]
            if len(requests) == 1:
                row.update(_request(requests[0]))
            else:
                row["batch"] = [_request(request) for request in requests]
            given = self._given(recorded)
            if given:
                row["given"] = given
        except _NoRow:
            return None
        row["allow"] = self._allowed(recorded) or "none"
        text: str = yaml.safe_dump(
            [row], sort_keys=False, default_flow_style=None, width=_WIDTH, allow_unicode=True
        )
        return text.rstrip("\n")

    def _allowed(self, recorded: RecordedRequest) -> list[str]:
        return [
            name
            for name, auth in self.personas.items()
            if replay(self.ruleset, _asked_by(recorded, auth)).allowed
        ]

    def _given(self, recorded: RecordedRequest) -> dict[str, Any]:
        """Return the documents that differ from the sample."""
        before = recorded.documents.before
        changed = [
            path for path in {**self.sample, **before} if before.get(path) != self.sample.get(path)
        ]
        if len(changed) > _MOST_GIVEN or not recorded.documents.is_complete:
            raise _NoRow
        now = recorded.decisions[0].request.time
        return {
            "/".join(path[_PREFIX_LENGTH:]): _fields(before[path], now) if path in before else None
            for path in changed
        }


def _asked_by(recorded: RecordedRequest, auth: RulesAuth | None) -> RecordedRequest:
    decisions = tuple(
        replace(decision, request=replace(decision.request, auth=auth))
        for decision in recorded.decisions
    )
    return replace(recorded, decisions=decisions)


def _request(request: RulesRequest) -> dict[str, Any]:
    row: dict[str, Any] = {"method": request.method.value}
    if request.method is Method.LIST and request.service != STORAGE:
        return {**row, **_query(request)}
    row["path"] = "/".join(_text(segment) for segment in request.path[_PREFIX_LENGTH:])
    if request.method not in (Method.CREATE, Method.UPDATE):
        return row
    if request.service == STORAGE:
        return {**row, **_object(request)}
    old, new = request.resource, request.new_resource
    if not isinstance(new, RulesResource):
        raise _NoRow
    if request.method is Method.CREATE:
        row["data"] = _fields(new.data, request.time)
    elif isinstance(old, RulesResource):
        row["data"] = _changes(old.data, new.data, request.time)
    else:
        raise _NoRow
    return row


def _query(request: RulesRequest) -> dict[str, Any]:
    query = request.query
    if query is None or query.collection_id is None or len(query.disjuncts) != 1:
        raise _NoRow
    row: dict[str, Any] = {}
    if query.all_descendants:
        if len(query.parent) > _PREFIX_LENGTH:
            raise _NoRow
        row["group"] = query.collection_id
    else:
        row["path"] = "/".join((*query.parent[_PREFIX_LENGTH:], query.collection_id))
    where = [_constraint(each, request.time) for each in query.disjuncts[0]]
    if where:
        row["where"] = where
    if query.limit is not None:
        row["limit"] = query.limit
    if query.offset:
        row["offset"] = query.offset
    return row


def _constraint(constraint: QueryConstraint, now: RulesTimestamp) -> list[Any]:
    if not all(name.isidentifier() for name in constraint.field) or "__" in constraint.field[0]:
        raise _NoRow
    value = _value(constraint.value, now)
    return [".".join(constraint.field), _OPERATORS[constraint.comparator], value]


def _object(request: RulesRequest) -> dict[str, Any]:
    sent = request.new_resource
    if not isinstance(sent, Mapping):
        raise _NoRow
    row: dict[str, Any] = {}
    if request.method is Method.CREATE and isinstance(sent.get("size"), int):
        row["size"] = sent["size"]
    if isinstance(sent.get("contentType"), str):
        row["content_type"] = sent["contentType"]
    metadata = sent.get("metadata")
    if isinstance(metadata, Mapping) and metadata:
        row["metadata"] = {str(key): str(value) for key, value in metadata.items()}
    return row


def _changes(
    old: Mapping[str, RulesValue], new: Mapping[str, RulesValue], now: RulesTimestamp
) -> dict[str, Any]:
    """Return what an update sends: only what changes."""
    changes = {
        name: "$delete" if name not in new else _value(new[name], now)
        for name in {**old, **new}
        if name not in new or name not in old or not _same(old[name], new[name])
    }
    if not changes or not all(name.isidentifier() for name in changes):
        raise _NoRow
    return changes


def _same(one: RulesValue, other: RulesValue) -> bool:
    return type(one) is type(other) and one == other


def _fields(fields: Mapping[str, RulesValue], now: RulesTimestamp) -> dict[str, Any]:
    return {name: _value(value, now) for name, value in fields.items()}


def _value(value: RulesValue, now: RulesTimestamp) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _text(value)
        case bytes():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        case RulesTimestamp():
            return _time(value, now)
        case RulesLatLng():
            return {"$geo": [value.latitude, value.longitude]}
        case list():
            return [_value(item, now) for item in value]
        case dict():
            return {str(key): _value(item, now) for key, item in value.items()}
        case _:
            raise _NoRow


def _text(text: str) -> str:
    """Write a text so that nothing in it is an open place."""
    return str(text).replace("$", "$$")


def _time(value: RulesTimestamp, now: RulesTimestamp) -> Any:
    nanos = value.nanos - now.nanos
    if nanos == 0:
        return "$now"
    seconds, rest = divmod(abs(nanos), _NANOS)
    if not rest:
        unit, size = next(pair for pair in _UNITS if seconds % pair[1] == 0)
        if seconds // size < 1_000_000:
            return f"$now{'-' if nanos < 0 else '+'}{seconds // size}{unit}"
    try:
        moment = datetime.datetime.fromtimestamp(value.nanos // _NANOS, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        raise _NoRow from None
    return {"$timestamp": moment.isoformat()}
