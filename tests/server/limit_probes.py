"""One small question for each limit of the capability table: what is beyond it is refused, unless
the row says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector

from harness.firestore import limits
from tests.server.running import Project


def refused(action: Callable[[], Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        action()


def query_with(project: Project, field: str, operator: str, value: Any) -> Any:
    filter_ = FieldFilter(field, operator, value)
    return project.client().collection("c").where(filter=filter_)


def field_value_size(project: Project) -> None:
    text = "x" * (limits.MAX_FIELD_VALUE_BYTES + 1)
    refused(lambda: project.client().document("c/a").set({"f": text}), "longer than 1048487 bytes")


def field_name_size(project: Project) -> None:
    name = "f" * (limits.MAX_FIELD_PATH_BYTES + 1)
    refused(lambda: project.client().document("c/a").set({name: 1}), "longer than 1500 bytes")


def id_size(project: Project) -> None:
    name = "i" * (limits.MAX_ID_BYTES + 1)
    refused(lambda: project.client().document(f"c/{name}").set({}), "longer than 1500 bytes")


def name_size(project: Project) -> None:
    path = "/".join(["x" * 1_400] * 6)
    refused(lambda: project.client().document(path).set({}), "the limit of 6144 bytes")


def collection_depth(project: Project) -> None:
    deepest = "/".join(["c/d"] * limits.MAX_COLLECTION_DEPTH)
    project.client().document(deepest).set({})
    refused(lambda: project.client().document(f"{deepest}/c/d").set({}), "more than 100 levels")


def nearest_limit(project: Project) -> None:
    found = (
        project.client()
        .collection("c")
        .find_nearest("v", Vector([1.0]), 1_001, DistanceMeasure.EUCLIDEAN)
    )
    refused(lambda: list(found.stream()), "between 1 and 1000")


def total_transaction_time(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/clock"
    db = project.client()
    transaction = db.transaction(max_attempts=1)
    transaction._begin()
    try:
        for _ in range(5):
            assert project.server.http("POST", f"{path}:advance", json={"seconds": 50}).ok
            db.document("c/0").get(transaction=transaction)
        assert project.server.http("POST", f"{path}:advance", json={"seconds": 50}).ok
        with pytest.raises(exceptions.GoogleAPICallError, match="expired"):
            db.document("c/0").get(transaction=transaction)
    finally:
        project.server.http("DELETE", path)


def in_values(project: Project) -> None:
    query = query_with(project, "f", "in", list(range(limits.MAX_IN_VALUES + 1)))
    refused(lambda: list(query.stream()), "up to 30")


def not_in_values(project: Project) -> None:
    query = query_with(project, "f", "not-in", list(range(limits.MAX_NOT_IN_VALUES + 1)))
    refused(lambda: list(query.stream()), "up to 10")


def page_sizes(project: Project) -> None:
    client = project.client()
    batch = client.batch()
    for number in range(limits.MAX_PAGE_SIZE + 1):
        batch.set(client.document(f"c/{number}"), {})
    batch.commit()
    for size, given in (("", limits.DEFAULT_PAGE_SIZE), ("?pageSize=1000", limits.MAX_PAGE_SIZE)):
        page = project.server.http("GET", f"{project.root}/c{size}").json()
        assert len(page["documents"]) == given
        assert page["nextPageToken"]


def inequality_fields(project: Project) -> None:
    query = project.client().collection("c")
    for number in range(limits.MAX_INEQUALITY_FIELDS + 1):
        query = query.where(filter=FieldFilter(f"f{number}", ">", 1))
    refused(lambda: list(query.stream()), "more than 10 distinct inequality fields")


def aggregation_count(project: Project) -> None:
    query = project.client().collection("c").count(alias="k")
    for number in range(limits.MAX_AGGREGATIONS):
        query = query.sum("n", alias=f"s{number}")
    refused(query.get, "is 5. Received: 6")


def query_components(project: Project) -> None:
    query = project.client().collection("c")
    for number in range(limits.MAX_QUERY_COMPONENTS):
        query = query.where(filter=FieldFilter(f"f{number}", "==", 1))
    assert list(query.stream()) == []
    query = query.where(filter=FieldFilter("g", "==", 1))
    refused(
        lambda: list(query.stream()),
        "more than 100 filters .* are 101 filters, 0 sort orders, and no ancestor filter",
    )


def request_size(project: Project) -> None:
    db = project.client()
    batch = db.batch()
    for number in range(10):
        batch.set(db.document(f"c/{number}"), {"f": "x" * 1_000_000})
    assert len(batch.commit()) == 10
    batch = db.batch()
    for number in range(11):
        batch.set(db.document(f"c/{number}"), {"f": "x" * 1_000_000})
    refused(batch.commit, "Request payload size exceeds the limit: 10485760 bytes.")
    body = json.dumps({"writes": [], "labels": {"l": "x" * limits.MAX_REQUEST_BYTES}})
    answer = project.server.http("POST", f"{project.root}:commit", data=body)
    assert answer.status_code == 400
    assert "Request payload size exceeds the limit: 10485760 bytes." in answer.text


def index_entries(project: Project) -> None:
    document = project.client().document("c/a")
    elements = list(range(limits.MAX_INDEX_ENTRIES_PER_DOCUMENT // 2))
    document.set({"f": elements[:-1]})
    refused(lambda: document.set({"f": elements}), "too many index entries for entity /c/a")
    name = "/".join(["i" * 1_000] * 6)
    refused(lambda: project.client().document(name).set({"f": 1}), "Index entry is too large")
    many = {f"f{number:04}": number for number in range(1_600)}
    long = project.client().document("/".join(["i" * 1_400] * 2))
    refused(lambda: long.set(many), "Transaction too big. Decrease transaction size.")


def composite_indexes(project: Project) -> None:
    order = "ASCENDING"
    indexes = [
        {
            "collectionGroup": f"c{number}",
            "queryScope": "COLLECTION",
            "fields": [{"fieldPath": "a", "order": order}, {"fieldPath": "b", "order": order}],
        }
        for number in range(limits.MAX_COMPOSITE_INDEXES + 1)
    ]
    path = f"/harness/v1/projects/{project.id}/indexes"
    assert project.server.http("PUT", path, json={"indexes": indexes[:-1]}).ok
    answer = project.server.http("PUT", path, json={"indexes": indexes})
    assert answer.status_code == 400
    assert "1,001 composite indexes; a database has at most 1,000" in answer.text


def indexed_value_size(project: Project) -> None:
    db = project.client()
    long = "x" * limits.MAX_INDEXED_VALUE_BYTES
    db.document("c/a").set({"f": long + "b"})
    db.document("c/b").set({"f": long + "a"})
    assert [each.id for each in db.collection("c").order_by("f").stream()] == ["b", "a"]
