"""Values of the access matrix with places left open, and how each persona's request fills them.

One row stands for a request of every persona, so its paths and data say `$uid` where the persona's
own uid belongs, and `$now` where a time does. A template is built of the same Python types as a
Firestore value, with the classes here in the open places. Reading YAML is `yaml_values.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from harness.firestore.documents import FieldTransform, TransformKind
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.values import (
    Fields,
    GeoPoint,
    Reference,
    Timestamp,
    Value,
    Vector,
)

SIGNED_OUT_UID = "nobody"
"""What `$uid` stands for where the persona is not signed in."""

OPEN_PLACE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*))")
"""`$$`, which is a dollar sign, or `$name`."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time so many microseconds after the matrix's own `now`; before it if negative."""

    offset_micros: int


@dataclass(frozen=True, slots=True)
class DocumentLink:
    """A reference to a document of the same database, by its path."""

    path: str


@dataclass(frozen=True, slots=True)
class FieldOperation:
    """A field whose value the server works out. `operand` is None for the server's time."""

    kind: TransformKind
    operand: Template = None


class Absence(Enum):
    """Fields that are written without a value."""

    DELETED = "$delete"
    """The client deletes the field."""
    ABSENT = "$absent"
    """The client does not send the field; only of use where a row is `like` another."""


Template: TypeAlias = (
    "bool | int | float | str | bytes | Timestamp | GeoPoint | Vector | Moment | DocumentLink"
    " | FieldOperation | Absence | tuple[Template, ...] | dict[str, Template] | None"
)

SERVER_TIME: Final = FieldOperation(TransformKind.SET_TO_SERVER_VALUE)


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into the open places of one persona's request.

    Args:
        uid: The persona's, or `SIGNED_OUT_UID`.
        now: The matrix's time.
        database: What references name.
    """

    uid: str
    now: Timestamp
    database: DatabaseName

    def text(self, template: str) -> str:
        """Fill a text, such as a path."""
        if "$" not in template:
            return template
        return OPEN_PLACE.sub(lambda match: "$" if match[1] else self.uid, template)

    def value(self, template: Template) -> Value:
        """Fill a value that holds no field operations."""
        if isinstance(template, str):
            return self.text(template)
        if isinstance(template, Moment):
            return Timestamp(self.now.micros + template.offset_micros)
        if isinstance(template, DocumentLink):
            return Reference(self.database, ResourcePath(self.text(template.path)))
        if isinstance(template, tuple):
            return tuple(self.value(item) for item in template)
        if isinstance(template, dict):
            return {self.text(name): self.value(item) for name, item in template.items()}
        if template is SERVER_TIME:
            # Where no server works it out (stored data, filters), it is simply the time.
            return self.now
        assert not isinstance(template, FieldOperation | Absence)
        return template

    def fields(self, template: Mapping[str, Template]) -> Fields:
        """Fill a document's fields."""
        return {self.text(name): self.value(item) for name, item in template.items()}


@dataclass(frozen=True, slots=True)
class WrittenFields:
    """What a client sends for a write's data, taken apart as client libraries do.

    Args:
        fields: Plain values, nested as in the document.
        leaves: The path of each value in `fields` that is no map, or an empty one.
        deleted: Paths that are to be deleted.
        transforms: In the order in which they were written.
    """

    fields: Fields
    leaves: tuple[FieldPath, ...]
    deleted: tuple[FieldPath, ...]
    transforms: tuple[FieldTransform, ...]


def written_fields(template: Mapping[str, Template], filling: Filling) -> WrittenFields:
    """Fill the data of a write, and take plain values and field operations apart."""
    fields: Fields = {}
    leaves: list[FieldPath] = []
    deleted: list[FieldPath] = []
    transforms: list[FieldTransform] = []

    def take(into: Fields, name: str, item: Template, path: FieldPath) -> None:
        if item is Absence.DELETED:
            deleted.append(path)
        elif isinstance(item, FieldOperation):
            operand = None if item.operand is None else filling.value(item.operand)
            transforms.append(FieldTransform(path, item.kind, operand))
        elif isinstance(item, dict):
            nested: Fields = {}
            sent = {key: value for key, value in item.items() if value is not Absence.ABSENT}
            for key, value in sent.items():
                filled = filling.text(key)
                take(nested, filled, value, FieldPath((*path, filled)))
            if nested or not sent:
                into[name] = nested
            if not sent:
                leaves.append(path)
        else:
            into[name] = filling.value(item)
            leaves.append(path)

    for key, value in template.items():
        if value is not Absence.ABSENT:
            filled = filling.text(key)
            take(fields, filled, value, FieldPath((filled,)))
    return WrittenFields(fields, tuple(leaves), tuple(deleted), tuple(transforms))


def field_operations(template: Template) -> Iterator[FieldOperation | Absence]:
    """Yield every field operation in a value, at any depth."""
    if isinstance(template, FieldOperation | Absence):
        yield template
    items: Sequence[Template] = ()
    if isinstance(template, tuple):
        items = template
    elif isinstance(template, dict):
        items = list(template.values())
    for item in items:
        yield from field_operations(item)


def holds_uid(template: Template) -> bool:
    """Say whether `$uid` is anywhere in a value, keys of maps included."""
    if isinstance(template, str):
        return any(match[2] == "uid" for match in OPEN_PLACE.finditer(template))
    if isinstance(template, DocumentLink):
        return holds_uid(template.path)
    if isinstance(template, tuple):
        return any(map(holds_uid, template))
    if isinstance(template, dict):
        return any(holds_uid(name) or holds_uid(item) for name, item in template.items())
    return False
