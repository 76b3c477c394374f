import pytest

from harness.errors import ConfigError, HarnessErrors
from harness.firestore.index_definitions import (
    AUTOMATIC,
    IndexDefinitions,
    IndexMode,
    QueryScope,
    duplicates,
    index_to_json,
    override_to_json,
    parse_index_file,
    usable_indexes,
)
from harness.firestore.paths import FieldPath
from tests.firestore.queries_from_yaml import index_from

FILE = "firestore.indexes.json"
GOOD = {"fieldPath": "a", "order": "ASCENDING"}
OTHER = {"fieldPath": "b", "order": "DESCENDING"}


def index(*fields, **more):
    return {
        "collectionGroup": "c",
        "queryScope": "COLLECTION",
        "fields": list(fields or (GOOD, OTHER)),
        **more,
    }


def test_an_index_file_is_read_with_names_implied():
    vector = {"fieldPath": "emb", "vectorConfig": {"dimension": 3, "flat": {}}}
    array = {"fieldPath": "t", "arrayConfig": "CONTAINS"}
    name = {"fieldPath": "__name__", "order": "DESCENDING"}
    read = parse_index_file(
        {"indexes": [index(), index(GOOD, vector), index(GOOD, name), index(array, GOOD)]}, FILE
    )
    assert [item.properties for item in read.composites] == [
        "(a ASC, b DESC, __name__ DESC)",
        "(a ASC, __name__ ASC, emb VECTOR<3>)",
        "(a ASC, __name__ DESC)",
        "(t ARRAY_CONTAINS, a ASC, __name__ ASC)",
    ]


def test_old_spellings_are_understood():
    old = {
        "collectionId": "c",
        "fields": [
            {"fieldPath": "a", "mode": "ASCENDING"},
            {"fieldPath": "t", "mode": "ARRAY_CONTAINS"},
        ],
    }
    (read,) = parse_index_file({"indexes": [old]}, FILE).composites
    assert read == index_from("c (a asc, t contains)")


def test_an_override_replaces_the_automatic_indexes():
    read = parse_index_file(
        {
            "fieldOverrides": [
                {"collectionGroup": "c", "fieldPath": "blob", "indexes": []},
                {"collectionGroup": "c", "fieldPath": "when", "ttl": True},
                {
                    "collectionGroup": "c",
                    "fieldPath": "m.`x y`",
                    "ttl": False,
                    "indexes": [{"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"}],
                },
                {"collectionGroup": "d", "fieldPath": "*", "indexes": []},
            ]
        },
        FILE,
    )

    def indexes_of(group, *path):
        return read.single_field_indexes(group, FieldPath(path))

    assert indexes_of("c", "blob") == frozenset()
    assert indexes_of("c", "blob", "inner") == frozenset()
    assert indexes_of("c", "when") == AUTOMATIC
    group = frozenset({(QueryScope.COLLECTION_GROUP, IndexMode.ASCENDING)})
    assert indexes_of("c", "m", "x y") == group
    assert indexes_of("c", "m") == AUTOMATIC
    assert indexes_of("d", "anything") == frozenset()


def test_a_ttl_policy_names_the_field_that_says_when_documents_expire():
    entries = [
        {"collectionGroup": "c", "fieldPath": "until", "ttl": True, "indexes": []},
        {"collectionGroup": "d", "fieldPath": "m.until", "ttl": True, "indexes": []},
        {"collectionGroup": "d", "fieldPath": "until", "ttl": False, "indexes": []},
        {"collectionGroup": "e", "fieldPath": "until", "indexes": []},
    ]
    read = parse_index_file({"fieldOverrides": entries}, FILE)
    assert read.expiry_fields == {"c": FieldPath(("until",)), "d": FieldPath(("m", "until"))}
    assert [override_to_json(item) for item in read.overrides[:2]] == entries[:2]


def test_definitions_survive_the_way_to_json_and_back():
    document = {
        "indexes": [
            index_to_json(index_from(text))
            for text in (
                "c (a asc, b desc)",
                "group c (t contains, a asc)",
                "c (a desc, __name__ asc)",
                "c (a asc, emb vector 3)",
            )
        ],
        "fieldOverrides": [
            {
                "collectionGroup": "c",
                "fieldPath": "a",
                "indexes": [
                    {"arrayConfig": "CONTAINS", "queryScope": "COLLECTION"},
                    {"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"},
                ],
            }
        ],
    }
    read = parse_index_file(document, FILE)
    assert {
        "indexes": [index_to_json(item) for item in read.composites],
        "fieldOverrides": [override_to_json(item) for item in read.overrides],
    } == document


def test_an_index_that_is_defined_twice_can_be_told():
    read = parse_index_file({"indexes": [index(), index(OTHER, GOOD), index()]}, FILE)
    assert duplicates(read) == read.composites[:1]


def test_an_empty_file_defines_nothing():
    assert parse_index_file({}, FILE) == IndexDefinitions()


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "the file: expected an object, found []"),
        ({"index": []}, "the file: unknown key 'index'"),
        ({"indexes": {}}, "indexes: expected a list, found {}"),
        ({"indexes": [index(queryScope="ALL")]}, "indexes[0].queryScope: 'ALL' is not"),
        ({"indexes": [index(collectionGroup="")]}, "indexes[0].collectionGroup: expected a text"),
        ({"indexes": [{"collectionGroup": "c"}]}, "indexes[0].fields: an index needs fields"),
        ({"indexes": [index(GOOD)]}, "indexes[0]: an index of the one field a is not necessary"),
        (
            {"indexes": [index(GOOD, queryScope="COLLECTION_GROUP")]},
            "indexes[0]: an index of the one field a for a collection group can be deployed under "
            "fieldOverrides only",
        ),
        ({"indexes": [index(GOOD, GOOD)]}, "indexes[0].fields: a field is listed twice"),
        ({"indexes": [index(GOOD, {"fieldPath": "b"})]}, "indexes[0].fields[1]: expected exactly"),
        (
            {"indexes": [index(GOOD, {"fieldPath": "b", "order": "UP"})]},
            "indexes[0].fields[1].order: 'UP' is not ASCENDING or DESCENDING",
        ),
        (
            {"indexes": [index(GOOD, {"fieldPath": "b..c", "order": "ASCENDING"})]},
            "indexes[0].fields[1].fieldPath: Invalid property path",
        ),
        (
            {"indexes": [index(GOOD, {"fieldPath": "b", "vectorConfig": {"dimension": 0}})]},
            "indexes[0].fields[1].vectorConfig.dimension: not a whole number from 1 to 2048",
        ),
        ({"indexes": [index(unique=True)]}, "indexes[0].unique: unique indexes are not supported"),
        ({"indexes": [index(feilds=[])]}, "indexes[0]: unknown key 'feilds'"),
        (
            {"fieldOverrides": [{"collectionGroup": "c", "fieldPath": "a"}]},
            "fieldOverrides[0]: an override needs indexes",
        ),
        (
            {"fieldOverrides": [{"collectionGroup": "c", "fieldPath": "a", "ttl": "true"}]},
            'fieldOverrides[0].ttl: "true" is not true or false',
        ),
        (
            {"fieldOverrides": [{"collectionGroup": "c", "fieldPath": "*", "ttl": True}]},
            "fieldOverrides[0].ttl: a TTL policy is for one field",
        ),
        (
            {
                "fieldOverrides": [
                    {"collectionGroup": "c", "fieldPath": "a", "ttl": True},
                    {"collectionGroup": "c", "fieldPath": "b", "ttl": True},
                ]
            },
            "fieldOverrides: c has 2 fields with a TTL policy",
        ),
    ],
)
def test_a_malformed_file_says_where_and_what(document, problem):
    with pytest.raises(ConfigError) as refused:
        parse_index_file(document, FILE)
    assert refused.value.problem.startswith(f"{FILE}: {problem}")
    assert refused.value.fix


def test_every_problem_of_a_file_is_reported():
    document = {"indexes": [index(GOOD), index(queryScope="ALL"), index(GOOD, 7)]}
    with pytest.raises(HarnessErrors) as refused:
        parse_index_file(document, FILE)
    assert len(refused.value.errors) == 3


def test_the_nearest_known_key_is_suggested():
    with pytest.raises(ConfigError) as refused:
        parse_index_file({"indexes": [index(feilds=[])]}, FILE)
    assert refused.value.fix == "did you mean fields?"


def test_a_server_takes_the_entries_that_can_be_used():
    document = {"indexes": [index(GOOD), index(GOOD, OTHER), index(queryScope="ALL")], "//": "ours"}
    definitions, problems = usable_indexes(document, FILE)
    assert definitions == parse_index_file({"indexes": [index(GOOD, OTHER)]}, FILE)
    assert [problem.problem.split(": ")[1] for problem in problems] == [
        "the file",
        "indexes[0]",
        "indexes[2].queryScope",
    ]


@pytest.mark.parametrize("document", [[], {"indexes": {}}, {"fieldOverrides": "none"}])
def test_a_server_takes_no_file_that_has_no_entries(document: object):
    with pytest.raises(ConfigError, match=r"expected an object|expected a list"):
        usable_indexes(document, FILE)
