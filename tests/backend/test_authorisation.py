"""What a client is told when a write is denied."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backend.auth import ANONYMOUS
from harness.backend.databases import Backend
from harness.backend.metering import RequestRecord
from harness.backend.requests import Commit
from harness.backend.service import DatabaseService
from harness.errors import StatusError
from harness.firestore.documents import (
    FieldTransform,
    Precondition,
    TransformKind,
    Write,
    WriteKind,
)
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
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


# What `set({n: 1, at: serverTimestamp()})` was to clients of before 2020.
STAMPED = "match /a/{id} { allow create: if request.resource.data.at == request.time; }"


def stamp(path: str, *, is_transform: bool = True) -> Write:
    transform = FieldTransform(FieldPath(("at",)), TransformKind.SET_TO_SERVER_VALUE)
    exists = Precondition(exists=True)
    return Write(WriteKind.UPDATE, ResourcePath(path), {}, (), (transform,), exists, is_transform)


def commit(rules: str, *writes: Write) -> int:
    """Commit writes that rules grant; return how many decisions that took."""
    record = RequestRecord("Commit", ANONYMOUS, 0)
    database(rules).commit(Commit(writes), ANONYMOUS, Timestamp(1_000), record)
    return len(record.verdicts)


def test_an_update_and_its_transform_are_one_question() -> None:
    assert commit(STAMPED, write("a/new", n=1), stamp("a/new")) == 1


def test_each_of_several_documents_has_its_own_transform() -> None:
    writes = [write("a/new", n=1), stamp("a/new"), write("a/other", n=1), stamp("a/other")]
    assert commit(STAMPED, *writes) == 2
    assert denial(STAMPED, *writes[:3]).startswith("\nProperty at is undefined on object.")


@pytest.mark.parametrize(
    "second",
    [stamp("a/new", is_transform=False), stamp("a/there"), write("a/new", exists=True, n=2)],
    ids=["an update of today", "of another document", "no transform"],
)
def test_what_is_no_transform_of_the_update_is_a_question_of_its_own(second: Write) -> None:
    assert "Property at is undefined on object." in denial(STAMPED, write("a/new", n=1), second)


def test_a_transform_alone_is_an_update() -> None:
    assert "for 'update'" in denial(
        "match /a/{id} { allow update: if request.resource.data.n == 2; }", stamp("a/there")
    )
