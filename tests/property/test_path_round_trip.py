"""Laws of names: what is printed parses to what it was."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StatusError
from harness.firestore.paths import (
    FieldPath,
    ResourcePath,
    document_name,
    parse_database_name,
    parse_document_name,
    parse_field_path,
    parse_parent_name,
    parse_resource_name,
)
from tests.property.firestore_strategies import (
    database_names,
    document_paths,
    field_paths,
    paths,
)


@given(field_paths)
def test_a_printed_field_path_parses_to_itself(path):
    assert parse_field_path(str(path)) == path


@given(st.text("ab.`\\1_-\n", max_size=8))
def test_any_text_is_a_field_path_or_refused(text):
    with contextlib.suppress(StatusError):
        path = parse_field_path(text)
        assert isinstance(path, FieldPath)
        assert path
        assert all(path)
        assert parse_field_path(str(path)) == path


@given(database_names, document_paths)
def test_a_printed_document_name_parses_to_itself(database, path):
    name = document_name(database, path)
    assert parse_document_name(name) == (database, path)
    assert parse_parent_name(name) == (database, path)
    assert parse_resource_name(name) == (database, path)
    assert parse_database_name(str(database)) == database


@given(database_names, paths)
def test_every_path_is_a_resource_name(database, path):
    assert parse_resource_name(document_name(database, path)) == (database, path)


@given(
    st.lists(
        st.sampled_from(
            ["projects", "databases", "documents", "p", "", ".", "__x__", "__id0__", "é"]
        ),
        max_size=9,
    )
)
def test_any_name_is_parsed_or_refused_and_never_read_differently(segments):
    name = "/".join(segments)
    with contextlib.suppress(StatusError):
        database, path = parse_document_name(name)
        assert document_name(database, path) == name


@given(paths)
def test_a_path_is_its_segments(path):
    assert ResourcePath("/".join(path.segments)) == path
    rebuilt = ResourcePath("")
    for segment in path.segments:
        rebuilt = rebuilt.child(segment)
    assert rebuilt == path
    if path:
        assert path.parent().child(path.id) == path
