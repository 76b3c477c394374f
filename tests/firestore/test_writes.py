import pytest

from harness.errors import StatusError
from harness.firestore import limits
from harness.firestore.documents import (
    FieldTransform,
    Precondition,
    TransformKind,
    Write,
    WriteKind,
)
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath, parse_field_path
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, identical
from tests.firestore.values_from_yaml import case_id, cases, fields, load_corpus, value

CASES = cases(
    load_corpus("writes/commits.yaml", {"cases"}),
    "cases",
    {"documents", "writes", "update_times", "transform_results", "after", "changed", "error"},
)
OLD = Timestamp(1000)
NOW = Timestamp(2_000_500)
WRITE_KEYS = {"fields", "mask", "transforms", "exists", "update_time"}


def write_of(notation):
    (kind,) = {"update", "delete", "verify"} & notation.keys()
    assert notation.keys() <= WRITE_KEYS | {kind}
    precondition = None
    if "exists" in notation:
        precondition = Precondition(exists=notation["exists"])
    elif "update_time" in notation:
        precondition = Precondition(update_time=Timestamp(notation["update_time"]))
    return Write(
        WriteKind(kind),
        ResourcePath(notation[kind]),
        fields(notation["fields"]) if "fields" in notation else None,
        tuple(map(parse_field_path, notation["mask"])) if "mask" in notation else None,
        tuple(
            FieldTransform(parse_field_path(field), TransformKind(kind), *map(value, operand))
            for field, kind, *operand in notation.get("transforms", ())
        ),
        precondition,
    )


def database_with(documents):
    database = Database(DatabaseName("p"))
    writes = [
        Write(WriteKind.UPDATE, ResourcePath(path), fields(given))
        for path, given in documents.items()
    ]
    if writes:
        database.commit(database.prepare(writes, OLD))
    return database


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_commit_does_what_the_table_says(case):
    documents = case.get("documents", {})
    database = database_with(documents)
    writes = [write_of(notation) for notation in case["writes"]]
    if "error" in case:
        with pytest.raises(StatusError) as refusal:
            database.commit(database.prepare(writes, NOW))
        assert [refusal.value.code.name, refusal.value.message] == case["error"]
        expected = {write.path: None for write in writes} | documents
    else:
        result = database.commit(database.prepare(writes, NOW))
        times = {"new": NOW, "old": OLD, None: None}
        assert [write.update_time for write in result.write_results] == [
            times[time] for time in case["update_times"]
        ]
        transform_results = [write.transform_results for write in result.write_results]
        wanted = case.get("transform_results", [[]] * len(writes))
        assert identical(tuple(transform_results), tuple(map(value, wanted)))
        assert [change.path for change in result.changes] == case["changed"]
        for change in result.changes:
            before = documents.get(change.path)
            assert (change.before.fields if change.before else None) == (
                fields(before) if before is not None else None
            )
            assert change.after == database.get(change.path)
        assert result.commit_time == NOW
        expected = case["after"]
    for path, given in expected.items():
        document = database.get(ResourcePath(path))
        if given is None:
            assert document is None
        else:
            assert identical(document.fields, fields(given))


def test_each_write_sees_what_those_before_it_did():
    database = database_with({"c/d": {"n": 1}})
    increment = write_of({"update": "c/d", "mask": [], "transforms": [["n", "increment", 1]]})
    prepared = database.prepare([increment, increment], NOW)
    seen = [(step.before.fields["n"], step.after.fields["n"]) for step in prepared.steps]
    assert seen == [(1, 2), (2, 3)]
    assert prepared.get_after(ResourcePath("c/d")).fields == {"n": 3}
    assert prepared.get_after(ResourcePath("c/other")) is None
    assert database.get(ResourcePath("c/d")).fields == {"n": 1}


def test_a_failed_precondition_waits_until_the_commit_so_that_rules_go_first():
    database = database_with({})
    prepared = database.prepare([write_of({"update": "c/d", "fields": {}, "exists": True})], NOW)
    assert prepared.failure.message.startswith("No document to update: ")
    with pytest.raises(StatusError):
        database.commit(prepared)
    assert database.last_commit_time == Timestamp(0)


def test_a_document_may_take_exactly_its_limit():
    database = database_with({})
    path = ResourcePath("c/d")
    overhead = 2 + 2 + 16 + 32 + 2 * 2 + 2  # ids, name, document, two names, two string ends
    half = (limits.MAX_DOCUMENT_BYTES - overhead) // 2
    rest = limits.MAX_DOCUMENT_BYTES - overhead - half
    fits = Write(WriteKind.UPDATE, path, {"a": "x" * half, "b": "x" * rest})
    database.commit(database.prepare([fits], NOW))
    too_large = Write(WriteKind.UPDATE, path, {"a": "x" * half, "b": "x" * (rest + 1)})
    with pytest.raises(StatusError) as refusal:
        database.prepare([too_large], NOW)
    assert refusal.value.message == (
        "Document 'projects/p/databases/(default)/documents/c/d' cannot be written because its "
        "size (1,048,577 bytes) exceeds the maximum allowed size of 1,048,576 bytes."
    )
    lax = Database(DatabaseName("p"), enforce_limits=False)
    lax.commit(lax.prepare([too_large], NOW))


def test_a_document_takes_at_most_500_transforms_in_one_commit():
    database = database_with({})
    transform = FieldTransform(FieldPath(("n",)), TransformKind.INCREMENT, 1)

    def write(path, count):
        return Write(WriteKind.UPDATE, ResourcePath(path), None, (), (transform,) * count)

    database.commit(database.prepare([write("c/d", 500), write("c/e", 500)], NOW))
    with pytest.raises(StatusError, match="at most 500 transforms"):
        database.prepare([write("c/d", 300), write("c/e", 1), write("c/d", 201)], NOW)


def test_a_write_never_changes_the_fields_it_was_given_or_found():
    database = database_with({"c/d": {"m": {"map": {"x": 1}}}})
    before = database.get(ResourcePath("c/d"))
    given = {"m": {"y": {"z": 1}}}
    write = Write(
        WriteKind.UPDATE,
        ResourcePath("c/d"),
        given,
        (FieldPath(("m", "y")),),
        (FieldTransform(FieldPath(("m", "y", "n")), TransformKind.INCREMENT, 1),),
    )
    database.commit(database.prepare([write], NOW))
    assert database.get(ResourcePath("c/d")).fields == {"m": {"x": 1, "y": {"z": 1, "n": 1}}}
    assert given == {"m": {"y": {"z": 1}}}
    assert before.fields == {"m": {"x": 1}}
