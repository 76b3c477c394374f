"""Explanations name the expression that decided, and show nothing that could harm a terminal."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.rules.explain_request import RequestExplanation, explain_request
from harness.rules.explain_text import full_text, summary
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath, RulesTimestamp
from harness.source import SourceText

HEAD = """rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
"""
ROOT = ("databases", "(default)", "documents")


def explain(
    rules: str,
    path: str = "a/1",
    *,
    method: Method = Method.GET,
    uid: str | None = "ana",
    before: Mapping[str, Any] | None = None,
    where: tuple[QueryConstraint, ...] | None = None,
) -> RequestExplanation:
    loaded = load_ruleset(SourceText("r", f"{HEAD}{rules}\n}} }}"))
    assert loaded.ruleset is not None, loaded.issues
    segments = (*ROOT, *path.split("/"))
    request = RulesRequest(
        FIRESTORE,
        method,
        segments,
        None if uid is None else RulesAuth(uid, {}),
        RulesTimestamp(0),
        None if before is None else RulesResource(before, RulesPath(segments)),
        query=None
        if where is None
        else RulesQuery(collection_id=segments[-1], disjuncts=tuple((each,) for each in where)),
    )
    return explain_request(loaded.ruleset, request, NO_DOCUMENTS)


@pytest.mark.parametrize(
    ("condition", "decided"),
    [
        ("false", "allow get => false"),
        ("1 == 2", "1 == 2 => false (1 vs 2)"),
        ("uid() == 'bob'", "uid() == 'bob' => false ('ana' vs 'bob')"),
        ("true && uid() != null && uid() == 'bob'", "uid() == 'bob' => false ('ana' vs 'bob')"),
        ("me('bob') && true", "request.auth.uid == name => false ('ana' vs 'bob')"),
        ("me('bob') || me('eve')", "me('bob') || me('eve') => false (me('bob') = false, "),
        ("!me('ana')", "!me('ana') => false (me('ana') = true)"),
        ("me('ana') ? me('bob') : true", "request.auth.uid == name => false ('ana' vs 'bob')"),
        ("resource.data.n in [1, 2]", "resource.data.n in [1, 2] => false (3 in [1, 2])"),
        ("resource.data.n is string", "resource.data.n is string => false (resource.data.n = 3)"),
        ("resource.data.x == 1", "resource.data.x => error: Property x is undefined on object."),
        ("true && (1 / 0 == 1)", "1 / 0 => error: Divide by zero error."),
        ("me('bob') || 1 / 0 == 1", "1 / 0 => error: Divide by zero error."),
        ("1 / 0 == 1 && me('bob')", "request.auth.uid == name => false ('ana' vs 'bob')"),
        ("resource.data.n", "resource.data.n => 3"),
    ],
)
def test_the_summary_names_what_decided(condition: str, decided: str) -> None:
    functions = (
        "function uid() { return request.auth.uid; }"
        " function me(name) { return request.auth.uid == name; }"
    )
    explanation = explain(
        f"{functions} match /a/{{id}} {{ allow get: if {condition}; }}", before={"n": 3}
    )
    line = summary(explanation)
    assert line.startswith("denied: get a/1 as ana: r:4:")
    assert decided in line


def test_a_document_that_is_not_there_is_said_to_be_missing() -> None:
    line = summary(explain("match /a/{id} { allow get: if resource.data.n == 1; }"))
    assert "resource.data => error: Null value error. (there is no such document)" in line


def test_of_several_statements_the_one_that_came_closest_is_named() -> None:
    line = summary(
        explain(
            "match /a/{id} { allow get: if request.auth == null;"
            " allow get: if request.auth != null && id == '1' && id == '2'; }"
            " match /{rest=**} { allow read: if false; }"
        )
    )
    assert "id == '2' => false ('1' vs '2') (and 2 more allow statements)" in line


def test_a_grant_is_named_by_its_statement() -> None:
    line = summary(explain("match /a/{id} { allow get: if false; allow get: if id == '1'; }"))
    assert line == "allowed: get a/1 as ana: r:4:38: allow get: id == '1' => true ('1' vs '1')"


def test_blocks_that_match_are_shown_with_what_they_capture() -> None:
    text = full_text(
        explain(
            "match /a/{id} { allow delete: if true; } match /{rest=**} { allow get: if false; }"
            " match /b/{id} { allow get: if true; }"
        )
    )
    assert "match /databases/{database}/documents/a/{id}\n" in text
    assert "where database = '(default)', id = '1'\n      has no allow for get" in text
    assert "where database = '(default)', rest = 'a/1'" in text
    assert "/b/" not in text


def test_a_path_that_no_block_matches_is_said() -> None:
    line = summary(explain("match /b/{id} { allow get: if true; }", uid=None))
    assert line == "denied: get a/1 as nobody: no match block speaks about this path"


def test_a_method_that_no_statement_allows_is_said() -> None:
    line = summary(explain("match /a/{id} { allow list: if true; }"))
    assert line == "denied: get a/1 as ana: no allow for get in r:4:1"


def test_a_list_says_what_its_filters_leave_open() -> None:
    rules = "match /a/{id} { allow list: if resource.data.open == true; }"
    assert "the query's filters say nothing of it" in summary(
        explain(rules, "a", method=Method.LIST, where=())
    )
    shown = QueryConstraint(("open",), Comparator.EQ, True)
    other = QueryConstraint(("open",), Comparator.NEQ, None)
    assert explain(rules, "a", method=Method.LIST, where=(shown,)).allowed
    both = explain(rules, "a", method=Method.LIST, where=(shown, other))
    assert not both.allowed
    assert "alternative 2 of the 2" in full_text(both)
    assert "The query does not show resource.data.open == true" in full_text(both)


def test_the_place_is_marked_with_a_caret() -> None:
    text = full_text(explain("match /a/{id} {\n  allow get: if id == '1'\n    && id == '2';\n}"))
    assert "    | && id == '2';\n      |    ^^^^^^^^^\n" in text


def test_values_are_cut_and_hold_no_control_characters() -> None:
    evil = "\x1b[2J\r\n" + "x" * 5_000
    explanation = explain(
        "match /a/{id} { allow get: if resource.data.s == 'y' || resource.data.m == 1; }",
        "a/\x1b]0;t\x07",
        uid="\u202eana\n",
        before={"s": evil, "m": {str(key): ["z" * 100] * 50 for key in range(500)}},
    )
    for text in (summary(explanation), *full_text(explanation).splitlines()):
        assert text.isprintable()
        assert len(text) <= 420


def test_a_long_condition_is_cut() -> None:
    condition = " || ".join(f"id == '{number}'" for number in range(100, 190))
    text = full_text(explain(f"match /a/{{id}} {{ allow get: if {condition}; }}"))
    assert "more expressions" in text
    assert len(text.splitlines()) < 80
