"""What a listener is told, folded into what it knew, is what running the query again returns."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.listen import (
    Added,
    Deleted,
    DocumentsTarget,
    Modified,
    QueryTarget,
    Removed,
)
from harness.firestore.values import Timestamp
from tests.property.query_strategies import (
    document_paths,
    documents,
    fields,
    query_cases,
    valid_queries,
)
from tests.property.test_planned_query_is_full_scan import changes, database_of


def fold(known, update):
    """Apply an update as a client does, refusing events that contradict what it knows."""
    known = {} if update.is_reset else dict(known)
    for event in update.events:
        match event:
            case Added(document):
                assert document.path not in known
                known[document.path] = document
            case Modified(document):
                assert known[document.path] != document
                known[document.path] = document
            case Removed(path) | Deleted(path):
                assert path in known
                del known[path]
    return known


def commit_all(database, commits):
    for commit in commits:
        writes = [
            Write(WriteKind.DELETE, path)
            if fields_ is None
            else Write(WriteKind.UPDATE, path, fields_)
            for path, fields_ in commit.items()
        ]
        yield database.commit(database.prepare(writes, Timestamp(1)))


def result_of(engine, query):
    return {document.path: document for document in engine.run_query(query).documents}


cases = st.one_of(valid_queries, query_cases.map(lambda case: case[0]))
many_changes = st.lists(
    st.dictionaries(document_paths, st.one_of(st.none(), fields), min_size=1, max_size=3),
    min_size=1,
    max_size=8,
)


@given(documents, cases, many_changes)
def test_a_query_target_follows_every_commit(contents, query, commits):
    engine = QueryEngine(database_of(contents), enforce_indexes=False)
    target = QueryTarget(engine, query)
    known = fold({}, target.initial())
    assert known == result_of(engine, query)
    for commit in commit_all(engine.database, commits):
        update = target.on_commit(commit)
        if update is not None:
            assert update.events
            assert update.read_time == commit.commit_time
            known = fold(known, update)
        assert known == result_of(engine, query)


@given(documents, cases, changes, many_changes)
def test_a_resumed_target_catches_up(contents, query, missed, commits):
    engine = QueryEngine(database_of(contents), enforce_indexes=False)
    known = fold({}, QueryTarget(engine, query).initial())
    left = engine.database.last_commit_time
    list(commit_all(engine.database, missed))
    target = QueryTarget(engine, query)
    known = fold(known, target.resume(left))
    assert known == result_of(engine, query)
    for commit in commit_all(engine.database, commits):
        update = target.on_commit(commit)
        known = known if update is None else fold(known, update)
        assert known == result_of(engine, query)


@given(documents, cases, many_changes, st.integers(1, 3))
def test_a_limited_target_is_the_head_of_the_unlimited_one(contents, query, commits, limit):
    engine = QueryEngine(database_of(contents), enforce_indexes=False)
    limited = replace(query, limit=limit, offset=0)
    target = QueryTarget(engine, limited)
    known = fold({}, target.initial())
    for commit in commit_all(engine.database, commits):
        update = target.on_commit(commit)
        known = known if update is None else fold(known, update)
        whole = engine.run_query(replace(query, limit=None, offset=0)).documents
        assert known == {document.path: document for document in whole[:limit]}


@given(documents, st.lists(document_paths, max_size=4), changes)
def test_a_documents_target_follows_every_commit(contents, paths, commits):
    database = database_of(contents)
    target = DocumentsTarget(database, paths)
    known = {}
    for event in target.initial().events:
        known[getattr(event, "path", None) or event.document.path] = getattr(
            event, "document", None
        )
    assert set(known) == set(paths)
    for commit in commit_all(database, commits):
        update = target.on_commit(commit)
        for event in () if update is None else update.events:
            path = event.path if isinstance(event, Deleted) else event.document.path
            known[path] = None if isinstance(event, Deleted) else event.document
        assert known == {path: database.get(path) for path in paths}
