"""Values and paths as byte strings that sort the same way.

A key is self-delimiting: none is a proper prefix of another. So keys can be joined, and the
joined keys sort by their first component, then by the second, and so on; and a component may be
inverted for a descending order. Keys live in memory only: their format may change with any
release.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from struct import Struct

from harness.firestore.paths import ResourcePath, numeric_id
from harness.firestore.values import GeoPoint, Reference, Timestamp, Value, Vector, type_order

# Every key begins with the byte of its type, so that all keys of one type are one range. Smaller
# bytes end or continue arrays, maps and paths.
_END = b"\x01"
_MORE = b"\x02"
_NULL = b"\x08"
_FALSE = b"\x0a"
_TRUE = b"\x0b"
_NAN = b"\x10"
_NUMBER = b"\x11"
_TIMESTAMP = b"\x20"
_STRING = b"\x28"
_BYTES = b"\x30"
_REFERENCE = b"\x38"
_GEO_POINT = b"\x40"
_ARRAY = b"\x48"
_VECTOR = b"\x50"
_MAP = b"\x58"

_TERMINATOR = b"\x00\x01"  # below the escaped NUL, so that a prefix sorts first
_ESCAPED_NUL = b"\x00\xff"

_NUMERIC_SEGMENT = b"\x02"
_TEXT_SEGMENT = b"\x03"

_COMPLEMENT = bytes(255 - byte for byte in range(256))
_SIGN = 1 << 63
_ALL_ONES = (1 << 64) - 1
_EXACT = 1 << 53

_pack_double = Struct(">d").pack
_unpack_uint = Struct(">Q").unpack
_pack_uint = Struct(">Q").pack
_pack_residue = Struct(">H").pack
_NO_RESIDUE = b"\x00\x00"


def value_key(value: Value) -> bytes:
    """Return the key of a value.

    Keys sort as `values.compare` sorts the values, and are equal where it says 0.
    """
    return _ENCODERS[type(value)](value)


def invert(key: bytes) -> bytes:
    """Return the key for a descending order. Inverting twice gives the key back."""
    return key.translate(_COMPLEMENT)


def path_key(path: ResourcePath) -> bytes:
    """Return the key of a path; keys sort as `values.compare_paths` sorts the paths."""
    if "__id" not in path:
        text = path.encode().replace(b"\x00", _ESCAPED_NUL)
        if not text:
            return _END
        return b"\x03" + text.replace(b"/", b"\x00\x01\x03") + b"\x00\x01\x01"
    return b"".join(map(_segment_key, path.split("/"))) + _END


def _segment_key(segment: str) -> bytes:
    number = numeric_id(segment)
    if number is not None:
        return _NUMERIC_SEGMENT + _pack_uint(number + _SIGN)
    return _TEXT_SEGMENT + _text_key(segment)


def _text_key(text: str) -> bytes:
    return text.encode().replace(b"\x00", _ESCAPED_NUL) + _TERMINATOR


def _number_key(number: int | float) -> bytes:
    """Encode a number that is not NaN.

    Eight bytes hold the nearest double that is not above the number; beyond 2^53, where doubles
    have gaps, two more hold what an integer has more than that.
    """
    residue = b""
    if -_EXACT < number < _EXACT:
        double = number + 0.0  # -0.0 becomes 0.0
    elif type(number) is int:
        double = float(number)
        whole = int(double)
        if whole > number:
            double = math.nextafter(double, -math.inf)
            whole = int(double)
        residue = _pack_residue(number - whole)
    else:
        double = number
        residue = _NO_RESIDUE
    (bits,) = _unpack_uint(_pack_double(double))
    bits = bits ^ _ALL_ONES if bits & _SIGN else bits | _SIGN
    return _pack_uint(bits) + residue


def _encode_null(_: None) -> bytes:
    return _NULL


def _encode_bool(value: bool) -> bytes:
    return _TRUE if value else _FALSE


def _encode_int(value: int) -> bytes:
    if 0 <= value < _EXACT:  # the sign bit of a positive double is clear: set it
        encoded = _pack_double(value)
        return b"\x11" + _SIGN_SET[encoded[0]] + encoded[1:]
    return _NUMBER + _number_key(value)


_SIGN_SET = [bytes((byte | 0x80,)) for byte in range(256)]


def _encode_float(value: float) -> bytes:
    if value != value:
        return _NAN
    return _NUMBER + _number_key(value)


def _encode_timestamp(value: Timestamp) -> bytes:
    return _TIMESTAMP + _pack_uint(value.micros + _SIGN)


def _encode_string(value: str) -> bytes:
    return b"\x28" + value.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01"


def _encode_bytes(value: bytes) -> bytes:
    return _BYTES + value.replace(b"\x00", _ESCAPED_NUL) + _TERMINATOR


def _encode_reference(value: Reference) -> bytes:
    database = value.database
    names = _text_key(database.project) + _text_key(database.database)
    return _REFERENCE + names + path_key(value.path)


def _encode_geo_point(value: GeoPoint) -> bytes:
    return _GEO_POINT + _encode_float(value.latitude) + _encode_float(value.longitude)


def _encode_array(value: tuple[Value, ...]) -> bytes:
    return _ARRAY + b"".join(map(value_key, value)) + _END


def _encode_vector(value: Vector) -> bytes:
    dimension = _pack_uint(len(value.values))
    return _VECTOR + dimension + b"".join(map(_encode_float, value.values))


def _encode_map(value: dict[str, Value]) -> bytes:
    # Code points sort as UTF-8 bytes do.
    parts = [_MAP]
    for name in sorted(value):
        parts += (_MORE, _text_key(name), value_key(value[name]))
    parts.append(_END)
    return b"".join(parts)


_ENCODERS: dict[type, Callable[..., bytes]] = {
    type(None): _encode_null,
    bool: _encode_bool,
    int: _encode_int,
    float: _encode_float,
    Timestamp: _encode_timestamp,
    str: _encode_string,
    bytes: _encode_bytes,
    Reference: _encode_reference,
    GeoPoint: _encode_geo_point,
    tuple: _encode_array,
    Vector: _encode_vector,
    dict: _encode_map,
}


def type_range(value: Value) -> tuple[bytes, bytes]:
    """Return the half-open range of keys that holds every value of the same type as this one.

    Integers and doubles are one type; NaN is a type of its own, just below them.
    """
    return _TYPE_RANGES[type_order(value)]


_TYPE_RANGES = [
    (_NULL, b"\x09"),
    (_FALSE, b"\x0c"),
    (_NAN, _NUMBER),
    (_NUMBER, b"\x12"),
    (_TIMESTAMP, b"\x21"),
    (_STRING, b"\x29"),
    (_BYTES, b"\x31"),
    (_REFERENCE, b"\x39"),
    (_GEO_POINT, b"\x41"),
    (_ARRAY, b"\x49"),
    (_VECTOR, b"\x51"),
    (_MAP, b"\x59"),
]
