"""Requests of users: what rules are asked, what a denial says, and what it costs."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.server.running import Project

RULES = """rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} {
      allow read, create, delete: if request.auth != null && request.auth.uid == uid;
      allow update: if request.auth.uid == uid && request.resource.data.role == resource.data.role;
    }
    match /notes/{id} {
      allow get: if resource.data.owner == request.auth.uid;
      allow list: if resource.data.owner == request.auth.uid && request.query.limit <= 10;
      allow write: if exists(/databases/$(database)/documents/users/$(request.auth.uid));
    }
    match /pairs/{id} {
      allow write: if getAfter(/databases/$(database)/documents/pairs/other).data.n == 1
                   && !exists(/databases/$(database)/documents/pairs/other);
    }
  }
}
"""


@pytest.fixture
def guarded(project: Project) -> Project:
    project.load_rules(RULES)
    return project


def notes_of(client: Any, owner: str, limit: int | None = 10) -> Any:
    query = client.collection("notes").where(filter=FieldFilter("owner", "==", owner))
    return query.limit(limit) if limit else query


def test_a_user_reads_and_writes_what_the_rules_grant(guarded: Project) -> None:
    ana = guarded.as_user("ana").document("users/ana")
    ana.set({"role": "member", "n": 1})
    ana.update({"n": 2})
    assert ana.get().get("n") == 2
    ana.delete()
    assert not ana.get().exists


def test_a_stranger_is_denied_with_the_emulators_words(guarded: Project) -> None:
    with pytest.raises(exceptions.PermissionDenied) as error:
        guarded.as_user("bob").document("users/ana").get()
    assert "false for 'get' @ L5" in error.value.message


def test_nobody_is_denied_where_nothing_matches(guarded: Project) -> None:
    with pytest.raises(exceptions.PermissionDenied, match="No matching allow statements"):
        guarded.client(token=None).document("other/x").get()


def test_an_administrator_is_asked_nothing(guarded: Project) -> None:
    guarded.client().document("users/ana").set({"role": "owner"})
    assert guarded.client().document("users/ana").get().exists


def test_an_update_is_judged_by_the_document_after_it(guarded: Project) -> None:
    guarded.client().document("users/ana").set({"role": "member"})
    with pytest.raises(exceptions.PermissionDenied):
        guarded.as_user("ana").document("users/ana").update({"role": "owner"})


def test_a_denial_comes_before_a_failed_precondition(guarded: Project) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        guarded.as_user("ana").document("users/bob").update({"n": 1})


def test_a_list_must_prove_what_the_rule_demands(guarded: Project) -> None:
    guarded.client().document("notes/1").set({"owner": "ana"})
    ana = guarded.as_user("ana")
    assert [note.id for note in notes_of(ana, "ana").stream()] == ["1"]
    for query in (
        notes_of(ana, "bob"),
        notes_of(ana, "ana", None),
        ana.collection("notes").limit(1),
    ):
        with pytest.raises(exceptions.PermissionDenied):
            list(query.stream())


def test_an_aggregation_is_judged_as_a_list(guarded: Project) -> None:
    ana = guarded.as_user("ana")
    assert notes_of(ana, "ana").count().get()[0][0].value == 0
    with pytest.raises(exceptions.PermissionDenied):
        notes_of(ana, "bob").count().get()


def test_permission_is_decided_before_a_missing_index(guarded: Project) -> None:
    query = guarded.as_user("ana").collection("secrets").where(filter=FieldFilter("a", "==", 1))
    with pytest.raises(exceptions.PermissionDenied):
        list(query.order_by("b").stream())


def test_one_denied_write_fails_the_whole_batch(guarded: Project) -> None:
    ana = guarded.as_user("ana")
    batch = ana.batch()
    batch.set(ana.document("users/ana"), {"role": "member"})
    batch.set(ana.document("users/bob"), {"role": "member"})
    with pytest.raises(exceptions.PermissionDenied):
        batch.commit()
    assert not ana.document("users/ana").get().exists


def test_get_after_sees_the_whole_batch_and_exists_the_state_before(guarded: Project) -> None:
    ana = guarded.as_user("ana")
    batch = ana.batch()
    batch.set(ana.document("pairs/one"), {"n": 1})
    batch.set(ana.document("pairs/other"), {"n": 1})
    batch.commit()
    with pytest.raises(exceptions.PermissionDenied):
        ana.document("pairs/one").set({"n": 1})


def test_documents_that_rules_look_at_are_billed_even_for_a_denial(guarded: Project) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        guarded.as_user("ana").document("notes/1").set({"owner": "ana"})
    (caller,) = guarded.cost()["callers"]
    assert caller["caller"] == "user:ana"
    assert (caller["billed"]["rulesReads"], caller["billed"]["writes"]) == (1, 0)


def test_the_request_log_explains_a_denial(guarded: Project) -> None:
    with pytest.raises(exceptions.PermissionDenied):
        guarded.as_user("bob").document("users/ana").get()
    record = guarded.requests()[-1]
    assert (record["rpc"], record["caller"], record["status"]) == (
        "BatchGetDocuments",
        "user:bob",
        "PERMISSION_DENIED",
    )
    assert record["collection"] == "users/*"
    (decision,) = record["rules"]
    assert (decision["method"], decision["path"], decision["allowed"]) == (
        "get",
        "users/ana",
        False,
    )
    assert decision["reasons"][0]["line"] == 5


def test_the_request_log_says_which_line_granted(guarded: Project) -> None:
    guarded.as_user("ana").document("users/ana").get()
    (decision,) = guarded.requests()[-1]["rules"]
    assert (decision["allowed"], decision["allowedByLine"]) == (True, 5)


def test_writes_of_many_and_lists_of_names_are_for_administrators(guarded: Project) -> None:
    ana = guarded.as_user("ana")
    with pytest.raises(exceptions.PermissionDenied, match="Metadata operations require admin"):
        list(ana.collections())
    writer = ana.bulk_writer()
    failures = []
    writer.on_write_error(lambda error, _: failures.append(error) or False)
    response = guarded.server.http(
        "POST",
        f"{guarded.root}:batchWrite",
        json={"writes": []},
    )
    assert (response.status_code, response.json()["error"]["message"]) == (
        403,
        "Batch writes require admin authentication.",
    )


def test_the_time_of_a_request_is_that_of_its_server_timestamps(project: Project) -> None:
    project.load_rules(
        """service cloud.firestore { match /databases/{d}/documents { match /c/{id} {
             allow create: if request.resource.data.at == request.time;
           } } }"""
    )
    ana = project.as_user("ana")
    ana.document("c/1").create({"at": firestore.SERVER_TIMESTAMP})
    with pytest.raises(exceptions.PermissionDenied):
        ana.document("c/2").create({"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)})


def test_a_token_that_is_none_is_refused(guarded: Project) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="invalid jwt"):
        guarded.client(token="abc").document("users/ana").get()


@pytest.mark.parametrize(
    ("granted", "act", "outcome"),
    [
        ("create", lambda document: document.update({"n": 1}), exceptions.PermissionDenied),
        ("update", lambda document: document.update({"n": 1}), exceptions.NotFound),
        ("update", lambda document: document.create({"n": 1}), exceptions.PermissionDenied),
        ("create", lambda document: document.set({"n": 1}), None),
        ("update", lambda document: document.set({"n": 1}), exceptions.PermissionDenied),
    ],
)
def test_a_precondition_says_which_method_a_write_is(
    project: Project, granted: str, act: Any, outcome: type[Exception] | None
) -> None:
    """Rules are asked for what the client means, before it is known whether it can be done.

    Source: observed: emulator 1.22.0 (exists: true is update, exists: false is create).
    """
    project.load_rules(
        "service cloud.firestore { match /databases/{db}/documents {"
        f" match /n/{{id}} {{ allow {granted}; }} }} }}"
    )
    document = project.as_user("ana").document("n/missing")
    if outcome is None:
        act(document)
        return
    with pytest.raises(outcome):
        act(document)


def test_a_create_of_what_is_there_is_a_create(project: Project, db: Any) -> None:
    project.load_rules(
        "service cloud.firestore { match /databases/{db}/documents {"
        " match /n/{id} { allow create: if resource == null; allow update; } } }"
    )
    db.document("n/there").set({})
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("ana").document("n/there").create({})
