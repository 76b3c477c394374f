"""What a document can hold: field names, depth, lengths, and what an array or a vector may contain.

Everything here raises `StatusError` with INVALID_ARGUMENT. In messages the inside of any array is
called `array`, and a problem inside a map says no more than that the field's nested entity is
invalid: so does Firestore. Source: observed: emulator 1.22.0; the numbers are those of
`limits.py`.
"""

from __future__ import annotations

from typing import Any

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.paths import FieldPath, is_reserved_id
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector

_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1
_TIMESTAMP_MIN = -62_135_596_800_000_000  # 0001-01-01T00:00:00Z
_TIMESTAMP_MAX = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_TYPE_KEY = "__type__"
_VECTOR_TYPE = "__vector__"
_ARRAY = "array"
# The longest text that cannot be too long whatever its characters are: most texts need no encoding.
_SURELY_SHORT = limits.MAX_FIELD_PATH_BYTES // 4


def check_fields(fields: Fields) -> None:
    """Refuse fields that a document cannot hold."""
    for name, value in fields.items():
        check_field_name(name)
        check_value(value, name)


def check_field_name(name: str) -> None:
    """Refuse what cannot be the name of a document's field."""
    if not name:
        raise _invalid("The property.name is the empty string.")
    if name[0] == "_" and is_reserved_id(name):
        raise _invalid(f"field name {name} is reserved")
    if len(name) <= _SURELY_SHORT and name.isascii():
        return
    if _length_bytes(name) > limits.MAX_FIELD_PATH_BYTES:
        raise _name_too_long()


def check_field_path(path: FieldPath) -> None:
    """Refuse a mask's or a transform's path that no document can hold."""
    check_field_name(path[0])
    for name in path[1:]:
        _check_nested_name(name)
    if sum(map(_length_bytes, path)) + len(path) - 1 > limits.MAX_FIELD_PATH_BYTES:
        raise _name_too_long()


def check_value(value: Value, field: str) -> None:
    """Refuse a value that a document cannot hold under its top-level field `field`."""
    kind = type(value)
    if kind is str:
        if len(value) > _SURELY_SHORT or not value.isascii():  # type: ignore[arg-type,union-attr]
            _check_text(value, field, None)
    elif kind is dict:
        _check_map(value, field, _length_bytes(field), 1)
    elif kind is tuple:
        _check_array(value, _ARRAY, None, len(_ARRAY), 1)
    else:
        _check_scalar(value, field, None)


def vector_from_map(value: dict[str, Value]) -> Vector | None:
    """Return the vector that a map with a `__type__` key spells on the wire.

    Returns None for a map of another shape: it is a plain map, which `check_value` then refuses
    if a document is to hold it. The elements may be NaN here: a query's vector may hold it, a
    stored one may not.
    """
    type_name = value.get(_TYPE_KEY)
    if type(type_name) is not str or type_name != _VECTOR_TYPE:
        return None
    if "value" not in value:
        raise _invalid("Vector map is missing key 'value'.")
    elements = value["value"]
    if not isinstance(elements, tuple):
        raise _invalid("Vector value type must be an array.")
    if len(value) > 2:
        raise _invalid("Vector value map has extraneous entries.")
    check_vector(elements)
    return Vector(elements)  # type: ignore[arg-type]


def check_vector(elements: tuple[Value, ...]) -> None:
    """Refuse what cannot be the elements of a vector, NaN aside."""
    if not elements:
        raise _invalid("Cannot have a zero length vector.")
    if len(elements) > limits.MAX_VECTOR_DIMENSIONS:
        raise _invalid(f"Vectors must be at most {limits.MAX_VECTOR_DIMENSIONS} dimensions.")
    if any(type(element) is not float for element in elements):
        raise _invalid("Vector must only contain values of type 'double'")


def _check_map(value: Any, field: str, path_bytes: int, depth: int) -> None:
    """Check a map `depth` levels down (from 1), whose dotted path is `path_bytes` long."""
    if depth > limits.MAX_VALUE_DEPTH:
        raise _invalid_nested_entity(field)
    if _TYPE_KEY in value:
        raise _type_key_error(value[_TYPE_KEY], field)
    for name, nested in value.items():
        _check_nested_name(name)
        nested_path_bytes = path_bytes + 1 + _length_bytes(name)
        if nested_path_bytes > limits.MAX_FIELD_PATH_BYTES:
            raise _invalid_nested_entity(field)
        kind = type(nested)
        if kind is dict:
            _check_map(nested, field, nested_path_bytes, depth + 1)
        elif kind is tuple:
            # An array goes by the name `array` in the path, whatever its key.
            _check_array(nested, field, field, path_bytes + 1 + len(_ARRAY), depth + 1)
        else:
            _check_scalar(nested, field, field)


def _check_array(
    value: Any, field: str, nested_in: str | None, path_bytes: int, depth: int
) -> None:
    if depth > limits.MAX_VALUE_DEPTH:
        raise _invalid_nested_entity(field)
    for element in value:
        kind = type(element)
        if kind is dict:
            _check_map(element, field, path_bytes, depth + 1)
        elif kind is tuple:
            raise _invalid("Nested arrays are not allowed")
        else:
            _check_scalar(element, field, nested_in)


def _check_scalar(value: Any, field: str, nested_in: str | None) -> None:
    """Check a value that holds no others. `nested_in` is the field around it, if that is a map."""
    kind = type(value)
    if kind is str:
        _check_text(value, field, nested_in)
    elif kind is bytes:
        if len(value) > limits.MAX_FIELD_VALUE_BYTES:
            raise _value_too_long(field, nested_in)
    elif kind is int:
        if not _INT64_MIN <= value <= _INT64_MAX:
            raise _invalid(f'The value of property "{field}" is not a 64-bit integer.')
    elif kind is Timestamp:
        if not _TIMESTAMP_MIN <= value.micros <= _TIMESTAMP_MAX:
            raise _invalid(
                f'The value of property "{field}" is not between 0001-01-01T00:00:00Z and '
                "9999-12-31T23:59:59.999999Z."
            )
    elif kind is GeoPoint:
        # Written so that NaN is refused too.
        if not (-90 <= value.latitude <= 90 and -180 <= value.longitude <= 180):
            raise _invalid(
                f'The value of property "{field}" is not a point on Earth: latitude must be in '
                "[-90, 90] and longitude in [-180, 180]."
            )
    elif kind is Vector:
        check_vector(value.values)
        if any(element != element for element in value.values):
            raise _invalid("Vector cannot contain NaN values.")


def _check_text(value: Any, field: str, nested_in: str | None) -> None:
    if _length_bytes(value) > limits.MAX_FIELD_VALUE_BYTES:
        raise _value_too_long(field, nested_in)


def _check_nested_name(name: str) -> None:
    if not name:
        raise _invalid("The property.name is the empty string.")
    if name[0] == "_" and is_reserved_id(name):
        raise _invalid(f"field name '{name}' is reserved.")


def _type_key_error(type_name: Value, field: str) -> StatusError:
    """Return the error of a map with a `__type__` key that does not spell a vector."""
    if isinstance(type_name, str):
        return _invalid_nested_entity(field)
    return _invalid(f"Field __type__ must be a string; founds {_KINDS[type(type_name)]}.")


# Source: observed: emulator 1.22.0.
_KINDS: dict[type, str] = {
    type(None): "NULL",
    bool: "BOOLEAN",
    int: "LONG",
    float: "DOUBLE",
    Timestamp: "TIMESTAMP",
    str: "STRING",
    bytes: "BYTES",
    Reference: "ENTITY_REF",
    GeoPoint: "GEO_POINT",
    tuple: "ARRAY",
    Vector: "MAP",
    dict: "MAP",
}


def _length_bytes(text: str) -> int:
    """Return the length in UTF-8; half of a surrogate pair has none."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _invalid("A string holds half of a surrogate pair: not valid UTF-8.") from None


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)


def _invalid_nested_entity(field: str) -> StatusError:
    return _invalid(f"Property {field} contains an invalid nested entity.")


def _value_too_long(field: str, nested_in: str | None) -> StatusError:
    if nested_in is not None:
        return _invalid_nested_entity(nested_in)
    return _invalid(
        f'The value of property "{field}" is longer than {limits.MAX_FIELD_VALUE_BYTES} bytes.'
    )


def _name_too_long() -> StatusError:
    return _invalid(f"The property.name is longer than {limits.MAX_FIELD_PATH_BYTES} bytes.")
