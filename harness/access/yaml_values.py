"""YAML -> templates of Firestore values.

What YAML has no spelling for is a mapping with one key: `{$ref: users/ana}`, `{$bytes: aGk=}`,
`{$increment: 1}`. `$uid` stands for the persona's uid anywhere in a text, `$now` alone for the
time; `$$` is a dollar sign. docs/access-matrix.md has the list.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable
from difflib import get_close_matches

import yaml

from harness.access.templates import (
    OPEN_PLACE,
    SERVER_TIME,
    Absence,
    DocumentLink,
    FieldOperation,
    Moment,
    Template,
)
from harness.errors import ConfigError
from harness.firestore.documents import TransformKind
from harness.firestore.values import GeoPoint, Timestamp, Vector
from harness.yaml_settings import YamlReader

_TIMESTAMP_TAG = "tag:yaml.org,2002:timestamp"
_INT_TAG = "tag:yaml.org,2002:int"
_INT64 = range(-(2**63), 2**63)
_MOMENT = re.compile(r"\$now(?:([+-])(\d{1,6})(s|m|h|d))?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_ABSENCES = {absence.value: absence for absence in Absence}
_PLACES = ("uid", "now", *(name.removeprefix("$") for name in _ABSENCES))


def timestamp_of(text: str) -> Timestamp | None:
    """Read an RFC 3339 time with its zone; None if it is none."""
    if not _RFC_3339.fullmatch(text):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return Timestamp((moment - _EPOCH) // _MICROSECOND)


class ValueReader:
    """Turns nodes of one file into templates; errors have the node's position."""

    def __init__(self, reader: YamlReader) -> None:
        self._reader = reader
        self._spelled: dict[str, Callable[[yaml.Node, str], Template]] = {
            "$timestamp": self._timestamp,
            "$ref": self._link,
            "$geo": self._geo_point,
            "$bytes": self._bytes,
            "$double": self._double,
            "$vector": self._vector,
            "$increment": self._operation(TransformKind.INCREMENT),
            "$max": self._operation(TransformKind.MAXIMUM),
            "$min": self._operation(TransformKind.MINIMUM),
            "$union": self._operation(TransformKind.APPEND_MISSING_ELEMENTS),
            "$remove": self._operation(TransformKind.REMOVE_ALL_FROM_ARRAY),
        }

    def fields(self, node: yaml.Node, name: str) -> dict[str, Template]:
        """Return the fields of a document."""
        return {
            self.text(key, node, f"a key of {name}"): self.value(value, f"{name}.{key}")
            for key, value in self._reader.mapping(node, name).items()
        }

    def value(self, node: yaml.Node, name: str) -> Template:
        """Return any value."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, name)
        if isinstance(node, yaml.SequenceNode):
            items = tuple(
                self.value(item, f"{name}[{index}]") for index, item in enumerate(node.value)
            )
            if any(isinstance(item, FieldOperation | Absence) for item in items):
                raise self._reader.error(
                    node,
                    f"{name} is a list with a field operation in it",
                    "Firestore works out whole fields only; write a value",
                )
            if any(isinstance(item, tuple) for item in items):
                raise self._reader.error(
                    node, f"{name} is a list in a list", "Firestore has none; put a map in between"
                )
            return items
        if node.tag == _TIMESTAMP_TAG:
            return self._timestamp(node, name)
        value = self._reader.plain(node, name)
        if isinstance(value, str):
            return self._scalar_text(value, node, name)
        if node.tag == _INT_TAG and value not in _INT64:
            raise self._reader.error(
                node, f"{name} is beyond 64 bits", "write {$double: …}, or a text in quotes"
            )
        assert value is None or isinstance(value, bool | int | float)
        return value

    def text(self, text: str, node: yaml.Node, name: str) -> str:
        """Check the open places of a text, which stays a template."""
        for match in OPEN_PLACE.finditer(text):
            place = match[2]
            if place is None or place == "uid":
                continue
            near = get_close_matches(place, _PLACES, n=1)
            fix = f"did you mean ${near[0]}?" if near else "$uid is known; $$ is a dollar sign"
            if place in _PLACES:
                fix = f"${place} stands alone, as a whole value; $$ is a dollar sign"
            raise self._reader.error(node, f"{name} holds ${place}", fix)
        return text

    def _scalar_text(self, text: str, node: yaml.Node, name: str) -> Template:
        moment = _MOMENT.fullmatch(text)
        if moment is not None:
            if moment[1] is None:
                return SERVER_TIME
            seconds = int(moment[1] + moment[2]) * _SECONDS[moment[3]]
            return Moment(seconds * 1_000_000)
        absence = _ABSENCES.get(text)
        return absence or self.text(text, node, name)

    def _mapping(self, node: yaml.MappingNode, name: str) -> Template:
        entries = self._reader.mapping(node, name)
        special = next((key for key in entries if self._is_spelling(key)), None)
        if special is None:
            return self.fields(node, name)
        spelled = self._spelled.get(special)
        if spelled is None:
            near = get_close_matches(special, self._spelled, n=1)
            known = ", ".join(self._spelled)
            fix = f"did you mean {near[0]}?" if near else f"known: {known}; $$ is a dollar sign"
            raise self._reader.error(node, f"{name} has the key {special}", fix)
        if len(entries) != 1:
            raise self._reader.error(
                node, f"{name} has {special} and other keys", "write it in a mapping of its own"
            )
        return spelled(entries[special], name)

    @staticmethod
    def _is_spelling(key: str) -> bool:
        match = OPEN_PLACE.fullmatch(key)
        return match is not None and match[2] is not None and match[2] != "uid"

    def _timestamp(self, node: yaml.Node, name: str) -> Template:
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        moment = timestamp_of(text)
        if moment is None:
            raise self._error(
                node, name, "a time", "write 2026-01-31T12:00:00Z for a time, quotes for a text"
            )
        return moment

    def _link(self, node: yaml.Node, name: str) -> Template:
        path = self.text(self._reader.string(node, name), node, name)
        if path.count("/") % 2 == 0 or "" in path.split("/"):
            raise self._error(node, name, "a document's path", "write it as users/ana")
        return DocumentLink(path)

    def _geo_point(self, node: yaml.Node, name: str) -> Template:
        value = self._reader.plain(node, name)
        if isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)):
            latitude, longitude = map(float, value)
            if abs(latitude) <= 90 and abs(longitude) <= 180:
                return GeoPoint(latitude, longitude)
        raise self._error(node, name, "a place", "write [latitude, longitude] in degrees")

    def _bytes(self, node: yaml.Node, name: str) -> Template:
        value = self._reader.plain(node, name)
        if isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                pass
        raise self._error(node, name, "base64", "write bytes as base64: {$bytes: aGVsbG8=}")

    def _double(self, node: yaml.Node, name: str) -> Template:
        if isinstance(node, yaml.ScalarNode):
            try:
                return float(node.value.removeprefix(".").replace("-.inf", "-inf"))
            except ValueError:
                pass
        raise self._error(node, name, "a number", "write a number, inf, -inf or nan")

    def _vector(self, node: yaml.Node, name: str) -> Template:
        value = self._reader.plain(node, name)
        if isinstance(value, list) and value and all(map(_is_number, value)):
            return Vector(tuple(map(float, value)))
        raise self._error(node, name, "a vector", "write a list of numbers")

    def _operation(self, kind: TransformKind) -> Callable[[yaml.Node, str], Template]:
        takes_list = kind in (
            TransformKind.APPEND_MISSING_ELEMENTS,
            TransformKind.REMOVE_ALL_FROM_ARRAY,
        )

        def read(node: yaml.Node, name: str) -> Template:
            value = self.value(node, name)
            if takes_list and not isinstance(value, tuple):
                raise self._error(node, name, "a list", "write the elements as [one, two]")
            if not takes_list and not _is_number(value):
                raise self._error(node, name, "a number", "write a number")
            return FieldOperation(kind, value)

        return read

    def _error(self, node: yaml.Node, name: str, wanted: str, fix: str) -> ConfigError:
        return self._reader.error(node, f"{name} is not {wanted}", fix)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
