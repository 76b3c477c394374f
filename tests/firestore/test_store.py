import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.documents import FieldTransform, TransformKind, Write, WriteKind
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

HOUR = limits.VERSION_RETENTION_S * 1_000_000


@pytest.fixture
def database():
    return Database(DatabaseName("p"))


def put(database, path, now, **fields):
    write = Write(WriteKind.UPDATE, ResourcePath(path), fields)
    return database.commit(database.prepare([write], Timestamp(now)))


def delete(database, path, now):
    write = Write(WriteKind.DELETE, ResourcePath(path))
    return database.commit(database.prepare([write], Timestamp(now)))


def fields_at(database, path, at):
    document = database.get(ResourcePath(path), None if at is None else Timestamp(at))
    return document.fields if document else None


def test_commit_times_strictly_increase_even_when_the_clock_does_not(database):
    results = [put(database, "c/d", now, n=n) for n, now in enumerate((5, 5, 3, 9))]
    assert [result.commit_time.micros for result in results] == [5, 6, 7, 9]
    assert database.last_commit_time == Timestamp(9)


def test_a_commit_is_later_than_every_strong_read_before_it(database):
    assert database.strong_read_time(Timestamp(50)) == Timestamp(50)
    assert put(database, "c/d", 50, n=1).commit_time == Timestamp(51)
    assert fields_at(database, "c/d", 50) is None
    assert database.strong_read_time(Timestamp(7)) == Timestamp(51)


def test_create_time_survives_updates_but_not_deletion(database):
    put(database, "c/d", 10, n=1)
    put(database, "c/d", 20, n=2)
    document = database.get(ResourcePath("c/d"))
    assert (document.create_time, document.update_time) == (Timestamp(10), Timestamp(20))
    delete(database, "c/d", 30)
    put(database, "c/d", 40, n=2)
    document = database.get(ResourcePath("c/d"))
    assert (document.create_time, document.update_time) == (Timestamp(40), Timestamp(40))


def test_every_version_can_be_read_at_its_time(database):
    put(database, "c/d", 10, n=1)
    put(database, "c/d", 20, n=2)
    put(database, "c/d", 25, n=2)  # no change: no version
    delete(database, "c/d", 30)
    put(database, "c/d", 40, n=4)
    put(database, "c/other", 50)
    expected = {5: None, 10: 1, 19: 1, 20: 2, 25: 2, 29: 2, 30: None, 39: None, 40: 4, 99: 4}
    for at, n in expected.items():
        assert fields_at(database, "c/d", at) == (None if n is None else {"n": n}), at


def test_versions_older_than_an_hour_are_forgotten(database):
    put(database, "c/d", 10, n=1)
    put(database, "c/d", 20, n=2)
    put(database, "c/d", HOUR + 19, n=3)
    assert fields_at(database, "c/d", 15) == {"n": 1}
    put(database, "c/d", HOUR + 21, n=4)
    assert fields_at(database, "c/d", 20) == {"n": 2}
    with pytest.raises(StatusError) as refusal:
        database.get(ResourcePath("c/d"), Timestamp(19))
    assert refusal.value.code is StatusCode.FAILED_PRECONDITION
    assert refusal.value.message == "The requested 'read_time' is too old."
    assert database.changes_since(Timestamp(19)) is None
    assert len(database.changes_since(Timestamp(20))) == 2


def test_no_more_versions_are_kept_than_allowed():
    database = Database(DatabaseName("p"), max_superseded_versions=10)
    for n in range(100):
        put(database, "c/d", n + 1, n=n)
    assert fields_at(database, "c/d", 90) == {"n": 89}
    with pytest.raises(StatusError, match="too old"):
        database.get(ResourcePath("c/d"), Timestamp(80))


@pytest.mark.parametrize(
    ("at", "now", "code", "message"),
    [
        (-1, 100, "INVALID_ARGUMENT", "Only timestamps past epoch are supported."),
        (101, 100, "INVALID_ARGUMENT", "The requested 'read_time' is in the future."),
        (99, HOUR + 100, "FAILED_PRECONDITION", "The requested 'read_time' is too old."),
    ],
)
def test_a_read_time_out_of_reach_is_refused(database, at, now, code, message):
    database.check_read_time(Timestamp(100), Timestamp(now))
    with pytest.raises(StatusError) as refusal:
        database.check_read_time(Timestamp(at), Timestamp(now))
    assert (refusal.value.code.name, refusal.value.message) == (code, message)


def test_server_timestamps_follow_a_clock_that_is_put_back_and_commit_times_do_not(database):
    put(database, "c/d", 5_000_000)
    path = ResourcePath("c/e")
    stamp = FieldTransform(FieldPath(("t",)), TransformKind.SET_TO_SERVER_VALUE, None)
    write = Write(WriteKind.UPDATE, path, {}, transforms=(stamp,))
    prepared = database.prepare([write], Timestamp(1_000_999))
    assert prepared.request_time == Timestamp(1_000_000)
    assert database.commit(prepared).commit_time == Timestamp(5_000_001)
    document = database.get(path)
    assert document.fields == {"t": Timestamp(1_000_000)}
    assert document.update_time == Timestamp(5_000_001)


def test_an_empty_database_starts_over_when_its_clock_has_been_put_back(database):
    put(database, "c/d", HOUR)
    database.start_over(Timestamp(10))
    assert database.last_commit_time == Timestamp(HOUR)  # it holds a document
    database.clear(Timestamp(HOUR))
    database.start_over(Timestamp(HOUR + 50))
    assert database.last_commit_time == Timestamp(HOUR + 1)  # its clock has not been put back
    database.start_over(Timestamp(10))
    put(database, "c/d", 20, n=1)
    put(database, "c/d", 30, n=2)
    assert database.last_commit_time == Timestamp(30)
    assert fields_at(database, "c/d", 15) is None
    assert fields_at(database, "c/d", 25) == {"n": 1}


def test_changes_since_a_time_are_told_in_order(database):
    put(database, "c/a", 10)
    put(database, "c/b", 20)
    delete(database, "c/a", 30)
    changes = database.changes_since(Timestamp(10))
    assert [(change.path, change.after is None) for change in changes] == [
        ("c/b", False),
        ("c/a", True),
    ]
    assert database.changes_since(Timestamp(30)) == []


def test_observers_are_told_of_each_commit_until_they_unsubscribe(database):
    told = []
    unsubscribe = database.subscribe(told.append)
    result = put(database, "c/d", 10)
    assert told == [result]
    again = put(database, "c/d", 20)
    assert again.changes == ()
    assert told[1] is again
    unsubscribe()
    unsubscribe()
    put(database, "c/d", 30, n=1)
    assert len(told) == 2


def test_a_prepared_commit_is_void_after_another_commit(database):
    prepared = database.prepare([Write(WriteKind.UPDATE, ResourcePath("c/d"), {})], Timestamp(10))
    put(database, "c/other", 10)
    with pytest.raises(StatusError) as refusal:
        database.commit(prepared)
    assert refusal.value.code is StatusCode.ABORTED
    assert database.get(ResourcePath("c/d")) is None


def test_a_prepared_commit_is_void_after_a_read_at_its_time(database):
    prepared = database.prepare([Write(WriteKind.UPDATE, ResourcePath("c/d"), {})], Timestamp(10))
    database.strong_read_time(Timestamp(10))
    with pytest.raises(StatusError) as refusal:
        database.commit(prepared)
    assert refusal.value.code is StatusCode.ABORTED


def test_an_empty_commit_has_a_time_and_no_results(database):
    result = database.commit(database.prepare([], Timestamp(10)))
    assert (result.commit_time, result.write_results, result.changes) == (Timestamp(10), (), ())


def test_collections_are_listed_also_where_their_documents_are_missing(database):
    put(database, "users/ana/tasks/one", 10)
    put(database, "rooms/r", 20)
    put(database, "users/ana/Tasks/one", 30)
    put(database, "users/ana/tasks/one/notes/n", 40)
    assert database.collection_ids(ROOT) == ["rooms", "users"]
    assert database.collection_ids(ResourcePath("users/ana")) == ["Tasks", "tasks"]
    assert database.collection_ids(ResourcePath("users/eva")) == []
    assert database.missing_documents(ResourcePath("users")) == ["users/ana"]
    put(database, "users/ana", 50)
    assert database.missing_documents(ResourcePath("users")) == []
    delete(database, "users/ana/tasks/one", 60)
    assert database.missing_documents(ResourcePath("users/ana/tasks")) == ["users/ana/tasks/one"]
    delete(database, "users/ana/tasks/one/notes/n", 70)
    assert database.collection_ids(ResourcePath("users/ana")) == ["Tasks"]
    assert database.collection_ids(ResourcePath("users/ana"), Timestamp(65)) == ["Tasks", "tasks"]
    assert database.collection_ids(ResourcePath("users/ana"), Timestamp(29)) == ["tasks"]
    assert database.collection_ids(ROOT, Timestamp(9)) == []


def test_documents_are_found_by_collection_and_by_collection_id(database):
    for path in ("a/1/x/1", "a/1/x/2", "b/1/x/1", "x/1"):
        put(database, path, 10)
    assert set(database.paths_in(ResourcePath("a/1/x"))) == {"a/1/x/1", "a/1/x/2"}
    assert database.count_in(ResourcePath("a/1/x")) == 2
    assert database.paths_in(ResourcePath("a")) == ()
    assert set(database.collections_with_id("x")) == {"a/1/x", "b/1/x", "x"}
    assert database.collections_with_id("a") == ()
    assert set(database.descendants(ResourcePath("a/1"))) == {"a/1/x/1", "a/1/x/2"}
    assert len(list(database.descendants(ROOT))) == database.document_count == 4


def test_clearing_deletes_everything_in_one_commit_that_can_be_looked_behind(database):
    put(database, "a/1", 10, n=1)
    put(database, "a/1/b/2", 20, n=2)
    result = database.clear(Timestamp(30))
    assert {change.path for change in result.changes} == {"a/1", "a/1/b/2"}
    assert all(change.after is None for change in result.changes)
    assert database.document_count == 0
    assert database.collection_ids(ROOT) == []
    assert fields_at(database, "a/1/b/2", 29) == {"n": 2}
    assert database.clear(Timestamp(40)).changes == ()


def test_deleting_a_tree_takes_a_document_or_collection_and_what_is_below(database):
    for path in ("a/1", "a/1/b/1", "a/1/b/1/c/1", "a/10", "ab/1"):
        put(database, path, 10)
    result = database.delete_tree(ResourcePath("a/1"), Timestamp(20))
    assert {change.path for change in result.changes} == {"a/1", "a/1/b/1", "a/1/b/1/c/1"}
    database.delete_tree(ResourcePath("a"), Timestamp(30))
    assert list(database.descendants(ROOT)) == ["ab/1"]


def test_restoring_a_snapshot_brings_back_what_was_there_in_one_commit(database):
    put(database, "c/kept", 10, n=1)
    put(database, "c/changed", 10, n=1)
    put(database, "c/deleted", 10, n=1)
    image = database.snapshot()
    put(database, "c/changed", 20, n=2)
    delete(database, "c/deleted", 20)
    put(database, "c/new", 20)
    result = database.restore(image, Timestamp(30))
    assert {change.path for change in result.changes} == {"c/changed", "c/deleted", "c/new"}
    assert {path: document.fields for path, document in database.snapshot().items()} == {
        path: {"n": 1} for path in ("c/kept", "c/changed", "c/deleted")
    }
    assert database.get(ResourcePath("c/kept")).update_time == Timestamp(10)
    assert database.get(ResourcePath("c/changed")).update_time == Timestamp(30)
    assert fields_at(database, "c/changed", 29) == {"n": 2}
    assert fields_at(database, "c/new", 29) == {}
