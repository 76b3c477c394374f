from itertools import pairwise

import pytest

from harness.errors import StatusError
from harness.firestore.query import Cursor
from tests.firestore.queries_from_yaml import query_from
from tests.firestore.test_queries import engine_of


@pytest.fixture(scope="module")
def engine():
    contents = {f"c/{i:04}": {} for i in range(600)}
    contents |= {f"c/0001/c/{i:04}": {} for i in range(424)}
    return engine_of(contents)


def group(**more):
    return query_from({"collection": "c", "group": True, **more})


def test_the_parts_are_the_whole(engine):
    page = engine.partition(group(), 3)
    assert len(page.cursors) == 3
    assert page.cost.reads == 1
    bounds = [None, *(cursor.values for cursor in page.cursors), None]
    found = []
    for low, high in pairwise(bounds):
        query = group()
        start = None if low is None else Cursor(low, before=True)
        end = None if high is None else Cursor(high, before=True)
        part = engine.run_query(type(query)(query.parent, "c", True, start_at=start, end_at=end))
        assert len(part.documents) == 256
        found += [document.path for document in part.documents]
    assert found == [document.path for document in engine.run_query(group()).documents]


def test_a_part_has_at_least_about_128_documents(engine):
    assert len(engine.partition(group(), 100).cursors) == 7
    assert engine.partition(group(parent="c/0001"), 100).cursors != ()
    assert engine.partition(group(parent="c/0002"), 100).cursors == ()


def test_cursors_come_page_by_page(engine):
    whole = engine.partition(group(), 5).cursors
    pages, token = [], ""
    while True:
        page = engine.partition(group(), 5, page_size=2, page_token=token)
        pages.append(page.cursors)
        token = page.next_page_token
        if not token:
            break
    assert pages == [whole[:2], whole[2:4], whole[4:]]


@pytest.mark.parametrize(
    "more",
    [
        {"group": False},
        {"where": ["f", "==", 1]},
        {"order": ["f"]},
        {"order": ["__name__ desc"]},
        {"limit": 5},
        {"offset": 1},
    ],
)
def test_only_a_whole_collection_group_is_partitioned(engine, more):
    with pytest.raises(StatusError, match="requires a collection group query"):
        engine.partition(group(**more), 3)


def test_a_bad_request_is_refused(engine):
    with pytest.raises(StatusError, match="must be positive"):
        engine.partition(group(), 0)
    with pytest.raises(StatusError, match="nonnegative"):
        engine.partition(group(), 3, page_size=-1)
    with pytest.raises(StatusError, match="page token"):
        engine.partition(group(), 3, page_token="x")
