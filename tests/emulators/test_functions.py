"""What is read from the Functions emulator's answers; calls themselves are in test_suite.py."""

from __future__ import annotations

import json

import pytest

from harness.emulators.functions import (
    DeployedFunction,
    FunctionsError,
    functions_from_backends,
    result_of_call,
)


@pytest.mark.parametrize(
    ("body", "result"),
    [({"result": {"a": 1}}, {"a": 1}), ({"result": None}, None), ({"data": 3}, 3)],
)
def test_the_result_of_a_call_is_unwrapped(body, result):
    assert result_of_call(200, json.dumps(body).encode()) == result


@pytest.mark.parametrize(
    ("status", "body", "code", "message", "details"),
    [
        (
            403,
            {"error": {"status": "PERMISSION_DENIED", "message": "no", "details": {"why": 1}}},
            *("permission-denied", "no", {"why": 1}),
        ),
        (
            500,
            {"error": {"status": "INTERNAL", "message": "INTERNAL"}},
            "internal",
            "INTERNAL",
            None,
        ),
        (400, {"error": {"message": "Bad Request"}}, "invalid-argument", "Bad Request", None),
        (200, {"nothing": 1}, "internal", "Response is missing data field.", None),
        (429, "slow down", "resource-exhausted", '"slow down"', None),
        (418, "", "unknown", '""', None),
    ],
)
def test_an_error_has_the_code_that_client_sdks_give(status, body, code, message, details):
    with pytest.raises(FunctionsError) as caught:
        result_of_call(status, json.dumps(body).encode())
    error = caught.value
    assert (error.code, error.message, error.details) == (code, message, details)


def _trigger(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "region": "us-central1", "platform": "gcfv2", "labels": {}, **more}


def test_the_kinds_of_functions_are_told_apart():
    answer = {
        "backends": [
            {
                "functionTriggers": [
                    _trigger("call", labels={"deployment-callable": "true"}, httpsTrigger={}),
                    _trigger("http", httpsTrigger={}),
                    _trigger("task", httpsTrigger={}, taskQueueTrigger={}),
                    _trigger("block", blockingTrigger={"eventType": "beforeCreate"}),
                    _trigger(
                        "nightly",
                        eventTrigger={"eventType": "pubsub", "resource": ""},
                        schedule={"schedule": "every day 03:00"},
                        platform="gcfv1",
                    ),
                    _trigger(
                        "onWrite",
                        eventTrigger={
                            "eventType": "google.cloud.firestore.document.v1.written",
                            "eventFilters": {"database": "(default)"},
                            "eventFilterPathPatterns": {"document": "a/{id}"},
                        },
                    ),
                ]
            }
        ]
    }
    found = {function.name: function for function in functions_from_backends(answer)}
    assert {name: function.kind for name, function in found.items()} == {
        "call": "callable",
        "http": "http",
        "task": "task",
        "block": "blocking",
        "nightly": "scheduled",
        "onWrite": "event",
    }
    assert found["nightly"] == DeployedFunction(
        "nightly",
        "us-central1",
        "scheduled",
        1,
        schedule="every day 03:00",
        time_zone="America/Los_Angeles",
    )
    assert found["onWrite"].resource == "a/{id}"


def test_functions_that_were_loaded_twice_are_listed_once():
    answer = {"backends": [{"functionTriggers": [_trigger("a"), _trigger("b"), _trigger("a")]}]}
    assert [function.name for function in functions_from_backends(answer)] == ["a", "b"]


def test_a_suite_without_functions_has_none():
    assert functions_from_backends({}) == []


@pytest.mark.parametrize(
    ("event_type", "emulator"),
    [
        ("google.cloud.firestore.document.v1.created", "firestore"),
        ("google.cloud.firestore.document.v1.written.withAuthContext", "firestore"),
        ("providers/cloud.firestore/eventTypes/document.create", "firestore"),
        ("google.cloud.storage.object.v1.finalized", "storage"),
        ("google.storage.object.finalize", "storage"),
        ("providers/firebase.auth/eventTypes/user.create", "auth"),
        ("google.firebase.database.ref.v1.written", "database"),
        ("providers/google.firebase.database/eventTypes/ref.write", "database"),
        ("google.cloud.pubsub.topic.v1.messagePublished", None),
        ("com.example.auth.paid", None),
        (None, None),
    ],
)
def test_an_event_function_waits_for_an_emulator(
    event_type: str | None, emulator: str | None
) -> None:
    function = DeployedFunction("f", "us-central1", "event", 2, event_type=event_type)
    assert function.waits_for == emulator
