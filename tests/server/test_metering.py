"""What requests cost, and who is said to have caused it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.server.running import Project


def billed(project: Project, since: int) -> dict[str, int]:
    """Return what is not 0, without the bytes sent: those have tests of their own."""
    found: dict[str, int] = project.cost(since)["billed"]
    return {name: number for name, number in found.items() if number and name != "egressBytes"}


@pytest.fixture
def items(project: Project, db: Any) -> Any:
    batch = db.batch()
    for number in range(5):
        batch.set(db.document(f"items/{number}"), {"n": number, "owner": "ana"})
    batch.commit()
    return db.collection("items")


def mark(project: Project) -> int:
    last: int = project.cost()["lastSequence"]
    return last


def test_a_write_is_one_write_and_a_delete_one_delete(project: Project, db: Any) -> None:
    db.document("c/d").set({"n": 1})
    db.document("c/d").delete()
    db.document("c/never").delete()
    assert billed(project, 0) == {"writes": 1, "deletes": 2}


def test_a_failed_commit_is_free(project: Project, db: Any) -> None:
    with pytest.raises(exceptions.NotFound):
        db.document("c/none").update({"n": 1})
    assert billed(project, 0) == {}


def test_a_get_is_one_read_found_or_missing(project: Project, items: Any) -> None:
    since = mark(project)
    items.document("0").get()
    items.document("none").get()
    assert billed(project, since) == {"reads": 2, "totalReads": 2, "documentsReturned": 1}


def test_a_query_costs_its_documents_and_at_least_one(project: Project, items: Any) -> None:
    since = mark(project)
    list(items.limit(3).stream())
    assert billed(project, since)["reads"] == 3
    since = mark(project)
    list(items.where(filter=FieldFilter("n", ">", 100)).stream())
    assert billed(project, since) == {"reads": 1, "totalReads": 1, "minimumCharges": 1}


def test_a_count_costs_index_entries(project: Project, items: Any) -> None:
    since = mark(project)
    items.count().get()
    assert billed(project, since)["reads"] == 1
    assert billed(project, since)["indexEntriesScanned"] == 5


def test_a_request_is_on_record_with_its_shape_and_plan(project: Project, items: Any) -> None:
    list(
        items.where(filter=FieldFilter("n", ">", 1)).order_by("n", direction="DESCENDING").stream()
    )
    record = project.requests()[-1]
    assert record["rpc"] == "RunQuery"
    assert record["collection"] == "items"
    assert record["query"] == "items where n > ? order by n desc"
    assert record["plan"] == ["(n DESC, __name__ DESC)"]
    assert record["billed"]["reads"] == 3
    assert record["latencyMs"] > 0


def test_callers_are_told_apart_and_may_name_themselves(project: Project, items: Any) -> None:
    since = mark(project)
    project.as_user("ana").document("items/0").get()
    project.client(token=None).document("items/0").get()
    project.client(label="home screen").document("items/0").get()
    callers = [(c["caller"], c.get("label")) for c in project.cost(since)["callers"]]
    assert callers == [("admin", "home screen"), ("anonymous", None), ("user:ana", None)]


def test_the_log_can_be_read_from_a_mark_on(project: Project, items: Any) -> None:
    since = mark(project)
    items.document("0").get()
    records = project.requests(since)
    assert [record["rpc"] for record in records] == ["BatchGetDocuments"]
    assert records[0]["sequence"] == since + 1


def test_ids_do_not_appear_in_collection_patterns(project: Project, db: Any) -> None:
    db.document("users/ana/tasks/1").get()
    assert project.requests()[-1]["collection"] == "users/*/tasks/*"


def test_documents_that_an_offset_passes_over_are_told(project: Project, items: Any) -> None:
    since = mark(project)
    list(items.order_by("n").offset(3).limit(1).stream())
    assert billed(project, since)["reads"] == 4
    assert billed(project, since)["documentsSkipped"] == 3
    assert project.requests()[-1]["limit"] == 1


def test_a_write_that_changes_nothing_is_told(project: Project, items: Any) -> None:
    since = mark(project)
    items.document("0").set({"n": 0, "owner": "ana"})
    assert billed(project, since) == {"writes": 1, "writesWithoutChange": 1}


def test_a_request_names_its_documents(project: Project, db: Any) -> None:
    db.document("users/ana").set({"n": 1})
    assert project.requests()[-1]["documents"] == ["users/ana"]


def test_storage_grows_by_a_document_and_its_index_entries(project: Project, db: Any) -> None:
    # The documented example of Firestore's page on storage sizes: 147 bytes, and two entries for
    # each of its fields.
    task = {
        "type": "Personal",
        "done": False,
        "priority": 1,
        "description": "Learn Cloud Firestore",
    }
    path = "users/jeff/tasks/my_task_id"
    names = [(name, value) for name, value in (("type", 9), ("done", 1), ("priority", 8))]
    names.append(("description", 22))
    entries = sum(2 * (44 + 27 + len(name) + 1 + size + 32) for name, size in names)
    db.document(path).set(task)
    assert project.requests()[-1]["storedBytes"] == 147 + entries
    db.document(path).delete()
    assert project.requests()[-1]["storedBytes"] == -(147 + entries)


def test_answers_are_counted_in_bytes_and_refused_ones_are_free(
    project: Project, items: Any
) -> None:
    since = mark(project)
    items.document("0").get()
    sent = project.cost(since)["billed"]["egressBytes"]
    assert 50 < sent < 300
    project.load_rules("service cloud.firestore { match /{any=**} { allow read: if false; } }")
    since = mark(project)
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("ana").document("items/0").get()
    assert project.cost(since)["billed"]["egressBytes"] == 0


def test_a_listener_s_answers_are_counted_in_bytes(project: Project, items: Any) -> None:
    heard = threading.Event()
    since = mark(project)
    watch = items.on_snapshot(lambda *_: heard.set())
    assert heard.wait(10)
    watch.unsubscribe()
    assert project.cost(since)["billed"]["egressBytes"] > 5 * 50
