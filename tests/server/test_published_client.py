"""The published Python client against a real port: what it sends must be understood, and what comes
back too.
"""

from __future__ import annotations

import datetime
import math
import threading
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter, Or
from google.cloud.firestore_v1.vector import Vector

from tests.server.running import Project

NOON = datetime.datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=datetime.UTC)


def where(field: str, operator: str, value: object) -> FieldFilter:
    return FieldFilter(field, operator, value)


def ids(documents: Any) -> list[str]:
    return [document.id for document in documents]


def test_every_kind_of_value_survives_the_wire(db: Any) -> None:
    values = {
        "null": None,
        "true": True,
        "false": False,
        "int": -(2**63),
        "float": 0.1,
        "negative zero": -0.0,
        "infinity": math.inf,
        "string": "žluťoučký 🐎\0",
        "empty": "",
        "bytes": b"\x00\xff",
        "time": NOON,
        "place": firestore.GeoPoint(-90.0, 180.0),
        "array": [1, "two", {"three": [3]}, None],
        "no array": [],
        "map": {"a": {"b": {}}, "dots.and `quotes`": 1},
        "vector": Vector([1.0, -2.5]),
    }
    reference = db.document("values/all")
    reference.set({**values, "reference": db.document("a/b/c/d")})
    stored = reference.get().to_dict()
    assert stored.pop("reference").path == "a/b/c/d"
    assert stored == values
    assert math.copysign(1, stored["negative zero"]) == -1
    assert math.isnan(_round_trip(db, math.nan))


def _round_trip(db: Any, value: object) -> Any:
    db.document("values/one").set({"v": value})
    return db.document("values/one").get().get("v")


def test_times_of_a_document_tell_its_history(db: Any) -> None:
    reference = db.document("c/d")
    created = reference.set({"n": 1}).update_time
    same = reference.set({"n": 1}).update_time
    changed = reference.update({"n": 2}).update_time
    snapshot = reference.get()
    assert same == created
    assert changed > created
    assert snapshot.create_time == created
    assert snapshot.update_time == changed
    assert snapshot.read_time > changed


def test_a_missing_document_is_no_error(db: Any) -> None:
    snapshot = db.document("c/none").get()
    assert not snapshot.exists
    assert snapshot.to_dict() is None


def test_a_field_mask_returns_only_those_fields(db: Any) -> None:
    db.document("c/d").set({"a": {"x": 1, "y": 2}, "b": 3})
    assert db.document("c/d").get(["a.y", "nothing"]).to_dict() == {"a": {"y": 2}}


def test_merging_keeps_what_it_does_not_name(db: Any) -> None:
    reference = db.document("c/d")
    reference.set({"a": {"x": 1, "y": 2}, "b": 3})
    reference.set({"a": {"y": 5}}, merge=True)
    reference.update({"b": firestore.DELETE_FIELD, "a.z": 6})
    assert reference.get().to_dict() == {"a": {"x": 1, "y": 5, "z": 6}}


def test_transforms_compute_on_the_server(db: Any) -> None:
    reference = db.document("c/d")
    reference.set({"n": 1, "list": [1, 2]})
    reference.update(
        {
            "n": firestore.Increment(2),
            "list": firestore.ArrayUnion([2, 3]),
            "max": firestore.Maximum(7),
            "at": firestore.SERVER_TIMESTAMP,
        }
    )
    stored = reference.get().to_dict()
    assert isinstance(stored.pop("at"), datetime.datetime)
    assert stored == {"n": 3, "list": [1, 2, 3], "max": 7}


def test_preconditions_fail_with_productions_words(db: Any) -> None:
    reference = db.document("c/d")
    with pytest.raises(exceptions.NotFound, match="No document to update: projects/"):
        reference.update({"n": 1})
    reference.create({"n": 1})
    with pytest.raises(exceptions.AlreadyExists, match="Document already exists: projects/"):
        reference.create({"n": 1})
    stale = reference.get().update_time
    reference.update({"n": 2})
    with pytest.raises(
        exceptions.FailedPrecondition, match="does not match the required base version"
    ):
        reference.update({"n": 3}, option=db.write_option(last_update_time=stale))
    assert reference.get().get("n") == 2


def test_a_batch_is_written_whole_or_not_at_all(db: Any) -> None:
    batch = db.batch()
    batch.set(db.document("c/1"), {"n": 1})
    batch.update(db.document("c/missing"), {"n": 2})
    with pytest.raises(exceptions.NotFound):
        batch.commit()
    assert not db.document("c/1").get().exists


def test_queries_filter_order_and_page(db: Any) -> None:
    collection = db.collection("items")
    for number in range(10):
        collection.document(str(number)).set(
            {"n": number, "odd": number % 2 == 1, "tags": [number % 3]}
        )
    assert ids(collection.where(filter=where("odd", "==", True)).limit(2).stream()) == ["1", "3"]
    assert ids(collection.where(filter=where("n", ">=", 7)).stream()) == ["7", "8", "9"]
    assert ids(collection.where(filter=where("n", "in", [8, 2])).stream()) == ["2", "8"]
    assert ids(collection.where(filter=where("tags", "array_contains", 0)).limit(2).stream()) == [
        "0",
        "3",
    ]
    either = Or([where("n", "==", 1), where("n", ">", 8)])
    assert ids(collection.where(filter=either).stream()) == ["1", "9"]
    descending = collection.order_by("n", direction="DESCENDING")
    assert ids(descending.limit(2).offset(1).stream()) == ["8", "7"]
    assert ids(collection.order_by("n").start_after({"n": 7}).stream()) == ["8", "9"]
    page = list(collection.order_by("n").limit(3).stream())
    assert ids(collection.order_by("n").start_after(page[-1]).limit(2).stream()) == ["3", "4"]
    assert ids(collection.order_by("n").limit_to_last(2).get()) == ["8", "9"]
    assert [d.to_dict() for d in collection.select(["n"]).limit(1).stream()] == [{"n": 0}]


def test_a_collection_group_spans_parents_and_needs_its_index(db: Any, project: Project) -> None:
    db.document("a/1/tasks/x").set({"n": 1})
    db.document("b/1/tasks/y").set({"n": 2})
    assert sorted(ids(db.collection_group("tasks").stream())) == ["x", "y"]
    with pytest.raises(exceptions.FailedPrecondition, match="COLLECTION_GROUP_ASC"):
        list(db.collection_group("tasks").where(filter=where("n", "==", 1)).stream())


def test_a_query_without_its_composite_index_is_refused_with_the_link(
    db: Any, project: Project
) -> None:
    query = db.collection("items").where(filter=where("a", "==", 1)).order_by("b")
    with pytest.raises(exceptions.FailedPrecondition, match="The query requires an index"):
        list(query.stream())
    fragment = project.requests()[-1]["missingIndex"]
    answer = project.server.http("PUT", f"/harness/v1/projects/{project.id}/indexes", json=fragment)
    assert answer.status_code == 200, answer.text
    assert list(query.stream()) == []


def test_aggregations_count_sum_and_average(db: Any) -> None:
    for number in range(4):
        db.document(f"items/{number}").set({"n": number})
    query = db.collection("items")
    found = {r.alias: r.value for r in query.count("c").sum("n", "s").avg("n", "a").get()[0]}
    assert found == {"c": 4, "s": 6, "a": 1.5}


def test_collections_and_missing_documents_are_listed(db: Any) -> None:
    db.document("a/missing/sub/x").set({})
    db.document("b/1").set({})
    assert ids(db.collections()) == ["a", "b"]
    # As clients before 1.0 ask.
    asked = {"parent": db._database_string}
    listed = db._firestore_api.list_collection_ids(request=asked, metadata=db._rpc_metadata)
    assert list(listed) == ["a", "b"]
    assert ids(db.document("a/missing").collections()) == ["sub"]
    assert ids(db.collection("a").list_documents()) == ["missing"]
    assert ids(db.collection("b").list_documents(page_size=1)) == ["1"]


def test_get_all_reads_several_documents_of_one_moment(db: Any) -> None:
    db.document("c/1").set({"n": 1})
    found = {
        s.id: s for s in db.get_all([db.document("c/1"), db.document("c/2"), db.document("c/1")])
    }
    assert found["1"].exists
    assert not found["2"].exists
    assert found["1"].read_time == found["2"].read_time


def test_a_read_in_the_past_sees_the_document_as_it_was(db: Any) -> None:
    reference = db.document("c/d")
    before = reference.set({"n": 1}).update_time
    reference.set({"n": 2})
    assert reference.get(read_time=before).get("n") == 1


def test_a_transaction_reads_and_writes(db: Any) -> None:
    reference = db.document("c/counter")
    reference.set({"n": 1})

    @firestore.transactional
    def increment(transaction: Any) -> int:
        number: int = reference.get(transaction=transaction).get("n")
        transaction.update(reference, {"n": number + 1})
        return number

    assert increment(db.transaction()) == 1
    assert reference.get().get("n") == 2


def test_transactions_that_contend_all_take_effect(project: Project, db: Any) -> None:
    db.document("c/counter").set({"n": 0})
    failures: list[BaseException] = []
    both_have_read = threading.Barrier(2)

    def work() -> None:
        client = project.client()
        reference = client.document("c/counter")
        attempts = []

        @firestore.transactional
        def increment(transaction: Any) -> None:
            number = reference.get(transaction=transaction).get("n")
            attempts.append(number)
            if len(attempts) == 1:
                both_have_read.wait(10)
            transaction.update(reference, {"n": number + 1})

        try:
            increment(client.transaction())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert db.document("c/counter").get().get("n") == 2


def test_a_transaction_that_fails_writes_nothing_and_lets_go(db: Any) -> None:
    reference = db.document("c/d")
    reference.set({"n": 1})

    @firestore.transactional
    def give_up(transaction: Any) -> None:
        reference.get(transaction=transaction)
        transaction.update(reference, {"n": 2})
        raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        give_up(db.transaction())
    reference.update({"n": 3})
    assert reference.get().get("n") == 3


def test_a_read_only_transaction_does_not_see_later_writes(db: Any) -> None:
    reference = db.document("c/d")
    reference.set({"n": 1})
    transaction = db.transaction(read_only=True)
    transaction._begin()
    reference.set({"n": 2})
    assert next(iter(transaction.get(reference))).get("n") == 1
    transaction._rollback()


def test_a_bulk_writer_reports_each_write(db: Any) -> None:
    writer = db.bulk_writer()
    for number in range(45):
        writer.set(db.document(f"bulk/{number}"), {"n": number})
    writer.close()
    assert db.collection("bulk").count().get()[0][0].value == 45


def test_deleting_recursively_leaves_nothing(db: Any) -> None:
    db.document("a/1").set({})
    db.document("a/1/b/2").set({})
    db.document("keep/1").set({})
    db.recursive_delete(db.collection("a"))
    assert ids(db.collections()) == ["keep"]


def test_explain_tells_the_plan_and_the_figures(db: Any) -> None:
    for number in range(3):
        db.document(f"items/{number}").set({"n": number})
    options = firestore.ExplainOptions(analyze=True)
    metrics = db.collection("items").get(explain_options=options).get_explain_metrics()
    assert metrics.plan_summary.indexes_used == [
        {"query_scope": "Collection", "properties": "(__name__ ASC)"}
    ]
    stats = metrics.execution_stats
    assert (stats.results_returned, stats.read_operations) == (3, 3)
    assert 0 < stats.execution_duration.total_seconds() < 1
    assert stats.debug_stats["documents_scanned"] == "3"
    plan_only = db.collection("items").get(explain_options=firestore.ExplainOptions(analyze=False))
    assert list(plan_only) == []
    assert plan_only.get_explain_metrics().plan_summary.indexes_used


def test_another_database_of_the_project_is_separate(project: Project, db: Any) -> None:
    db.document("c/d").set({"n": 1})
    assert not project.client(database="other").document("c/d").get().exists


def test_the_parts_of_a_collection_group_are_the_whole(db: Any) -> None:
    batch = db.batch()
    for number in range(600):
        batch.set(db.document(f"parents/p{number % 3}/c/d{number:03}"), {"n": number})
    batch.commit()
    parts = list(db.collection_group("c").get_partitions(3))
    assert len(parts) > 1
    found = [document.reference.path for part in parts for document in part.query().stream()]
    assert len(found) == len(set(found)) == 600


def test_only_a_whole_collection_group_can_be_split(db: Any) -> None:
    query = db.collection_group("c").where(filter=firestore.FieldFilter("n", ">", 1))
    with pytest.raises(ValueError, match="filter"):
        list(query.get_partitions(2))


def test_a_user_who_may_not_list_a_group_may_not_split_it(project: Project) -> None:
    project.load_rules(
        "rules_version = '2'; service cloud.firestore { match /databases/{d}/documents {"
        " match /{path=**}/c/{id} { allow get: if true; } } }"
    )
    with pytest.raises(exceptions.PermissionDenied):
        list(project.as_user("ana").collection_group("c").get_partitions(2))
