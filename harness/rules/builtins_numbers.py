"""Conversions (`int`, `float`, `string`, `path`, `debug`), and the namespaces math, hashing and
latlng.

Methods of LatLng and Path are here too. `math.isInfinite`, `bool` and `bytes` are documented or
expected, but the official runtimes do not have them; so neither do we.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib

from harness.rules.runtime import RulesError, bounded
from harness.rules.signatures import (
    Overload,
    conversion_error,
    function,
    method,
    unsupported,
    wrong_kinds,
)
from harness.rules.values import (
    INT_MAX,
    INT_MIN,
    Placeholder,
    RulesLatLng,
    RulesPath,
    RulesValue,
    float_text,
    kind_name,
)

# --- conversions ------------------------------------------------------------------------------

_WHOLE = re.compile(r"[+-]?[0-9]+")
# Source: measured; the syntax is that of Java's Double.valueOf.
_REAL = re.compile(
    r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?"
    r"|(?P<hex>0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?)"
)


def saturated(value: float) -> int:
    """Return a double cut to a 64-bit integer: NaN is 0, what is too large becomes the nearest
    there is.
    """
    if value != value:
        return 0
    if value >= 2.0**63:
        return INT_MAX
    if value <= -(2.0**63):
        return INT_MIN
    return int(value)


def _int_of_text(text: str) -> int:
    # The length first: Python refuses to convert very long digit strings.
    if _WHOLE.fullmatch(text) and len(text.lstrip("+-").lstrip("0")) <= 19:
        value = int(text)
        if INT_MIN <= value <= INT_MAX:
            return value
    raise conversion_error(text, "string", "int")


def _float_of_text(text: str) -> float:
    stripped = text.strip("".join(map(chr, range(0x21))))
    match = _REAL.fullmatch(stripped)
    if match is None:
        raise conversion_error(text, "string", "float")
    if match["hex"]:
        try:
            return float.fromhex(stripped.rstrip("fFdD") if stripped[-1] in "fFdD" else stripped)
        except OverflowError:
            return -math.inf if stripped[0] == "-" else math.inf
    if not stripped.endswith(("NaN", "Infinity")):
        stripped = stripped.rstrip("fFdD")
    return float(stripped)


def text_of(value: RulesValue) -> str:
    """Return what `string(value)` gives.

    Raises:
        RulesError: The kind of value has no text form: list, map, bytes, timestamp, ...
    """
    if type(value) is str:
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, RulesPath):
        return str(value)
    raise wrong_kinds("string", (value,), _STRING)


def path_of_text(text: str) -> RulesPath:
    """Return what `path(text)` gives; `{name}` is a placeholder, `$(...)` plain text."""
    segments: list[str | Placeholder] = []
    for part in text.removeprefix("/").split("/"):
        if not part:
            raise conversion_error(text, "string", "path")
        match = _PLACEHOLDER.fullmatch(part)
        segments.append(Placeholder(match[1]) if match else part)
    return RulesPath(tuple(segments))


_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:=\*\*)?\}")


def _bind(path: RulesPath, values: dict[str, RulesValue]) -> RulesValue:
    names = {segment.name for segment in path.segments if isinstance(segment, Placeholder)}
    for name, value in values.items():
        if name not in names:
            raise RulesError(f"Property {name} is undefined on object.")
        if type(value) is not str:
            raise unsupported(f"path.bind(map[{kind_name(value)}])", "path.bind(map[string])")
    bound = {name: value for name, value in values.items() if isinstance(value, str)}
    segments = tuple(
        bound.get(segment.name, segment) if isinstance(segment, Placeholder) else segment
        for segment in path.segments
    )
    return bounded(RulesPath(segments, (*path.bound, *bound.items())))


_STRING = tuple(
    function("string", kind, text_of) for kind in ("int", "float", "bool", "null", "string", "path")
)

# --- math -------------------------------------------------------------------------------------


def _abs(value: int) -> int:
    # Source: measured: the smallest integer stays as it is.
    return value if value == INT_MIN else abs(value)


def _ceil(value: float) -> float:
    # Source: measured: the result is a float, though the reference says Integer.
    return float(math.ceil(value)) if math.isfinite(value) else float(value)


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else float(value)


def _round(value: float) -> int:
    """Round half up: `round(-1.5)` is -1."""
    if not math.isfinite(value):
        return saturated(value)
    whole = math.floor(value)
    return saturated(float(whole + 1 if value - whole >= 0.5 else whole))


def _sqrt(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _pow(base: float, exponent: float) -> float:
    base, exponent = float(base), float(exponent)
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base == 0.0:
            odd = exponent % 2 == 1
            return -math.inf if odd and math.copysign(1.0, base) < 0 else math.inf
        return math.nan


# --- hashing ----------------------------------------------------------------------------------


def _octets(value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace")


def _crc32c_table() -> list[int]:
    table = []
    for index in range(256):
        remainder = index
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return table


_CRC32C = _crc32c_table()


def _crc32c(value: str | bytes) -> bytes:
    remainder = 0xFFFFFFFF
    for octet in _octets(value):
        remainder = (remainder >> 8) ^ _CRC32C[(remainder ^ octet) & 0xFF]
    return (remainder ^ 0xFFFFFFFF).to_bytes(4, "little")


def _crc32(value: str | bytes) -> bytes:
    # Source: measured: checksums are four bytes, least significant first.
    return zlib.crc32(_octets(value)).to_bytes(4, "little")


def _md5(value: str | bytes) -> bytes:
    return hashlib.md5(_octets(value), usedforsecurity=False).digest()


def _sha256(value: str | bytes) -> bytes:
    return hashlib.sha256(_octets(value)).digest()


# --- latlng -----------------------------------------------------------------------------------

# Not documented; measured only as between 111 and 112 km for a degree.
_EARTH_RADIUS_METRES = 6_371_010.0


def _latlng(latitude: float, longitude: float) -> RulesLatLng:
    latitude, longitude = float(latitude), float(longitude)
    if not (-90.0 <= latitude <= 90.0 and -180.0 <= longitude <= 180.0):
        raise RulesError(
            "Latitude should be in [-90,90] range and longitude should be in [-180,180] range. "
            f"latitude: {float_text(latitude)}, longitude: {float_text(longitude)}."
        )
    return RulesLatLng(latitude, longitude)


def _distance(one: RulesLatLng, other: RulesLatLng) -> float:
    """Return metres along a great circle, by the haversine formula."""
    latitude_1, latitude_2 = math.radians(one.latitude), math.radians(other.latitude)
    half_height = math.sin((latitude_2 - latitude_1) / 2)
    half_width = math.sin(math.radians(other.longitude - one.longitude) / 2)
    chord = half_height**2 + math.cos(latitude_1) * math.cos(latitude_2) * half_width**2
    return 2 * _EARTH_RADIUS_METRES * math.asin(min(1.0, math.sqrt(chord)))


METHODS: tuple[Overload, ...] = (
    method("latlng", "latitude", "", lambda place: place.latitude),
    method("latlng", "longitude", "", lambda place: place.longitude),
    method("latlng", "distance", "latlng", _distance),
    method("path", "bind", "map", _bind),
)

FUNCTIONS: tuple[Overload, ...] = (
    function("int", "int", lambda value: value),
    function("int", "float", saturated),
    function("int", "string", _int_of_text),
    function("float", "int", float),
    function("float", "float", lambda value: value),
    function("float", "string", _float_of_text),
    *_STRING,
    function("path", "string", path_of_text),
    function("debug", "any", lambda value: value),
    function("math.abs", "int", _abs),
    function("math.abs", "float", abs),
    function("math.ceil", "int|float", _ceil),
    function("math.floor", "int|float", _floor),
    function("math.round", "int", lambda value: value),
    function("math.round", "float", _round),
    function("math.sqrt", "int|float", _sqrt),
    function("math.pow", "int|float, int|float", _pow),
    function("math.isNaN", "int|float", lambda value: value != value),
    function("hashing.crc32", "bytes|string", _crc32),
    function("hashing.crc32c", "bytes|string", _crc32c),
    function("hashing.md5", "bytes|string", _md5),
    function("hashing.sha256", "bytes|string", _sha256),
    function("latlng.value", "int|float, int|float", _latlng),
)
