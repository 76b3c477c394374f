"""Proofs for list requests: what a query's filters imply about every document it could return.

"Rules are not filters": a list is judged before any document is read. Its `resource.data` is a
`PartialMap` that holds only the fields that the filters fix: plain values for `==`, a `Constraint`
for everything else. The functions here answer the few questions that a constraint can settle, with
True, or with an error when the filters do not settle them. They never answer False for "not shown",
since a negation would turn that into an allow.

What is not shown, denies. That is deliberately stricter than the official emulator, which takes the
partial map for the whole document in `keys()`, `size()`, `!('x' in resource.data)` and `get(k,
default)`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product

from harness.rules.display import display_text
from harness.rules.request import Comparator, QueryConstraint
from harness.rules.runtime import RulesError
from harness.rules.values import (
    Constraint,
    PartialMap,
    RulesValue,
    kind_name,
    ordering_operands,
    plainly_equal,
)

SYMBOLIC = frozenset({Constraint, PartialMap})

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
# For `field OP bound`: the comparators of a filter that imply it, and how the filter's operand must
# compare with the bound.
_IMPLIED_BY = {
    ">": {"GT": operator.ge, "GTE": operator.gt},
    ">=": {"GT": operator.ge, "GTE": operator.ge},
    "<": {"LT": operator.le, "LTE": operator.lt},
    "<=": {"LT": operator.le, "LTE": operator.le},
}
# For `field != value`: the same.
_EXCLUDED_BY = {"GT": operator.ge, "GTE": operator.gt, "LT": operator.le, "LTE": operator.lt}

_SYMBOLS = {"GT": ">", "GTE": ">=", "LT": "<", "LTE": "<=", "NEQ": "!=", "EQ": "=="}


def ordering_shown(symbol: str, left: RulesValue, right: RulesValue) -> bool:
    """Decide `left < right` and its kin where one side is a constraint: True, or an error."""
    if not isinstance(left, Constraint):
        left, right, symbol = right, left, _FLIPPED[symbol]
    if isinstance(left, Constraint) and not isinstance(right, Constraint):
        implied_by = _IMPLIED_BY[symbol]
        for comparator, operand in left.terms:
            compare = implied_by.get(comparator)
            if compare is None:
                continue
            pair = ordering_operands(operand, right)
            if pair is not None and compare(*pair):
                return True
    raise not_shown(left, f"{symbol} {display_text(right)}")


def equality_shown(left: RulesValue, right: RulesValue, *, negated: bool) -> bool:
    """Decide `left == right` or `left != right` where one side is symbolic: True for `!=`, else an
    error.

    That a partial map is not null is known without proof.
    """
    if type(left) not in SYMBOLIC:
        left, right = right, left
    if isinstance(left, PartialMap):
        if right is None:
            return negated
        raise RulesError("The query does not show the whole of resource.data, which this compares.")
    assert isinstance(left, Constraint)
    if negated and not isinstance(right, Constraint):
        for comparator, operand in left.terms:
            if comparator == "NEQ" and plainly_equal(operand, right):
                return True
            compare = _EXCLUDED_BY.get(comparator)
            if compare is not None:
                pair = ordering_operands(operand, right)
                if pair is not None and compare(*pair):
                    return True
    raise not_shown(left, f"{'!=' if negated else '=='} {display_text(right)}")


def element_shown(value: RulesValue, container: Constraint) -> bool:
    """Decide `value in field` where the field is constrained: True after `array-contains value`,
    else an error.
    """
    if type(value) not in SYMBOLIC:
        for comparator, operand in container.terms:
            if comparator == "LIST_CONTAINS" and (
                type(operand) is type(value) and plainly_equal(operand, value)
            ):
                return True
    raise not_shown(container, "", subject=f"{display_text(value)} in ")


def partial_get(receiver: PartialMap, key: RulesValue, default: RulesValue) -> RulesValue:
    """Do `Map.get` on a partial map: a field that the query fixes, else an error."""
    steps: Sequence[RulesValue] = [key] if isinstance(key, str) else key  # type: ignore[assignment]
    value: RulesValue = receiver
    for step in steps:
        if isinstance(value, PartialMap) and isinstance(step, str):
            if step not in value:
                raise RulesError(f"Property {step} is undefined on object.")
            value = value[step]
        elif isinstance(value, dict) and isinstance(step, str):
            if step not in value:
                return default
            value = value[step]
        elif isinstance(value, Constraint) or not isinstance(step, str):
            raise symbolic_use(value, "get")
        else:
            return default
    return value


def key_shown(key: RulesValue, container: PartialMap) -> bool:
    """Decide `key in resource.data`: True when a filter speaks of the field, since filters skip
    missing fields.
    """
    if isinstance(key, str) and key in container:
        return True
    name = f"'{key}'" if isinstance(key, str) else kind_name(key)
    raise RulesError(f"The query does not show whether {name} is in resource.data.")


def symbolic_use(value: RulesValue, use: str) -> RulesError:
    """Make the error for any other use of what a query leaves open."""
    if isinstance(value, Constraint):
        return not_shown(value, f".{use}")
    return RulesError(f"The query does not show the whole of resource.data, which {use} needs.")


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
    space = "" if condition.startswith((".", "[")) or not condition else " "
    return RulesError(
        f"The query does not show {subject}resource.data.{name}{space}{condition}: "
        f"it only has {filters}."
    )


def _term(name: str, comparator: str, operand: RulesValue) -> str:
    if comparator == "LIST_CONTAINS":
        return f"{name} array-contains {display_text(operand)}"
    return f"{name} {_SYMBOLS.get(comparator, comparator)} {display_text(operand)}"


# --- from a query's filter to partial maps ----------------------------------------------------

# Source: Firestore, Query limits: at most 30 disjunctions in disjunctive normal form. One more
# shows the excess.
MAX_DISJUNCTS = 30


class TooManyDisjuncts(ValueError):
    """The filter's disjunctive normal form is larger than Firestore accepts."""


def partial_views(disjuncts: Sequence[Sequence[QueryConstraint]]) -> list[PartialMap]:
    """Return one partial `resource.data` for each disjunct, IN and array-contains-any taken apart.

    A filter without disjuncts counts as no filter: it must never be read as "nothing to prove".

    Raises:
        TooManyDisjuncts: More than 30.
    """
    expanded = list(
        islice(
            (view for disjunct in disjuncts or ((),) for view in _expand(disjunct)),
            MAX_DISJUNCTS + 1,
        )
    )
    if len(expanded) > MAX_DISJUNCTS:
        raise TooManyDisjuncts(f"more than {MAX_DISJUNCTS} disjuncts")
    return [_partial_map(disjunct) for disjunct in expanded]


def _expand(disjunct: Sequence[QueryConstraint]) -> Iterator[tuple[QueryConstraint, ...]]:
    choices: list[list[tuple[QueryConstraint, ...]]] = []
    for constraint in disjunct:
        if constraint.comparator is Comparator.IN:
            choices.append(
                [(_one(constraint, Comparator.EQ, each),) for each in _operands(constraint)]
            )
        elif constraint.comparator is Comparator.LIST_CONTAINS_ANY:
            choices.append(
                [
                    (_one(constraint, Comparator.LIST_CONTAINS, each),)
                    for each in _operands(constraint)
                ]
            )
        elif constraint.comparator is Comparator.NOT_IN:
            choices.append(
                [tuple(_one(constraint, Comparator.NEQ, each) for each in _operands(constraint))]
            )
        else:
            choices.append([(constraint,)])
    for choice in product(*choices):
        yield tuple(constraint for group in choice for constraint in group)


def _operands(constraint: QueryConstraint) -> Sequence[RulesValue]:
    value = constraint.value
    if isinstance(value, (list, tuple)) and value:
        return value
    # No operands, no documents; but an empty product would also mean nothing to prove. Nothing
    # equals a NaN.
    return [float("nan")]


def _one(constraint: QueryConstraint, comparator: Comparator, value: RulesValue) -> QueryConstraint:
    return QueryConstraint(constraint.field, comparator, value)


def _partial_map(constraints: Iterable[QueryConstraint]) -> PartialMap:
    fixed: dict[tuple[str, ...], RulesValue] = {}
    terms: dict[tuple[str, ...], list[tuple[str, RulesValue]]] = {}
    for constraint in constraints:
        if constraint.field == ("__name__",):
            # Measured: a filter on the document's name does not bind the pattern's wildcard.
            continue
        if constraint.comparator is Comparator.EQ:
            fixed.setdefault(constraint.field, constraint.value)
        else:
            terms.setdefault(constraint.field, []).append(
                (constraint.comparator.value, constraint.value)
            )
    result = PartialMap()
    known: dict[tuple[str, ...], RulesValue] = {
        **{field: Constraint(field, tuple(all_terms)) for field, all_terms in terms.items()},
        **fixed,
    }
    # Shorter paths first: a field that is fixed as a whole says more than what is known of its
    # parts.
    for field in sorted(known, key=len):
        _place(result, field, known[field])
    return result


def _place(target: PartialMap, field: tuple[str, ...], value: RulesValue) -> None:
    for step in field[:-1]:
        inner = target.setdefault(step, PartialMap())
        if not isinstance(inner, PartialMap):
            return
        target = inner
    target.setdefault(field[-1], value)
