"""What a client is told when a write is denied."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backend.auth import ANONYMOUS
from harness.backend.metering import RequestRecord
from harness.backend.requests import Commit
from harness.backend.service import Backend, DatabaseService
from harness.errors import StatusError
from harness.firestore.documents import Precondition, Write, WriteKind
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText

HEAD = "rules_version = '2';\nservice cloud.firestore { match /databases/{d}/documents {\n"


def database(rules: str) -> DatabaseService:
    loaded = load_ruleset(SourceText("firestore.rules", f"{HEAD}{rules}\n}} }}"))
    backend = Backend(IndexDefinitions(), loaded.ruleset)
    service = backend.database(DatabaseName("demo-p", "(default)"))
    there = Write(WriteKind.UPDATE, ResourcePath("a/there"), {"n": 1})
    service.store.commit(service.store.prepare([there], Timestamp(1)))
    return service


def denial(rules: str, *writes: Write) -> str:
    with pytest.raises(StatusError) as raised:
        database(rules).commit(
            Commit(writes), ANONYMOUS, Timestamp(1_000), RequestRecord("Commit", ANONYMOUS, 0)
        )
    return raised.value.message


def write(path: str, *, exists: bool | None = None, **fields: Any) -> Write:
    precondition = None if exists is None else Precondition(exists=exists)
    return Write(WriteKind.UPDATE, ResourcePath(path), fields, precondition=precondition)


FALSE = "match /a/{id} {\n allow write: if false;\n allow update: if 1 == 2; }"
OPEN = "match /a/{id} {\n allow create, update: if resource != null && resource.data.n == 2; }"


@pytest.mark.parametrize(
    ("rules", "writes", "message"),
    [
        # Source: logs of public emulator runs: for 'create' first, then for 'update'.
        (
            FALSE,
            [write("a/new")],
            "\nfalse for 'create' @ L4, false for 'update' @ L4, false for 'update' @ L5",
        ),
        (
            FALSE,
            [write("a/there")],
            "\nfalse for 'create' @ L4, false for 'update' @ L4, false for 'update' @ L5",
        ),
        (FALSE, [write("a/new", exists=False)], "\nfalse for 'create' @ L4"),
        (
            FALSE,
            [write("a/there", exists=True)],
            "\nfalse for 'update' @ L4, false for 'update' @ L5",
        ),
        (
            OPEN,
            [write("a/new")],
            "\nevaluation error at L4:27 for 'create' @ L4,"
            " evaluation error at L4:27 for 'update' @ L4, false for 'create' @ L4",
        ),
        (
            OPEN,
            [write("a/there", exists=True)],
            "\nevaluation error at L4:27 for 'update' @ L4, false for 'update' @ L4",
        ),
        ("match /a/{id} { allow get; }", [write("a/new")], "No matching allow statements"),
        (
            "match /a/{id} { allow create; }\nmatch /b/{id} { allow create: if false; }",
            [write("a/new"), write("b/1", exists=False), write("b/2")],
            "\nfalse for 'create' @ L4",
        ),
    ],
)
def test_the_terms_of_a_denied_write(rules: str, writes: list[Write], message: str) -> None:
    assert denial(rules, *writes) == message
