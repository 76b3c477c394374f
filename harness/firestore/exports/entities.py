"""One document as an entity of an export, and back.

Source: observed: exports of emulator 1.22.0, and of production as far as public ones show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import DecodeError

from harness.firestore.exports.log_format import ExportError
from harness.firestore.exports.messages import load_messages
from harness.firestore.paths import DatabaseName, ResourcePath, numeric_id
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector

_TIMESTAMP: Final = 7
_GEO_POINT: Final = 9
_BLOB: Final = 14
_BYTE_STRING: Final = 16
_ENTITY: Final = 19
_EMPTY_LIST: Final = 24
_VECTOR_PROPERTY = "__vector__"

_APP_PREFIX = "dev~"
_DEFAULT = "(default)"
_MAX_DEPTH = 30


def document_to_bytes(database: DatabaseName, path: ResourcePath, fields: Fields) -> bytes:
    """Return a document as one record."""
    entity = load_messages().Entity()
    entity.key.app = _app(database.project)
    if database.database != _DEFAULT:
        entity.key.database_id = database.database.encode()
    _put_path(entity.key.path.element, path)
    entity.entity_group.element.add().CopyFrom(entity.key.path.element[0])
    _put_fields(entity, fields)
    data: bytes = entity.SerializeToString()
    return data


def document_from_bytes(data: bytes) -> tuple[DatabaseName, ResourcePath, Fields]:
    """Read a record.

    Raises:
        ExportError: It is no entity, or holds what no document holds.
    """
    entity = load_messages().Entity()
    try:
        entity.ParseFromString(data)
        path = _path(entity.key.path.element)
        database = _database(entity.key)
        fields = _fields(entity, 0)
    except (DecodeError, UnicodeDecodeError) as error:
        raise ExportError("Invalid record") from error
    if not path.is_document:
        raise ExportError("Invalid record")
    return database, path, fields


# --- names ------------------------------------------------------------------------------------


def _app(project: str) -> bytes:
    return f"{_APP_PREFIX}{project}".encode()


def _database(key: Any) -> DatabaseName:
    # Production's prefixes tell where the project lies: `s~`, `e~`, `h~`.
    project = key.app.decode().rpartition("~")[2]
    return DatabaseName(project, key.database_id.decode() or _DEFAULT)


def _put_path(elements: Any, path: ResourcePath) -> None:
    segments = path.segments
    for collection, document in zip(segments[::2], segments[1::2], strict=True):
        element = elements.add(type=collection.encode())
        number = numeric_id(document)
        if number is not None and document == _numeric(number):
            element.id = number
        else:
            element.name = document.encode()  # also `__id007__`, which must come back as it is


def _numeric(number: int) -> str:
    return f"__id{number}__"


def _path(elements: Iterable[Any]) -> ResourcePath:
    segments = []
    for element in elements:
        segments.append(element.type.decode())
        if element.HasField("id"):
            segments.append(_numeric(element.id))
        else:
            segments.append(element.name.decode())
    if not segments or not all(segments):
        raise ExportError("Invalid record")
    return ResourcePath("/".join(segments))


# --- fields -----------------------------------------------------------------------------------


def _put_fields(entity: Any, fields: Fields) -> None:
    for name, value in fields.items():
        if value == () and isinstance(value, tuple):
            empty = entity.property.add(meaning=_EMPTY_LIST, name=name.encode(), multiple=False)
            empty.value.SetInParent()
        elif isinstance(value, tuple):
            for item in value:
                _put_value(entity.raw_property.add(name=name.encode(), multiple=True), item)
        else:
            _put_value(entity.raw_property.add(name=name.encode(), multiple=False), value)


def _put_value(property_: Any, value: Value) -> None:
    target = property_.value
    target.SetInParent()
    if value is None:
        return
    if isinstance(value, bool):
        target.boolean = value
    elif isinstance(value, int):
        target.integer = value
    elif isinstance(value, float):
        target.double = value
    elif isinstance(value, str):
        target.string = value.encode()
    elif isinstance(value, bytes):
        property_.meaning = _BLOB
        target.string = value
    elif isinstance(value, Timestamp):
        property_.meaning = _TIMESTAMP
        target.integer = value.micros
    elif isinstance(value, GeoPoint):
        property_.meaning = _GEO_POINT
        target.point.latitude = value.latitude
        target.point.longitude = value.longitude
    elif isinstance(value, Reference):
        _put_reference(target.reference, value)
    else:
        property_.meaning = _ENTITY
        target.string = _nested(value)


def _put_reference(target: Any, reference: Reference) -> None:
    target.app = _app(reference.database.project)
    if reference.database.database != _DEFAULT:
        target.database_id = reference.database.database.encode()
    _put_path(target.element, reference.path)


def _nested(value: Value) -> bytes:
    """Return a map or a vector as an entity without a name."""
    entity = load_messages().Entity()
    entity.key.app = b""
    entity.key.path.SetInParent()
    entity.entity_group.SetInParent()
    if isinstance(value, Vector):
        for number in value.values:
            item = entity.raw_property.add(name=_VECTOR_PROPERTY.encode(), multiple=True)
            item.value.double = number
    else:
        assert isinstance(value, dict)
        _put_fields(entity, value)
    data: bytes = entity.SerializeToString()
    return data


def _fields(entity: Any, depth: int) -> Fields:
    if depth > _MAX_DEPTH:
        raise ExportError("Invalid record")
    fields: dict[str, Value] = {}
    lists: dict[str, list[Value]] = {}
    for property_ in (*entity.property, *entity.raw_property):
        name = property_.name.decode()
        if property_.meaning == _EMPTY_LIST:
            fields[name] = ()
        elif property_.multiple:
            lists.setdefault(name, []).append(_value(property_, depth))
        else:
            fields[name] = _value(property_, depth)
    return fields | {name: tuple(items) for name, items in lists.items()}


def _value(property_: Any, depth: int) -> Value:
    value, meaning = property_.value, property_.meaning
    if value.HasField("integer"):
        return Timestamp(value.integer) if meaning == _TIMESTAMP else int(value.integer)
    if value.HasField("boolean"):
        return bool(value.boolean)
    if value.HasField("double"):
        return float(value.double)
    if value.HasField("point"):
        return GeoPoint(value.point.latitude, value.point.longitude)
    if value.HasField("reference"):
        return Reference(_database(value.reference), _path(value.reference.element))
    if value.HasField("string"):
        if meaning in (_BLOB, _BYTE_STRING):
            return bytes(value.string)
        if meaning == _ENTITY:
            return _map_or_vector(value.string, depth)
        return str(value.string.decode())
    return None


def _map_or_vector(data: bytes, depth: int) -> Value:
    entity = load_messages().Entity()
    entity.ParseFromString(data)
    properties = (*entity.property, *entity.raw_property)
    if properties and all(each.name.decode() == _VECTOR_PROPERTY for each in properties):
        return Vector(tuple(float(each.value.double) for each in properties))
    return _fields(entity, depth + 1)
