"""How a built-in method or function is declared: its name, what it takes, and the Python function
behind it.

The `builtins_*` modules hold one table of these each; `stdlib.py` joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from harness.rules.runtime import RulesError
from harness.rules.values import (
    KIND_NAMES,
    SYMBOLIC,
    RulesValue,
    kind_name,
)

# Any: the functions differ in what they take, and the table has checked it when they are called.
Implementation: TypeAlias = Callable[..., RulesValue]

_TYPES_OF_KIND: dict[str, frozenset[type]] = {}
for _type, _kind in KIND_NAMES.items():
    # What a query leaves open is no argument for anything that wants the value itself.
    if _type not in SYMBOLIC:
        _TYPES_OF_KIND[_kind] = _TYPES_OF_KIND.get(_kind, frozenset()) | {_type}
ANY_TYPE = frozenset(KIND_NAMES)


def types_of(kinds: str) -> frozenset[type]:
    """Return the Python types of a parameter: one kind's name, several joined by `|`, or `any`."""
    if kinds == "any":
        return ANY_TYPE
    return frozenset().union(*(_TYPES_OF_KIND[kind] for kind in kinds.split("|")))


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a method or function: `list.hasAny(list)`, `math.abs(int)`.

    Args:
        name: `hasAny`, `math.abs`.
        parameters: A kind, kinds joined by `|`, or `any`, for each argument.
        run: Gets the receiver first if it is a method; raises RulesError.
        receiver: The kind that has this method; None for a function.
    """

    name: str
    parameters: tuple[str, ...]
    run: Implementation
    receiver: str | None = None

    @property
    def accepted(self) -> tuple[frozenset[type], ...]:
        """Return the types that each argument may have."""
        return tuple(types_of(kinds) for kinds in self.parameters)

    @property
    def texts(self) -> list[str]:
        """Return the signatures as error messages list them, one for each kind."""
        callee = f"{self.receiver}.{self.name}" if self.receiver else self.name
        forms = [""]
        for index, kinds in enumerate(self.parameters):
            comma = ", " if index else ""
            forms = [f"{form}{comma}{kind}" for form in forms for kind in kinds.split("|")]
        return [f"{callee}({form})" for form in forms]


def method(receiver: str, name: str, parameters: str, run: Implementation) -> Overload:
    """Declare a method; `parameters` as in `"string, any"`."""
    return Overload(name, _split(parameters), run, receiver)


def function(name: str, parameters: str, run: Implementation) -> Overload:
    """Declare a function, with its namespace if it has one."""
    return Overload(name, _split(parameters), run)


def _split(parameters: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in parameters.split(",")) if parameters else ()


def not_found(name: str) -> RulesError:
    """Make the error for a function or method that does not exist, or not on this kind of value."""
    return RulesError(f"Function not found error: Name: [{name}].")


def unsupported(received: str, expected: str) -> RulesError:
    """Make the error for an operator or built-in that was given other kinds of value."""
    return RulesError(f"Unsupported operation error. Received: {received}. Expected: {expected}.")


def wrong_kinds(
    callee: str, arguments: tuple[RulesValue, ...], overloads: tuple[Overload, ...]
) -> RulesError:
    """Make the error for arguments that no overload takes."""
    received = f"{callee}({', '.join(map(kind_name, arguments))})"
    return unsupported(received, expected_texts(overloads))


def wrong_count(received: int, overloads: tuple[Overload, ...]) -> RulesError:
    """Make the error for too few or too many arguments."""
    return RulesError(
        f"Incorrect number of arguments. Received: {received}. "
        f"Expected: {expected_texts(overloads)}."
    )


def expected_texts(overloads: tuple[Overload, ...]) -> str:
    """Return what follows `Expected: ` for a set of overloads."""
    return ", ".join(text for overload in overloads for text in overload.texts)


def conversion_error(argument: str, from_type: str, to_type: str) -> RulesError:
    """Make the error for a value of the right kind that cannot be converted."""
    return RulesError(
        f"Type conversion error. Argument: [{argument}], From type: [{from_type}], "
        f"To type: [{to_type}]."
    )
