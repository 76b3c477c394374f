"""Nodes of YAML -> Firestore values.

What YAML has no spelling for is a mapping with one key, spelled as in the access matrix: `{$ref:
users/ana}`, `{$bytes: aGk=}`; `{$map: {...}}` is a map whose own keys begin with a dollar sign.
Here a text is always just that text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import yaml

from harness.backend.clock import parse_moment
from harness.errors import ConfigError, StatusError
from harness.firestore.paths import DatabaseName, parse_document_name
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector
from harness.seeds.model import OWN_PROJECT
from harness.yaml_settings import YamlReader

_TAG = "tag:yaml.org,2002:"
_INT64 = range(-(2**63), 2**63)
_ANY_PROJECT = "p"  # a name that is parsed must have one


class SeedValues:
    """Turns the nodes of one file into values; errors have the node's position.

    Args:
        database: Whose documents they are: a reference may leave it out.
    """

    def __init__(self, reader: YamlReader, database: str) -> None:
        self._reader = reader
        self._database = database
        self._spelled: dict[str, Callable[[yaml.Node], Value]] = {
            "$timestamp": self._timestamp,
            "$ref": self._reference,
            "$geo": self._geo_point,
            "$bytes": self._bytes,
            "$double": self._double,
            "$vector": self._vector,
            "$map": self.fields,
        }

    def fields(self, node: yaml.Node) -> Fields:
        """Return the fields of a document or a map."""
        return {
            self._text(name, node): self.value(value)
            for name, value in self._reader.mapping(node, "this").items()
        }

    def value(self, node: yaml.Node) -> Value:
        """Return any value."""
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return self._array(node)
        if node.tag == f"{_TAG}timestamp":
            return self._timestamp(node)
        if node.tag == f"{_TAG}float":
            return self._double(node)
        value = self._reader.plain(node, "this")
        if isinstance(value, str):
            return self._text(value, node)
        if isinstance(value, int) and value not in _INT64:
            raise self._reader.error(
                node, f"{value} is beyond 64 bits", "write {$double: ...}, or a text in quotes"
            )
        assert value is None or isinstance(value, bool | int)
        return value

    def _array(self, node: yaml.SequenceNode) -> Value:
        elements = tuple(self.value(each) for each in node.value)
        if any(isinstance(element, tuple) for element in elements):
            raise self._reader.error(
                node, "a list in a list", "Firestore has none; put a map in between"
            )
        return elements

    def _mapping(self, node: yaml.MappingNode) -> Value:
        entries = self._reader.mapping(node, "this")
        special = next((key for key in entries if key.startswith("$")), None)
        if special is None:
            return self.fields(node)
        spelled = self._spelled.get(special)
        if spelled is None:
            near = get_close_matches(special, self._spelled, n=1)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(self._spelled)}"
            raise self._reader.error(
                node,
                f"no value is spelled {special}",
                f"{known}; a map: {{$map: …}}",
            )
        if len(entries) != 1:
            raise self._reader.error(
                node, f"{special} stands beside other keys", "give it a mapping of its own"
            )
        return spelled(entries[special])

    def _text(self, text: str, node: yaml.Node) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._reader.error(
                node, "half a character, as JSON escapes it", "write the character itself"
            ) from error
        return text

    def _timestamp(self, node: yaml.Node) -> Value:
        try:
            return Timestamp(parse_moment(self._scalar(node)))
        except StatusError as error:
            raise self._error(
                node, "a time", "write 2026-01-31T12:00:00Z for a time, quotes for a text"
            ) from error

    def _reference(self, node: yaml.Node) -> Value:
        """Read `users/ana`, `databases/D/documents/users/ana`, or a full name.

        The last two have an odd number of segments, which no document's path has.
        """
        text = self._text(self._scalar(node) or "", node)
        is_name = text.count("/") % 2 == 0
        has_project = is_name and text.startswith("projects/")
        has_database = is_name and text.startswith("databases/")
        own = f"projects/{_ANY_PROJECT}"
        if has_database:
            name = f"{own}/{text}"
        else:
            name = text if has_project else f"{own}/databases/{self._database}/documents/{text}"
        try:
            database, path = parse_document_name(name)
        except StatusError as error:
            raise self._error(
                node, "a document's path", "write it as users/ana, or as a full name"
            ) from error
        project = database.project if has_project else OWN_PROJECT
        return Reference(DatabaseName(project, database.database), path)

    def _geo_point(self, node: yaml.Node) -> Value:
        numbers = self._numbers(node)
        if len(numbers) == 2 and abs(numbers[0]) <= 90 and abs(numbers[1]) <= 180:
            return GeoPoint(*numbers)
        raise self._error(node, "a place", "write [latitude, longitude] in degrees")

    def _bytes(self, node: yaml.Node) -> Value:
        try:
            return base64.b64decode(self._scalar(node) or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._error(
                node, "base64", "write bytes as base64: {$bytes: aGVsbG8=}"
            ) from error

    def _double(self, node: yaml.Node) -> float:
        text = (self._scalar(node) or "").lower().replace("_", "")
        try:
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError as error:
            raise self._error(node, "a number", "write a number, inf, -inf or nan") from error

    def _vector(self, node: yaml.Node) -> Value:
        numbers = self._numbers(node)
        if not numbers:
            raise self._error(node, "a vector", "write a list of numbers")
        return Vector(numbers)

    def _numbers(self, node: yaml.Node) -> tuple[float, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, "a list", "write [1.5, 2]")
        return tuple(self._double(each) for each in node.value)

    def _scalar(self, node: yaml.Node) -> Any:
        return node.value if isinstance(node, yaml.ScalarNode) else None

    def _error(self, node: yaml.Node, wanted: str, fix: str) -> ConfigError:
        return self._reader.error(node, f"not {wanted}", fix)
