"""Indexes that are built in steps, while the database goes on, are those that are built at once."""

from __future__ import annotations

from random import Random

import pytest

from harness.firestore import index_building, indexes
from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexField,
    IndexMode,
    QueryScope,
    with_implied_name,
)
from harness.firestore.indexes import IndexSet
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import FieldFilter, Operator, Order, StructuredQuery
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

C, GROUP = ResourcePath("c"), ResourcePath("a/b/c")
FAR = b"\xff" * 8


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (indexes, index_building):
        monkeypatch.setattr(module, "MANY_DOCUMENTS", 10)
    monkeypatch.setattr("harness.firestore.engine.MANY_DOCUMENTS", 10)
    monkeypatch.setattr(index_building, "_STEP", 7)


def index_of(*fields: str, group: bool = False) -> IndexDefinition:
    parts = []
    for text in fields:
        name, _, mode = text.partition(" ")
        parts.append(IndexField(FieldPath((name,)), IndexMode[mode or "ASCENDING"]))
    scope = QueryScope.COLLECTION_GROUP if group else QueryScope.COLLECTION
    return IndexDefinition("c", scope, with_implied_name(parts))


INDEXES = [
    index_of("n"),
    index_of("n DESCENDING"),
    index_of("t CONTAINS", "n"),
    index_of("n", "m DESCENDING"),
    index_of("n", group=True),
]


def database(size: int = 100) -> Database:
    random = Random(size)
    found = Database(DatabaseName("demo-x"))
    for parent in (C, GROUP):
        documents = {parent.child(f"d{number}"): fields(random) for number in range(size)}
        found.load(documents, Timestamp(1))
    return found


def fields(random: Random) -> dict[str, object]:
    return {
        "n": random.randrange(20),
        "m": random.randrange(3),
        "t": tuple(random.randrange(4) for _ in range(random.randrange(3))),
    }


def collection_of(index: IndexDefinition) -> ResourcePath | None:
    return C if index.query_scope is QueryScope.COLLECTION else None


def scanned(of: IndexSet, index: IndexDefinition) -> list[tuple[bytes, ResourcePath]]:
    return list(of.entries(index, collection_of(index)).scan(b"", FAR))


def change(db: Database, random: Random) -> None:
    path = random.choice((C, GROUP)).child(f"d{random.randrange(120)}")
    kind = random.choice((WriteKind.UPDATE, WriteKind.UPDATE, WriteKind.DELETE))
    write = Write(kind, path, {} if kind is WriteKind.DELETE else fields(random))
    db.commit(db.prepare([write], Timestamp(2)))


@pytest.mark.parametrize("index", INDEXES, ids=str)
@pytest.mark.parametrize("changes_a_step", [0, 1, 5])
def test_commits_between_the_steps_are_taken_in(
    index: IndexDefinition, changes_a_step: int
) -> None:
    db, random = database(), Random(1)
    built = IndexSet(db)
    steps = 0
    for _ in built.build_steps(index, collection_of(index)):
        steps += 1
        for _ in range(changes_a_step):
            change(db, random)
    assert steps > 10
    assert scanned(built, index) == scanned(IndexSet(db), index)
    for _ in range(50):
        change(db, random)
    assert scanned(built, index) == scanned(IndexSet(db), index)
    assert not built._builds


def test_a_finished_build_is_what_queries_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    built = IndexSet(database())
    assert list(built.build_steps(INDEXES[0], C))
    monkeypatch.setattr(indexes, "compile_entry_keys", None)  # nothing is built any more
    assert len(scanned(built, INDEXES[0])) == 100
    assert not list(built.build_steps(INDEXES[0], C))
    # The descending index is the same, read from its end.
    assert not list(built.build_steps(INDEXES[1], C))


def test_two_who_want_the_same_index_build_it_together() -> None:
    built = IndexSet(database())
    alone = len(list(IndexSet(database()).build_steps(INDEXES[0], C)))
    first, second = built.build_steps(INDEXES[0], C), built.build_steps(INDEXES[0], C)
    turns = 0
    while next(first, 0) is None and next(second, 0) is None:
        turns += 1
    assert turns <= alone // 2 + 1
    assert len(scanned(built, INDEXES[0])) == 100


def test_who_asks_meanwhile_does_not_wait_and_ends_the_build() -> None:
    db = database()
    built = IndexSet(db)
    steps = built.build_steps(INDEXES[0], C)
    next(steps), next(steps)
    assert scanned(built, INDEXES[0]) == scanned(IndexSet(db), INDEXES[0])
    change(db, Random(3))
    assert len(list(steps)) <= 1
    assert scanned(built, INDEXES[0]) == scanned(IndexSet(db), INDEXES[0])


def test_a_build_ends_where_about_everything_changes() -> None:
    db = database(500)
    built = IndexSet(db)
    steps = built.build_steps(INDEXES[0], C)
    next(steps), next(steps)
    db.clear(Timestamp(2))
    assert len(list(steps)) <= 1
    assert scanned(built, INDEXES[0]) == []
    assert not built._builds


def test_few_documents_are_indexed_at_once() -> None:
    assert not list(IndexSet(database(9)).build_steps(INDEXES[0], C))


def test_an_engine_builds_what_a_query_walks_and_nothing_for_one_that_cannot_run() -> None:
    engine = QueryEngine(database())
    n, m = FieldPath(("n",)), FieldPath(("m",))
    query = StructuredQuery(ROOT, "c", order_by=(Order(n),))
    assert list(engine.build_steps(query))
    assert len(engine.run_query(query).documents) == 100
    assert not list(engine.build_steps(query))
    without_index = StructuredQuery(ROOT, "c", order_by=(Order(n), Order(m)))
    assert not list(engine.build_steps(without_index))
    invalid = StructuredQuery(ROOT, "c", where=FieldFilter(n, Operator.IN, ()))
    assert not list(engine.build_steps(invalid))


# --- what queries leave behind --------------------------------------------------------------------


def test_queries_of_collections_without_documents_leave_nothing() -> None:
    built = IndexSet(database())
    for number in range(50):
        built.entries(INDEXES[0], ResourcePath(f"nothing{number}"))
        group = IndexDefinition(f"nothing{number}", QueryScope.COLLECTION_GROUP, INDEXES[0].fields)
        built.entries(group, None)
    assert not built._of_collection
    assert not built._of_group


def test_indexes_of_a_collection_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "MAX_INDEXES", 5)
    db = database()
    built = IndexSet(db)
    for number in range(50):
        built.entries(index_of(f"field{number}"), C)
    assert len(built._of_collection[C]) == 5
    assert scanned(built, INDEXES[0]) == scanned(IndexSet(db), INDEXES[0])


def test_indexes_go_with_the_last_document() -> None:
    db = database()
    built = IndexSet(db)
    for index in INDEXES:
        scanned(built, index)
    db.clear(Timestamp(2))
    assert not built._of_collection
    assert not built._of_group
    db.load({C.child("new"): {"n": 1}}, Timestamp(3))
    assert [path for _, path in scanned(built, INDEXES[0])] == [C.child("new")]
    assert [path for _, path in scanned(built, INDEXES[4])] == [C.child("new")]
