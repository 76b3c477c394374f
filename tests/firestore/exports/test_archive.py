"""An export holds every document, and what is damaged or points outside is refused."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.firestore.documents import DocumentSnapshot
from harness.firestore.exports.archive import export_files, import_documents
from harness.firestore.exports.entities import document_from_bytes, document_to_bytes
from harness.firestore.exports.log_format import ExportError, read_records, write_records
from harness.firestore.exports.messages import load_messages
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Fields, GeoPoint, Timestamp, Vector, identical
from tests.property.firestore_strategies import database_names, document_paths
from tests.property.firestore_strategies import fields as document_fields

NOW = Timestamp(1_700_000_000_000_000)
DATABASE = DatabaseName("demo-export")
OVERALL = "e.overall_export_metadata"


def exported(fields_by_path: Mapping[str, Fields], database: DatabaseName = DATABASE) -> dict:
    snapshots = [
        DocumentSnapshot(ResourcePath(path), fields, NOW, NOW)
        for path, fields in fields_by_path.items()
    ]
    return export_files("e", {database: snapshots}, NOW, NOW)


def imported(files: Mapping[str, bytes]) -> dict:
    def read(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    return {path: (name, fields) for name, path, fields in import_documents(read, OVERALL)}


@given(st.dictionaries(document_paths, document_fields, max_size=4), database_names)
def test_export_and_import_are_inverse(found: dict, database: DatabaseName) -> None:
    back = imported(exported(found, database))
    assert back.keys() == found.keys()
    for path, fields in found.items():
        name, again = back[path]
        assert name == database
        assert identical(fields, again)


@pytest.mark.parametrize("path", ["c/__id7__", "c/__id007__", "c/__id-7__", "c/x/d/__id0__"])
def test_numeric_ids_come_back_as_they_were(path: str) -> None:
    assert imported(exported({path: {}})).keys() == {path}


def test_an_empty_database_is_one_file() -> None:
    files = exported({})
    assert list(files) == [OVERALL]
    assert imported(files) == {}


def test_the_overall_metadata_is_written_last() -> None:
    assert list(exported({"c/d": {}}))[-1] == OVERALL


def test_the_form_is_the_official_one() -> None:
    """Source: observed: exports of emulator 1.19, entities read field by field."""
    fields: Fields = {
        "empty": (),
        "list": ("a", 1),
        "at": Timestamp(5),
        "where": GeoPoint(1.5, -2.0),
        "map": {"n": None},
        "vector": Vector((0.5,)),
        "data": b"\xff",
    }
    entity = load_messages().Entity.FromString(
        document_to_bytes(DATABASE, ResourcePath("c/d"), fields)
    )
    assert entity.key.app == b"dev~demo-export"
    assert [(each.name, each.meaning) for each in entity.property] == [(b"empty", 24)]
    assert [(each.name, each.meaning, each.multiple) for each in entity.raw_property] == [
        (b"list", 0, True),
        (b"list", 0, True),
        (b"at", 7, False),
        (b"where", 9, False),
        (b"map", 19, False),
        (b"vector", 19, False),
        (b"data", 14, False),
    ]


def test_production_s_projects_are_told_from_their_prefix() -> None:
    entity = load_messages().Entity.FromString(
        document_to_bytes(DATABASE, ResourcePath("c/d"), {"a": 1})
    )
    entity.key.app = b"s~my-shop"
    database, path, fields = document_from_bytes(entity.SerializeToString())
    assert (database, path, fields) == (DatabaseName("my-shop"), "c/d", {"a": 1})


def test_windows_separators_are_understood() -> None:
    files = exported({"c/d": {"a": 1}})
    overall = load_messages().OverallMetadata.FromString(list(read_records(files[OVERALL]))[1])
    overall.kind[0].metadata_file = overall.kind[0].metadata_file.replace(b"/", b"\\")
    files[OVERALL] = write_records([b"3", overall.SerializeToString()])
    assert imported(files).keys() == {"c/d"}


@pytest.mark.parametrize(
    "name", [b"/etc/passwd", b"../../x", b"a/../../x", b"C:\\x", b"..\\x", b"\xff"]
)
def test_no_file_outside_of_the_export_is_read(name: bytes) -> None:
    overall = load_messages().OverallMetadata()
    overall.kind.add(metadata_file=name)
    files = {OVERALL: write_records([b"3", overall.SerializeToString()])}
    with pytest.raises(ExportError):
        imported(files)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "Failed to parse overall"),
        ({OVERALL: b""}, "empty"),
        ({OVERALL: write_records([b"2"])}, "version not supported"),
        ({OVERALL: write_records([b"3", b"\xff"])}, "Failed to parse overall"),
        ({OVERALL: write_records([b"3"])}, "Failed to parse overall"),
    ],
)
def test_damage_is_said_in_the_official_words(files: dict, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        imported(files)


def test_an_output_that_was_cut_off_between_two_documents_is_refused() -> None:
    files = exported({"c/1": {}, "c/2": {}, "c/3": {}})
    output = "all_namespaces/all_kinds/output-0"
    files[output] = write_records(list(read_records(files[output]))[:2])
    with pytest.raises(ExportError, match="has 2 of 3 documents"):
        imported(files)


def test_a_missing_output_is_said() -> None:
    files = exported({"c/d": {}})
    del files["all_namespaces/all_kinds/output-0"]
    with pytest.raises(ExportError, match="Failed parse entity file:all_namespaces"):
        imported(files)


@given(st.binary(max_size=200))
def test_no_record_is_more_than_refused(record: bytes) -> None:
    with suppress(ExportError):
        document_from_bytes(record)
