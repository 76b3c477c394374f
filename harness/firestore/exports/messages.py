"""The messages in the files of an export: App Engine's entities, and what lists the files.

They are older than proto3 and have groups, and no package publishes them for Python, so their
definitions are made here, as far as exports use them.

Source: GoogleCloudPlatform/datastore-v3 `onestore_v3` definitions (entity_v3.proto); observed:
    exports of emulator 1.22.0.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "harness.exports"
_Field = descriptor_pb2.FieldDescriptorProto

_TYPES = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
}

# Message -> fields: (name, number, type); `*` is repeated, `+` a group.
_MESSAGES: dict[str, list[tuple[str, int, str]]] = {
    "PathElement": [("type", 2, "bytes"), ("id", 3, "int64"), ("name", 4, "bytes")],
    "Path": [("element", 1, "*+PathElement")],
    "Key": [
        ("app", 13, "bytes"),
        ("path", 14, "Path"),
        ("name_space", 20, "bytes"),
        ("database_id", 23, "bytes"),
    ],
    "Point": [("latitude", 6, "double"), ("longitude", 7, "double")],
    "ReferenceElement": [("type", 15, "bytes"), ("id", 16, "int64"), ("name", 17, "bytes")],
    "ReferenceValue": [
        ("app", 13, "bytes"),
        ("element", 14, "*+ReferenceElement"),
        ("name_space", 20, "bytes"),
        ("database_id", 23, "bytes"),
    ],
    "PropertyValue": [
        ("integer", 1, "int64"),
        ("boolean", 2, "bool"),
        ("string", 3, "bytes"),
        ("double", 4, "double"),
        ("point", 5, "+Point"),
        ("reference", 12, "+ReferenceValue"),
    ],
    "Property": [
        ("meaning", 1, "int32"),
        ("name", 3, "bytes"),
        ("multiple", 4, "bool"),
        ("value", 5, "PropertyValue"),
    ],
    "Entity": [
        ("key", 13, "Key"),
        ("property", 14, "*Property"),
        ("raw_property", 15, "*Property"),
        ("entity_group", 16, "Path"),
    ],
    "Version": [("format", 1, "int32"), ("entities", 3, "int32")],
    "KindDirectory": [
        ("version", 1, "Version"),
        ("metadata_file", 2, "bytes"),
        ("entity_count", 3, "int64"),
        ("byte_count", 4, "int64"),
    ],
    "OverallMetadata": [("kind", 1, "*KindDirectory")],
    "Span": [("name", 1, "bytes"), ("start_micros", 2, "int64"), ("end_micros", 3, "int64")],
    "OutputFile": [("name_space", 1, "bytes"), ("file", 2, "bytes")],
    "KindMetadata": [("span", 1, "Span"), ("output", 2, "*OutputFile")],
}


@cache
def load_messages() -> Any:
    """Return a namespace that holds every message class by its name, such as `Entity`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="harness/exports.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, spelled in fields:
            kind = spelled.lstrip("*+")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if "*" in spelled else _Field.LABEL_OPTIONAL
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type = _Field.TYPE_GROUP if "+" in spelled else _Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return SimpleNamespace(
        **{
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
            for name in _MESSAGES
        }
    )
