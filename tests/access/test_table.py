"""Surprises with their reasons, what a table cannot notice, and the table as text."""

from __future__ import annotations

import json

import pytest

from harness.access.decide import record_cells
from harness.access.table import blind_spots, unseen_statements
from harness.access.table_text import render_markdown, render_text, to_json
from harness.access_table import decide_matrix
from harness.errors import ConfigError
from harness.project_rules import ProjectRulesets
from harness.rules.request import FIRESTORE, STORAGE
from tests.access.tables import firestore_rules, matrix_of, storage_rules

NOTHING = "no match block speaks about this path"
RULES = firestore_rules(
    """
    match /users/{uid} {
      allow get: if request.auth.uid == uid;
      allow update: if request.auth != null
          && request.resource.data.name.size() > 0;
    }
    """
)
FILES = storage_rules("match /photos/{name} { allow get; }")
TABLE = """
documents: {users/alice: {name: A}, users/bob: {name: B}, users/nobody: {name: N}}
rows:
  - {name: own profile, method: get, path: users/$uid, allow: signed-in}
  - {name: Alice's profile, method: get, path: users/alice, allow: [alice, bob]}
  - {name: rename oneself, method: update, path: users/$uid, data: {name: X}, allow: [alice]}
  - {name: rename to | nothing, method: update, path: users/$uid, data: {name: ""}, allow: none}
  - {name: nowhere, method: get, path: else/where, allow: [guest]}
  - {name: a photo, service: storage, method: get, path: photos/a, deny: guest}
"""


def decided():
    return decide_matrix(matrix_of(TABLE), ProjectRulesets(RULES, FILES))


def test_a_surprise_says_who_got_what_and_why() -> None:
    found = decided().surprises
    assert [(surprise.headline, str(surprise.at)) for surprise in found] == [
        ("Alice's profile, as bob: denied, expected allowed", "access.yaml:5:5"),
        ("rename oneself, as bob: allowed, expected denied", "access.yaml:6:5"),
        ("nowhere, as guest: denied, expected allowed", "access.yaml:8:5"),
        ("a photo, as guest: allowed, expected denied", "access.yaml:9:5"),
    ]
    # How a reason is worded is harness/rules/explain_text.py's business.
    denied, granted, nothing, file = (surprise.reasons for surprise in found)
    assert denied[0].startswith("test.rules:5:21: request.auth.uid == uid => false")
    assert granted[0].startswith("test.rules:6:7: allow update: if request.auth != null")
    assert nothing == (NOTHING,)
    assert file == ("test.rules:3:24: allow get;",)
    assert str(found[2]).splitlines() == [
        found[2].headline,
        f"  {NOTHING}",
        "  the row: access.yaml:8:5",
    ]


def test_personas_with_the_same_surprise_are_named_together() -> None:
    matrix = matrix_of("rows: [{name: n, method: get, path: a/b, allow: none}]")
    rules = firestore_rules("match /a/{id} { allow get: if request.auth != null; }")
    result = decide_matrix(matrix, ProjectRulesets(rules, None))
    assert [surprise.headline for surprise in result.surprises] == [
        "n, as alice, bob: allowed, expected denied"
    ]
    assert result.agreed == 1
    assert result.summary() == (
        "1 of 3 decisions (1 request as 3 personas) agree with the access matrix"
    )


def test_a_batch_that_is_allowed_names_each_statement_that_granted() -> None:
    matrix = matrix_of(
        """
        rows:
          - name: n
            batch:
              - {method: create, path: a/1, data: {}}
              - {method: delete, path: b/1}
            allow: none
        """
    )
    rules = firestore_rules("match /a/{id} { allow create; }\nmatch /b/{id} { allow delete; }")
    (surprise,) = decide_matrix(matrix, ProjectRulesets(rules, None)).surprises
    assert surprise.reasons == (
        "test.rules:3:17: allow create;",
        "test.rules:4:17: allow delete;",
    )


def test_the_table_as_text() -> None:
    lines = render_text(decided()).splitlines()
    assert lines[:7] == [
        "                                 alice  bob  guest",
        "own profile          get         ✓      ✓    ✗",
        "Alice's profile      get         ✓      ✗!   ✗",
        "rename oneself       update      ✓      ✓!   ✗",
        "rename to | nothing  update      ✗      ✗    ✗",
        "nowhere              get         ✗      ✗    ✗!",
        "a photo              object get  ✓      ✓    ✓!",
    ]
    assert lines[-1] == "14 of 18 decisions (6 requests as 3 personas) agree with the access matrix"
    only = render_text(decided(), only_surprises=True).splitlines()
    assert not any(line.startswith("own profile") for line in only)
    assert any(line.startswith("nowhere  ") for line in only)


def test_texts_of_the_table_cannot_move_the_cursor_or_forge_markup() -> None:
    name = "a\\e[2Jb\\u202e"
    matrix = matrix_of(
        f'rows: [{{name: "{name}", method: get, path: "a/<b>|*", allow: all}}]',
    )
    result = decide_matrix(matrix, ProjectRulesets(RULES, None))
    for text in (render_text(result), render_markdown(result)):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_the_table_as_markdown() -> None:
    text = render_markdown(decided())
    assert text.startswith("## 4 surprises: 14 of 18 decisions")
    assert "| rename to \\| nothing | update | ✗ | ✗ | ✗ |" in text
    assert "| nowhere | get | ✗ | ✗ | **✗!** |" in text
    assert "- **nowhere, as guest: denied, expected allowed**\n  - " + NOTHING in text
    agreeing = matrix_of("rows: [{name: n, method: get, path: a/b, allow: none}]")
    calm = render_markdown(decide_matrix(agreeing, ProjectRulesets(RULES, None)))
    assert calm.startswith("## 3 decisions (1 request as 3 personas) agree")
    assert "!" not in calm


def test_the_table_as_json() -> None:
    content = json.loads(to_json(decided()))
    assert content["decisions"] == 18
    assert content["personas"] == ["alice", "bob", "guest"]
    assert content["rows"][1] == {
        "name": "Alice's profile",
        "service": "cloud.firestore",
        "method": "get",
        "path": "users/alice",
        "cells": {
            "alice": {"expected": True, "allowed": True},
            "bob": {"expected": True, "allowed": False},
            "guest": {"expected": False, "allowed": False},
        },
    }
    assert content["surprises"][2] == {
        "row": "nowhere",
        "personas": ["guest"],
        "expected": True,
        "allowed": False,
        "at": "access.yaml:8:5",
        "reasons": [NOTHING],
    }


def test_rows_of_a_service_without_rules_are_an_error() -> None:
    with pytest.raises(ConfigError, match="asks rules of storage") as caught:
        decide_matrix(matrix_of(TABLE), ProjectRulesets(RULES, None))
    assert caught.value.at is not None
    assert caught.value.at.line == 9


@pytest.mark.parametrize(
    ("rows", "spots"),
    [
        (
            "- {name: n, method: get, path: users/$uid, allow: signed-in}",
            [
                "no list of Firestore is expected to be denied",
                "no create of Firestore is expected to be denied",
                "no update of Firestore is expected to be denied",
                "no update of Firestore is expected to be allowed",
                "no delete of Firestore is expected to be denied",
            ],
        ),
        (
            "- {name: n, method: get, path: users/$uid, allow: all}",
            [
                "no get of Firestore is expected to be denied",
                "no list of Firestore is expected to be denied",
                "no create of Firestore is expected to be denied",
                "no update of Firestore is expected to be denied",
                "no update of Firestore is expected to be allowed",
                "no delete of Firestore is expected to be denied",
            ],
        ),
        (
            "- {name: n, service: storage, method: get, path: a, allow: none}",
            ["no row asks anything of Firestore"],
        ),
    ],
)  # fmt: skip
def test_a_table_needs_both_answers(rows: str, spots: list[str]) -> None:
    assert list(blind_spots(matrix_of(f"rows:\n{rows}"), {FIRESTORE: RULES})) == spots


def test_a_method_that_no_statement_names_needs_no_allowance() -> None:
    assert (
        blind_spots(
            matrix_of(
                """
            rows:
              - {name: a, service: storage, method: get, path: a, allow: [alice]}
              - {name: b, service: storage, method: list, path: a, allow: none}
              - {name: c, service: storage, method: create, path: a, allow: none}
              - {name: d, service: storage, method: update, path: a, allow: none}
              - {name: e, service: storage, method: delete, path: a, allow: none}
            """
            ),
            {STORAGE: FILES},
        )
        == ()
    )


@pytest.mark.parametrize(
    ("rules", "noticed"),
    [("allow read, write;", True), ("allow read, write: if false;", True)],
)
def test_a_table_without_blind_spots_notices_rules_that_say_one_thing(
    rules: str, noticed: bool
) -> None:
    matrix = matrix_of(
        """
        documents: {a/b: {x: 1}}
        rows:
          - {name: g, method: get, path: a/b, allow: [alice]}
          - {name: l, method: list, path: a, allow: [alice]}
          - {name: c, method: create, path: a/c, data: {}, allow: [alice]}
          - {name: u, method: update, path: a/b, data: {x: 2}, allow: [alice]}
          - {name: d, method: delete, path: a/b, allow: [alice]}
        """
    )
    honest = firestore_rules("match /a/{id} { allow read, write: if request.auth.uid == 'alice'; }")
    assert blind_spots(matrix, {FIRESTORE: honest}) == ()
    assert not any(cell.is_surprise for cell in record_cells(matrix, honest))
    other = firestore_rules(f"match /{{path=**}} {{ {rules} }}")
    surprises = {cell.row for cell in record_cells(matrix, other) if cell.is_surprise}
    assert (surprises == {"g", "l", "c", "u", "d"}) is noticed


def test_statements_that_are_seen_from_one_side_only() -> None:
    rules = firestore_rules(
        "match /a/{id} { allow get: if request.auth != null; }\n"
        "match /b/{id} { allow get: if request.auth != null; }\n"
        "match /c/{id} { allow get: if request.auth != null; }"
    )
    matrix = matrix_of(
        """
        rows:
          - {name: both, method: get, path: a/x, allow: signed-in}
        """
    )
    cells = record_cells(matrix, rules)
    assert unseen_statements(cells, rules) == (
        "line 4 never allows",
        "line 5 never allows",
        "line 4 never denies",
        "line 5 never denies",
    )
