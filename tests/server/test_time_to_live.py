"""Documents that expire by a TTL policy, over real sockets.

Source: Firestore, "Manage data retention with TTL policies"; firebase-functions, AuthType (what the
system deletes).
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import firestore

from tests.server.running import Project

PATIENCE_S = 20
POLICY = {"collectionGroup": "sessions", "fieldPath": "expireAt", "ttl": True, "indexes": []}
EXPIRED = {"expireAt": datetime(2001, 1, 1, tzinfo=UTC)}


@pytest.fixture
def expire(project: Project) -> Callable[[], dict[str, Any]]:
    """A function that deletes what has expired."""
    answer = project.server.http(
        "PUT", f"/harness/v1/projects/{project.id}/indexes", json={"fieldOverrides": [POLICY]}
    )
    assert answer.json()["fieldOverrides"] == [POLICY]

    def ask() -> dict[str, Any]:
        found = project.server.http("POST", f"{project.own}/documents:expire", json={})
        assert found.status_code == 200, found.text
        answer: dict[str, Any] = found.json()
        return answer

    return ask


def test_what_has_expired_is_there_until_it_is_deleted(db: Any, expire: Any) -> None:
    tomorrow = {"expireAt": datetime.now(UTC) + timedelta(days=1)}
    db.document("sessions/old").set(EXPIRED)
    db.document("sessions/old/parts/1").set(EXPIRED)
    db.document("sessions/new").set(tomorrow)
    db.document("users/ana/sessions/old").set(EXPIRED)
    assert db.document("sessions/old").get().exists
    assert expire() == {"deleted": 2, "locked": []}
    assert [each.id for each in db.collection_group("sessions").get()] == ["new"]
    assert db.document("sessions/old/parts/1").get().exists  # what lies below stays
    assert expire() == {"deleted": 0, "locked": []}


def test_the_clock_of_the_project_decides(project: Project, db: Any, expire: Any) -> None:
    db.document("sessions/a").set({"expireAt": datetime(2031, 1, 2, tzinfo=UTC)})
    clock = f"/harness/v1/projects/{project.id}/clock"
    project.server.http("PUT", clock, json={"now": "2031-01-01T00:00:00Z", "frozen": True})
    try:
        assert expire()["deleted"] == 0
        project.server.http("POST", f"{clock}:advance", json={"seconds": 86_400})
        assert expire()["deleted"] == 1
    finally:
        project.server.http("DELETE", clock)


def test_listeners_hear_of_it(db: Any, expire: Any) -> None:
    heard: queue.Queue[list[str]] = queue.Queue()
    watch = db.collection("sessions").on_snapshot(
        lambda documents, changes, time: heard.put([each.id for each in documents])
    )
    try:
        assert heard.get(timeout=PATIENCE_S) == []
        db.document("sessions/a").set(EXPIRED)
        assert heard.get(timeout=PATIENCE_S) == ["a"]
        expire()
        assert heard.get(timeout=PATIENCE_S) == []
    finally:
        watch.unsubscribe()


def test_a_document_that_a_transaction_has_read_is_left_for_the_next_time(
    db: Any, expire: Any
) -> None:
    session = db.document("sessions/a")
    session.set({**EXPIRED, "n": 1})
    db.document("sessions/b").set(EXPIRED)
    seen = []

    @firestore.transactional
    def prolong(transaction: Any) -> None:
        found = session.get(transaction=transaction)
        seen.append(expire())
        transaction.update(session, {"n": found.get("n") + 1})

    prolong(db.transaction())
    assert seen == [{"deleted": 1, "locked": ["sessions/a"]}]
    assert session.get().get("n") == 2
    assert expire() == {"deleted": 1, "locked": []}


def test_it_is_on_record_as_the_systems_own(project: Project, db: Any, expire: Any) -> None:
    db.document("sessions/a").set(EXPIRED)
    expire()
    record = project.requests()[-1]
    assert (record["rpc"], record["caller"]) == ("ExpireDocuments", "system")
    assert record["documents"] == ["sessions/a"]
    assert record["storedBytes"] < 0


def test_without_a_policy_it_says_how_to_make_one(project: Project) -> None:
    answer = project.server.http("POST", f"{project.own}/documents:expire", json={})
    assert answer.status_code == 400
    assert 'set "ttl": true for one under fieldOverrides' in answer.json()["error"]["message"]
