"""The queries that a server was asked, as `harness indexes` gets them."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.vector import Vector

from harness.backend.query_uses import DatabaseUse, QueryUse, merged_uses
from tests.server.running import Project


def uses_of(project: Project) -> dict[str, QueryUse]:
    """Return what this project's default database was asked, by shape."""
    service = next(
        service
        for name, service in project.server.running.shell.backend.databases.items()
        if name.project == project.id
    )
    use = service.queries.use(service.engine.definitions)
    assert DatabaseUse.from_json(use.to_json()) == use
    return {each.shape: each for each in use.queries}


@pytest.fixture
def orders(db: Any) -> Any:
    batch = db.batch()
    for number in range(20):
        batch.set(
            db.document(f"orders/{number:02}"),
            {"status": "open" if number % 2 else "done", "region": "eu", "n": number},
        )
    batch.commit()
    return db.collection("orders")


def test_queries_of_one_shape_are_counted_together(project: Project, orders: Any) -> None:
    for status in ("open", "done", "lost"):
        list(orders.where(filter=FieldFilter("status", "==", status)).limit(3).stream())
    use = uses_of(project)["orders where status == ? limit 3"]
    assert (use.requests, use.reads, use.entries, use.matched) == (3, 7, 8, 6)
    assert use.plan == (("(status ASC, __name__ ASC)",),)
    assert use.waste == pytest.approx(8 / 6)


def test_a_merge_is_told_from_an_or(project: Project, orders: Any) -> None:
    is_open, is_eu = (FieldFilter("status", "==", "open"), FieldFilter("region", "==", "eu"))
    list(orders.where(filter=is_open).where(filter=is_eu).stream())
    list(orders.where(filter=FieldFilter("status", "in", ["open", "done"])).stream())
    uses = uses_of(project)
    merge = uses["orders where status == ? and region == ?"]
    assert merge.plan == (("(region ASC, __name__ ASC)", "(status ASC, __name__ ASC)"),)
    assert merge.is_merge
    assert not uses["orders where status in ?"].is_merge


def test_a_refused_query_is_kept_with_what_it_needs(project: Project, orders: Any) -> None:
    query = orders.where(filter=FieldFilter("status", "==", "open")).order_by("n")
    with pytest.raises(exceptions.FailedPrecondition):
        query.get()
    with pytest.raises(exceptions.FailedPrecondition):
        query.sum("n").get()
    uses = uses_of(project)
    assert [use.refused for use in uses.values()] == [1, 1]
    needs = {need.index().properties for use in uses.values() for need in use.needs}
    assert needs == {"(status ASC, n ASC, __name__ ASC)"}


def test_vectors_of_other_dimensions_are_other_queries(project: Project, orders: Any) -> None:
    for vector in ([1.0], [1.0, 2.0]):
        with pytest.raises(exceptions.FailedPrecondition):
            orders.find_nearest("v", Vector(vector), 3, DistanceMeasure.COSINE).get()
    service = project.server.running.shell.backend.databases
    uses = [each for name, each in service.items() if name.project == project.id]
    found = uses[0].queries.use(uses[0].engine.definitions).queries
    assert [use.needs[0].suffix[-1].dimension for use in found] == [1, 2]


def test_a_query_that_rules_deny_needs_no_index(project: Project, orders: Any) -> None:
    project.load_rules("service cloud.firestore { match /{any=**} { allow read: if false; } }")
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("ana").collection("orders").order_by("n").get()
    assert uses_of(project) == {}


def test_a_listener_counts_when_it_is_attached(project: Project, orders: Any) -> None:
    import threading

    heard = threading.Event()
    watch = orders.order_by("n").limit(2).on_snapshot(lambda *_: heard.set())
    assert heard.wait(10)
    watch.unsubscribe()
    use = uses_of(project)["orders order by n limit 2"]
    assert (use.requests, use.matched) == (1, 2)


def test_the_route_gives_every_project_together_by_database(project: Project, orders: Any) -> None:
    list(orders.order_by("n", direction="DESCENDING").limit(1).stream())
    answer = project.server.http("GET", "/harness/v1/queries").json()["databases"]
    found = DatabaseUse.from_json(answer["(default)"])
    assert "orders order by n desc limit 1" in {use.shape for use in found.queries}
    (documents,) = [each for each in found.written if each.collection_group == "orders"]
    assert documents.writes >= 20
    assert documents.sampled >= 20


def test_databases_are_merged_shape_by_shape(project: Project, orders: Any) -> None:
    list(orders.order_by("n").stream())
    service = next(
        each
        for name, each in project.server.running.shell.backend.databases.items()
        if name.project == project.id
    )
    use = service.queries.use(service.engine.definitions)
    both = merged_uses([use, DatabaseUse.from_json(use.to_json())])
    assert [each.requests for each in both.queries] == [2]
    assert both.written[0].writes == 40
    service.queries.forget()
    assert service.queries.use(service.engine.definitions) == DatabaseUse()
