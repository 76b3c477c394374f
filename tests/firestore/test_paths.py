import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore import paths
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from tests.firestore.values_from_yaml import case_id, cases, load_corpus

TABLE = load_corpus("values/names.yaml", {"cases", "field_paths"})
NAMES = cases(TABLE, "cases", {"kind", "text", "path", "message"})
FIELD_PATHS = cases(TABLE, "field_paths", {"text", "segments", "message"})
PARSERS = {
    "database": lambda text: (paths.parse_database_name(text), None),
    "document": paths.parse_document_name,
    "parent": paths.parse_parent_name,
    "resource": paths.parse_resource_name,
}


@pytest.mark.parametrize("case", NAMES, ids=case_id)
def test_names_parse_or_are_refused_as_the_table_says(case):
    parse = PARSERS[case["kind"]]
    if "message" in case:
        with pytest.raises(StatusError) as refusal:
            parse(case["text"])
        assert refusal.value.code is StatusCode.INVALID_ARGUMENT
        assert refusal.value.message == case["message"]
    else:
        database, path = parse(case["text"])
        assert str(database) == "/".join(case["text"].split("/")[:4])
        assert path == case.get("path")


@pytest.mark.parametrize("case", FIELD_PATHS, ids=case_id)
def test_field_paths_parse_or_are_refused_as_the_table_says(case):
    if "segments" in case:
        assert paths.parse_field_path(case["text"]) == FieldPath(case["segments"])
        return
    with pytest.raises(StatusError) as refusal:
        paths.parse_field_path(case["text"])
    expected = case.get("message") or (
        f'Invalid property path "{case["text"]}". Unquoted property paths must match regex '
        "([a-zA-Z_][a-zA-Z_0-9]*), and quoted property paths must match regex "
        r"(`(?:[^`\\]|(?:\\.))+`)"
    )
    assert refusal.value.message == expected


def test_an_id_of_1500_bytes_is_the_longest():
    root = "projects/p/databases/d/documents"
    for long_id in ("x" * 1500, "é" * 750):
        paths.parse_document_name(f"{root}/{long_id}/{long_id}")
        with pytest.raises(StatusError) as refusal:
            paths.parse_document_name(f"{root}/{long_id}x/d")
        assert refusal.value.message == "The key path element kind is longer than 1500 bytes."
        with pytest.raises(StatusError) as refusal:
            paths.parse_document_name(f"{root}/c/{long_id}x")
        assert refusal.value.message == "The key path element name is longer than 1500 bytes."


def test_a_name_may_not_be_longer_or_deeper_than_documented():
    root = "projects/p/databases/d/documents"
    paths.parse_document_name(root + "/c/d" * 100)
    with pytest.raises(StatusError, match="100 levels"):
        paths.parse_document_name(root + "/c/d" * 101)
    with pytest.raises(StatusError, match="6144 bytes"):
        paths.parse_document_name(root + f"/{'x' * 1500}/d" * 5)


def test_half_of_a_surrogate_pair_is_refused():
    with pytest.raises(StatusError, match="surrogate"):
        paths.parse_document_name("projects/p/databases/d/documents/c/\ud800")


@pytest.mark.parametrize(
    ("collection_id", "problem"),
    [("a/b", 'contains "/"'), ("__x__", "is reserved"), ("..", "is reserved")],
)
def test_a_collection_id_that_stands_alone_is_checked(collection_id, problem):
    paths.check_collection_id("a-b")
    with pytest.raises(StatusError) as refusal:
        paths.check_collection_id(collection_id)
    expected = f'Collection id "{collection_id}" is invalid because it {problem}.'
    assert refusal.value.message == expected


@pytest.mark.parametrize(
    ("document_id", "problem"),
    [("a/b", 'contains "/"'), ("__x__", "is reserved"), (".", "is reserved")],
)
def test_a_document_id_that_stands_alone_is_checked(document_id, problem):
    paths.check_document_id("a-b")
    paths.check_document_id("__id7__")
    with pytest.raises(StatusError) as refusal:
        paths.check_document_id(document_id)
    expected = f'Resource id "{document_id}" is invalid because it {problem}.'
    assert refusal.value.message == expected


def test_a_path_knows_what_it_is():
    document = ResourcePath("users/ana/tasks/one")
    assert document.segments == ("users", "ana", "tasks", "one")
    assert document.is_document
    assert not document.is_collection
    assert document.id == "one"
    assert document.collection_id == "tasks"
    assert document.parent() == "users/ana/tasks"
    assert document.parent().is_collection
    assert document.parent().collection_id == "tasks"
    assert document.child("x") == "users/ana/tasks/one/x"
    assert ROOT.child("users") == "users"
    assert ROOT.segments == ()
    assert ROOT.is_root
    assert not ROOT.is_document
    assert not ROOT.is_collection
    assert ResourcePath("users").parent() == ROOT


def test_below_means_strictly_below_and_by_whole_segments():
    assert ResourcePath("a/b/c").is_below("a/b")
    assert not ResourcePath("a/bc").is_below("a/b")
    assert not ResourcePath("a/b").is_below("a/b")
    assert ResourcePath("a").is_below(ROOT)
    assert not ROOT.is_below(ROOT)


def test_a_document_name_is_printed_as_it_is_parsed():
    name = "projects/p/databases/(default)/documents/c/d"
    assert paths.document_name(*paths.parse_document_name(name)) == name
    assert paths.document_name(DatabaseName("p"), ROOT) == name.removesuffix("/c/d")
