"""What the operators do to values: arithmetic, comparison, membership, indexes, `is`. Tables by
operand type.

Each function takes values and gives a value or raises RulesError; evaluation order is the
compiler's business.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from harness.rules import constraints
from harness.rules.builtins_time import duration_of, timestamp_of
from harness.rules.runtime import RulesError, bounded, null_value
from harness.rules.signatures import not_found, unsupported
from harness.rules.values import (
    INT_MAX,
    INT_MIN,
    SYMBOLIC,
    Constraint,
    MapDiff,
    PartialMap,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    RulesValue,
    is_element,
    join_surrogates,
    kind_name,
    ordering_operands,
    plainly_equal,
    utf16_size,
    utf16_slice,
)

# --- arithmetic -------------------------------------------------------------------------------


def _checked(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise RulesError("Integer overflow error.")


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise RulesError("Divide by zero error.")
    quotient = abs(left) // abs(right)
    return _checked(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> int:
    """Return the remainder with the dividend's sign."""
    if right == 0:
        raise RulesError("Divide by zero error.")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _divide_float(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or left != left:
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder_float(left: float, right: float) -> float:
    if right == 0.0 or math.isinf(left) or left != left or right != right:
        return math.nan
    return math.fmod(left, right)


def _concatenate(left: str, right: str) -> RulesValue:
    return bounded(join_surrogates(left + right))


_Arithmetic = Callable[[Any, Any], RulesValue]
_INT_OPERATIONS: dict[str, _Arithmetic] = {
    "+": lambda left, right: _checked(left + right),
    "-": lambda left, right: _checked(left - right),
    "*": lambda left, right: _checked(left * right),
    "/": _divide,
    "%": _remainder,
}


def _in_floats(operation: _Arithmetic) -> _Arithmetic:
    return lambda left, right: operation(float(left), float(right))


_FLOAT_OPERATIONS: dict[str, _Arithmetic] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide_float,
    "%": _remainder_float,
}
_OTHER_OPERATIONS: dict[str, dict[tuple[type, type], _Arithmetic]] = {
    "+": {
        (str, str): _concatenate,
        (RulesDuration, RulesDuration): lambda left, right: duration_of(left.nanos + right.nanos),
        (RulesDuration, RulesTimestamp): lambda left, right: timestamp_of(left.nanos + right.nanos),
        (RulesTimestamp, RulesDuration): lambda left, right: timestamp_of(left.nanos + right.nanos),
    },
    "-": {
        (RulesDuration, RulesDuration): lambda left, right: duration_of(left.nanos - right.nanos),
        (RulesTimestamp, RulesDuration): lambda left, right: timestamp_of(left.nanos - right.nanos),
        (RulesTimestamp, RulesTimestamp): lambda left, right: duration_of(left.nanos - right.nanos),
    },
}

# Operator -> operand types -> function.
ARITHMETIC: dict[str, dict[tuple[type, type], _Arithmetic]] = {
    symbol: {
        (int, int): _INT_OPERATIONS[symbol],
        (float, float): _FLOAT_OPERATIONS[symbol],
        (int, float): _in_floats(_FLOAT_OPERATIONS[symbol]),
        (float, int): _in_floats(_FLOAT_OPERATIONS[symbol]),
        **_OTHER_OPERATIONS.get(symbol, {}),
    }
    for symbol in "+-*/%"
}

# Source: the emulator's messages, word for word.
_EXPECTED = {
    "+": "int + int, float + float, string + string, duration + duration, duration + timestamp, "
    "timestamp + duration",
    "-": "int - int, float - float, duration - duration, timestamp - duration, "
    "timestamp - timestamp",
    "*": "int * int, float * float",
    "/": "int / int, float / float",
    "%": "int % int, float % float",
}


def computed(symbol: str, left: RulesValue, right: RulesValue) -> RulesValue:
    """Do `left + right` and its kin."""
    operation = ARITHMETIC[symbol].get((type(left), type(right)))
    if operation is not None:
        return operation(left, right)
    if type(left) in SYMBOLIC or type(right) in SYMBOLIC:
        return constraints.for_each_candidate(
            (left, right), lambda one, other: computed(symbol, one, other), f" {symbol}"
        )
    raise arithmetic_error(symbol, left, right)


def arithmetic_error(symbol: str, left: RulesValue, right: RulesValue) -> RulesError:
    """Make the error for operands that an operator does not take."""
    return unsupported(f"{kind_name(left)} {symbol} {kind_name(right)}", _EXPECTED[symbol])


def negated_number(value: RulesValue) -> RulesValue:
    """Do the unary minus."""
    if type(value) is int:
        return _checked(-value)
    if type(value) is float:
        return -value
    if type(value) in SYMBOLIC:
        return constraints.for_each_candidate((value,), negated_number, " -")
    raise unsupported(f"-{kind_name(value)}", "-int, -float")


# --- comparison -------------------------------------------------------------------------------

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED_KINDS = ("string", "bytes", "int", "float", "duration", "timestamp")


def ordered(symbol: str, left: RulesValue, right: RulesValue) -> RulesValue:
    """Do `<`, `<=`, `>` or `>=`."""
    pair = ordering_operands(left, right)
    if pair is not None:
        return ORDERINGS[symbol](*pair)
    if type(left) in SYMBOLIC or type(right) in SYMBOLIC:
        return constraints.ordering_shown(
            symbol, left, right, lambda one, other: ordered(symbol, one, other)
        )
    expected = [f"{kind} {symbol} {kind}" for kind in _ORDERED_KINDS]
    raise unsupported(
        f"{kind_name(left)} {symbol} {kind_name(right)}",
        ", ".join([*expected, f"constraint {symbol} any", f"any {symbol} constraint"]),
    )


def equal(left: RulesValue, right: RulesValue) -> RulesValue:
    """Do `==`."""
    if type(left) in SYMBOLIC or type(right) in SYMBOLIC:
        return constraints.equality_shown(left, right)
    return plainly_equal(left, right)


def unequal(left: RulesValue, right: RulesValue) -> RulesValue:
    """Do `!=`."""
    return not equal(left, right)


def contained(value: RulesValue, container: RulesValue) -> RulesValue:
    """Do `value in container`."""
    kind = type(container)
    if kind in SYMBOLIC or type(value) in SYMBOLIC:
        return constraints.contained_shown(value, container, contained)
    if kind is dict:
        if type(value) is str:
            return value in container  # type: ignore[operator]
        raise unsupported(f"map.in({kind_name(value)})", "map.in(string)")
    if isinstance(container, RulesSet):
        return value in container
    if isinstance(container, (list, tuple)):
        return is_element(value, container)
    if container is None:
        raise null_value()
    raise not_found("in")


# `[1].toSet() is set` is false in the emulator, whatever the reference says; so a set is nothing at
# all.
_NEVER: frozenset[type] = frozenset()
_TYPES_BY_NAME: dict[str, frozenset[type]] = {
    "bool": frozenset({bool}),
    "bytes": frozenset({bytes}),
    "constraint": frozenset({Constraint}),
    "duration": frozenset({RulesDuration}),
    "float": frozenset({float}),
    "int": frozenset({int}),
    "latlng": frozenset({RulesLatLng}),
    "list": frozenset({list, tuple}),
    "map": frozenset({dict}),
    "map_diff": frozenset({MapDiff}),
    "number": frozenset({int, float}),
    "path": frozenset({RulesPath}),
    "set": _NEVER,
    "string": frozenset({str}),
    "timestamp": frozenset({RulesTimestamp}),
}


def types_named(name: str) -> frozenset[type] | None:
    """Return the Python types that `is name` accepts, or None for a name that rules do not have."""
    return _TYPES_BY_NAME.get(name)


# --- members, indexes and slices --------------------------------------------------------------


def member(receiver: RulesValue, name: str) -> RulesValue:
    """Do `receiver.name`."""
    if isinstance(receiver, dict):
        if name in receiver:
            return receiver[name]
        raise RulesError(f"Property {name} is undefined on object.")
    if receiver is None:
        raise null_value()
    if isinstance(receiver, RulesPath):
        return bound_value(receiver, name)
    if type(receiver) in SYMBOLIC:
        return constraints.for_each_candidate((receiver,), lambda one: member(one, name), name)
    raise RulesError(f"Type error. Received: [{kind_name(receiver)}] Expected: [map,path].")


def bound_value(path: RulesPath, name: str) -> str:
    """Return what `bind` put in place of a placeholder."""
    for bound_name, value in path.bound:
        if bound_name == name:
            return value
    raise RulesError(f"Property {name} is undefined on object.")


def indexed(receiver: RulesValue, index: RulesValue) -> RulesValue:
    """Do `receiver[index]`."""
    if type(index) in SYMBOLIC or (type(receiver) in SYMBOLIC and type(receiver) is not PartialMap):
        return constraints.for_each_candidate((receiver, index), indexed, "[]")
    if isinstance(receiver, (list, tuple, str, RulesPath)):
        if isinstance(receiver, RulesPath) and type(index) is str:
            return bound_value(receiver, index)
        if type(index) is not int:
            kind = kind_name(receiver)
            raise unsupported(f"{kind}[{kind_name(index)}]", f"{kind}[int]")
        if isinstance(receiver, str):
            _check_index(index, utf16_size(receiver))
            return utf16_slice(receiver, index, index + 1)
        if isinstance(receiver, RulesPath):
            _check_index(index, len(receiver.segments))
            segment = receiver.segments[index]
            return segment if isinstance(segment, str) else f"{{{segment.name}}}"
        _check_index(index, len(receiver))
        return receiver[index]
    if isinstance(receiver, dict):
        if isinstance(index, str):
            return member(receiver, index)
        raise unsupported(f"map[{kind_name(index)}]", "map[string]")
    raise _not_indexed(receiver)


def sliced(receiver: RulesValue, start: RulesValue, end: RulesValue) -> RulesValue:
    """Do `receiver[start:end]`.

    Source: measured, in this order: start in [0, size), end - 1 in [0, size), start <= end.
    """
    if not SYMBOLIC.isdisjoint(map(type, (receiver, start, end))):
        return constraints.for_each_candidate((receiver, start, end), sliced, "[]")
    if isinstance(receiver, (list, tuple, str)):
        kind = kind_name(receiver)
        for bound in (start, end):
            if type(bound) is not int:
                raise unsupported(
                    f"{kind}[{kind_name(start)}:{kind_name(end)}]", f"{kind}[int:int]"
                )
        assert isinstance(start, int)
        assert isinstance(end, int)
        size = utf16_size(receiver) if isinstance(receiver, str) else len(receiver)
        _check_index(start, size)
        _check_index(end - 1, size)
        if start > end:
            raise RulesError(f"Illegal range error. From index: [{start}] , To index: [{end}].")
        return (
            utf16_slice(receiver, start, end) if isinstance(receiver, str) else receiver[start:end]
        )
    raise _not_indexed(receiver)


def _not_indexed(receiver: RulesValue) -> RulesError:
    if receiver is None:
        return null_value()
    return not_found("[]")


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise RulesError(f"Index out of bound error. Index: [{index}] , size: [{size}].")
