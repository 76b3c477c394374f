"""Whether any combination of indexes serves a query: brute force over the documented rules.

Written from the rules, and sharing nothing with the planner but the classes of its input. An index
is a sequence of (field, mode); every subset of the indexes that could take part is tried.

Source: Firestore, "Index types", "Index merging"; "Query with range and inequality filters on
multiple fields"; "Perform OR queries"; "Aggregation queries".
"""

from itertools import combinations, product

from harness.firestore.index_definitions import IndexMode, QueryScope
from harness.firestore.query import CompositeOperator, Direction, FieldFilter, Operator

NAME = ("__name__",)
ASC, DESC, CONTAINS = IndexMode.ASCENDING, IndexMode.DESCENDING, IndexMode.CONTAINS
PINNING = (Operator.EQUAL, Operator.IS_NULL, Operator.IS_NAN)
SORTING = (
    Operator.LESS_THAN,
    Operator.LESS_THAN_OR_EQUAL,
    Operator.GREATER_THAN,
    Operator.GREATER_THAN_OR_EQUAL,
    Operator.NOT_EQUAL,
    Operator.NOT_IN,
    Operator.IS_NOT_NULL,
    Operator.IS_NOT_NAN,
)


def is_served(query, definitions, summed=()):
    """Return whether every disjunct is served by one index, or by several that are merged."""
    order = order_of(query)
    scope = QueryScope.COLLECTION_GROUP if query.all_descendants else QueryScope.COLLECTION
    return all(
        disjunct_is_served(disjunct, order, sorted({*summed}), definitions, query, scope)
        for disjunct in normal_form(query.where)
    )


def requirement(disjunct, order, summed):
    """Return the fields to pin, as terms, and the sequence that has to follow them."""
    equal = {tuple(part.field) for part in disjunct if part.operator in PINNING}
    contained = {tuple(part.field) for part in disjunct if part.operator is Operator.ARRAY_CONTAINS}
    others = [field for field in [*(field for field, _ in order), *summed] if field != NAME]
    if all(field in equal for field in others):
        equal.discard(NAME)  # nothing but the name sorts, so that it is a range of names
    tail = [(field, mode) for field, mode in order if field not in equal]
    # The array of an array-contains, when it is summed, needs a column of its own: the index that
    # firebase-js-sdk's composite_index_query.test.ts has for that in production has one.
    named = {field for field, _ in tail} | equal
    extra = [(field, ASC) for field in summed if field not in named]
    at = len(tail) - 1 if tail and tail[-1][0] == NAME else len(tail)
    tail[at:at] = extra
    terms = {(field, "equal") for field in equal} | {(field, "contains") for field in contained}
    return terms, tail


def disjunct_is_served(disjunct, order, summed, definitions, query, scope):
    terms, tail = requirement(disjunct, order, summed)
    fields = {field for field, _ in terms} | {field for field, _ in tail}
    usable = []
    for index in available(definitions, query.collection_id, scope, fields):
        pinned = pinned_by(index, terms, tail)
        if pinned is not None:
            usable.append(pinned)
    if any(pinned == terms for pinned in usable):
        return True
    parts = {frozenset(pinned) for pinned in usable if pinned}
    return any(
        set().union(*members) == terms
        for size in range(2, len(terms) + 1)
        for members in combinations(parts, size)
    )


def pinned_by(index, terms, tail):
    """Return the terms in front of the tail, if the index is made of nothing else."""
    split = len(index) - len(tail)
    if split < 0 or index[split:] != tail:
        return None
    pinned = {(field, "contains" if mode is CONTAINS else "equal") for field, mode in index[:split]}
    return pinned if pinned <= terms and len(pinned) == split else None


def available(definitions, group, scope, fields):
    """Yield the key index, the single-field indexes of these fields, and the composites."""
    yield [(NAME, ASC)]
    for field in fields - {NAME}:
        for a_scope, mode in single_field(definitions, group, field):
            if a_scope is scope:
                yield [(field, mode), (NAME, DESC if mode is DESC else ASC)]
    for index in definitions.composites:
        if index.collection_group == group and index.query_scope is scope:
            yield [(tuple(part.field), part.mode) for part in index.fields]


def single_field(definitions, group, field):
    """Return the configuration of the field, of the nearest map around it, or of all fields."""
    by_field = {
        tuple(each.field): each.indexes
        for each in definitions.overrides
        if each.collection_group == group
    }
    for length in range(len(field), 0, -1):
        if field[:length] in by_field:
            return by_field[field[:length]]
    automatic = {(QueryScope.COLLECTION, mode) for mode in (ASC, DESC, CONTAINS)}
    return by_field.get(("*",), automatic)


def order_of(query):
    """Return the explicit order, then the inequality fields by name, then the document's name."""
    order = [
        (tuple(item.field), DESC if item.direction is Direction.DESCENDING else ASC)
        for item in query.order_by
    ]
    last = order[-1][1] if order else ASC
    named = {field for field, _ in order}
    unequal = {tuple(part.field) for part in leaves(query.where) if part.operator in SORTING}
    order += [(field, last) for field in sorted(unequal - named - {NAME})]
    if NAME not in named:
        order.append((NAME, last))
    return order


def leaves(where):
    if where is None:
        return []
    if isinstance(where, FieldFilter):
        return [where]
    return [leaf for part in where.filters for leaf in leaves(part)]


def normal_form(where):
    """Return the disjuncts: each a list of filters that all have to hold."""
    if where is None:
        return [[]]
    if isinstance(where, FieldFilter):
        split = {
            Operator.IN: Operator.EQUAL,
            Operator.ARRAY_CONTAINS_ANY: Operator.ARRAY_CONTAINS,
        }.get(where.operator)
        if split is None:
            return [[where]]
        return [[FieldFilter(where.field, split, value)] for value in where.value]
    parts = [normal_form(part) for part in where.filters]
    if where.operator is CompositeOperator.OR:
        return [disjunct for part in parts for disjunct in part]
    return [[leaf for part in choice for leaf in part] for choice in product(*parts)]
