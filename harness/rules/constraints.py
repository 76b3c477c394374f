"""Proofs for list requests: what a query's filters imply about every document it could return.

"Rules are not filters": a list is judged before any document is read. Its `resource.data` is a
`PartialMap` of the fields that the query speaks of: plain values where results can have one value
only, a `Constraint` for the rest. The functions here answer what the filters settle: True where it
holds for every possible result, False where it fails for every one, and an error where results may
differ or nothing is known. An error is how "unknown" behaves soundly: `&&` and `||` may absorb it,
and no operator makes a grant of it.

What is not shown, denies. That is stricter than the official emulator, which takes the partial map
for the whole document in `keys()`, `size()`, `!('x' in resource.data)` and `get(k, default)`; see
docs/decisions/0005. How a query becomes partial maps is in `list_views.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from harness.rules.display import display_text
from harness.rules.runtime import RulesError
from harness.rules.values import (
    SYMBOLIC,
    Constraint,
    PartialKeys,
    PartialMap,
    RulesSet,
    RulesValue,
    is_element,
    kind_name,
    ordering_operands,
    plainly_equal,
    strictly_equal,
)

__all__ = [
    "SYMBOLIC",
    "contained_shown",
    "equality_shown",
    "for_each_candidate",
    "method_shown",
    "ordering_shown",
    "stored_forms",
    "symbolic_use",
    "type_shown",
]

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_Compare = Callable[[Any, Any], bool]
# For `field OP bound`: the comparators of a filter that imply it, and how the filter's operand must
# compare with the bound.
_IMPLIED_BY: dict[str, dict[str, _Compare]] = {
    ">": {"GT": operator.ge, "GTE": operator.gt},
    ">=": {"GT": operator.ge, "GTE": operator.ge},
    "<": {"LT": operator.le, "LTE": operator.lt},
    "<=": {"LT": operator.le, "LTE": operator.le},
}
# For `field != value`: the same.
_EXCLUDED_BY: dict[str, _Compare] = {
    "GT": operator.ge,
    "GTE": operator.gt,
    "LT": operator.le,
    "LTE": operator.lt,
}
_RANGES = frozenset(_EXCLUDED_BY)
_SYMBOLS = {"GT": ">", "GTE": ">=", "LT": "<", "LTE": "<=", "NEQ": "!=", "EQ": "=="}

_NUMBERS = frozenset({int, float})
_LISTS = frozenset({list, tuple})
# Firestore compares numbers exactly and rules by double: below this they agree.
_EXACT = 2**53
# How many values a field may have for each of them to be tried.
_MAX_CANDIDATES = 16
_MAX_COMBINATIONS = 64


# --- what a field can hold --------------------------------------------------------------------


def stored_forms(value: RulesValue) -> tuple[RulesValue, ...]:
    """Return all values that Firestore finds equal to a filter's operand; none if they are many.

    Source: Firestore, Value type ordering: integers and doubles compare by value, so `== 1` finds
    1 and 1.0, and `== 0` also -0.0. Rules tell them apart in `is`, `in` and inside of lists.
    """
    if isinstance(value, bool):
        return (value,)
    if isinstance(value, int):
        # Exactly, as Python compares them.
        double = (float(value),) if float(value) == value else ()
        return (value, *double, -0.0) if value == 0 else (value, *double)
    if isinstance(value, float):
        if value == 0.0:
            return (0, 0.0, -0.0)
        if value.is_integer() and -(2.0**63) <= value < 2.0**63:
            return (int(value), value)
        return (value,)
    if isinstance(value, (list, tuple)):
        return tuple(list(items) for items in _combinations([stored_forms(each) for each in value]))
    if isinstance(value, dict):
        combinations = _combinations([stored_forms(each) for each in value.values()])
        return tuple(dict(zip(value, values, strict=True)) for values in combinations)
    return (value,)


def _combinations(
    choices: Sequence[tuple[RulesValue, ...]],
) -> Iterator[tuple[RulesValue, ...]]:
    if prod(map(len, choices)) > _MAX_CANDIDATES:
        return iter(())
    return product(*choices)


def _is_open(value: RulesValue) -> bool:
    """Say whether a value is symbolic and may be anything that fits its terms."""
    return type(value) in SYMBOLIC and not (isinstance(value, Constraint) and value.candidates)


def _has_candidates(*values: RulesValue) -> bool:
    return any(isinstance(value, Constraint) and value.candidates for value in values)


def for_each_candidate(
    values: Sequence[RulesValue], run: Callable[..., RulesValue], use: str
) -> RulesValue:
    """Apply an operation to every value that its operands can have; they must agree.

    Results that are no truth values may differ, and are candidates again.

    Args:
        values: The operands; at least one is symbolic.
        run: The operation on plain values.
        use: Its name, for the error when some operand has no candidates.
    Raises:
        RulesError: It fails for some candidates, or gives true for some and false for others.
    """
    opened = next((value for value in values if _is_open(value)), None)
    if opened is not None:
        raise symbolic_use(opened, use)
    subject = next(value for value in values if isinstance(value, Constraint))
    choices = [value.candidates if isinstance(value, Constraint) else (value,) for value in values]
    if prod(map(len, choices)) > _MAX_COMBINATIONS:
        raise not_shown(subject, f".{use}")
    results: list[RulesValue] = []
    for operands in product(*choices):
        result = run(*operands)
        if not any(strictly_equal(result, known) for known in results):
            results.append(result)
    if len(results) == 1:
        return results[0]
    if any(isinstance(result, bool) for result in results) or len(results) > _MAX_CANDIDATES:
        raise _differs(subject, use)
    return Constraint(subject.field, subject.terms, tuple(results))


def _known_types(constraint: Constraint) -> frozenset[type] | None:
    """Return the Python types that a field can have; None when the filters do not say."""
    if constraint.candidates:
        return frozenset(map(type, constraint.candidates))
    for comparator, operand in constraint.terms:
        if comparator == "LIST_CONTAINS":
            return _LISTS
        if comparator in _RANGES and operand is not None:
            # A range returns only values of its operand's type.
            kind = type(operand)
            if kind in _NUMBERS:
                return _NUMBERS
            return _LISTS if kind in _LISTS else frozenset({kind})
    return None


def _is_not_null(constraint: Constraint) -> bool:
    # `!=` and `not-in` return no nulls either, whatever their operand.
    return any(comparator != "EXISTS" for comparator, _ in constraint.terms)


# --- comparison -------------------------------------------------------------------------------


def _exact_pair(operand: RulesValue, bound: RulesValue) -> tuple[Any, Any] | None:
    """Return a filter's operand and a rule's bound so that they compare as stored values do."""
    if type(operand) in _NUMBERS and type(bound) in _NUMBERS:
        # Written so that NaN is refused too.
        return (operand, bound) if abs(bound) < _EXACT else None  # type: ignore[arg-type]
    return ordering_operands(operand, bound)


def _implied(symbol: str, constraint: Constraint, bound: RulesValue) -> bool:
    for comparator, operand in constraint.terms:
        compare = _IMPLIED_BY[symbol].get(comparator)
        pair = _exact_pair(operand, bound) if compare is not None else None
        if compare is not None and pair is not None and compare(*pair):
            return True
    return False


def ordering_shown(
    symbol: str, left: RulesValue, right: RulesValue, plain: Callable[..., RulesValue]
) -> RulesValue:
    """Decide `left < right` and its kin where a side is symbolic; `plain` does it for values."""
    if _has_candidates(left, right):
        return for_each_candidate((left, right), plain, symbol)
    if not isinstance(left, Constraint):
        left, right, symbol = right, left, _FLIPPED[symbol]
    if isinstance(left, Constraint) and type(right) not in SYMBOLIC:
        if _implied(symbol, left, right):
            return True
        if _implied(_OPPOSITE[symbol], left, right):
            return False
    raise not_shown(left, f"{symbol} {display_text(right)}")


def _excluded(constraint: Constraint, value: RulesValue) -> bool:
    """Say whether no result's field equals a value."""
    if value is None:
        return _is_not_null(constraint)
    types = _known_types(constraint)
    kind = type(value)
    if types is not None and kind not in (types | _NUMBERS if types & _NUMBERS else types):
        return True
    for comparator, operand in constraint.terms:
        compare = _EXCLUDED_BY.get(comparator)
        if compare is not None:
            pair = _exact_pair(operand, value)
            if pair is not None and compare(*pair):
                return True
        elif comparator == "NEQ" and _same_for_firestore(operand, value):
            return True
    return False


def _same_for_firestore(operand: RulesValue, value: RulesValue) -> bool:
    if type(operand) in _NUMBERS and type(value) in _NUMBERS:
        return operand == value and abs(value) < _EXACT  # type: ignore[arg-type]
    return strictly_equal(operand, value)


def equality_shown(left: RulesValue, right: RulesValue) -> RulesValue:
    """Decide `left == right` where a side is symbolic.

    That a document's data, and what a filter reaches into, are maps is known without proof.
    """
    if _has_candidates(left, right):
        return for_each_candidate((left, right), plainly_equal, "==")
    if type(left) not in SYMBOLIC:
        left, right = right, left
    if isinstance(left, PartialMap):
        if type(right) not in SYMBOLIC and not isinstance(right, dict):
            return False
        raise RulesError("The query does not show the whole of resource.data, which this compares.")
    if isinstance(left, Constraint) and type(right) not in SYMBOLIC and _excluded(left, right):
        return False
    raise not_shown(left, f"== {display_text(right)}")


def type_shown(value: RulesValue, name: str, accepted: frozenset[type]) -> bool:
    """Decide `value is name` for a symbolic value.

    Args:
        value: The value.
        name: The type's name in rules.
        accepted: Its types in Python.
    """
    if isinstance(value, PartialMap):
        return dict in accepted
    if isinstance(value, PartialKeys) and not value.is_set:
        return list in accepted
    if isinstance(value, Constraint):
        types = _known_types(value)
        if types is not None:
            if types <= accepted:
                return True
            if not types & accepted:
                return False
    raise _differs(value, f"is {name}")


# --- membership -------------------------------------------------------------------------------


def contained_shown(
    value: RulesValue, container: RulesValue, plain: Callable[..., RulesValue]
) -> RulesValue:
    """Decide `value in container` where a side is symbolic; `plain` does it for values."""
    if isinstance(container, PartialMap):
        return _key_shown(value, container.keys())
    if isinstance(container, PartialKeys):
        return _key_shown(value, container.names)
    if _has_candidates(value, container):
        return for_each_candidate((value, container), plain, "in")
    if isinstance(container, Constraint):
        return _element_shown(value, container)
    if isinstance(value, Constraint) and isinstance(container, (list, tuple, RulesSet)):
        if all(_excluded(value, item) for item in container):
            return False
        raise not_shown(value, f"in {display_text(container)}")
    if isinstance(container, (list, tuple, RulesSet, dict)):
        raise symbolic_use(value, " in")
    # No container at all: the same error as for any value.
    return plain("", container)


def _elements(container: Constraint) -> Iterator[tuple[RulesValue, ...]]:
    """Yield for each element that a list is known to have the forms that it may have."""
    for comparator, operand in container.terms:
        if comparator == "LIST_CONTAINS":
            yield stored_forms(operand)


def _element_shown(value: RulesValue, container: Constraint) -> bool:
    """Decide `value in field`: True after `array-contains value`, else an error."""
    if type(value) not in SYMBOLIC:
        for forms in _elements(container):
            if forms and all(is_element(value, [form]) for form in forms):
                return True
    raise not_shown(container, "", subject=f"{display_text(value)} in ")


def _any_element_shown(wanted: Sequence[RulesValue], container: Constraint) -> bool:
    if not wanted and _known_types(container) == _LISTS:
        return False
    for forms in _elements(container):
        if forms and all(is_element(form, wanted) for form in forms):
            return True
    raise not_shown(container, f".hasAny({display_text(wanted)})")  # type: ignore[arg-type]


def _key_shown(key: RulesValue, known: Any) -> bool:
    """Decide `key in resource.data`: True when results have it, since filters skip missing fields
    and so does an order.
    """
    if isinstance(key, str) and key in known:
        return True
    name = f"'{key}'" if isinstance(key, str) else kind_name(key)
    raise RulesError(f"The query does not show whether {name} is in resource.data.")


# --- methods ----------------------------------------------------------------------------------


def method_shown(
    name: str,
    receiver: RulesValue,
    arguments: Sequence[RulesValue],
    plain: Callable[..., RulesValue],
) -> RulesValue:
    """Do `receiver.name(arguments)` where the receiver or an argument is symbolic.

    Args:
        name: The method.
        receiver: What it is called on.
        arguments: What it is given.
        plain: Does it for values.
    """
    if isinstance(receiver, PartialMap):
        return _map_method(name, receiver, arguments)
    if isinstance(receiver, PartialKeys):
        return _keys_method(name, receiver, arguments)
    if _has_candidates(receiver, *arguments):
        return for_each_candidate((receiver, *arguments), plain, f"{name}()")
    if isinstance(receiver, Constraint) and _known_types(receiver) == _LISTS:
        if name == "size" and not arguments:
            return Constraint((*receiver.field, "size()"), (("GTE", 1),))
        if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
            if name == "hasAny":
                return _any_element_shown(arguments[0], receiver)
            if name == "hasAll":
                return all(_element_shown(each, receiver) for each in arguments[0])
    if (
        name == "hasAny"
        and isinstance(receiver, (list, tuple))
        and len(arguments) == 1
        and isinstance(arguments[0], Constraint)
        and _known_types(arguments[0]) == _LISTS
    ):
        # The other way round it means the same.
        return _any_element_shown(receiver, arguments[0])
    opened = next(value for value in (receiver, *arguments) if type(value) in SYMBOLIC)
    raise symbolic_use(opened, f"{name}()")


def _map_method(name: str, receiver: PartialMap, arguments: Sequence[RulesValue]) -> RulesValue:
    if name == "get" and len(arguments) == 2:
        return _partial_get(receiver, *arguments)
    if name == "keys" and not arguments:
        return PartialKeys(frozenset(receiver))
    if name == "size" and not arguments:
        return Constraint(("size()",), (("GTE", len(receiver)),))
    raise symbolic_use(receiver, f"{name}()")


def _keys_method(name: str, receiver: PartialKeys, arguments: Sequence[RulesValue]) -> RulesValue:
    if name == "size" and not arguments:
        return Constraint(("size()",), (("GTE", len(receiver.names)),))
    if name == "toSet" and not arguments and not receiver.is_set:
        return PartialKeys(receiver.names, is_set=True)
    accepted = (list, tuple, RulesSet) if receiver.is_set else (list, tuple)
    if len(arguments) == 1 and isinstance(arguments[0], accepted):
        wanted = list(arguments[0])
        if name == "hasAll":
            return all(_key_shown(key, receiver.names) for key in wanted)
        if name == "hasAny":
            if any(isinstance(key, str) and key in receiver.names for key in wanted):
                return True
            if not wanted:
                return False
            raise RulesError(
                f"The query does not show whether any of {display_text(wanted)} is in "
                "resource.data."
            )
    raise symbolic_use(receiver, f"{name}()")


def _partial_get(receiver: PartialMap, key: RulesValue, default: RulesValue) -> RulesValue:
    """Do `Map.get` on a partial map: a field that results have, else an error."""
    steps: Sequence[RulesValue] = key if isinstance(key, (list, tuple)) else [key]
    value: RulesValue = receiver
    for step in steps:
        if not isinstance(step, str):
            raise symbolic_use(value, "get()")
        if isinstance(value, PartialMap):
            if step not in value:
                raise RulesError(f"The query does not show whether '{step}' is in resource.data.")
            value = value[step]
        elif isinstance(value, dict):
            if step not in value:
                return default
            value = value[step]
        elif type(value) in SYMBOLIC:
            raise symbolic_use(value, "get()")
        else:
            return default
    return value


# --- errors -----------------------------------------------------------------------------------


def symbolic_use(value: RulesValue, use: str) -> RulesError:
    """Make the error for any other use of what a query leaves open."""
    if isinstance(value, Constraint):
        return not_shown(value, use if use.startswith((" ", "[")) else f".{use}")
    return RulesError(f"The query does not show the whole of resource.data, which {use} needs.")


def _differs(value: RulesValue, use: str) -> RulesError:
    """Make the error for a field whose possible values give different answers."""
    if isinstance(value, Constraint) and value.candidates:
        name = ".".join(value.field)
        forms = " or ".join(
            f"{display_text(each)} ({kind_name(each)})" for each in value.candidates
        )
        return RulesError(
            f"The query does not show resource.data.{name} {use}: it may be stored as {forms}."
        )
    return symbolic_use(value, f" {use}")


def not_shown(constraint: RulesValue, condition: str, *, subject: str = "") -> RulesError:
    """Make the error that says which condition the filters leave open, and what they do say."""
    if not isinstance(constraint, Constraint):
        return RulesError(
            f"The query does not show {subject}{display_text(constraint)} {condition}.".strip()
        )
    name = ".".join(constraint.field)
    filters = " && ".join(
        _term(name, comparator, operand) for comparator, operand in constraint.terms
    )
    space = "" if condition.startswith((".", "[", " ")) or not condition else " "
    return RulesError(
        f"The query does not show {subject}resource.data.{name}{space}{condition}: "
        f"it only has {filters}."
    )


def _term(name: str, comparator: str, operand: RulesValue) -> str:
    if comparator == "LIST_CONTAINS":
        return f"{name} array-contains {display_text(operand)}"
    if comparator == "EXISTS":
        return f"an order by {name}"
    return f"{name} {_SYMBOLS.get(comparator, comparator)} {display_text(operand)}"
