"""`harness rules explain`: what it asks, of which rules and documents, what it prints."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from harness.recordings import RequestsFile
from harness.rules.recorded_json import ruleset_digest
from tests.cli.conftest import ProjectFolder, Ran
from tests.test_recordings import part

Harness = Callable[..., Ran]

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    function signedIn() { return request.auth != null; }
    match /groups/{id} {
      allow get: if signedIn() && request.auth.uid in resource.data.members;
      allow list: if request.auth.uid in resource.data.members && request.query.limit <= 10;
      allow create: if request.resource.data.createdAt == request.time;
      allow update: if request.auth.token.admin == true
                    && request.resource.data.members == resource.data.members;
      allow delete: if false;
    }
    match /{path=**}/posts/{id} { allow list: if resource.data.by == request.auth.uid; }
  }
}
"""
STORAGE = """\
rules_version = '2';
service firebase.storage {
  match /b/{bucket}/o/img/{name} {
    allow create: if request.resource.size < 100
                  && request.resource.contentType.matches('image/.*')
                  && request.resource.metadata.by == request.auth.uid;
  }
}
"""
DOCUMENTS = "groups/home: {members: [alice], name: Home}\n"


@pytest.fixture
def rules(project: ProjectFolder) -> ProjectFolder:
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules"}, "storage": {"rules": "storage.rules"}}',
    )
    project.write("firestore.rules", RULES)
    project.write("storage.rules", STORAGE)
    project.write("harness.yaml", "personas: {owner: {uid: alice}, root: {claims: {admin: true}}}")
    project.write("documents.yaml", DOCUMENTS)
    return project


def asked(harness: Harness, *arguments: str) -> Ran:
    return harness("rules", "explain", "--documents", "documents.yaml", *arguments)


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ("--as owner --get groups/home", 0, "allowed: get groups/home as alice"),
        (
            "--as bob --get groups/home",
            1,
            "denied: get groups/home as bob: firestore.rules:6:35:"
            " request.auth.uid in resource.data.members => false ('bob' in ['alice'])",
        ),
        (
            "--get groups/home",
            1,
            "denied: get groups/home as nobody: firestore.rules:4:34:"
            " request.auth != null => false\n",
        ),
        ("--anonymous --get /groups/none", 1, "denied: get groups/none as nobody"),
        (
            "--as eve --create groups/new --data '{createdAt: $now}'",
            0,
            "allowed: create groups/new as eve",
        ),
        (
            "--as eve --create groups/new --data '{\"createdAt\": 5}'",
            1,
            "request.resource.data.createdAt == request.time => false (5 vs 2",
        ),
        (
            "--as root --update groups/home --data '{name: X}'",
            0,
            "allowed: update groups/home as root",
        ),
        (
            (
                "--as eve --claims '{admin: true}' --update groups/home"
                " --data '{members: {$union: [eve]}}'"
            ),
            1,
            "=> false (['alice', 'eve'] vs ['alice'])",
        ),
        (
            "--as root --update groups/home --by set --data '{name: X}'",
            1,
            "request.resource.data.members => error: Property members is undefined on object.",
        ),
        ("--as owner --delete groups/home", 1, "firestore.rules:11:7 allow delete"),
        (
            (
                "--as owner --list groups --limit 5"
                " --where 'members array-contains alice' --order-by name:desc"
            ),
            0,
            "allowed: list groups where members array-contains 'alice'"
            " order by name desc limit 5 as alice",
        ),
        (
            "--as owner --list groups --limit 5",
            1,
            "the query's filters say nothing of it",
        ),
        (
            "--as owner --collection-group posts --where by==alice",
            0,
            "allowed: list collection group posts where by == 'alice' as alice",
        ),
        (
            "--as owner --collection-group posts --where 'n>=5'",
            1,
            "denied: list collection group posts where n >= 5 as alice",
        ),
        (
            (
                "--storage --as owner --create img/a.png"
                " --data '{size: 50, contentType: image/png, metadata: {by: alice}}'"
            ),
            0,
            "allowed: create img/a.png as alice",
        ),
        (
            "--storage --as owner --create img/a.png --data '{size: 500}'",
            1,
            "request.resource.size < 100 => false (500 vs 100)",
        ),
        ("--get elsewhere/a", 1, "no match block speaks about this path"),
    ],
)
def test_a_request_is_explained(
    rules: ProjectFolder, harness: Harness, arguments: str, status: int, line: str
) -> None:
    ran = asked(harness, *shlex.split(arguments))
    assert (ran.status, ran.err) == (status, "")
    assert line in ran.out


def test_it_needs_no_project_when_the_rules_are_named(
    rules: ProjectFolder, harness: Harness
) -> None:
    (rules.path / "firebase.json").unlink()
    ran = asked(harness, "--rules", "firestore.rules", "--as", "alice", "--get", "groups/home")
    assert ran.status == 0


def test_documents_are_those_of_the_access_matrix(rules: ProjectFolder, harness: Harness) -> None:
    rules.write(
        "harness.yaml",
        "personas: {owner: {uid: alice}}\naccess:\n  documents:\n"
        "    groups/home: {members: [alice]}\n  rows: []\n",
    )
    assert harness("rules", "explain", "--as", "owner", "--get", "groups/home").status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "no request"),
        ("--get a/b --delete a/b", "several requests"),
        ("--get groups", "--get:1:1: get on a collection's path"),
        ("--list groups --where name", "--where name is no filter"),
        ("--create groups/x", "create without data"),
        ("--create groups/home --data '{a: 1}'", "which is there already"),
        ("--update groups/x --data '{a: 1}'", "which is not there"),
        ("--get groups/x --claims '{a: 1}'", "claims of someone who is not signed in"),
        ("--get groups/x --match x", "--match is for --last"),
        ("--storage --create img/a --data '{length: 1}'", "is not a key of --data"),
        ("--rules storage.rules --get a/b", "has no rules of cloud.firestore"),
        ("--now tomorrow --get a/b", "is not a time"),
    ],
)
def test_wrong_usage_is_said_in_a_line(
    rules: ProjectFolder, harness: Harness, arguments: str, said: str
) -> None:
    ran = asked(harness, *shlex.split(arguments))
    assert ran.status == 2
    assert said in ran.err


def test_what_the_last_run_was_denied_is_explained(rules: ProjectFolder, harness: Harness) -> None:
    own = ruleset_digest(RULES)
    file = RequestsFile(rules.path, "main", [own])
    file.append(
        "checks/test_a.py::test_b", [part("get a/b as nobody", rules=ruleset_digest(RULES))]
    )
    ran = harness("rules", "explain", "--last")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "checks/test_a.py::test_b:\n"
        "denied: get /a as nobody: no match block speaks about this path\n"
    )
    assert harness("rules", "explain", "--last", "--match", "nothing like it").out == ""


def test_without_a_last_run_it_says_what_to_do(rules: ProjectFolder, harness: Harness) -> None:
    ran = harness("rules", "explain", "--last")
    assert ran.status == 2
    assert "no requests are recorded" in ran.err
