"""Rules values in the JSON of the official coverage report: `{"boolValue": true}`.

Written, never read back; the JSON that is read back is in `recorded_json.py`.

Source: observed: emulator 1.22.0, `:ruleCoverage`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.rules.values import (
    Constraint,
    MapDiff,
    PartialKeys,
    Placeholder,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
    same_by_value,
)

_NANOS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED_FLOATS = {math.inf: "Infinity", -math.inf: "-Infinity"}


class TooLarge(Exception):
    """The value has more parts, or more text, than there is room for."""


class ValueWriter:
    """Writes values that together have at most so many parts and characters.

    Args:
        room: Each part takes one, each character of a text as well.
    """

    def __init__(self, room: int) -> None:
        self._room = room

    def text(self, value: RulesValue) -> str:
        """Return a value as JSON text; equal values give equal texts.

        Raises:
            TooLarge: It does not fit.
        """
        return value_text(self.value(value))

    def value(self, value: RulesValue) -> dict[str, Any]:
        """Return a value as JSON.

        Raises:
            TooLarge: It does not fit.
        """
        self._take(1)
        if value is None:
            return {"nullValue": None}
        if isinstance(value, bool):
            return {"boolValue": value}
        if isinstance(value, int):
            return {"intValue": str(value)}
        if isinstance(value, float):
            named = "NaN" if value != value else _NAMED_FLOATS.get(value)
            return {"floatValue": value if named is None else named}
        if isinstance(value, str):
            self._take(len(value))
            return {"stringValue": str(value)}
        if isinstance(value, bytes):
            self._take(len(value))
            return {"bytesValue": base64.b64encode(value).decode()}
        if isinstance(value, dict):
            return {"mapValue": self._filled("fields", self._fields(value))}
        if isinstance(value, (list, tuple)):
            return {"listValue": self._filled("values", [self.value(item) for item in value])}
        return self._rarer(value)

    def _rarer(self, value: RulesValue) -> dict[str, Any]:
        if isinstance(value, RulesPath):
            return {"pathValue": {"segments": [self._segment(part) for part in value.segments]}}
        if isinstance(value, RulesTimestamp):
            return {"timestampValue": timestamp_text(value.nanos)}
        if isinstance(value, RulesDuration):
            return {"durationValue": duration_text(value.nanos)}
        if isinstance(value, RulesLatLng):
            return {"latlngValue": {"latitude": value.latitude, "longitude": value.longitude}}
        if isinstance(value, RulesSet):
            # A set has no order of its own, and equal ones are to be written alike.
            members = sorted((self.value(item) for item in value), key=value_text)
            return {"setValue": self._filled("values", members)}
        if isinstance(value, MapDiff):
            return {"mapDiffValue": self._filled("keyStatuses", self._statuses(value))}
        # What a query leaves open. Inferred: reports of list requests were not to be had.
        if isinstance(value, PartialKeys):
            names = self.value(tuple(sorted(value.names)))
            return {"constraintValue": {"comparator": "LIST_CONTAINS", "value": names}}
        assert isinstance(value, Constraint)
        terms = [
            {"comparator": comparator, "value": self.value(operand)}
            for comparator, operand in value.terms
        ]
        return {"constraintValue": terms[0] if len(terms) == 1 else {"terms": terms}}

    def _fields(self, value: Mapping[str, RulesValue]) -> dict[str, Any]:
        fields = {}
        for name, item in value.items():
            self._take(len(name))
            fields[name] = self.value(item)
        return fields

    def _statuses(self, diff: MapDiff) -> dict[str, str]:
        statuses = {}
        for name in (*diff.after, *diff.before):
            self._take(len(name))
            if name not in diff.before:
                status = "ADDED"
            elif name not in diff.after:
                status = "REMOVED"
            else:
                is_same = same_by_value(diff.after[name], diff.before[name])
                status = "UNCHANGED" if is_same else "CHANGED"
            statuses[name] = status
        return statuses

    def _segment(self, segment: str | Placeholder) -> dict[str, str]:
        text = f"{{{segment.name}}}" if isinstance(segment, Placeholder) else str(segment)
        self._take(len(text))
        return {"simple": text}

    @staticmethod
    def _filled(name: str, content: Any) -> dict[str, Any]:
        return {name: content} if content else {}

    def _take(self, room: int) -> None:
        self._room -= room
        if self._room < 0:
            raise TooLarge


def value_text(value: Mapping[str, Any]) -> str:
    """Return a value's JSON as text, its members in one order."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def timestamp_text(nanos: int) -> str:
    """Return a time since 1970 in RFC 3339: `2020-01-02T03:04:05.123456Z`."""
    seconds, rest = divmod(nanos, _NANOS)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.replace(tzinfo=None).isoformat()}{_fraction(rest)}Z"


def duration_text(nanos: int) -> str:
    """Return a duration in seconds: `1s`, `-0.500s`."""
    seconds, rest = divmod(abs(nanos), _NANOS)
    return f"{'-' if nanos < 0 else ''}{seconds}{_fraction(rest)}s"


def _fraction(nanos: int) -> str:
    """Return the part behind the seconds, in 3, 6 or 9 digits; nothing for none."""
    if nanos == 0:
        return ""
    digits = f"{nanos:09}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}"
