"""What rules are asked for each cell, and that cells do not disturb each other."""

from dataclasses import replace

import pytest

from harness.access.decide import record_cells
from harness.access.model import MatrixCell
from harness.errors import ConfigError
from harness.rules.recorded import replay
from harness.rules.request import Method
from tests.access.tables import (
    PERSONAS,
    RequestCase,
    firestore_rules,
    matrix_of,
    request_cases,
    storage_rules,
)

CASES = request_cases()
ALLOW_ALL = firestore_rules("match /{path=**} { allow read, write; }")
DENY_ALL = firestore_rules("match /{path=**} { allow read, write: if false; }")


def cells_of(case: RequestCase) -> tuple[MatrixCell, ...]:
    if case.is_storage:
        return record_cells(case.matrix, None, case.ruleset)
    return record_cells(case.matrix, case.ruleset)


def outcome(cells: tuple[MatrixCell, ...]) -> dict[tuple[str, str], bool]:
    return {(cell.row, cell.persona): cell.allowed for cell in cells}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rules_are_asked_what_the_row_says(case: RequestCase) -> None:
    cells = cells_of(case)
    assert {cell.persona: cell.allowed for cell in cells} == {
        cell.persona: cell.expected for cell in cells
    }
    assert [cell.persona for cell in cells] == list(PERSONAS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cell_gets_the_same_answer_when_it_is_replayed(case: RequestCase) -> None:
    for cell in cells_of(case):
        again = replay(case.ruleset, cell.recorded)
        assert (again.allowed, again.unknown) == (cell.allowed, ())


def test_a_write_changes_nothing_for_the_cells_after_it() -> None:
    matrix = matrix_of(
        """
        documents: {users/alice: {n: 1}}
        rows:
          - {name: before, method: get, path: users/alice, allow: all}
          - {name: change, method: update, path: users/alice, data: {n: 2}, allow: all}
          - {name: delete, method: delete, path: users/alice, allow: all}
          - {name: gone, given: {users/alice: null}, method: get, path: users/alice, allow: none}
          - {name: after, method: get, path: users/alice, allow: all}
          - {name: look, method: get, path: other/x, allow: all}
        """
    )
    rules = firestore_rules(
        """
        match /users/{uid} { allow get: if resource.data.n == 1; allow write; }
        match /other/{id} {
          allow get: if get(/databases/$(database)/documents/users/alice).data.n == 1;
        }
        """
    )
    forwards = outcome(record_cells(matrix, rules))
    backwards = outcome(record_cells(replace(matrix, rows=matrix.rows[::-1]), rules))
    assert forwards == backwards
    assert all(not cell.is_surprise for cell in record_cells(matrix, rules))


def test_the_answers_behind_the_first_denial_are_recorded_too() -> None:
    matrix = matrix_of(
        """
        rows:
          - name: three
            batch:
              - {method: create, path: a/1, data: {ok: true}}
              - {method: create, path: a/2, data: {ok: false}}
              - {method: create, path: a/3, data: {ok: true}}
            allow: none
        """
    )
    rules = firestore_rules("match /a/{id} { allow create: if request.resource.data.ok; }")
    recorded = record_cells(matrix, rules)[0].recorded
    assert [decision.allowed for decision in recorded.decisions] == [True, False, True]
    assert recorded.several
    assert not recorded.allowed


def test_a_record_says_what_it_is() -> None:
    matrix = matrix_of("rows: [{name: own, method: get, path: users/$uid, allow: signed-in}]")
    first, _, last = record_cells(matrix, ALLOW_ALL)
    assert first.recorded.origin == "access: own / alice"
    assert first.recorded.title == "get users/alice as alice"
    assert first.recorded.decisions[0].request.method is Method.GET
    assert last.recorded.decisions[0].request.auth is None
    assert last.is_surprise
    assert not first.is_surprise


def test_rows_of_a_service_without_rules_are_left_out() -> None:
    matrix = matrix_of(
        """
        rows:
          - {name: document, method: get, path: a/b, allow: all}
          - {name: file, service: storage, method: get, path: a/b, allow: all}
        """
    )
    files = storage_rules("match /{path=**} { allow get; }")
    assert {cell.row for cell in record_cells(matrix, ALLOW_ALL)} == {"document"}
    assert {cell.row for cell in record_cells(matrix, None, files)} == {"file"}
    assert len(record_cells(matrix, ALLOW_ALL, files)) == 2 * len(PERSONAS)


@pytest.mark.parametrize("rules", [ALLOW_ALL, DENY_ALL], ids=["allowing", "denying"])
@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (
            "documents: {a/b: {x: 1}}\nrows:\n"
            "  - {name: n, method: create, path: a/b, data: {}, allow: all}",
            3,
            '"n" creates a/b, which is there already',
        ),
        (
            "rows:\n  - {name: n, method: update, path: a/b, data: {x: 1}, allow: all}",
            2,
            '"n" updates a/b, which is not there',
        ),
        (
            "rows:\n  - name: n\n    batch:\n      - {method: create, path: a/b, data: {}}\n"
            "      - {method: create, path: a/b, data: {}}\n    allow: all",
            5,
            '"n" creates a/b, which is there already',
        ),
        (
            "rows:\n  - {name: n, method: get, path: a/__b__, allow: all}",
            2,
            "a/__b__ is no document's path",
        ),
        (
            "rows:\n  - {name: n, method: create, path: a/b, data: {__x__: 1}, allow: all}",
            2,
            'Firestore refuses "n" as alice',
        ),
        (
            "rows:\n  - {name: n, method: list, path: a, where: [[x, in, 1]], allow: all}",
            2,
            'Firestore refuses "n" as alice',
        ),
        (
            "documents:\n  a/b: {__x__: 1}\nrows:\n"
            "  - {name: n, method: get, path: a/b, allow: all}",
            2,
            "Firestore refuses the sample document a/b",
        ),
        (
            "documents:\n  a/alice: {}\n  a/$uid: {}\nrows:\n"
            "  - {name: n, method: get, path: a/b, allow: all}",
            3,
            "two sample documents are a/alice",
        ),
    ],
)  # fmt: skip
def test_a_row_that_does_not_ask_what_it_says_is_refused(rules, text, line, problem) -> None:
    matrix = matrix_of(text)
    with pytest.raises(ConfigError) as caught:
        record_cells(matrix, rules)
    assert caught.value.problem.startswith(problem)
    assert caught.value.at is not None
    assert (caught.value.at.file_name, caught.value.at.line) == ("access.yaml", line)


def test_a_batch_may_create_and_then_update_a_document() -> None:
    matrix = matrix_of(
        """
        rows:
          - name: twice
            batch:
              - {method: create, path: a/b, data: {n: 1}}
              - {method: update, path: a/b, data: {n: 2}}
            allow: all
        """
    )
    rules = firestore_rules(
        """
        match /a/{id} {
          allow create: if request.resource.data.n == 1;
          allow update: if resource.data.n == 1 && request.resource.data.n == 2;
        }
        """
    )
    assert all(cell.allowed for cell in record_cells(matrix, rules))


def test_request_time_is_the_matrix_s_own_to_the_millisecond() -> None:
    text = (
        "now: 2020-02-03T04:05:06.789123Z\nrows:\n  - {name: n, method: get, path: a/b, allow: all}"
    )
    rules = firestore_rules(
        "match /a/{b} { allow get: if request.time == timestamp.value(1580702706789); }"
    )
    assert all(cell.allowed for cell in record_cells(matrix_of(text), rules))
