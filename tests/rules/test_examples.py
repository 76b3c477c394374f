"""Example documents of a ruleset, and what of them is open."""

import pytest

from harness.rules.examples import example_documents, public_requests
from harness.rules.ruleset import load_ruleset
from harness.rules.values import RulesTimestamp
from harness.source import SourceText

CASES = [
    ("match /a/{x} { allow read; }", ["a/example"]),
    ("match /a/{x} { match /b/{y} { allow read; } }", ["a/example/b/example"]),
    ("match /a/fixed { allow read; } match /a/fixed { allow write; }", ["a/fixed"]),
    ("match /{all=**} { allow read; }", ["example/example"]),
    ("match /a/{rest=**} { allow read; }", ["a/example"]),
    ("match /a/{x}/{rest=**} { allow read; }", ["a/example/example/example"]),
    ("match /{path=**}/b/{x} { allow read; }", ["example/example/b/example"]),
    ("match /a/{x} { function f() { return true; } }", []),  # allows nothing
    ("match /a { allow read; }", []),  # matches no document
]


@pytest.mark.parametrize(("body", "documents"), CASES)
def test_each_pattern_that_allows_has_an_example(body: str, documents: list[str]) -> None:
    assert list(example_documents(ruleset(body))) == documents


def ruleset(body: str):
    text = "rules_version = '2'; service cloud.firestore { match /databases/{db}/documents {"
    made = load_ruleset(SourceText("firestore.rules", f"{text}{body}}}}}"))
    assert made.ruleset is not None, made.issues
    return made.ruleset


@pytest.mark.parametrize(
    ("body", "public"),
    [
        ("match /a/{x} { allow read: if request.auth != null; }", []),
        ("match /a/{x} { allow read: if true; }", ["get", "list"]),
        ("match /a/{x} { allow write: if true; }", ["create", "update", "delete"]),
        ("match /a/{x} { allow get: if x == 'example'; }", ["get"]),
        ("match /a/{x} { allow get: if resource.data.public == true; }", []),
        ("match /a/{x} { allow get: if request.time < timestamp.date(2030, 1, 1); }", ["get"]),
        ("match /a/{x} { allow get: if request.time < timestamp.date(2020, 1, 1); }", []),
    ],
)
def test_what_is_granted_without_signing_in_is_public(body: str, public: list[str]) -> None:
    now = RulesTimestamp(1_770_000_000 * 10**9)
    assert public_requests(ruleset(body), now) == tuple((name, "a/example") for name in public)
