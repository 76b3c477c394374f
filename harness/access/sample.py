"""Which cells of a matrix are worth asking a second time, of real emulators.

Chosen so that every kind of request, every persona and both answers are among them; the same
matrix gives the same choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.access.model import (
    AccessMatrix,
    AccessRow,
    CollectionQuery,
    DocumentWrites,
    FilterGroup,
    FilterTree,
    MatrixCell,
)
from harness.access.templates import field_operations

DEFAULT_SIZE = 60


def sample_cells(
    matrix: AccessMatrix, cells: Sequence[MatrixCell], size: int = DEFAULT_SIZE
) -> tuple[MatrixCell, ...]:
    """Choose cells, in the table's order.

    Args:
        size: How many at most; more than what is needed to have every kind of request as every
            persona with both answers is spread evenly over the rest.
    """
    rows = {row.name: row for row in matrix.rows}
    seen: set[object] = set()
    chosen: dict[int, MatrixCell] = {}
    for index, cell in enumerate(cells):
        new = set(_features(rows[cell.row], cell)) - seen
        if new and len(chosen) < size:
            seen |= new
            chosen[index] = cell
    rest = [index for index in range(len(cells)) if index not in chosen]
    room = min(size - len(chosen), len(rest))
    for number in range(room):
        index = rest[number * len(rest) // room]
        chosen[index] = cells[index]
    return tuple(chosen[index] for index in sorted(chosen))


def _features(row: AccessRow, cell: MatrixCell) -> Iterator[object]:
    """Yield what a cell would show: each is wanted once."""
    yield row.service, row.method, cell.allowed
    yield row.service, cell.persona, cell.allowed
    request = row.request
    if isinstance(request, DocumentWrites):
        for write in request.writes:
            yield write.form, write.method, cell.allowed
            for value in write.data.values():
                for operation in field_operations(value):
                    yield getattr(operation, "kind", operation)
    elif isinstance(request, CollectionQuery):
        yield "group", request.is_group, cell.allowed
        yield "order", bool(request.order)
        yield "limit", request.limit is not None, request.offset > 0
        yield from _terms(request.where)


def _terms(where: Sequence[FilterTree]) -> Iterator[object]:
    for tree in where:
        if isinstance(tree, FilterGroup):
            yield "or" if tree.is_or else "and"
            yield from _terms(tree.terms)
        else:
            yield tree.operator
