"""Cells have the same answer in process and through the published client, over a real port."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.access.decide import record_cells
from harness.access.model import AccessMatrix
from harness.access.sample import sample_cells
from harness.emulators.access_clients import AccessClients
from harness.emulators.tokens import user_token
from harness.errors import ConfigError
from harness.firestore.values import Timestamp
from harness.rules.ruleset import CompiledRuleset
from tests.access.tables import RequestCase, firestore_rules, matrix_of, request_cases
from tests.server.running import Project, ServerUnderTest, new_project_id, running_server

CASES = [case for case in request_cases() if not case.is_storage]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerUnderTest]:
    with running_server() as running:
        yield running


class Wire:
    """One project of the server, and a matrix's personas as its clients."""

    def __init__(self, server: ServerUnderTest, matrix: AccessMatrix) -> None:
        self._cleanups: list[Any] = []
        self.project = Project(server, new_project_id(), self._cleanups.append)
        now_s = int(time.time())
        self.matrix = replace(matrix, project_id=self.project.id, now=Timestamp(now_s * 1_000_000))

        def client_of(persona: str) -> Any:
            who = matrix.personas[persona]
            if who.uid is None:
                return self.project.client(None)
            token = user_token(who.uid, who.claims, project_id=self.project.id, now_s=now_s)
            return self.project.client(token)

        self.clients = AccessClients(self.matrix, client_of, self.project.client(), self._clear)

    def _clear(self) -> None:
        path = f"{self.project.emulator}/databases/(default)/documents"
        assert self.project.server.http("DELETE", path).status_code == 200

    def load(self, ruleset: CompiledRuleset) -> None:
        self.project.load_rules(ruleset.source.text)

    def close(self) -> None:
        for cleanup in self._cleanups:
            cleanup()


@pytest.fixture
def wire(server: ServerUnderTest) -> Iterator[Any]:
    made: list[Wire] = []

    def make(matrix: AccessMatrix) -> Wire:
        made.append(Wire(server, matrix))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cell_is_decided_the_same_over_the_wire(case: RequestCase, wire: Any) -> None:
    there = wire(case.matrix)
    there.load(case.ruleset)
    cells = record_cells(there.matrix, case.ruleset)
    assert there.clients.disagreements(cells) == []


def test_other_rules_at_the_emulator_are_noticed(wire: Any) -> None:
    matrix = matrix_of(
        """
        documents: {a/b: {n: 1}}
        rows:
          - {name: look, method: get, path: a/b, allow: all}
          - {name: write, method: create, path: a/c, data: {n: 1}, allow: all}
        """
    )
    here = firestore_rules("match /a/{id} { allow get, create; }")
    there = wire(matrix)
    there.load(firestore_rules("match /a/{id} { allow get: if request.auth != null; }"))
    found = there.clients.disagreements(record_cells(there.matrix, here))
    assert [str(each) for each in found] == [
        "look, as guest: denied over the wire, allowed in process",
        "write, as alice: denied over the wire, allowed in process",
        "write, as bob: denied over the wire, allowed in process",
        "write, as guest: denied over the wire, allowed in process",
    ]


def test_every_cell_meets_the_sample_documents(wire: Any) -> None:
    """Whatever the cells before it wrote, and whatever their rows were given."""
    matrix = matrix_of(
        """
        documents: {a/b: {n: 1}}
        rows:
          - {name: delete, method: delete, path: a/b, allow: all}
          - {name: update, method: update, path: a/b, data: {n: 2}, allow: all}
          - {name: create, method: create, path: a/c, data: {n: 1}, allow: all}
          - {name: take away, given: {a/b: null}, method: get, path: a/b, allow: none}
          - {name: look, method: get, path: a/b, allow: all}
        """
    )
    rules = firestore_rules(
        """
        match /a/{id} {
          allow get: if resource.data.n == 1;
          allow update, delete: if resource.data.n == 1;
          allow create;
        }
        """
    )
    there = wire(matrix)
    there.load(rules)
    cells = record_cells(there.matrix, rules)
    assert not any(cell.is_surprise for cell in cells)
    assert there.clients.disagreements(cells) == []
    assert there.clients.disagreements(reversed(cells)) == []


def test_a_request_that_is_allowed_and_fails_for_another_reason_counts_as_allowed(
    wire: Any,
) -> None:
    """Rules are asked before it turns out that an index is missing."""
    matrix = matrix_of(
        """
        rows:
          - name: needs an index
            method: list
            path: a
            where: [[x, ==, 1]]
            order: [[y, desc]]
            allow: all
        """
    )
    rules = firestore_rules("match /a/{id} { allow list; }")
    there = wire(matrix)
    there.load(rules)
    assert there.clients.disagreements(record_cells(there.matrix, rules)) == []


def test_storage_is_not_asked_where_it_does_not_run(wire: Any) -> None:
    matrix = matrix_of(
        "rows: [{name: file, service: storage, method: get, path: a/b, allow: none}]"
    )
    rules = firestore_rules("")
    there = wire(matrix)
    cells = record_cells(there.matrix, None, rules)
    assert not any(there.clients.can_ask(cell) for cell in cells)


def test_what_the_emulator_refuses_is_an_error_of_the_row(wire: Any) -> None:
    matrix = matrix_of("rows: [{name: odd, method: get, path: a/b, allow: all}]")
    rules = firestore_rules("match /a/{id} { allow get; }")
    there = wire(matrix)
    cells = record_cells(there.matrix, rules)
    there.project.server.http("PUT", f"{there.project.emulator}:securityRules", json={})
    bad = replace(
        there.matrix.rows[0], request=replace(there.matrix.rows[0].request, path="a/__b__")
    )
    clients = AccessClients(
        replace(there.matrix, rows=(bad,)),
        lambda persona: there.project.client(),
        there.project.client(),
        lambda: None,
    )
    with pytest.raises(ConfigError, match='the emulator refuses "odd" as alice'):
        clients.disagreements(sample_cells(there.matrix, cells, 1))
