"""Which cells are asked a second time."""

from hypothesis import given
from hypothesis import strategies as st

from harness.access.decide import record_cells
from harness.access.model import MatrixCell
from harness.access.sample import sample_cells
from tests.access.tables import firestore_rules, matrix_of

MATRIX = matrix_of(
    """
    documents: {a/b: {x: 1}}
    rows:
      - {name: g, method: get, path: a/b, allow: [alice]}
      - {name: g2, method: get, path: a/c, allow: none}
      - {name: l, method: list, path: a, allow: all}
      - {name: l2, method: list, group: a, where: [[x, ==, 1]], allow: none}
      - {name: c, method: create, path: a/c, data: {}, allow: signed-in}
      - {name: s, method: create, by: set, path: a/c, data: {n: {$increment: 1}}, allow: none}
      - {name: u, method: update, path: a/b, data: {x: 2}, allow: [alice]}
      - {name: d, method: delete, path: a/b, allow: [bob]}
      - name: b
        batch: [{method: create, path: a/c, data: {}}, {method: delete, path: a/b}]
        allow: [bob]
    """
)
RULES = firestore_rules(
    """
    match /a/{id} {
      allow get, update: if request.auth.uid == 'alice' && id == 'b';
      allow list;
      allow create: if request.auth != null && !('n' in request.resource.data);
      allow delete: if request.auth.uid == 'bob';
    }
    """
)
CELLS = record_cells(MATRIX, RULES)


def kinds(cells: tuple[MatrixCell, ...]) -> set[tuple[str, bool]]:
    return {(MATRIX.row(cell.row).method, cell.allowed) for cell in cells}


def test_both_answers_of_every_method_and_persona_are_in_the_sample() -> None:
    chosen = sample_cells(MATRIX, CELLS, 20)
    assert kinds(chosen) == kinds(CELLS)
    assert {(cell.persona, cell.allowed) for cell in chosen} == {
        (cell.persona, cell.allowed) for cell in CELLS
    }
    assert {"s", "l2", "b"} <= {cell.row for cell in chosen}
    assert len(chosen) == 20


@given(st.integers(0, 2 * len(CELLS)))
def test_a_sample_is_bounded_in_order_and_always_the_same(size: int) -> None:
    chosen = sample_cells(MATRIX, CELLS, size)
    assert len(chosen) == min(size, len(CELLS))
    places = [CELLS.index(cell) for cell in chosen]
    assert places == sorted(set(places))
    assert chosen == sample_cells(MATRIX, CELLS, size)


def test_nothing_gives_an_empty_sample() -> None:
    assert sample_cells(MATRIX, (), 10) == ()
