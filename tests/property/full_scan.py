"""What a query returns, found the slow way: look at every document. No index, no byte keys."""

from functools import cmp_to_key

from harness.firestore.filters import compile_filter
from harness.firestore.query import NAME, Direction, effective_order
from harness.firestore.values import MISSING, Reference, compare, compare_paths, get_field


def full_scan(query, documents, aggregated=()):
    """Return the documents of the result in order, of all documents there are."""
    orders = effective_order(query)
    passes = compile_filter(query.where)

    def belongs(document):
        if not _in_scope(query, document.path) or not passes(document):
            return False
        needed = [order.field for order in orders if order.field != NAME]
        needed += aggregated
        return all(get_field(document.fields, field) is not MISSING for field in needed)

    found = [document for document in documents if belongs(document)]
    found.sort(key=cmp_to_key(lambda a, b: _compare_documents(orders, a, b)))
    for cursor, is_start in ((query.start_at, True), (query.end_at, False)):
        if cursor is not None:
            found = [
                document
                for document in found
                if _is_within(orders, document, cursor, is_start=is_start)
            ]
    stop = None if query.limit is None else query.offset + query.limit
    return found[query.offset : stop]


def _in_scope(query, path):
    segments, parent = path.split("/"), query.parent.split("/") if query.parent else []
    if segments[: len(parent)] != parent or len(segments) <= len(parent):
        return False
    if query.collection_id is not None and segments[-2] != query.collection_id:
        return False
    return query.all_descendants or len(segments) == len(parent) + 2


def _signed(order, result):
    return -result if order.direction is Direction.DESCENDING else result


def _compare_documents(orders, a, b):
    for order in orders:
        if order.field == NAME:
            result = compare_paths(a.path, b.path)
        else:
            result = compare(get_field(a.fields, order.field), get_field(b.fields, order.field))
        if result:
            return _signed(order, result)
    return 0


def _is_within(orders, document, cursor, *, is_start):
    place = 0
    for order, value in zip(orders, cursor.values, strict=False):
        if order.field == NAME:
            assert isinstance(value, Reference)
            place = compare_paths(document.path, value.path)
        else:
            place = compare(get_field(document.fields, order.field), value)
        if place:
            place = _signed(order, place)
            break
    if is_start:
        return place >= 0 if cursor.before else place > 0
    return place < 0 if cursor.before else place <= 0
