"""The difference of two rulesets, as text, Markdown and JSON."""

from __future__ import annotations

from dataclasses import replace

from harness.review.diff import diff_rulesets
from harness.review.diff_report import FileDiff, diff_json, diff_markdown, diff_text
from harness.review.questions import QuestionKind
from tests.review.requests_from_yaml import recorded_request, ruleset

OLD = ruleset("match /a/{id} { allow get: if true || false; }", name="main:a.rules")
NEW = ruleset("match /b/{id} { allow get; }", name="a.rules")
ASKED = {QuestionKind.RECORDED: 1234, QuestionKind.NEIGHBOUR: 0}


def file_diff(title: str | None = None, *, declared: bool = False) -> FileDiff:
    requests = [recorded_request({"get": "a/1"}), recorded_request({"get": "b/1"})]
    if title is not None:
        requests = [replace(each, title=title) for each in requests]
    diff = diff_rulesets(OLD, NEW, requests, requests if declared else ())
    return FileDiff("a.rules", "main", diff, ASKED, ("a note",))


def test_text_says_what_was_asked_and_what_changed_why() -> None:
    assert diff_text([file_diff()]).splitlines() == [
        "a.rules against main: 1 request newly allowed; 1 request newly denied",
        "  a note",
        "  asked: 1,234 recorded by checks",
        "",
        "Newly allowed",
        "",
        "  ✗ get b/1 as nobody",
        "      a test",
        "      before denied:  no match block speaks about this path",
        "      now allowed:    a.rules:4:17: allow get;",
        "",
        "Newly denied",
        "",
        "  - get a/1 as nobody",
        "      a test",
        "      before allowed: main:a.rules:4:17: allow get: if true || false;",
        "      now denied:     no match block speaks about this path",
    ]


def test_text_says_who_declared_what() -> None:
    text = diff_text([file_diff(declared=True)])
    assert "Newly allowed, as the access matrix declares\n\n  ✓ get b/1 as nobody" in text
    assert "declared by a test" in text


def test_what_users_wrote_cannot_change_the_table() -> None:
    title = "get a/<img src=x>|b`c @everyone"
    lines = diff_markdown([file_diff(title)]).splitlines()
    row = next(line for line in lines if line.startswith("| get"))
    assert "<img" not in row
    assert "\\|b\\`c" in row
    assert "@everyone" not in row
    conditions = [line for line in lines if "true" in line]
    assert conditions
    assert all("true \\|\\| false" in line for line in conditions)


def test_json_has_places_and_names_for_programs() -> None:
    (file,) = diff_json([file_diff()])["files"]
    allowed, denied = file["changes"]
    assert file["asked"] == {"recorded": 1234, "neighbour": 0}
    assert allowed["kind"] == "newly_allowed"
    assert allowed["now"] == [{"file": "a.rules", "line": 4, "column": 17, "text": "allow get;"}]
    assert allowed["before"] == [{"text": "no match block speaks about this path"}]
    assert denied["kind"] == "newly_denied"
