"""Tables that load, and tables that do not, each with its place and what to do."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.access.csv_rows import read_cells
from harness.access.model import CollectionQuery, DocumentRead, DocumentWrites, StoredObject
from harness.config import Persona
from harness.errors import ConfigError, HarnessError, HarnessErrors
from harness.firestore.values import Timestamp
from harness.source import SourceText
from tests.access.tables import FOLDER, PERSONAS, files, matrix_of, now

_KEYS = {"name", "at", "problem", "fix"}
_SHAPES = {"text", "row", "data", "csv"}


def error_cases() -> list[dict[str, Any]]:
    table = yaml.safe_load((FOLDER / "errors.yaml").read_text(encoding="utf-8"))
    cases: list[dict[str, Any]] = table["cases"]
    assert table["source"]
    assert len({case["name"] for case in cases}) == len(cases) > 0
    for case in cases:
        assert case.keys() >= _KEYS, case
        assert len(case.keys() & _SHAPES) == 1, case
        assert case.keys() - _KEYS - _SHAPES <= {"several"}, case
    return cases


def text_of(case: dict[str, Any]) -> str:
    if "csv" in case:
        return "rows: rows.csv"
    if "row" in case:
        return f"rows: [{{name: n, method: get, {case['row']}, path: a/b}}]"
    if "data" in case:
        return f"rows: [{{name: n, method: create, path: a/b, data: {case['data']}, allow: all}}]"
    return str(case["text"])


@pytest.mark.parametrize("case", error_cases(), ids=lambda case: case["name"])
def test_what_does_not_fit_is_refused_with_its_place(case: dict[str, Any]) -> None:
    with pytest.raises(HarnessError) as caught:
        matrix_of(text_of(case), read_text=files(rows__csv=case.get("csv", "")))
    error = caught.value
    assert case["problem"] in error.problem
    assert case["fix"] in error.fix
    assert error.at is not None
    assert error.at.file_name == ("rows.csv" if "csv" in case else "access.yaml")
    assert f"{error.at.line}:{error.at.column}" == case["at"]
    count = len(error.errors) if isinstance(error, HarnessErrors) else 1
    assert count == case.get("several", 1)


def test_a_matrix_needs_personas() -> None:
    with pytest.raises(ConfigError, match="without personas"):
        matrix_of("rows: []", personas={})


@pytest.mark.parametrize("name", ["all", "none", "signed-in"])
def test_a_persona_is_not_called_as_a_group_is(name: str) -> None:
    with pytest.raises(ConfigError, match=f'called "{name}"'):
        matrix_of("rows: []", personas={name: Persona("x")})


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("allow: all", {"alice", "bob", "guest"}),
        ("allow: none", set()),
        ("allow: []", set()),
        ("allow: signed-in", {"alice", "bob"}),
        ("allow: bob", {"bob"}),
        ("allow: [bob, guest]", {"bob", "guest"}),
        ("deny: none", {"alice", "bob", "guest"}),
        ("deny: all", set()),
        ("deny: signed-in", {"guest"}),
        ("deny: guest", {"alice", "bob"}),
        ("deny: [alice, guest]", {"bob"}),
    ],
)
def test_who_is_allowed(said: str, allowed: set[str]) -> None:
    matrix = matrix_of(f"rows: [{{name: n, method: get, path: a/b, {said}}}]")
    assert matrix.rows[0].allowed == allowed


def test_a_row_that_is_like_another_says_what_differs() -> None:
    matrix = matrix_of(
        """
        documents: {a/c: {x: 0}}
        rows:
          - {name: base, method: create, path: a/b, data: {x: 1, y: 2}, allow: all}
          - {name: other path, like: base, path: a/d, allow: none}
          - {name: other data, like: base, data: {y: 3}, allow: none}
          - {name: less data, like: other data, data: {x: $absent}, allow: none}
          - {name: queried, method: list, path: a, limit: 5, allow: all}
          - {name: unlimited, like: queried, limit: null, allow: none}
        """
    )
    by_name = {row.name: row.request for row in matrix.rows}

    def write(name: str) -> Any:
        request = by_name[name]
        assert isinstance(request, DocumentWrites)
        return request.writes[0]

    assert write("other path").path == "a/d"
    assert write("other path").data == {"x": 1, "y": 2}
    assert write("other data").data == {"x": 1, "y": 3}
    assert write("less data").data.keys() == {"x", "y"}
    assert by_name["queried"] == CollectionQuery("a", limit=5)
    assert by_name["unlimited"] == CollectionQuery("a")
    assert [bool(row.allowed) for row in matrix.rows] == [True, False, False, False, True, False]


def test_a_batch_that_is_like_another_differs_write_by_write() -> None:
    matrix = matrix_of(
        """
        rows:
          - name: base
            batch:
              - {method: create, path: a/b, data: {x: 1}}
              - {method: create, path: a/c, data: {x: 1, y: 1}}
            allow: all
          - {name: first, like: base, batch: [{data: {x: 2}}], allow: none}
          - {name: second, like: base, batch: [{}, {path: a/d, data: {y: 2}}], allow: none}
        """
    )
    first, second = (row.request for row in matrix.rows[1:])
    assert isinstance(first, DocumentWrites)
    assert isinstance(second, DocumentWrites)
    assert [(write.path, write.data) for write in first.writes] == [
        ("a/b", {"x": 2}),
        ("a/c", {"x": 1, "y": 1}),
    ]
    assert [(write.path, write.data) for write in second.writes] == [
        ("a/b", {"x": 1}),
        ("a/d", {"x": 1, "y": 2}),
    ]


def test_documents_objects_and_rows_may_be_in_files() -> None:
    matrix = matrix_of(
        "documents: documents.json\nobjects: objects.yaml\nrows: rows.yaml",
        read_text=files(
            documents__json='{"users/ana": {"n": 1}}',
            objects__yaml="a/b: {size: 3}\na/c:\n",
            rows__yaml="- {name: n, method: get, path: users/ana, allow: all}",
        ),
    )
    assert matrix.documents == {"users/ana": {"n": 1}}
    assert matrix.objects == {"a/b": StoredObject(3), "a/c": StoredObject()}
    assert [row.name for row in matrix.rows] == ["n"]
    assert matrix.rows[0].at.file_name == "rows.yaml"
    assert matrix.files == ("access.yaml", "documents.json", "objects.yaml", "rows.yaml")


def test_a_matrix_may_be_one_key_of_a_file() -> None:
    text = "project_id: demo-x\naccess:\n  rows: [{name: n, method: get, path: a/b, allow: all}]\n"
    matrix = matrix_of(text, key="access")
    assert matrix.rows[0].at.line == 3


def test_the_time_is_what_the_table_says_else_what_is_given() -> None:
    assert matrix_of("rows: []").now == now()
    text = "now: 1970-01-01T00:00:01.2345Z\nrows: []"
    assert matrix_of(text).now == Timestamp(1_234_000)


CSV = (
    "\ufeffname,path,method,data,where,limit,alice,bob,guest\r\n"
    ",users/$uid,get,,,,✓,allow,\r\n"
    '"to say ""hi"", once",posts/p1,create,"{""owner"": ""$uid"", ""at"": ""$now""}",,,yes,✗,no\r\n'
    "\r\n"
    ',posts,list,,"[[""owner"", ""=="", ""$uid""]]",10,✅,❌,deny'
)


def test_rows_may_be_a_csv_file() -> None:
    matrix = matrix_of("rows: rows.csv", read_text=files(rows__csv=CSV))
    get, create, query = matrix.rows
    assert (get.name, get.request, get.allowed) == (
        "get users/$uid",
        DocumentRead("users/$uid"),
        {"alice", "bob"},
    )
    assert (create.name, create.allowed) == ('to say "hi", once', {"alice"})
    assert isinstance(create.request, DocumentWrites)
    assert create.request.writes[0].data["owner"] == "$uid"
    assert isinstance(query.request, CollectionQuery)
    assert (query.name, query.request.limit, query.allowed) == ("list posts", 10, {"alice"})
    assert [row.at.line for row in matrix.rows] == [2, 3, 5]


_CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters='",\n\r'), max_size=12
)


@given(st.lists(st.lists(_CELL, min_size=3, max_size=3), max_size=5))
def test_csv_is_read_as_other_programs_write_it(rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows([["a", "b", "c"], *rows])
    read = [
        [cell.text for cell in cells] for cells in read_cells(SourceText("t.csv", out.getvalue()))
    ]
    assert read == [["a", "b", "c"], *(row for row in rows if any(cell.strip() for cell in row))]


_ALPHABET = "rows: {}[]\n-'\"&*!#|>?%@`~,\tnamemethodpathget$uid/"


@given(st.text() | st.text(alphabet=_ALPHABET))
def test_no_text_gives_anything_but_a_matrix_or_an_error_with_a_place(text: str) -> None:
    for source in ("rows: rows.csv", text):
        error = refusal(source, files(rows__csv=text))
        assert error is None or (error.at is not None and error.fix)


def refusal(source: str, read_text: Callable[[str], SourceText]) -> HarnessError | None:
    try:
        matrix_of(source, read_text=read_text)
    except HarnessError as error:
        return error
    return None


def test_the_personas_of_the_tables_are_of_three_kinds() -> None:
    assert {who.uid is None for who in PERSONAS.values()} == {True, False}
