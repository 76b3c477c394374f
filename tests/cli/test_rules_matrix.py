"""`harness rules matrix`: what it prints, writes, and exits with."""

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import RULES, ProjectFolder, Ran

SETTINGS = "personas: {alice: , bob: , guest: {uid: null}}\naccess: access.yaml\n"
MATRIX = """\
documents: {users/$uid: {name: X}}
rows:
  - {name: own profile, method: get, path: users/$uid, allow: signed-in}
  - {name: Alice's profile, method: get, path: users/alice, allow: alice}
"""


@pytest.fixture
def matrix_project(project: ProjectFolder) -> ProjectFolder:
    project.write("harness.yaml", SETTINGS)
    project.write("access.yaml", MATRIX)
    return project


Harness = Callable[..., Ran]


def test_a_matrix_that_the_rules_agree_with(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    ran = harness("rules", "matrix")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "                      alice  bob  guest",
        "own profile      get  ✓      ✓    ✗",
        "Alice's profile  get  ✓      ✗    ✗",
        "",
        "6 decisions (2 requests as 3 personas) agree with the access matrix",
    ]
    assert "would not notice: no list of Firestore is expected to be denied" in ran.err


def test_a_surprise_is_printed_with_its_reason_and_fails(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    matrix_project.write("firestore.rules", RULES.replace(" && request.auth.uid == uid", ""))
    ran = harness("rules", "matrix", "--surprises")
    assert ran.status == 1
    assert ran.out.splitlines()[:5] == [
        "                      alice  bob  guest",
        "Alice's profile  get  ✓      ✓!   ✗",
        "",
        "Alice's profile, as bob: allowed, expected denied",
        "  firestore.rules:5:7: allow read, write: if request.auth != null;",
    ]
    assert "  the row: access.yaml:4:5" in ran.out
    assert ran.out.splitlines()[-1].startswith("5 of 6 decisions")


def test_markdown_and_json(matrix_project: ProjectFolder, harness: Harness) -> None:
    ran = harness("rules", "matrix", "--markdown", "--json", "matrix.json")
    assert ran.status == 0
    assert "| own profile | get | ✓ | ✓ | ✗ |" in ran.out
    content = json.loads(matrix_project.read("matrix.json"))
    assert (content["file"], content["decisions"]) == ("access.yaml", 6)


def test_the_time_may_be_given(matrix_project: ProjectFolder, harness: Harness) -> None:
    matrix_project.write(
        "firestore.rules",
        RULES.replace("request.auth != null", "request.time < timestamp.date(2020, 1, 1)"),
    )
    assert harness("rules", "matrix").status == 1
    assert harness("rules", "matrix", "--now", "2019-06-01T00:00:00Z").status == 0
    wrong = harness("rules", "matrix", "--now", "2019")
    assert (wrong.status, "--now 2019 is not a time" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("settings", "access", "rules", "words"),
    [
        ("", MATRIX, RULES, "harness.yaml names no access matrix"),
        (SETTINGS, "rows: [{name: n}]", RULES, "access.yaml:1:8: "),
        (SETTINGS, MATRIX.replace("alice}", "eve}"), RULES, 'there is no persona "eve"'),
        (SETTINGS, MATRIX, "service cloud.firestore {", "firestore.rules:1:"),
        ("personas: {alice: }\naccess: none.yaml", MATRIX, RULES, "there is no file"),
        ("access: access.yaml", MATRIX, RULES, "an access matrix without personas"),
    ],
)
def test_what_does_not_load_is_said_with_its_place(
    project: ProjectFolder, harness: Harness, settings: str, access: str, rules: str, words: str
) -> None:
    project.write("harness.yaml", settings)
    project.write("access.yaml", access)
    project.write("firestore.rules", rules)
    ran = harness("rules", "matrix")
    assert ran.status == 2
    assert words in ran.err
    assert "fix: " in ran.err


def test_a_matrix_within_the_settings(project: ProjectFolder, harness: Harness) -> None:
    indented = "".join(f"  {line}\n" for line in MATRIX.splitlines())
    personas = "personas: {alice: , bob: , guest: {uid: null}}\n"
    project.write("harness.yaml", f"{personas}access:\n{indented}")
    ran = harness("rules", "matrix")
    assert ran.status == 0
    assert "6 decisions" in ran.out


def test_a_csv_file_may_be_the_whole_matrix(project: ProjectFolder, harness: Harness) -> None:
    project.write("harness.yaml", SETTINGS.replace("access.yaml", "access.csv"))
    project.write(
        "access.csv",
        "path,method,alice,bob,guest\nusers/$uid,get,✓,✓,\nusers/alice,get,✓,,\n",
    )
    ran = harness("rules", "matrix")
    assert ran.status == 0
    assert "get users/$uid   get  ✓      ✓    ✗" in ran.out


def test_a_matrix_that_does_not_load_is_said_before_anything_is_started(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    matrix_project.write("access.yaml", "rows: [{name: n, methd: get}]")
    ran = harness("verify")
    assert ran.status == 2
    assert '"methd" is not a key of row 1' in ran.err


def test_the_files_of_the_matrix_are_inputs(matrix_project: ProjectFolder) -> None:
    from harness.project import load_project
    from harness.project_inputs import Part, ProjectInputs

    matrix_project.write("access.yaml", "documents: docs.yaml\nrows: rows.csv")
    matrix_project.write("docs.yaml", "users/$uid: {name: X}\n")
    matrix_project.write("rows.csv", "path,method,alice,bob,guest\n")
    inputs = ProjectInputs(load_project(matrix_project.path))
    names = {"harness.yaml", "access.yaml", "docs.yaml", "rows.csv"}
    assert set(inputs.names_of([Part.ACCESS_MATRIX])) == names
