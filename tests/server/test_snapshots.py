"""Named snapshots of a database, over real sockets."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

import pytest
from google.api_core import exceptions

from harness.backend.events import background_trigger
from harness.server.controls import MAX_SNAPSHOTS
from tests.server.running import Project

PATIENCE_S = 20


def snapshot(project: Project, method: str, name: str = "", verb: str = "") -> Any:
    path = f"{project.own}/snapshots"
    if name:
        path += f"/{quote(name, safe='')}{verb}"
    return project.server.http(method, path)


def documents(db: Any) -> dict[str, Any]:
    return {
        document.reference.path: document.to_dict()
        for collection in db.collections()
        for document in collection.stream()
    }


@pytest.fixture
def thousand(db: Any) -> dict[str, Any]:
    for start in (0, 500):
        batch = db.batch()
        for number in range(start, start + 500):
            batch.set(db.document(f"items/{number:04}"), {"n": number})
        batch.commit()
    return documents(db)


def test_a_snapshot_brings_back_all_documents_and_no_others(
    project: Project, db: Any, thousand: dict[str, Any]
) -> None:
    answer = snapshot(project, "POST", "full")
    assert answer.json() == {"name": "full", "documents": 1000}
    db.document("items/0001").delete()
    db.document("items/0002").update({"n": -1})
    db.document("others/1").set({"n": 1})
    restored = snapshot(project, "POST", "full", ":restore").json()
    assert restored == {"documents": 1000, "changed": 3}
    assert documents(db) == thousand
    project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    assert documents(db) == {}
    assert snapshot(project, "POST", "full", ":restore").json()["changed"] == 1000
    assert documents(db) == thousand


def test_a_restored_document_keeps_its_create_time_and_gets_a_later_update_time(
    project: Project, db: Any
) -> None:
    db.document("c/1").set({"n": 1})
    before = db.document("c/1").get()
    snapshot(project, "POST", "one")
    db.document("c/1").delete()
    snapshot(project, "POST", "one", ":restore")
    after = db.document("c/1").get()
    assert after.create_time == before.create_time
    assert after.update_time > before.update_time


def test_what_had_the_name_is_replaced_and_names_are_any_text(project: Project, db: Any) -> None:
    name = "zwölf/Äpfel: restore"
    snapshot(project, "POST", name)
    db.document("c/1").set({"n": 1})
    snapshot(project, "POST", name)
    snapshot(project, "POST", "b")
    assert snapshot(project, "GET").json() == {
        "snapshots": [{"name": "b", "documents": 1}, {"name": name, "documents": 1}]
    }
    assert snapshot(project, "DELETE", name).status_code == 200
    for method, verb in (("POST", ":restore"), ("DELETE", "")):
        answer = snapshot(project, method, name, verb)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"no such snapshot: {name}"


def test_a_listener_sees_what_a_restore_changes(project: Project, db: Any) -> None:
    db.document("c/1").set({"n": 1})
    snapshot(project, "POST", "one")
    db.document("c/1").set({"n": 2})
    told: list[Any] = []
    news = threading.Condition()

    def hear(found: Any, changes: Any, read_time: Any) -> None:
        with news:
            told.append([document.get("n") for document in found])
            news.notify_all()

    watch = db.collection("c").on_snapshot(hear)
    try:
        with news:
            assert news.wait_for(lambda: told == [[2]], PATIENCE_S)
        snapshot(project, "POST", "one", ":restore")
        with news:
            assert news.wait_for(lambda: told == [[2], [1]], PATIENCE_S)
    finally:
        watch.unsubscribe()


def test_a_restore_ends_open_transactions(project: Project, db: Any) -> None:
    db.document("c/1").set({"n": 1})
    snapshot(project, "POST", "one")
    transaction = db.transaction()
    transaction._begin()
    db.document("c/1").get(transaction=transaction)
    snapshot(project, "POST", "one", ":restore")
    with pytest.raises(exceptions.Aborted):
        db.document("c/1").get(transaction=transaction)
    db.document("c/1").set({"n": 3}, timeout=PATIENCE_S)


@pytest.mark.parametrize("is_muted", [False, True])
def test_no_function_hears_of_a_restore(project: Project, db: Any, is_muted: bool) -> None:
    running = project.server.running
    trigger = background_trigger(
        "hear-0",
        {
            "eventTrigger": {
                "resource": f"projects/{project.id}/databases/(default)/documents/c/{{id}}",
                "eventType": "providers/cloud.firestore/eventTypes/document.write",
                "service": "firestore.googleapis.com",
            }
        },
    )
    db.document("c/1").set({"n": 1})
    snapshot(project, "POST", "one")
    db.document("c/1").delete()
    running.shell.triggers.add(trigger)
    running.dispatcher.functions_host = "127.0.0.1:1"
    verb = "mute" if is_muted else "unmute"
    project.server.http("POST", f"/harness/v1/projects/{project.id}/events:{verb}")
    before = running.dispatcher.counts.dispatched
    try:
        snapshot(project, "POST", "one", ":restore")
        assert running.dispatcher.counts.dispatched == before
        db.document("c/1").delete()
        assert running.dispatcher.counts.dispatched == before + (not is_muted)
    finally:
        running.shell.triggers.remove(project.id, "hear-0")
        running.dispatcher.functions_host = None
        project.server.http("POST", f"/harness/v1/projects/{project.id}/events:unmute")


def test_the_number_of_snapshots_is_limited(project: Project) -> None:
    for number in range(MAX_SNAPSHOTS):
        assert snapshot(project, "POST", f"s{number}").status_code == 200
    assert snapshot(project, "POST", "s0").status_code == 200
    assert snapshot(project, "POST", "one more").status_code == 429
