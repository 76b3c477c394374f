"""Half-open ranges of byte keys: what a filter leaves of an index, in either direction.

An interval `(low, high)` holds the keys with `low <= key < high`. Keys are self-delimiting (see
`keys.py`), so the keys that begin with `key` are those of one value, and `successor(key)` is the
bound just above them.
"""

from __future__ import annotations

from typing import Final, TypeAlias, assert_never

from harness.firestore.keys import invert, path_key, type_range, value_key
from harness.firestore.paths import ResourcePath
from harness.firestore.query import FieldFilter, Operator
from harness.firestore.values import Reference, Value

Interval: TypeAlias = tuple[bytes, bytes]
Intervals: TypeAlias = tuple[Interval, ...]

BOTTOM: Final = b""
TOP: Final = b"\xff"  # no key, inverted or not, begins with this byte
EVERYTHING: Final[Intervals] = ((BOTTOM, TOP),)
NOTHING: Final[Intervals] = ()


def successor(key: bytes) -> bytes:
    """Return the least bound above every byte string that begins with `key`."""
    stripped = key.rstrip(b"\xff")
    if not stripped:
        return TOP
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def point(key: bytes) -> Interval:
    """Return the interval of one key."""
    return key, successor(key)


def descending(intervals: Intervals) -> Intervals:
    """Return the same keys, inverted: the intervals of a descending index, in its order."""
    return tuple((_inverted(high), _inverted(low)) for low, high in reversed(intervals))


def _inverted(bound: bytes) -> bytes:
    if bound == TOP:
        return BOTTOM
    return successor(invert(bound))


def intersect(first: Intervals, second: Intervals) -> Intervals:
    """Return what two ascending lists of intervals have in common."""
    return tuple(
        (low, high)
        for a_low, a_high in first
        for b_low, b_high in second
        if (low := max(a_low, b_low)) < (high := min(a_high, b_high))
    )


def without(points: list[bytes], low: bytes) -> Intervals:
    """Return everything from `low` up except some keys: one interval more than there are keys."""
    intervals = []
    for key in sorted(set(points)):
        intervals.append((low, key))
        low = successor(key)
    intervals.append((low, TOP))
    return tuple(interval for interval in intervals if interval[0] < interval[1])


_ABOVE_NULL: Final = successor(value_key(None))
_NAN_KEY: Final = value_key(float("nan"))


def value_intervals(filter_: FieldFilter) -> Intervals:
    """Return the keys of the values that a filter of a disjunct lets pass.

    Source: the operators' meaning is that of `filters.py`; production's explain shows one scan for
    each interval.
    """
    operand = filter_.value
    match filter_.operator:
        case Operator.IS_NULL:
            return (point(value_key(None)),)
        case Operator.IS_NAN:
            return (point(_NAN_KEY),)
        case Operator.IS_NOT_NULL:
            return ((_ABOVE_NULL, TOP),)
        case Operator.IS_NOT_NAN:
            return without([_NAN_KEY], _ABOVE_NULL)
        case Operator.NOT_EQUAL:
            return NOTHING if operand is None else without([value_key(operand)], _ABOVE_NULL)
        case Operator.NOT_IN:
            operands = operand if isinstance(operand, tuple) else ()
            if any(element is None for element in operands):
                return NOTHING
            return without([value_key(element) for element in operands], _ABOVE_NULL)
        case Operator.IN | Operator.ARRAY_CONTAINS | Operator.ARRAY_CONTAINS_ANY:
            return EVERYTHING  # split into disjuncts, or looked up by element
        case _:
            pass
    if is_incomparable(operand):
        return NOTHING
    low, high = type_range(operand)
    key = value_key(operand)
    match filter_.operator:
        case Operator.EQUAL:
            return (point(key),)
        case Operator.LESS_THAN:
            return _unless_empty(low, key)
        case Operator.LESS_THAN_OR_EQUAL:
            return _unless_empty(low, successor(key))
        case Operator.GREATER_THAN:
            return _unless_empty(successor(key), high)
        case Operator.GREATER_THAN_OR_EQUAL:
            return _unless_empty(key, high)
        case _:
            assert_never(filter_.operator)


def is_incomparable(operand: Value) -> bool:
    """Say whether no comparison with this operand holds: null and NaN."""
    return operand is None or (isinstance(operand, float) and operand != operand)


class NameSpace:
    """The keys of document names in one index.

    An index of one collection holds the keys of ids only: what all its names begin with is left
    out. Any other index holds those of whole paths.
    """

    __slots__ = ("_prefix",)

    def __init__(self, collection: ResourcePath | None) -> None:
        # A path's key is its segments' keys and one byte that ends it (see `keys.path_key`).
        self._prefix = b"" if collection is None else path_key(collection)[:-1]

    def key(self, path: ResourcePath) -> bytes:
        """Return the key of a document that the index can hold."""
        return path_key(path)[len(self._prefix) :]

    def below(self, path: ResourcePath) -> bytes:
        """Return the bound just below a path, also one that the index cannot hold."""
        return self._place(path_key(path))

    def above(self, path: ResourcePath) -> bytes:
        """Return the bound just above a path, also one that the index cannot hold."""
        return self._place(successor(path_key(path)))

    def _place(self, bound: bytes) -> bytes:
        prefix = self._prefix
        if bound.startswith(prefix):
            return bound[len(prefix) :]
        return BOTTOM if bound < prefix else TOP

    def descendants(self, ancestor: ResourcePath) -> Interval:
        """Return the interval of what lies below a document, or below the root."""
        stem = path_key(ancestor)[:-1]
        return (
            (stem, TOP) if not stem else (self._place(stem + b"\x02"), self._place(successor(stem)))
        )

    def intervals(self, filter_: FieldFilter) -> Intervals:
        """Return the keys of the names that a filter on `__name__` lets pass."""
        match filter_.operator:
            case Operator.IS_NOT_NULL | Operator.IS_NOT_NAN:
                return EVERYTHING
            case Operator.NOT_IN | Operator.NOT_EQUAL:
                operands = filter_.value if isinstance(filter_.value, tuple) else (filter_.value,)
                left = EVERYTHING
                for operand in operands:
                    if isinstance(operand, Reference):
                        left = intersect(left, self._other_than(operand.path))
                return left
            case _:
                pass
        if not isinstance(filter_.value, Reference):
            return NOTHING
        below, above = self.below(filter_.value.path), self.above(filter_.value.path)
        match filter_.operator:
            case Operator.EQUAL:
                return _unless_empty(below, above)
            case Operator.LESS_THAN:
                return _unless_empty(BOTTOM, below)
            case Operator.LESS_THAN_OR_EQUAL:
                return _unless_empty(BOTTOM, above)
            case Operator.GREATER_THAN:
                return _unless_empty(above, TOP)
            case Operator.GREATER_THAN_OR_EQUAL:
                return _unless_empty(below, TOP)
            case _:
                return NOTHING

    def _other_than(self, path: ResourcePath) -> Intervals:
        below, above = self.below(path), self.above(path)
        return tuple(
            interval for interval in ((BOTTOM, below), (above, TOP)) if interval[0] < interval[1]
        )


def _unless_empty(low: bytes, high: bytes) -> Intervals:
    return ((low, high),) if low < high else NOTHING
