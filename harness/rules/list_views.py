"""What a list request's query says about its results, as values of `resource.data`.

A query becomes one `ListView` for each disjunct of its filter, and a list is allowed when the rules
hold for all of them. What the values prove is in `constraints.py`; which paths they stand for in
`matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from harness.rules.constraints import stored_forms
from harness.rules.request import Comparator, QueryConstraint, RulesQuery
from harness.rules.values import Constraint, PartialMap, RulesPath, RulesValue, strictly_equal

# Source: Firestore, Query limits: at most 30 disjunctions in disjunctive normal form. One more
# shows the excess.
MAX_DISJUNCTS = 30

_NAME = ("__name__",)


class TooManyDisjuncts(ValueError):
    """The filter's disjunctive normal form is larger than Firestore accepts."""


@dataclass(frozen=True, slots=True)
class ListView:
    """What is known of every result of one disjunct.

    Args:
        data: `resource.data`.
        name: The path of the only document that can be a result, where a filter on `__name__` names
            it.
    """

    data: PartialMap
    name: tuple[str, ...] | None = None


def list_views(query: RulesQuery | None) -> list[ListView]:
    """Return one view for each disjunct of a query, IN and array-contains-any taken apart.

    A filter without disjuncts counts as no filter: it must never be read as "nothing to prove".

    Raises:
        TooManyDisjuncts: More than 30.
    """
    if query is None:
        return [ListView(PartialMap())]
    disjuncts = list(
        islice(
            (view for disjunct in query.disjuncts or ((),) for view in _expand(disjunct)),
            MAX_DISJUNCTS + 1,
        )
    )
    if len(disjuncts) > MAX_DISJUNCTS:
        raise TooManyDisjuncts(f"more than {MAX_DISJUNCTS} disjuncts")
    ordered = [field_path(text) for text in query.order_by]
    return [
        ListView(_partial_map(disjunct, ordered), _only_document(disjunct))
        for disjunct in disjuncts
    ]


def field_path(text: str) -> tuple[str, ...]:
    """Return the steps of a field path: `` a.`b.c` `` is a, then b.c."""
    steps: list[str] = []
    step = ""
    chars = iter(text)
    for char in chars:
        if char == ".":
            steps.append(step)
            step = ""
        elif char == "`":
            for quoted in chars:
                if quoted == "`":
                    break
                step += next(chars, "") if quoted == "\\" else quoted
        else:
            step += char
    return (*steps, step)


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


def _only_document(constraints: Iterable[QueryConstraint]) -> tuple[str, ...] | None:
    """Return the path that a filter on the document's name fixes.

    Source: published rules suites that run on the official emulator: a query for one's own document
    id is allowed by a rule that compares the wildcard with `request.auth.uid`.
    """
    for constraint in constraints:
        value = constraint.value
        if (
            constraint.field == _NAME
            and constraint.comparator is Comparator.EQ
            and isinstance(value, RulesPath)
            and all(isinstance(segment, str) for segment in value.segments)
        ):
            return tuple(str(segment) for segment in value.segments)
    return None


def _partial_map(
    constraints: Iterable[QueryConstraint], ordered: Iterable[tuple[str, ...]]
) -> PartialMap:
    fixed: dict[tuple[str, ...], RulesValue] = {}
    terms: dict[tuple[str, ...], list[tuple[str, RulesValue]]] = {}
    for constraint in constraints:
        if constraint.field == _NAME:
            # Not a field.
            continue
        if constraint.comparator is Comparator.EQ:
            fixed.setdefault(constraint.field, _fixed(constraint.field, constraint.value))
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
    for field in ordered:
        if field != _NAME:
            # Firestore leaves documents out that lack a field of the order.
            _place(result, field, Constraint(field, (("EXISTS", None),)))
    return result


def _fixed(field: tuple[str, ...], operand: RulesValue) -> RulesValue:
    """Return the value of a field that equals a filter's operand, or what it can be."""
    forms = stored_forms(operand)
    if len(forms) == 1 and strictly_equal(forms[0], operand):
        return operand
    return Constraint(field, (("EQ", operand),), forms)


def _place(target: PartialMap, field: tuple[str, ...], value: RulesValue) -> None:
    for step in field[:-1]:
        inner = target.setdefault(step, PartialMap())
        if not isinstance(inner, PartialMap):
            return
        target = inner
    target.setdefault(field[-1], value)
