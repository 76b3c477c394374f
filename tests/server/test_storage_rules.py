"""The Storage rules runtime, over its protocol."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from harness.rules.values import RulesLatLng, RulesPath, RulesSet, RulesTimestamp
from harness.server.storage_rules import (
    Runtime,
    timestamp_from_text,
    value_from_expression,
    value_from_rest,
)

RULES = """
rules_version = '2';
service firebase.storage {
  match /b/{bucket}/o {
    match /img/{uid}/{name} {
      allow read: if request.auth.uid == uid;
      allow create: if request.auth.uid == uid && request.resource.size < 1000;
    }
    match /team/{name} {
      allow get: if firestore.get(/databases/(default)/documents/users/$(request.auth.uid))
                    .data.admin == true;
      allow delete: if !firestore.exists(/databases/(default)/documents/locks/$(name))
                    && firestore.exists(/databases/(default)/documents/users/$(request.auth.uid));
    }
  }
}
"""
READY = {"id": -1, "status": "ok"}
WAIT_S = 30


def load(request_id: int = 0, name: str = "0", content: str = RULES) -> dict[str, Any]:
    files = [{"name": "storage.rules", "content": content}]
    context = {"rulesetName": name, "source": {"files": files}}
    return {"action": "load_ruleset", "context": context, "id": request_id}


def verify(
    request_id: int,
    path: str,
    method: str = "get",
    *,
    uid: str | None = None,
    audience: str = "demo-own",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **context: Any,
) -> dict[str, Any]:
    auth = {"null_value": None}
    if uid is not None:
        named = {"user_id": {"string_value": uid}, "aud": {"string_value": audience}}
        claims = {"map_value": {"fields": named}}
        auth = {"map_value": {"fields": {"uid": {"string_value": uid}, "token": claims}}}
    segments = [{"simple": part} for part in path.split("/") if part]
    fields = {
        "path": {"path_value": {"segments": segments}},
        "time": {"timestamp_value": "2026-01-02T03:04:05.678Z"},
        "resource": after or {"null_value": None},
        "auth": auth,
    }
    return {
        "action": "verify",
        "context": {
            "rulesetName": "0",
            "service": "firebase.storage",
            "path": path,
            "method": method,
            "variables": {
                "resource": before or {"null_value": None},
                "request": {"map_value": {"fields": fields}},
            },
            **context,
        },
        "id": request_id,
    }


def document(request_id: int, fields: Mapping[str, Any] | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": "ok", "warnings": [], "errors": [], "id": request_id}
    if fields is None:
        return {**answer, "status": "not_found"}
    return {
        **answer,
        "result": {"name": "projects/p/databases/(default)/documents/x", "fields": fields},
    }


def converse(lines: Iterable[Mapping[str, Any] | str], **options: Any) -> list[Any]:
    """Send lines one by one, and return everything the runtime says behind the ready line."""
    said: list[Any] = []
    waiting = iter([line if isinstance(line, str) else json.dumps(line) for line in lines])
    Runtime(said.append, lambda: next(waiting, None), **options).serve()
    assert said[0] == READY
    return said[1:]


def permits(answers: Iterable[Mapping[str, Any]]) -> list[bool]:
    return [
        answer["result"]["permit"] for answer in answers if "permit" in answer.get("result", {})
    ]


def size(number: int) -> dict[str, Any]:
    return {"map_value": {"fields": {"size": {"int_value": number}}}}


def test_a_ruleset_loads_and_says_its_version() -> None:
    (answer,) = converse([load(4)])
    assert answer == {
        "id": 4,
        "status": "ok",
        "result": {"rulesVersion": 2},
        "errors": [],
        "warnings": [],
    }


def test_a_ruleset_without_a_version_is_version_1() -> None:
    (answer,) = converse([load(content="service firebase.storage { }")])
    assert answer["result"] == {"rulesVersion": 1}


def test_a_bad_ruleset_is_answered_with_its_error_and_line() -> None:
    (answer,) = converse([load(content="service firebase.storage {\n  allow;\n}")])
    assert answer["status"] == "ok"  # anything else, and the emulator waits for ever
    (error,) = map(json.loads, answer["errors"])
    assert error == {
        "description_": "Unexpected 'allow'.",
        "sourcePosition_": {"fileName_": "storage.rules", "line_": 2},
    }


def test_a_warning_does_not_keep_a_ruleset_from_loading() -> None:
    content = "service firebase.storage {\n  function f() { return true; }\n}"
    (answer,) = converse([load(content=content)])
    assert answer["errors"] == []
    (warning,) = map(json.loads, answer["warnings"])
    assert warning["description_"] == "Unused function: f."
    assert warning["sourcePosition_"]["line_"] == 2


def test_the_owner_is_permitted_and_a_stranger_is_not() -> None:
    answers = converse(
        [
            load(),
            verify(1, "/b/bkt/o/img/ana/x.png", uid="ana"),
            verify(2, "/b/bkt/o/img/ana/x.png", uid="bob"),
            verify(3, "/b/bkt/o/img/ana/x.png"),
            verify(4, "/b/bkt/o/img/ana/x.png", "create", uid="ana", after=size(999)),
            verify(5, "/b/bkt/o/img/ana/x.png", "create", uid="ana", after=size(1000)),
            verify(6, "/b/bkt/o/img/ana", "list", uid="ana", delimiter="/"),
            verify(7, "/b/bkt/o/img", "list", uid="ana", delimiter="/"),
            verify(8, "/b/bkt/o/img/ana", "list", uid="ana", delimiter=""),
        ]
    )
    assert [answer["id"] for answer in answers] == list(range(9))
    assert permits(answers) == [True, False, False, True, False, True, False, False]


def test_a_document_is_fetched_under_the_id_of_the_request_that_needs_it() -> None:
    answers = converse(
        [
            load(),
            verify(1, "/b/bkt/o/team/x", uid="ana"),
            document(1, {"admin": {"booleanValue": True}}),
            verify(2, "/b/bkt/o/team/x", uid="bob"),
            document(2, {"admin": {"booleanValue": False}}),
            verify(3, "/b/bkt/o/team/x", uid="eve"),
            document(3, None),
        ]
    )
    fetches = [answer for answer in answers if "action" in answer]
    assert [(fetch["action"], fetch["server_request_id"], "id" in fetch) for fetch in fetches] == [
        ("fetch_firestore_document", number, False) for number in (1, 2, 3)
    ]
    assert fetches[0]["context"] == {"path": "/databases/(default)/documents/users/ana"}
    assert permits(answers) == [True, False, False]


@pytest.mark.parametrize(
    ("audience", "behind"),
    [
        ("demo-own", "?harness-project=demo-own"),
        ("shop-79c3b", "?harness-project=shop-79c3b"),
        ("no/project?x", ""),
        ("", ""),
    ],
)
def test_a_document_is_asked_for_in_the_project_of_the_callers_token(
    audience: str, behind: str
) -> None:
    asked = verify(1, "/b/bkt/o/team/x", uid="ana", audience=audience)
    fetch = converse([load(), asked, document(1, {})], asks_own_project=True)[1]
    assert fetch["context"] == {"path": f"/databases/(default)/documents/users/ana{behind}"}


def test_who_has_no_token_is_answered_from_the_suites_project() -> None:
    rules = RULES.replace("$(request.auth.uid)", "ana")
    lines = [load(content=rules), verify(1, "/b/bkt/o/team/x"), document(1, {})]
    fetch = converse(lines, asks_own_project=True)[1]
    assert fetch["context"] == {"path": "/databases/(default)/documents/users/ana"}


def test_a_request_that_arrives_while_a_document_is_awaited_is_answered_after() -> None:
    answers = converse(
        [
            load(),
            verify(1, "/b/bkt/o/team/x", "delete", uid="ana"),
            verify(2, "/b/bkt/o/img/ana/x.png", uid="ana"),
            document(1, None),
            document(1, {}),
        ]
    )
    assert [answer.get("id", "fetch") for answer in answers] == [0, "fetch", "fetch", 1, 2]
    assert permits(answers) == [True, True]


def test_a_document_that_cannot_be_read_is_not_a_missing_one() -> None:
    unreadable = {**document(1, None), "status": "invalid_state"}
    request = verify(1, "/b/bkt/o/team/x", "delete", uid="ana")
    answers = converse([load(), request, unreadable, document(1, {})])
    assert permits(answers) == [False]


def test_a_document_with_a_value_of_no_known_kind_denies() -> None:
    strange = document(1, {"admin": {"strangeValue": True}})
    answers = converse([load(), verify(1, "/b/bkt/o/team/x", uid="ana"), strange])
    assert permits(answers) == [False]


def test_it_ends_when_the_emulator_goes_away_during_a_fetch() -> None:
    answers = converse([load(), verify(1, "/b/bkt/o/team/x", uid="ana")])
    assert [answer.get("action") for answer in answers] == [None, "fetch_firestore_document"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"id": 5}',
        '{"action": "verify", "id": 5}',
        '{"action": "dance", "context": {}, "id": 5}',
        '{"action": "load_ruleset", "context": {}, "id": 5}',
        '{"action": "load_ruleset", "context": {"source": {"files": [1]}}, "id": 5}',
        '{"action": "load_ruleset", "context": {"source": []}, "id": 5}',
        '{"action": "verify", "context": {"rulesetName": "0"}, "id": 5}',
        '{"action": "verify", "context": {"rulesetName": "nope"}, "id": 5}',
        json.dumps(verify(5, "/b/x", "dance")),
        json.dumps(verify(5, "/b/x", variables=[])),
        json.dumps(verify(5, "/b/x", variables={"resource": 1, "request": 1})),
        json.dumps(verify(5, "/b/x", before={"map_value": {"fields": []}})),
        json.dumps(verify(5, "/b/x", before={"int_value": "x"})),
        json.dumps(verify(5, "/b/x", before={"odd_value": 1})),
        '{"id": 5, "context": ' + "[" * 100_000,
        '{"action": "verify", "id": 5, "context": {"a": ' + '{"a":' * 500 + "1" + "}" * 502,
    ],
)
def test_a_malformed_line_is_never_permitted_and_never_the_last(line: str) -> None:
    *answers, last = converse([load(), line, verify(6, "/b/bkt/o/img/ana/x.png", uid="ana")])[1:]
    assert last["id"] == 6
    assert last["result"] == {"permit": True}
    for answer in answers:
        assert answer["id"] == 5
        assert answer["status"] == "ok"
        assert answer["errors"]
        assert answer["result"]["permit"] is False


def test_expression_values() -> None:
    value = {
        "map_value": {
            "fields": {
                "null": {"null_value": None},
                "bool": {"bool_value": True},
                "int": {"int_value": 3},
                "huge": {"int_value": 10**20},
                "float": {"float_value": 1.5},
                "string": {"string_value": "s"},
                "bytes": {"bytes_value": "aGk="},
                "time": {"timestamp_value": "1970-01-01T00:00:01.5Z"},
                "path": {"path_value": {"segments": [{"simple": "a"}, {"simple": "b"}]}},
                "latlng": {"latlng_value": {"latitude": 1, "longitude": 2}},
                "list": {"list_value": {"values": [{"int_value": 1}]}},
                "set": {"set_value": {"values": [{"int_value": 1}]}},
            }
        }
    }
    assert value_from_expression(value) == {
        "null": None,
        "bool": True,
        "int": 3,
        "huge": 1e20,
        "float": 1.5,
        "string": "s",
        "bytes": b"hi",
        "time": RulesTimestamp(1_500_000_000),
        "path": RulesPath(("a", "b")),
        "latlng": RulesLatLng(1.0, 2.0),
        "list": [1],
        "set": RulesSet([1]),
    }


def test_firestore_values() -> None:
    value = {
        "mapValue": {
            "fields": {
                "null": {"nullValue": None},
                "int": {"integerValue": "3"},
                "double": {"doubleValue": 1},
                "infinity": {"doubleValue": "Infinity"},
                "time": {"timestampValue": "1970-01-01T00:00:00.000000001Z"},
                "reference": {"referenceValue": "projects/p/databases/(default)/documents/a/b"},
                "empty": {"arrayValue": {}},
                "none": {"mapValue": {}},
            }
        }
    }
    assert value_from_rest(value) == {
        "null": None,
        "int": 3,
        "double": 1.0,
        "infinity": float("inf"),
        "time": RulesTimestamp(1),
        "reference": RulesPath(("databases", "(default)", "documents", "a", "b")),
        "empty": [],
        "none": {},
    }


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.678Z", 678_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_timestamps(text: str, nanos: int) -> None:
    assert timestamp_from_text(text) == RulesTimestamp(nanos)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_the_process_speaks_and_ends_cleanly(number: signal.Signals | None) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.server.storage_rules", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == READY
        process.stdin.write(json.dumps(load(content=RULES + "// ü")) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["errors"] == []
        if number is None:
            process.stdin.close()
        else:
            process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait(WAIT_S)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
