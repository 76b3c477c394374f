import pytest

from harness.errors import StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.listen import (
    Added,
    Deleted,
    DocumentsTarget,
    Modified,
    QueryTarget,
    Removed,
    decode_resume_token,
    encode_resume_token,
)
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp
from tests.firestore.queries_from_yaml import query_from


@pytest.fixture
def database():
    return Database(DatabaseName("p"))


@pytest.fixture
def engine(database):
    return QueryEngine(database, enforce_indexes=False)


def commit(database, **documents):
    """Set documents of the collection c; None deletes."""
    writes = []
    for name, fields in documents.items():
        kind = WriteKind.DELETE if fields is None else WriteKind.UPDATE
        writes.append(Write(kind, ResourcePath(f"c/{name}"), fields))
    return database.commit(database.prepare(writes, Timestamp(1)))


def listen(engine, **row):
    target = QueryTarget(engine, query_from({"collection": "c", **row}))
    return target, target.initial()


def told(update):
    """Show events shortly: +a added, *a modified, -a removed, !a deleted."""
    if update is None:
        return None
    marks = {Added: "+", Modified: "*", Removed: "-", Deleted: "!"}
    return [
        marks[type(event)] + (getattr(event, "path", None) or event.document.path).id
        for event in update.events
    ]


def test_the_initial_result_comes_in_the_order_of_the_query(engine, database):
    commit(database, a={"f": 2}, b={"f": 1}, d={"g": 1})
    _, update = listen(engine, order=["f"])
    assert told(update) == ["+b", "+a"]
    assert update.cost.reads == 2
    assert update.read_time == database.last_commit_time
    assert not update.is_reset


def test_an_empty_result_costs_one_read_and_nothing_while_it_stays_empty(engine, database):
    target, update = listen(engine, where=["f", "==", 1])
    assert (told(update), update.cost.reads) == ([], 1)
    assert target.on_commit(commit(database, a={"f": 2})) is None


def test_a_commit_tells_what_entered_changed_left_and_was_deleted(engine, database):
    commit(database, a={"f": 1}, b={"f": 1}, d={"f": 1}, e={"f": 2})
    target, _ = listen(engine, where=["f", "==", 1])
    result = commit(database, a={"f": 1, "g": 1}, b={"f": 2}, d=None, e={"f": 1}, h={"f": 5})
    update = target.on_commit(result)
    assert told(update) == ["*a", "-b", "!d", "+e"]
    # Changed, left because it changed, added: one read each. Deleted: free.
    assert update.cost.reads == 3


def test_a_listener_costs_what_changes_in_its_result(engine, database):
    """200 at first, 10 changed, 3 left by a change, 2 deleted: 213 reads."""
    commit(database, **{f"d{i:03}": {"f": 1, "n": 0} for i in range(200)})
    target, update = listen(engine, where=["f", "==", 1])
    reads = update.cost.reads
    for result in (
        commit(database, **{f"d{i:03}": {"f": 1, "n": 1} for i in range(10)}),
        commit(database, **{f"d{i:03}": {"f": 2} for i in range(50, 53)}),
        commit(database, d100=None, d101=None),
    ):
        reads += target.on_commit(result).cost.reads
    assert reads == 213


def test_a_write_that_changes_nothing_tells_nothing(engine, database):
    commit(database, a={"f": 1})
    target, _ = listen(engine)
    assert target.on_commit(commit(database, a={"f": 1})) is None


def test_a_commit_elsewhere_tells_nothing(engine, database):
    target, _ = listen(engine)
    write = Write(WriteKind.UPDATE, ResourcePath("c/a/c/b"), {"f": 1})
    assert target.on_commit(database.commit(database.prepare([write], Timestamp(1)))) is None


def test_a_document_pushed_out_by_a_limit_is_free_and_its_successor_is_not(engine, database):
    commit(database, a={"f": 1}, b={"f": 3}, d={"f": 5})
    target, update = listen(engine, order=["f"], limit=2)
    assert told(update) == ["+a", "+b"]
    pushed = target.on_commit(commit(database, e={"f": 2}))
    assert sorted(told(pushed)) == ["+e", "-b"]
    assert pushed.cost.reads == 1
    replaced = target.on_commit(commit(database, a=None))
    assert sorted(told(replaced)) == ["!a", "+b"]
    assert replaced.cost.reads == 1


def test_a_limited_query_runs_again_only_when_a_place_becomes_free(engine, database, monkeypatch):
    commit(database, a={"f": 1}, b={"f": 3}, d={"f": 5})
    target, _ = listen(engine, order=["f"], limit=2)
    runs = []
    run_query = engine.run_query
    monkeypatch.setattr(engine, "run_query", lambda *given: runs.append(1) or run_query(*given))
    target.on_commit(commit(database, e={"f": 9}))  # beyond the window
    target.on_commit(commit(database, e={"f": 2}))  # into it
    target.on_commit(commit(database, e={"f": 2, "g": 1}))  # within it
    target.on_commit(commit(database, d=None))  # outside
    assert runs == []
    target.on_commit(commit(database, e={"f": 8}))  # leaves it
    assert runs == [1]


def test_an_unlimited_query_never_runs_again(engine, database, monkeypatch):
    commit(database, a={"f": 1}, b={"f": 3})
    target, _ = listen(engine, order=["f"])
    monkeypatch.setattr(engine, "run_query", None)
    assert told(target.on_commit(commit(database, a=None, b={"f": 0}))) == ["!a", "*b"]


def test_an_offset_hides_what_comes_before_the_window(engine, database):
    commit(database, a={"f": 1}, b={"f": 2}, d={"f": 3})
    target, update = listen(engine, order=["f"], offset=1, limit=1)
    assert told(update) == ["+b"]
    assert sorted(told(target.on_commit(commit(database, a=None)))) == ["+d", "-b"]


def test_a_projection_applies_to_events_too(engine, database):
    commit(database, a={"f": 1, "g": 1})
    target, update = listen(engine, order=["f"], limit=1, select=["g"])
    assert [event.document.fields for event in update.events] == [{"g": 1}]
    update = target.on_commit(commit(database, a={"f": 2, "g": 3}))
    assert [event.document.fields for event in update.events] == [{"g": 3}]


def test_a_target_without_its_index_is_refused(database):
    target = QueryTarget(
        QueryEngine(database), query_from({"collection": "c", "order": ["a", "b"]})
    )
    with pytest.raises(StatusError, match="requires an index"):
        target.initial()
    with pytest.raises(StatusError, match="requires an index"):
        target.resume(database.last_commit_time)


def test_resuming_tells_the_changes_since_and_bills_only_them(engine, database):
    """Reconnecting after ten minutes with persistence, four documents changed: 4 reads."""
    commit(database, **{f"d{i:03}": {"f": 1} for i in range(200)})
    _, update = listen(engine)
    commit(database, **{f"d{i:03}": {"f": 2} for i in range(4)})
    commit(database, d000={"f": 3}, d100=None)
    target = QueryTarget(engine, query_from({"collection": "c"}))
    resumed = target.resume(update.read_time)
    assert sorted(told(resumed)) == ["!d100", "*d000", "*d001", "*d002", "*d003"]
    assert resumed.cost.reads == 4
    assert not resumed.is_reset


def test_resuming_leaves_out_what_came_and_went(engine, database):
    read_time = commit(database, a={"f": 1}).commit_time
    commit(database, b={"f": 1})
    commit(database, b=None)
    target = QueryTarget(engine, query_from({"collection": "c"}))
    assert told(target.resume(read_time)) == []


def test_resuming_beyond_the_history_starts_anew(database):
    database = Database(DatabaseName("p"), max_superseded_versions=1)
    engine = QueryEngine(database)
    read_time = commit(database, a={"f": 1}).commit_time
    for n in range(5):
        commit(database, a={"f": n}, b={"f": n})
    for target in (
        QueryTarget(engine, query_from({"collection": "c"})),
        DocumentsTarget(database, [ResourcePath("c/a"), ResourcePath("c/b")]),
    ):
        resumed = target.resume(read_time)
        assert resumed.is_reset
        assert told(resumed) == ["+a", "+b"]
        assert resumed.cost.reads == 2


def test_a_documents_target_tells_missing_documents_as_deleted(database):
    commit(database, a={"f": 1})
    paths = [ResourcePath("c/b"), ResourcePath("c/a"), ResourcePath("c/b")]
    target = DocumentsTarget(database, paths)
    update = target.initial()
    assert told(update) == ["!b", "+a"]
    assert update.cost.reads == 2
    assert told(target.on_commit(commit(database, a=None, b={"f": 1}))) == ["!a", "+b"]
    assert target.on_commit(commit(database, d={"f": 1})) is None
    update = target.on_commit(commit(database, b={"f": 2}))
    assert told(update) == ["*b"]
    assert update.cost.reads == 1


def test_a_documents_target_resumes_with_what_changed(database):
    read_time = commit(database, a={"f": 1}, b={"f": 1}).commit_time
    commit(database, a={"f": 2})
    target = DocumentsTarget(database, [ResourcePath("c/a"), ResourcePath("c/b")])
    assert told(target.resume(read_time)) == ["*a"]


def test_a_resume_token_is_good_for_its_instance_only():
    token = encode_resume_token(Timestamp(1_234_567), b"one")
    assert decode_resume_token(token, b"one") == Timestamp(1_234_567)
    assert decode_resume_token(token, b"two") is None
    assert decode_resume_token(b"", b"one") is None
    assert decode_resume_token(b"short", b"") is None
