"""What the Storage rules runtime notes in a file, while somebody wants it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.rules.recorded import replay
from harness.rules.recorded_json import ReadRequest, RequestReader, ruleset_digest
from harness.rules.ruleset import load_ruleset
from harness.server import storage_requests
from harness.server.storage_requests import (
    StorageRequests,
    requests_of_arguments,
    start_storage_requests,
    take_storage_requests,
)
from harness.server.storage_rules import Runtime
from harness.source import SourceText
from tests.server.test_storage_rules import RULES, load, permits, verify

FOUND = {"status": "ok", "result": {"fields": {"admin": {"booleanValue": True}}}}


def converse(path: Path, *lines: dict[str, Any]) -> list[Any]:
    said: list[Any] = []
    waiting = iter([json.dumps(line) for line in lines])
    Runtime(said.append, lambda: next(waiting, None), StorageRequests(path)).serve()
    return said


def read(text: str) -> list[ReadRequest]:
    return list(RequestReader().read(text.splitlines()))


def test_each_verdict_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    start_storage_requests(path)
    said = converse(
        path,
        load(),
        verify(1, "b/x/o/img/ana/1.png", uid="ana"),
        verify(2, "b/x/o/img/ana/1.png", uid="bob"),
    )
    assert permits(said) == [True, False]
    noted = read(take_storage_requests(path))
    assert [(each.recorded.title, each.recorded.allowed) for each in noted] == [
        ("get img/ana/1.png as ana", True),
        ("get img/ana/1.png as bob", False),
    ]
    assert {each.rules for each in noted} == {ruleset_digest(RULES)}
    assert take_storage_requests(path) == ""


def test_the_documents_that_rules_read_are_noted_found_or_missing(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    start_storage_requests(path)
    converse(
        path,
        load(),
        verify(1, "b/x/o/team/a", uid="ana"),
        {"id": 1, **FOUND},
        verify(2, "b/x/o/team/a", "delete", uid="ana"),
        {"id": 2, "status": "not_found"},
        {"id": 2, **FOUND},
    )
    get, delete = read(take_storage_requests(path))
    ana = ("databases", "(default)", "documents", "users", "ana")
    assert get.recorded.documents.before == {ana: {"admin": True}}
    assert not get.recorded.documents.is_complete
    assert [missing[-2:] for missing in delete.recorded.documents.missing] == [("locks", "a")]
    ruleset = load_ruleset(SourceText("storage.rules", RULES)).ruleset
    assert ruleset is not None
    for each in (get, delete):
        again = replay(ruleset, each.recorded)
        assert (again.allowed, again.unknown) == (True, ())


def test_nothing_is_noted_before_the_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    assert permits(converse(path, load(), verify(1, "b/x/o/img/ana/1.png", uid="ana"))) == [True]
    assert not path.exists()
    assert take_storage_requests(path) == ""


def test_a_forgotten_file_stops_growing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(storage_requests, "MAX_BYTES", 10)
    path = tmp_path / "requests.jsonl"
    start_storage_requests(path)
    question = verify(1, "b/x/o/img/ana/1.png", uid="ana")
    assert permits(converse(path, load(), question, question)) == [True, True]
    assert len(read(take_storage_requests(path))) == 1


def test_a_line_that_a_kill_has_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    start_storage_requests(path)
    converse(path, load(), verify(1, "b/x/o/img/ana/1.png", uid="ana"))
    with path.open("ab") as file:
        file.write(b'{"begin":1}\n{"sta')
    assert len(read(take_storage_requests(path))) == 1


def test_the_file_is_named_on_the_command_line() -> None:
    named = requests_of_arguments(["x.jar", "serve", "--requests", "/tmp/r.jsonl"])
    assert named == StorageRequests(Path("/tmp/r.jsonl"))
    assert requests_of_arguments(["x.jar", "serve"]) is None
