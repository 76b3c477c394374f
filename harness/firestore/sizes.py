"""How many bytes Firestore says a document, a value or an index entry takes.

Source: Firestore, "Storage size calculations".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.firestore import limits
from harness.firestore.paths import ResourcePath, numeric_id
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector


def string_size_bytes(text: str) -> int:
    """Return the size of a string, a field name or an id: its UTF-8 bytes and one more."""
    return len(text) + 1 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) + 1


def document_name_size_bytes(path: ResourcePath) -> int:
    """Return the size of a document's name. The root, which has no name, takes none."""
    if not path:
        return 0
    if "__id" in path:
        ids = sum(
            string_size_bytes(segment) if numeric_id(segment) is None else 8
            for segment in path.segments
        )
    else:
        ids = string_size_bytes(path)  # each slash stands for one id's extra byte
    return ids + limits.DOCUMENT_NAME_OVERHEAD_BYTES


def value_size_bytes(value: Value) -> int:
    """Return the size of a value."""
    return _SIZES[type(value)](value)


def fields_size_bytes(fields: Fields) -> int:
    """Return the size of a map or of a document's fields: names and values."""
    size = 0
    for name, value in fields.items():
        size += len(name) + 1 if name.isascii() else string_size_bytes(name)
        size += _SIZES[type(value)](value)
    return size


def document_size_bytes(path: ResourcePath, fields: Fields) -> int:
    """Return the size of a document: its name, its fields, and a fixed overhead."""
    return (
        document_name_size_bytes(path) + fields_size_bytes(fields) + limits.DOCUMENT_OVERHEAD_BYTES
    )


def single_field_entry_size_bytes(
    path: ResourcePath, field: str, value: Value, *, is_collection_group: bool
) -> int:
    """Return the size of one single-field index entry; `field` is the dotted path as printed."""
    return (
        _entry_names_size_bytes(path, is_collection_group)
        + string_size_bytes(field)
        + _indexed_size_bytes(value)
        + limits.INDEX_ENTRY_OVERHEAD_BYTES
    )


def composite_entry_size_bytes(
    path: ResourcePath, values: Iterable[Value], *, is_collection_group: bool
) -> int:
    """Return the size of one entry of a composite index. Field names do not count."""
    return (
        _entry_names_size_bytes(path, is_collection_group)
        + sum(map(_indexed_size_bytes, values))
        + limits.INDEX_ENTRY_OVERHEAD_BYTES
    )


def _entry_names_size_bytes(path: ResourcePath, is_collection_group: bool) -> int:
    names = document_name_size_bytes(path)
    if not is_collection_group:
        names += document_name_size_bytes(path.parent().parent())
    return names


def _indexed_size_bytes(value: Value) -> int:
    return min(value_size_bytes(value), limits.MAX_INDEXED_VALUE_BYTES)


def _eight(_: Any) -> int:
    return 8


def _one(_: Any) -> int:
    return 1


def _sixteen(_: Any) -> int:
    return 16


def _reference_size_bytes(value: Reference) -> int:
    return document_name_size_bytes(value.path)


def _array_size_bytes(value: tuple[Value, ...]) -> int:
    return sum(map(value_size_bytes, value))


def _vector_size_bytes(value: Vector) -> int:
    return 8 * len(value.values)


_SIZES: dict[type, Callable[[Any], int]] = {
    type(None): _one,
    bool: _one,
    int: _eight,
    float: _eight,
    Timestamp: _eight,
    GeoPoint: _sixteen,
    str: string_size_bytes,
    bytes: len,
    Reference: _reference_size_bytes,
    tuple: _array_size_bytes,
    Vector: _vector_size_bytes,
    dict: fields_size_bytes,
}
