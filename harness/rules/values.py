"""The values that Security Rules compute with: their kinds, equality, order and text forms.

Native Python values stand for most kinds: None, bool, int, float, str, bytes, list (or tuple) and
dict with str keys. The rest are the frozen classes here. No evaluation happens in this module and
nothing here knows about requests. Comparisons that involve a query's constraint are decided in
`constraints.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, Union

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1

NANOS_PER_SECOND = 1_000_000_000
# Source: Security Rules reference, rules.Duration: +-315,576,000,000 seconds.
DURATION_LIMIT_NANOS = 315_576_000_000 * NANOS_PER_SECOND
# Source: protobuf timestamp.proto, 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
TIMESTAMP_MIN_NANOS = -62_135_596_800 * NANOS_PER_SECOND
TIMESTAMP_MAX_NANOS = 253_402_300_800 * NANOS_PER_SECOND - 1


@dataclass(frozen=True, slots=True)
class RulesTimestamp:
    """A moment, in nanoseconds since 1970-01-01T00:00:00Z."""

    nanos: int


@dataclass(frozen=True, slots=True)
class RulesDuration:
    """A signed length of time in nanoseconds."""

    nanos: int


@dataclass(frozen=True, slots=True)
class RulesLatLng:
    """A place on the globe, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A path segment that `Path.bind` has still to fill: `{name}`."""

    name: str


@dataclass(frozen=True, slots=True)
class RulesPath:
    """A path by its segments, without the slashes: `RulesPath(("databases", "(default)", ...))`.

    Args:
        segments: Strings, or a `Placeholder` for each `{name}` that is not bound.
        bound: What `bind` put in place of each placeholder; read by `path['name']`.
    """

    segments: tuple[str | Placeholder, ...]
    bound: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return "".join(
            f"/{{{segment.name}}}" if isinstance(segment, Placeholder) else f"/{segment}"
            for segment in self.segments
        )


class RulesSet:
    """A set of values; numbers are members by value, so `[1, 1.0].toSet()` has one member."""

    __slots__ = ("members",)

    members: dict[object, RulesValue]

    def __init__(self, values: Iterable[RulesValue]) -> None:
        self.members = {membership_key(value): value for value in values}

    @classmethod
    def of_members(cls, members: dict[object, RulesValue]) -> RulesSet:
        """Make a set of members whose keys are already known."""
        made = cls.__new__(cls)
        made.members = members
        return made

    def __contains__(self, value: RulesValue) -> bool:
        return membership_key(value) in self.members

    def __iter__(self) -> Iterator[RulesValue]:
        return iter(self.members.values())

    def __len__(self) -> int:
        return len(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RulesSet) and self.members.keys() == other.members.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self.members))

    def __repr__(self) -> str:
        return f"RulesSet({list(self.members.values())!r})"


@dataclass(frozen=True, slots=True)
class MapDiff:
    """What `after.diff(before)` gives: two maps, compared key by key when a method asks."""

    after: Mapping[str, RulesValue]
    before: Mapping[str, RulesValue]


class PartialMap(dict[str, "RulesValue"]):
    """`resource.data` of a list request: only the fields that the query's filters speak of.

    It is a type of its own so that no operation on whole maps takes it for a complete document:
    what it does not hold is unknown, not absent.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PartialKeys:
    """`resource.data.keys()` of a list request: the keys that every result has; it may have more.

    Args:
        names: Those keys.
        is_set: It went through `toSet()`.
    """

    names: frozenset[str]
    is_set: bool = False


RulesValue: TypeAlias = Union[
    bool,
    int,
    float,
    str,
    bytes,
    "list[RulesValue]",
    "tuple[RulesValue, ...]",
    "dict[str, RulesValue]",
    RulesTimestamp,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    MapDiff,
    PartialKeys,
    "Constraint",
    None,
]


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a query's filters say about one field of all its results, where that is not a single
    value.

    Args:
        field: The field's path from the document's root.
        terms: Comparator name (`GT`, `NEQ`, `LIST_CONTAINS`, ...) and operand; all hold at once.
            `EXISTS` says only that results have the field.
        candidates: All values that it can have, if they are few: a field that equals 1 for the
            query is stored as 1 or as 1.0, which rules tell apart. Empty when they are not known.
    """

    field: tuple[str, ...]
    terms: tuple[tuple[str, RulesValue], ...]
    candidates: tuple[RulesValue, ...] = ()


KIND_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    bytes: "bytes",
    list: "list",
    tuple: "list",
    dict: "map",
    PartialMap: "map",
    RulesTimestamp: "timestamp",
    RulesDuration: "duration",
    RulesLatLng: "latlng",
    RulesPath: "path",
    RulesSet: "set",
    MapDiff: "map_diff",
    PartialKeys: "list",
    Constraint: "constraint",
}
# What stands in a list request for values that the query leaves open. No operation may take one for
# a value: each asks `constraints.py` what is known of it.
SYMBOLIC: frozenset[type] = frozenset({Constraint, PartialMap, PartialKeys})


def kind_name(value: RulesValue) -> str:
    """Return the name that rules errors and `is` use for a value's kind."""
    return KIND_NAMES[type(value)]


# --- equality ---------------------------------------------------------------------------------

_NAN_KEY = ("nan",)


def membership_key(value: RulesValue) -> object:
    """Return a hashable that two values share when they are the same member of a set.

    Numbers go by value and NaN equals itself (measured); bool is kept apart from 0 and 1, as Python
    would not.
    """
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        assert isinstance(value, float)
        return _NAN_KEY if value != value else value
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (list, tuple)):
        return ("list", tuple(membership_key(item) for item in value))
    if isinstance(value, dict):
        return ("map", frozenset((key, membership_key(item)) for key, item in value.items()))
    if isinstance(value, RulesSet):
        return ("set", frozenset(value.members))
    if isinstance(value, MapDiff):
        after, before = dict(value.after), dict(value.before)
        return ("map_diff", membership_key(after), membership_key(before))
    return value


def same_by_value(left: RulesValue, right: RulesValue) -> bool:
    """Say whether a map diff sees two values as unchanged: numbers by value at every depth."""
    return membership_key(left) == membership_key(right)


def strictly_equal(left: RulesValue, right: RulesValue) -> bool:
    """Compare as elements of lists and maps do: numbers of another type differ, and so do 0.0 and
    -0.0.
    """
    if isinstance(left, (list, tuple)):
        return (
            isinstance(right, (list, tuple))
            and len(left) == len(right)
            and all(map(strictly_equal, left, right))
        )
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        assert isinstance(right, dict)
        return left.keys() == right.keys() and all(
            strictly_equal(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, float):
        assert isinstance(right, float)
        if left == right:
            return math.copysign(1.0, left) == math.copysign(1.0, right)
        return left != left and right != right
    if isinstance(left, MapDiff):
        return membership_key(left) == membership_key(right)
    return left == right


def plainly_equal(left: RulesValue, right: RulesValue) -> bool:
    """Compare as `==` does at top level, for values that are no constraints."""
    left_type, right_type = type(left), type(right)
    if left_type is right_type:
        if left_type in _CONTAINERS:
            return strictly_equal(left, right)
        return left == right
    if (left_type is int and right_type is float) or (left_type is float and right_type is int):
        return float(left) == float(right)  # type: ignore[arg-type]
    if left_type in _LISTS and right_type in _LISTS:
        return strictly_equal(left, right)
    return False


_LISTS = frozenset({list, tuple})
_CONTAINERS = frozenset({list, tuple, dict, MapDiff})


def is_element(value: RulesValue, items: Iterable[RulesValue]) -> bool:
    """Say whether a list holds a value: numbers must be of the same type, but -0.0 finds 0.0
    (measured).
    """
    kind = type(value)
    if kind in _CONTAINERS:
        return any(strictly_equal(value, item) for item in items)
    return any(type(item) is kind and item == value for item in items)


# --- order ------------------------------------------------------------------------------------


def ordering_operands(
    left: RulesValue, right: RulesValue
) -> tuple[str, str] | tuple[bytes, bytes] | tuple[int, int] | tuple[float, float] | None:
    """Return two Python values that compare as the rules values do, or None when rules define no
    order.
    """
    left_type, right_type = type(left), type(right)
    if left_type is right_type:
        if left_type is int or left_type is float or left_type is str or left_type is bytes:
            return left, right  # type: ignore[return-value]
        if isinstance(left, RulesTimestamp) and isinstance(right, RulesTimestamp):
            return left.nanos, right.nanos
        if isinstance(left, RulesDuration) and isinstance(right, RulesDuration):
            return left.nanos, right.nanos
        return None
    if (left_type is int and right_type is float) or (left_type is float and right_type is int):
        return float(left), float(right)  # type: ignore[arg-type]
    return None


# --- strings, which rules measure in UTF-16 code units ----------------------------------------


def utf16_size(text: str) -> int:
    """Return the number of UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(1 for char in text if char > "\uffff")


def utf16_slice(text: str, start: int, end: int) -> str:
    """Return the code units from `start` up to `end`; half a surrogate pair stays half."""
    if not any(char > "\uffff" for char in text):
        return text[start:end]
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


def join_surrogates(text: str) -> str:
    """Return the text with each surrogate pair made one character; lone halves stay."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def float_text(value: float) -> str:
    """Return a double as `string()` writes it: `2.0`, `1.0E7`, `1.0E-4`, `NaN`, `-Infinity`.

    Source: measured; the form is that of Java's Double.toString.
    """
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0.0:
        return "-0.0" if math.copysign(1.0, value) < 0 else "0.0"
    sign = "-" if value < 0 else ""
    magnitude = abs(value)
    mantissa, _, exponent_text = f"{magnitude!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    # The decimal point stands after this many of `digits`; negative counts zeros in front.
    leading_zeros = len(whole + fraction) - len(digits)
    point = len(whole) - leading_zeros + (int(exponent_text) if exponent_text else 0)
    digits = digits.rstrip("0") or "0"
    if 1e-3 <= magnitude < 1e7:
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        padded = digits.ljust(point, "0")
        return f"{sign}{padded[:point]}.{padded[point:] or '0'}"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{point - 1}"
