from __future__ import annotations

import pytest

from harness.backend.events import (
    EventKind,
    TriggerError,
    TriggerRegistry,
    background_trigger,
    changed_fields,
    compile_pattern,
    eventarc_trigger,
)
from harness.firestore.documents import CommitResult, DocumentChange, DocumentSnapshot
from harness.firestore.paths import ResourcePath
from harness.firestore.values import Timestamp

PROJECT = "demo-app"
TIME = Timestamp(1_000_000)


def v1(event: str, pattern: str, key: str = "us-central1-onUser-0"):
    return background_trigger(
        key,
        {
            "eventTrigger": {
                "resource": f"projects/{PROJECT}/databases/(default)/documents/{pattern}",
                "eventType": f"providers/cloud.firestore/eventTypes/document.{event}",
                "service": "firestore.googleapis.com",
            }
        },
    )


def v2(event: str, pattern: str, match_type: str = "PATH_PATTERN", key: str = "us-central1-on-0"):
    return eventarc_trigger(
        key,
        PROJECT,
        {
            "eventType": f"google.cloud.firestore.document.v1.{event}",
            "database": "(default)",
            "namespace": "(default)",
            "document": {"value": pattern, "matchType": match_type},
        },
    )


def change(path: str, before: dict | None, after: dict | None) -> DocumentChange:
    name = ResourcePath(path)
    make = lambda fields: None if fields is None else DocumentSnapshot(name, fields, TIME, TIME)  # noqa: E731
    return DocumentChange(name, make(before), make(after))


def events(registry: TriggerRegistry, *changes: DocumentChange, database: str = "(default)"):
    commit = CommitResult(TIME, (), changes)
    return [
        (e.trigger.key, e.kind.value, str(e.path))
        for e in registry.events(PROJECT, database, commit)
    ]


CREATED = change("users/ana", None, {"n": 1})
UPDATED = change("users/ana", {"n": 1}, {"n": 2})
DELETED = change("users/ana", {"n": 1}, None)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("users/{uid}", "users/ana", True),
        ("users/{uid}", "users/ana/tasks/1", False),
        ("users/*", "users/ana", True),
        ("users/{uid=*}", "users/ana", True),
        ("users/{all=**}", "users/ana/tasks/1", True),
        ("users/**", "users/ana", True),
        ("{all=**}/tasks/{id}", "users/ana/tasks/1", True),
        ("{all=**}/tasks/{id}", "tasks/1", False),
        ("users/{uid}/tasks/{id}", "users/ana/tasks/1", True),
        ("Users/{uid}", "users/ana", False),
        ("users/a.a", "users/aba", False),
        ("users/ana", "users/ana", True),
    ],
)
def test_a_pattern_matches_whole_paths(pattern: str, path: str, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(path) is not None) is matches


@pytest.mark.parametrize("make", [v1, v2])
@pytest.mark.parametrize(
    ("kinds", "made", "kind"),
    [
        (("create", "created"), CREATED, "created"),
        (("update", "updated"), UPDATED, "updated"),
        (("delete", "deleted"), DELETED, "deleted"),
    ],
)
def test_each_kind_of_trigger_hears_only_its_kind_of_change(make, kinds, made, kind) -> None:
    registry = TriggerRegistry()
    registry.add(make(kinds[0] if make is v1 else kinds[1], "users/{uid}"))
    heard = [events(registry, candidate) for candidate in (CREATED, UPDATED, DELETED)]
    assert [len(found) for found in heard] == [
        int(candidate is made) for candidate in (CREATED, UPDATED, DELETED)
    ]
    assert next(found for found in heard if found)[0][1] == kind


def test_a_written_trigger_hears_every_change_by_its_own_kind() -> None:
    registry = TriggerRegistry()
    registry.add(v2("written", "users/{uid}", key="k"))
    assert events(registry, CREATED, UPDATED, DELETED) == [
        ("k", "created", "users/ana"),
        ("k", "updated", "users/ana"),
        ("k", "deleted", "users/ana"),
    ]


def test_another_database_is_not_heard() -> None:
    registry = TriggerRegistry()
    registry.add(v1("write", "users/{uid}"))
    assert events(registry, CREATED, database="other") == []


def test_an_exact_trigger_takes_its_braces_literally() -> None:
    registry = TriggerRegistry()
    registry.add(v2("written", "users/{uid}", match_type="EXACT"))
    assert events(registry, CREATED) == []


def test_a_trigger_with_the_same_key_replaces_the_first() -> None:
    registry = TriggerRegistry()
    registry.add(v1("create", "users/{uid}", key="k"))
    registry.add(v1("delete", "users/{uid}", key="k"))
    assert len(registry) == 1
    assert events(registry, CREATED) == []


def test_a_removed_trigger_hears_nothing() -> None:
    registry = TriggerRegistry()
    registry.add(v1("create", "users/{uid}", key="k"))
    assert registry.remove(PROJECT, "k")
    assert not registry.remove(PROJECT, "k")
    assert events(registry, CREATED) == []


def test_the_auth_context_variant_is_recognised() -> None:
    trigger = v2("written.withAuthContext", "users/{uid}")
    assert trigger.with_auth
    assert trigger.kind is EventKind.WRITTEN


def test_a_namespace_in_the_resource_is_ignored() -> None:
    trigger = background_trigger(
        "k",
        {
            "eventTrigger": {
                "resource": "projects/p/databases/(default)/documents@ns/users/{uid}",
                "eventType": "providers/cloud.firestore/eventTypes/document.write",
            }
        },
    )
    assert trigger.pattern == "users/{uid}"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"eventTrigger": {}},
        {
            "eventTrigger": {
                "resource": "x",
                "eventType": "providers/cloud.firestore/eventTypes/document.write",
            }
        },
        {
            "eventTrigger": {
                "resource": "projects/p/databases/d/documents/a/b",
                "eventType": "other",
            }
        },
    ],
)
def test_a_registration_that_is_none_says_so(body: object) -> None:
    with pytest.raises(TriggerError):
        background_trigger("k", body)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"eventType": "google.cloud.firestore.document.v1.moved", "document": {"value": "a/b"}},
        {"eventType": "google.cloud.firestore.document.v1.written"},
    ],
)
def test_an_eventarc_registration_that_is_none_says_so(body: object) -> None:
    with pytest.raises(TriggerError):
        eventarc_trigger("k", PROJECT, body)


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": 1}, {}, ["a"]),
        ({}, {"b": None}, ["b"]),
        ({"m": {"x": 1, "y": 1}}, {"m": {"x": 1, "y": 2, "z": 3}}, ["m.y", "m.z"]),
        ({"m": {"x": 1}}, {"m": 1}, ["m"]),
        ({"m": {}}, {}, ["m"]),
        ({"a": (1,)}, {"a": (1, 2)}, ["a"]),
        ({}, {"two words": 1}, ["`two words`"]),
    ],
)
def test_the_changed_fields_are_those_that_differ(before, after, paths) -> None:
    assert [str(path) for path in changed_fields(before, after)] == paths


@pytest.mark.parametrize(
    ("key", "function", "generation"),
    [
        ("us-central1-onUser-0", "us-central1-onUser", 0),
        ("us-central1-billing-charge-12", "us-central1-billing-charge", 12),
        ("onUser", "onUser", 0),
    ],
)
def test_a_key_tells_the_function_and_how_often_it_was_loaded(key, function, generation) -> None:
    trigger = v1("write", "users/{uid}", key=key)
    assert (trigger.function, trigger.generation) == (function, generation)


def test_a_function_loaded_anew_replaces_its_older_registration() -> None:
    registry = TriggerRegistry()
    for key in ("r-on-0", "r-on-x-0", "r-on-1"):
        registry.add(v1("create", "users/{uid}", key=key))
    assert [key for key, _, _ in events(registry, CREATED)] == ["r-on-x-0", "r-on-1"]
