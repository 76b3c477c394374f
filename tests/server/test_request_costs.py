"""What requests other than single queries cost: worked cases 1 to 3 and 85 to 103, numbered as
there, by the published client over a socket.

104, a trigger that reads its document again, is in tests/emulators/test_query_costs.py.

Source: Firestore pricing, "Reads", "Listening to query results", "Security rules evaluation".
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.query_profile import ExplainOptions

from tests.server.running import Project
from tests.server.test_listen import Stream

MINUTES = 60

Bill = dict[str, int]


@pytest.fixture
def bill(project: Project) -> Callable[[], Bill]:
    """A function: what was billed since it was called last; what is 0 is left out."""
    marks = [0]

    def since_last() -> Bill:
        found = project.cost(marks[-1])
        marks.append(found["lastSequence"])
        kept = ("reads", "writes", "deletes", "ttlDeletes", "rulesReads", "indexEntriesScanned")
        return {name: found["billed"][name] for name in kept if found["billed"][name]}

    return since_last


@pytest.fixture
def orders(db: Any, bill: Callable[[], Bill]) -> Any:
    """50 orders, each with a customer of its own but the last ten, who are the first's."""
    batch = db.batch()
    for number in range(50):
        batch.set(
            db.document(f"orders/o{number:02}"),
            {"status": "open", "n": number, "customer": f"c{number if number < 40 else 0}"},
        )
    for number in range(40):
        batch.set(db.document(f"customers/c{number}"), {"name": f"{number}"})
    batch.set(db.document("roles/ana"), {"admin": True})
    batch.commit()
    bill()
    return db.collection("orders")


def test_001_to_003_gets_cost_one_each_found_or_missing(db: Any, orders: Any, bill: Any) -> None:
    orders.document("o01").get()
    assert bill() == {"reads": 1}
    orders.document("nobody").get()
    assert bill() == {"reads": 1}
    list(db.get_all([orders.document(f"o{n}") for n in range(43, 53)]))
    assert bill() == {"reads": 10}


# --- listeners ----------------------------------------------------------------------------------


@pytest.fixture
def channel(project: Project) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(project.server.host) as made:
        yield made


def set_clock(project: Project, verb: str, content: Any = None) -> None:
    method = {"clock": "PUT", "clock:advance": "POST"}[verb]
    answer = project.server.http(
        method, f"/harness/v1/projects/{project.id}/{verb}", json=content or {}
    )
    assert answer.status_code == 200, answer.text


class Heard:
    """Snapshots of a listener, one by one."""

    def __init__(self, query: Any) -> None:
        self._queue: queue.Queue[int] = queue.Queue()
        self.watch = query.on_snapshot(lambda found, *_: self._queue.put(len(found)))

    def until(self, size: int) -> None:
        while self._queue.get(timeout=10) != size:
            pass


def test_085_a_listener_pays_for_what_it_is_told(db: Any, orders: Any, bill: Any) -> None:
    heard = Heard(orders.where(filter=FieldFilter("status", "==", "open")))
    heard.until(50)
    assert bill() == {"reads": 50, "indexEntriesScanned": 50}
    batch = db.batch()
    for number in range(10):  # change and stay
        batch.update(orders.document(f"o{number:02}"), {"n": 100 + number})
    batch.commit()
    heard.until(50)
    assert bill() == {"reads": 10, "writes": 10}
    batch = db.batch()
    for number in range(10, 13):  # leave the result, since they change
        batch.update(orders.document(f"o{number:02}"), {"status": "closed"})
    batch.commit()
    heard.until(47)
    assert bill() == {"reads": 3, "writes": 3}
    batch = db.batch()
    for number in (13, 14):
        batch.delete(orders.document(f"o{number:02}"))
    batch.commit()
    heard.until(45)
    assert bill() == {"deletes": 2}
    orders.document("new").set({"status": "open", "n": 1})
    heard.until(46)
    assert bill() == {"reads": 1, "writes": 1}
    orders.document("other").set({"status": "closed", "n": 1})
    assert bill() == {"writes": 1}
    heard.watch.unsubscribe()


def test_085_what_a_limit_pushes_out_is_free_and_what_takes_a_place_is_not(
    orders: Any, bill: Any
) -> None:
    heard = Heard(orders.order_by("n").limit(5))
    heard.until(5)
    assert bill() == {"reads": 5, "indexEntriesScanned": 6}
    orders.document("first").set({"n": -1})  # comes in, and pushes one out
    heard.until(5)
    assert bill() == {"reads": 1, "writes": 1}
    orders.document("first").delete()  # goes for free; another takes its place
    heard.until(5)
    found = bill()
    assert (found["reads"], found["deletes"]) == (1, 1)
    heard.watch.unsubscribe()


def test_086_a_listener_to_nothing_costs_one(db: Any, bill: Any) -> None:
    heard = Heard(db.collection("empty"))
    heard.until(0)
    assert bill() == {"reads": 1}
    heard.watch.unsubscribe()


@pytest.mark.parametrize(
    ("minutes", "messages", "reads"),
    [(10, ["ADD", "document_change"], 4), (45, ["ADD", "RESET"], 50)],
    ids=["087_within_30_minutes", "088_later"],
)
def test_a_listener_that_comes_back_pays_for_the_changes_or_anew(
    project: Project,
    orders: Any,
    bill: Any,
    channel: grpc.Channel,
    minutes: int,
    messages: list[str],
    reads: int,
) -> None:
    stream = Stream(project, channel)
    stream.listen_to_query(2, "orders")
    while not (token := next(stream.call).target_change.resume_token):
        pass
    stream.end()
    stream.call.cancel()
    assert bill()["reads"] == 50
    set_clock(project, "clock:advance", {"seconds": minutes * MINUTES})
    batch = project.client().batch()
    for number in range(4):
        batch.update(orders.document(f"o{number:02}"), {"n": 100 + number})
    batch.commit()
    bill()
    stream = Stream(project, channel)
    stream.listen_to_query(2, "orders", resume_token=token)
    kinds = [message[0] for message in stream.until_consistent()]
    assert kinds[:2] == messages
    assert bill()["reads"] == reads
    stream.end()
    stream.call.cancel()


def test_how_long_a_listener_was_away_is_counted_from_when_it_left(
    project: Project, orders: Any, bill: Any, channel: grpc.Channel
) -> None:
    stream = Stream(project, channel)
    stream.listen_to_query(2, "orders")
    stream.until_consistent()
    assert bill()["reads"] == 50
    set_clock(project, "clock:advance", {"seconds": 60 * MINUTES})  # nothing happens to it
    token = next(stream.call).target_change.resume_token
    stream.end()
    stream.call.cancel()
    set_clock(project, "clock:advance", {"seconds": 10 * MINUTES})
    orders.document("o01").update({"n": 100})
    bill()
    stream = Stream(project, channel)
    stream.listen_to_query(2, "orders", resume_token=token)
    assert [message[0] for message in stream.until_consistent()][:2] == ["ADD", "document_change"]
    assert bill() == {"reads": 1}
    stream.end()
    stream.call.cancel()


# --- security rules -----------------------------------------------------------------------------

LOOKUP = """
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    function role() { return get(/databases/$(database)/documents/roles/$(request.auth.uid)).data; }
    match /orders/{id} {
      allow read, write: if role().admin && exists(/databases/$(database)/documents/roles/ana);
    }
    match /three/{id} {
      allow read: if exists(/databases/$(database)/documents/roles/none)
        || exists(/databases/$(database)/documents/roles/ana)
        || exists(/databases/$(database)/documents/roles/bob);
    }
    match /closed/{id} {
      allow read: if get(/databases/$(database)/documents/roles/ana).data.admin == false;
    }
  }
}
"""


def test_089_and_091_rules_read_a_document_once_for_each_request(
    project: Project, orders: Any, bill: Any
) -> None:
    project.load_rules(LOOKUP)
    ana = project.as_user("ana")
    ana.document("orders/o01").get()
    assert bill() == {"reads": 1, "rulesReads": 1}
    list(ana.collection("orders").stream())
    assert bill() == {"reads": 50, "rulesReads": 1, "indexEntriesScanned": 50}


def test_090_what_is_denied_pays_for_its_rules_alone(
    project: Project, orders: Any, bill: Any
) -> None:
    project.load_rules(LOOKUP)
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("ana").document("closed/x").get()
    assert bill() == {"rulesReads": 1}
    assert project.requests()[-1]["billed"]["egressBytes"] == 0


def test_092_a_batch_pays_for_its_rules_once(project: Project, orders: Any, bill: Any) -> None:
    project.load_rules(LOOKUP)
    ana = project.as_user("ana")
    batch = ana.batch()
    for number in range(3):
        batch.update(ana.document(f"orders/o{number:02}"), {"n": 0})
    batch.commit()
    assert bill() == {"writes": 3, "rulesReads": 1}


def test_093_what_rules_do_not_evaluate_is_free(project: Project, orders: Any, bill: Any) -> None:
    project.load_rules(LOOKUP)
    project.as_user("ana").document("three/x").get()
    assert bill() == {"reads": 1, "rulesReads": 2}


def test_a_listener_pays_for_its_rules_each_time_they_are_asked(
    project: Project, db: Any, orders: Any, bill: Any
) -> None:
    project.load_rules(LOOKUP)
    heard = Heard(project.as_user("ana").collection("orders"))
    heard.until(50)
    assert bill()["rulesReads"] == 1
    orders.document("o50").set({"n": 1})  # its result changes
    heard.until(51)
    assert bill() == {"reads": 1, "writes": 1, "rulesReads": 1}
    db.document("roles/ana").update({"since": 1})  # what its rules look up changes
    assert bill() == {"writes": 1, "rulesReads": 1}
    db.document("roles/bob").set({"admin": True})  # they do not look that up
    assert bill() == {"writes": 1}
    project.load_rules(LOOKUP.replace("//", "// "))  # its rules change
    assert bill() == {"rulesReads": 1}
    db.document("roles/ana").update({"admin": False})  # and now it is denied
    assert bill() == {"writes": 1, "rulesReads": 1}
    assert project.requests()[-2]["status"] == "PERMISSION_DENIED"
    heard.watch.unsubscribe()


# --- writes and transactions --------------------------------------------------------------------


def test_094_each_attempt_of_a_transaction_pays_for_its_reads(
    project: Project, db: Any, orders: Any, bill: Any
) -> None:
    attempts = []

    @firestore.transactional
    def move(transaction: Any) -> None:
        attempts.append(1)
        for number in range(3):
            orders.document(f"o{number:02}").get(transaction=transaction)
        transaction.set(orders.document("o00"), {"n": 7})
        transaction.set(orders.document("o01"), {"n": 7})
        if len(attempts) == 1:
            raise exceptions.Aborted("once")

    with pytest.raises(exceptions.Aborted):
        move(db.transaction())
    move(db.transaction())
    assert bill() == {"reads": 6, "writes": 2}


def test_094_attempts_are_numbered(project: Project, db: Any, orders: Any, bill: Any) -> None:
    project.server.http(
        "POST",
        f"/harness/v1/projects/{project.id}/faults",
        json={"rpc": "Commit", "status": "ABORTED", "times": 1},
    )

    @firestore.transactional
    def move(transaction: Any) -> None:
        for number in range(3):
            orders.document(f"o{number:02}").get(transaction=transaction)
        transaction.set(orders.document("o00"), {"n": 7})
        transaction.set(orders.document("o01"), {"n": 7})

    move(db.transaction())
    records = project.requests()
    assert bill() == {"reads": 6, "writes": 2}
    reads = [each for each in records if each["rpc"] == "BatchGetDocuments"]
    assert [each["attempt"] for each in reads] == [1, 1, 1, 2, 2, 2]


def test_095_and_096_writes_that_change_nothing_are_billed(db: Any, orders: Any, bill: Any) -> None:
    orders.document("o00").set({"status": "open", "n": 0, "customer": "c0"})
    assert bill() == {"writes": 1}
    orders.document("nobody").delete()
    assert bill() == {"deletes": 1}
    orders.document("o00").update(
        {
            "n": firestore.Increment(1),
            "tags": firestore.ArrayUnion(["a"]),
            "at": firestore.SERVER_TIMESTAMP,
        }
    )
    assert bill() == {"writes": 1}
    with pytest.raises(exceptions.NotFound):
        orders.document("nobody").update({"n": 1})
    assert bill() == {}


def test_of_a_batch_write_only_what_succeeds_is_billed(
    project: Project, db: Any, orders: Any, bill: Any
) -> None:
    body = {
        "writes": [
            {
                "update": {"name": f"{project.root[4:]}/orders/nobody", "fields": {}},
                "currentDocument": {"exists": True},
            },
            {"update": {"name": f"{project.root[4:]}/orders/o00", "fields": {}}},
            {"delete": f"{project.root[4:]}/orders/o01"},
        ]
    }
    answer = project.server.http(
        "POST", f"{project.root}:batchWrite", json=body, headers={"Authorization": "Bearer owner"}
    )
    assert answer.status_code == 200, answer.text
    assert bill() == {"writes": 1, "deletes": 1}


# --- requests that list -------------------------------------------------------------------------


def test_097_each_page_of_collection_ids_costs_one(db: Any, orders: Any, bill: Any) -> None:
    api = db._firestore_api
    root = f"{db._database_string}/documents"
    pager = api.list_collection_ids(
        request={"parent": root, "page_size": 2}, metadata=db._rpc_metadata
    )
    assert list(pager) == ["customers", "orders", "roles"]
    assert bill() == {"reads": 2}


def test_a_page_of_documents_costs_what_it_shows_and_at_least_one(
    project: Project, db: Any, orders: Any, bill: Any
) -> None:
    db.document("missing/a/below/b").set({"n": 1})
    bill()
    assert len(list(orders.list_documents(page_size=30))) == 50
    assert bill()["reads"] == 50
    assert [each.id for each in db.collection("missing").list_documents()] == ["a"]
    assert bill() == {"reads": 1}
    assert list(db.collection("nothing").list_documents()) == []
    assert bill() == {"reads": 1}


def test_partitions_cost_one(db: Any, orders: Any, bill: Any) -> None:
    list(db.collection_group("orders").get_partitions(2))
    assert bill() == {"reads": 1}


# --- explain and loops --------------------------------------------------------------------------


def test_098_and_099_a_plan_alone_costs_one_and_nothing_where_there_is_none(
    orders: Any, bill: Any
) -> None:
    orders.get(explain_options=ExplainOptions(analyze=False))
    assert bill() == {"reads": 1}
    unserved = orders.where(filter=FieldFilter("status", "==", "open")).order_by("n")
    with pytest.raises(exceptions.FailedPrecondition, match="no matching index found"):
        unserved.get(explain_options=ExplainOptions(analyze=False))
    assert bill() == {}


def test_100_and_101_a_loop_of_gets_costs_each_of_them(db: Any, orders: Any, bill: Any) -> None:
    found = orders.limit(50).get()
    customers = [db.document(f"customers/{each.get('customer')}") for each in found]
    for customer in customers:
        customer.get()
    assert bill() == {"reads": 100, "indexEntriesScanned": 50}
    orders.limit(50).get()
    list(db.get_all(customers))
    assert bill() == {"reads": 90, "indexEntriesScanned": 50}


def test_102_a_recursive_delete_reads_what_it_deletes(db: Any, orders: Any, bill: Any) -> None:
    for number in range(3):
        db.document(f"orders/o00/items/{number}").set({"n": number})
    bill()
    assert db.recursive_delete(orders.document("o00")) == 4
    found = bill()
    assert found["deletes"] == 4
    # The client asks for the parts below and for the document itself.
    assert 3 <= found["reads"] <= 5


def test_103_what_a_ttl_policy_removes_costs_a_ttl_delete_each(
    project: Project, db: Any, bill: Any
) -> None:
    policy = {"collectionGroup": "sessions", "fieldPath": "until", "ttl": True, "indexes": []}
    indexes = f"/harness/v1/projects/{project.id}/indexes"
    project.server.http("PUT", indexes, json={"fieldOverrides": [policy]})
    for start in (0, 500):
        batch = db.batch()
        for number in range(start, start + 500):
            batch.set(
                db.document(f"sessions/{number}"), {"until": datetime(2001, 1, 1, tzinfo=UTC)}
            )
        batch.commit()
    bill()
    project.server.http("POST", f"{project.own}/documents:expire", json={})
    assert bill() == {"ttlDeletes": 1_000}


def test_a_write_says_how_many_index_entries_it_wrote(
    project: Project, db: Any, orders: Any
) -> None:
    db.document("c/d").set({"a": 1, "t": ["x", "y", "y"], "m": {"n": 1}})
    record = project.requests()[-1]
    # Two of a, two of m.n, one for each distinct element.
    assert record["indexEntriesWritten"] == 6
    db.document("c/d").update({"a": 2})
    record = project.requests()[-1]
    # Name 2 + 2 + 16, field name, value, and 32, twice.
    assert (record["indexEntriesWritten"], record["indexBytesWritten"]) == (
        2,
        2 * (20 + 2 + 8 + 32),
    )
    db.document("c/d").delete()
    assert project.requests()[-1]["indexEntriesWritten"] == 0
