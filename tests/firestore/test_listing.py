import pytest

from harness.errors import StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.listing import parse_order_by
from harness.firestore.paths import ROOT, DatabaseName, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp
from tests.firestore.queries_from_yaml import index_from, order_from


@pytest.fixture
def engine():
    database = Database(DatabaseName("p"))
    contents = {f"c/{name}": {"f": place // 2, "g": 1} for place, name in enumerate("abcde")}
    contents |= {"c/ghost/d/x": {}, "b/z": {}, "c/a/d/y": {}}
    writes = [Write(WriteKind.UPDATE, ResourcePath(path), f) for path, f in contents.items()]
    database.commit(database.prepare(writes, Timestamp(1)))
    return QueryEngine(database)


def ids(page):
    return [path.id for path in page.paths]


def all_pages(engine, collection_id, **options):
    pages, token = [], ""
    while True:
        page = engine.list_documents(ROOT, collection_id, page_token=token, **options)
        pages.append(ids(page))
        token = page.next_page_token
        if not token:
            return pages


def test_a_collection_is_listed_by_name(engine):
    page = engine.list_documents(ROOT, "c")
    assert ids(page) == list("abcde")
    assert page.next_page_token == ""
    assert page.cost.reads == 5
    assert page.documents[ResourcePath("c/b")].fields == {"f": 0, "g": 1}


def test_a_full_page_has_a_token_even_if_nothing_follows(engine):
    assert all_pages(engine, "c", page_size=2) == [["a", "b"], ["c", "d"], ["e"]]
    assert all_pages(engine, "c", page_size=5) == [list("abcde"), []]


def test_an_empty_page_costs_one_read(engine):
    assert engine.list_documents(ROOT, "nothing").cost.reads == 1


def test_missing_documents_can_be_shown(engine):
    page = engine.list_documents(ROOT, "c", show_missing=True)
    assert ids(page) == [*"abcde", "ghost"]
    assert ResourcePath("c/ghost") not in page.documents
    pages = all_pages(engine, "c", page_size=4, show_missing=True)
    assert pages == [list("abcd"), ["e", "ghost"]]


def test_without_a_collection_id_every_collection_is_listed(engine):
    assert ids(engine.list_documents(ROOT, None)) == ["z", *"abcde"]
    assert ids(engine.list_documents(ResourcePath("c/a"), None)) == ["y"]
    assert all_pages(engine, None, page_size=4) == [["z", "a", "b", "c"], ["d", "e"]]


def test_an_order_is_listed_page_by_page(engine):
    pages = all_pages(engine, "c", page_size=2, order_by="f desc")
    assert pages == [["e", "d"], ["c", "b"], ["a"]]


def test_an_order_of_two_fields_needs_its_index(engine):
    with pytest.raises(StatusError, match="requires an index"):
        engine.list_documents(ROOT, "c", order_by="g, f desc")
    engine.definitions = IndexDefinitions((index_from("c (g asc, f desc)"),))
    pages = all_pages(engine, "c", page_size=3, order_by="g, f desc")
    assert pages == [["e", "d", "c"], ["b", "a"]]


def test_a_page_can_be_read_in_the_past(engine):
    database = engine.database
    write = Write(WriteKind.DELETE, ResourcePath("c/b"))
    database.commit(database.prepare([write], Timestamp(2)))
    assert ids(engine.list_documents(ROOT, "c")) == list("acde")
    assert ids(engine.list_documents(ROOT, "c", at=Timestamp(1))) == list("abcde")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page_size": -1}, "Page size must be nonnegative."),
        ({"page_token": "?"}, "Page token does not belong to this request."),
        ({"page_token": "not a token!"}, "Invalid page token."),
        ({"order_by": "f sideways"}, "Invalid order by clause: f sideways"),
    ],
)
def test_a_bad_request_is_refused(engine, options, message):
    with pytest.raises(StatusError) as refused:
        engine.list_documents(ROOT, "c", **options)
    assert refused.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"show_missing": True}, "collection id must be set when show_missing is true"),
        ({"order_by": "f"}, "kind is required for all orders except __key__ ascending"),
        (
            {"order_by": "__name__ desc"},
            "kind is required for all orders except __key__ ascending",
        ),
    ],
)
def test_a_bad_request_without_a_collection_id_is_refused(engine, options, message):
    with pytest.raises(StatusError) as refused:
        engine.list_documents(ROOT, None, **options)
    assert refused.value.message == message


def test_a_token_belongs_to_its_request(engine):
    token = engine.list_documents(ROOT, "c", page_size=2).next_page_token
    with pytest.raises(StatusError, match="does not belong"):
        engine.list_documents(ROOT, "b", page_size=2, page_token=token)


def test_orders_are_parsed_with_their_directions():
    expected = tuple(map(order_from, ("a.b", "c desc", "d")))
    assert parse_order_by("a.b, c DESC ,d asc") == expected
    assert parse_order_by(" ") == ()
