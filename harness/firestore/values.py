"""The kinds of value a document holds, and their total order.

Native Python types stand for the values that have one: None, bool, int (int64), float, str, bytes,
`tuple` for an array and `dict` for a map. A map and a tuple are never changed once they are part
of a value. Never compare two values with `==`: Python says `1 == True`; use `compare` for the
order of queries and `identical` to see whether a write changes anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath, numeric_id


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment, in whole microseconds since the epoch, which is Firestore's precision."""

    micros: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of a document, of this database or another."""

    database: DatabaseName
    path: ResourcePath


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """A point on Earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding. On the wire a map `{__type__: "__vector__", value: [doubles]}`."""

    values: tuple[float, ...]


Value: TypeAlias = (
    "bool | int | float | str | bytes | Timestamp | Reference | GeoPoint | Vector"
    " | tuple[Value, ...] | dict[str, Value] | None"
)
Fields: TypeAlias = "dict[str, Value]"


class Missing(Enum):
    """The type of `MISSING`: there is no value, not even null."""

    MISSING = "MISSING"


MISSING: Final = Missing.MISSING


def get_field(fields: Fields, path: FieldPath) -> Value | Missing:
    """Return the value at a path, or MISSING if there is none."""
    value: Value | Missing = fields
    for name in path:
        if type(value) is not dict:
            return MISSING
        value = value.get(name, MISSING)
    return value


def compare(a: Value, b: Value) -> int:
    """Return a negative number, 0 or a positive one, as `a` sorts before, with or after `b`.

    The order is total. 1 and 1.0 are equal, as are 0.0 and -0.0, and NaN and NaN.

    Source: observed: emulator 1.22.0; Firestore, "Supported data types", Value type ordering.
    """
    kind = type(a)
    if kind is not type(b) or kind is float:
        order_a = type_order(a)
        order_b = type_order(b)
        if order_a != order_b:
            return -1 if order_a < order_b else 1
        if order_a == _NAN_ORDER:
            return 0
    return _COMPARISONS[kind](a, b)


def type_order(value: Value) -> int:
    """Return the place of a value's type in the order, from 0 for null to 11 for a map."""
    kind = type(value)
    if kind is float and value != value:
        return _NAN_ORDER
    return _TYPE_ORDER[kind]


_NAN_ORDER = 2
_TYPE_ORDER: dict[type, int] = {
    type(None): 0,
    bool: 1,
    # NaN: 2
    int: 3,
    float: 3,
    Timestamp: 4,
    str: 5,
    bytes: 6,
    Reference: 7,
    GeoPoint: 8,
    tuple: 9,
    Vector: 10,
    dict: 11,
}


def _compare_natively(a: Any, b: Any) -> int:
    # Python compares int with float exactly, and str by code points, which is UTF-8's byte order.
    return -1 if a < b else 1 if a > b else 0


def _compare_timestamps(a: Timestamp, b: Timestamp) -> int:
    return _compare_natively(a.micros, b.micros)


def _compare_references(a: Reference, b: Reference) -> int:
    return (
        _compare_natively(a.database.project, b.database.project)
        or _compare_natively(a.database.database, b.database.database)
        or compare_paths(a.path, b.path)
    )


def compare_paths(a: ResourcePath, b: ResourcePath) -> int:
    """Compare two paths segment by segment, a parent before what it holds.

    Numeric ids come first, by number; the others by their UTF-8 bytes.
    """
    return _compare_natively(
        [_segment_order(segment) for segment in a.segments],
        [_segment_order(segment) for segment in b.segments],
    )


def _segment_order(segment: str) -> tuple[int, int, str]:
    number = numeric_id(segment)
    return (1, 0, segment) if number is None else (0, number, "")


def _compare_geo_points(a: GeoPoint, b: GeoPoint) -> int:
    return compare(a.latitude, b.latitude) or compare(a.longitude, b.longitude)


def _compare_arrays(a: tuple[Value, ...], b: tuple[Value, ...]) -> int:
    for element_a, element_b in zip(a, b, strict=False):
        result = compare(element_a, element_b)
        if result:
            return result
    return _compare_natively(len(a), len(b))


def _compare_vectors(a: Vector, b: Vector) -> int:
    return _compare_natively(len(a.values), len(b.values)) or _compare_arrays(a.values, b.values)


def _compare_maps(a: dict[str, Value], b: dict[str, Value]) -> int:
    for name_a, name_b in zip(sorted(a), sorted(b), strict=False):
        result = _compare_natively(name_a, name_b) or compare(a[name_a], b[name_b])
        if result:
            return result
    return _compare_natively(len(a), len(b))


_COMPARISONS: dict[type, Callable[[Any, Any], int]] = {
    type(None): lambda a, b: 0,
    bool: _compare_natively,
    int: _compare_natively,
    float: _compare_natively,
    Timestamp: _compare_timestamps,
    str: _compare_natively,
    bytes: _compare_natively,
    Reference: _compare_references,
    GeoPoint: _compare_geo_points,
    tuple: _compare_arrays,
    Vector: _compare_vectors,
    dict: _compare_maps,
}


def identical(a: Value, b: Value) -> bool:
    """Say whether two values are the same: whether writing one over the other changes nothing.

    Finer than `compare(a, b) == 0`: 1 is not 1.0, 0.0 is not -0.0. NaN is identical to NaN. The
    order of a map's keys is no difference.
    """
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b):
        return False
    compare_deeply = _DEEP_IDENTITIES.get(kind)
    return a == b if compare_deeply is None else compare_deeply(a, b)


def _identical_maps(a: dict[str, Value], b: dict[str, Value]) -> bool:
    if len(a) != len(b):
        return False
    for name, value in a.items():
        other = b.get(name, MISSING)
        if other is MISSING or not identical(value, other):
            return False
    return True


def _identical_arrays(a: tuple[Value, ...], b: tuple[Value, ...]) -> bool:
    return len(a) == len(b) and all(map(identical, a, b))


def _identical_floats(a: float, b: float) -> bool:
    if a != a:
        return b != b
    return a == b and math.copysign(1.0, a) == math.copysign(1.0, b)


def _identical_geo_points(a: GeoPoint, b: GeoPoint) -> bool:
    return identical(a.latitude, b.latitude) and identical(a.longitude, b.longitude)


def _identical_vectors(a: Vector, b: Vector) -> bool:
    return _identical_arrays(a.values, b.values)


_DEEP_IDENTITIES: dict[type, Callable[[Any, Any], bool]] = {
    float: _identical_floats,
    GeoPoint: _identical_geo_points,
    tuple: _identical_arrays,
    Vector: _identical_vectors,
    dict: _identical_maps,
}
