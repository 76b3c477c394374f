"""The inputs of a project: their names, and what changes their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.project import load_project
from harness.project_inputs import BACK_END, HARNESS, Part, ProjectInputs, without_covered

FIREBASE_JSON = """{
  "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
  "storage": {"rules": "./storage.rules"},
  "functions": {"source": "functions"}
}"""
WORKFLOW = "# T\n- [ ] a\n- [x] b\n"


def write(folder: Path, name: str, text: str = "x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "firebase.json", FIREBASE_JSON)
    write(tmp_path, "workflow/feature.md", WORKFLOW)
    for name in ("firestore.rules", "storage.rules", "functions/index.js", "checks/test_a.py"):
        write(tmp_path, name)
    return tmp_path


def digest(folder: Path, name: str) -> str | None:
    return ProjectInputs(load_project(folder)).digests([name]).get(name)


def test_the_back_end_is_what_the_emulators_run(folder: Path) -> None:
    names = ProjectInputs(load_project(folder)).names_of(BACK_END)
    assert sorted(names) == [
        "firebase.json",
        "firestore.indexes.json",
        "firestore.rules",
        "functions/",
        "storage.rules",
    ]


def test_each_part_has_its_own_names(folder: Path) -> None:
    write(folder, "harness.yaml", "access: access.yaml\npersonas: {ana: }\n")
    write(folder, "access.yaml", "rows: []\n")
    write(folder, "pubspec.yaml")
    write(folder, "lib/main.dart")
    inputs = ProjectInputs(load_project(folder))
    names = {part: sorted(inputs.names_of([part])) for part in Part}
    assert names == {
        Part.FIREBASE_JSON: ["firebase.json"],
        Part.FIRESTORE_RULES: ["firestore.rules"],
        Part.INDEXES: ["firestore.indexes.json"],
        Part.STORAGE_RULES: ["storage.rules"],
        Part.FUNCTIONS: ["functions/"],
        Part.ACCESS_MATRIX: ["access.yaml", "harness.yaml"],
        Part.APP: ["lib/"],
    }


def test_a_files_digest_is_the_one_that_sha256sum_prints(folder: Path) -> None:
    assert digest(folder, "firestore.rules") == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    "name",
    ["none.rules", "functions/none/", "none/*", "../outside", "/etc/hostname", "functions", "a\0b"],
)
def test_what_is_not_there_or_not_in_the_project_has_no_digest(folder: Path, name: str) -> None:
    write(folder.parent, "outside")
    assert digest(folder, name) is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("functions/src/deep.js", True),
        ("functions/package-lock.json", True),
        ("functions/.env", True),
        ("functions/node_modules/x/index.js", False),
        ("functions/.git/HEAD", False),
        ("functions/firebase-debug.log", False),
    ],
)
def test_a_codebase_is_digested_without_what_is_installed_or_left_behind(
    folder: Path, name: str, changes: bool
) -> None:
    before = digest(folder, "functions/")
    write(folder, name, "y")
    assert (digest(folder, "functions/") != before) is changes


def test_what_typescript_builds_is_no_source(folder: Path) -> None:
    write(folder, "functions/tsconfig.json", "{}")
    before = digest(folder, "functions/")
    write(folder, "functions/lib/index.js", "built")
    assert digest(folder, "functions/") == before


def test_the_name_of_a_source_file_counts(folder: Path) -> None:
    before = digest(folder, "functions/")
    (folder / "functions/index.js").rename(folder / "functions/other.js")
    assert digest(folder, "functions/") != before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("functions/new.js", True),
        ("functions/src/new.js", True),  # a new folder
        ("functions/index.js", False),  # other content
        ("functions/node_modules/x.js", False),
        ("functions/debug.log", False),
        ("functions/.cache", False),
    ],
)
def test_a_listing_is_of_names_alone(folder: Path, name: str, changes: bool) -> None:
    before = digest(folder, "functions/*")
    write(folder, name, "y")
    assert (digest(folder, "functions/*") != before) is changes


def test_ticks_do_not_change_the_digest_of_a_document_and_words_do(folder: Path) -> None:
    name = "workflow/feature.md#without-ticks"
    before = digest(folder, name)
    write(folder, "workflow/feature.md", WORKFLOW.replace("[ ]", "[x]"))
    assert digest(folder, name) == before
    write(folder, "workflow/feature.md", WORKFLOW + "more\n")
    assert digest(folder, name) != before


def test_the_harness_is_an_input_by_its_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(folder, HARNESS)
    monkeypatch.setattr("harness.project_inputs.harness_version", lambda: "99.0")
    assert digest(folder, HARNESS) != before


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("docs/api.md", "docs/api.md"),
        ("workflow/feature.md", "workflow/feature.md#without-ticks"),
        ("functions/.env", "functions/.env"),
        ("functions/node_modules/x/index.js", None),
        (".harness/last-run.json", None),
        (".hidden", None),
        ("debug.log", None),
        ("../outside", None),
        ("checks/__pycache__/test_a.pyc", None),
    ],
)
def test_a_file_that_was_read_is_an_input_if_it_is_the_projects_own(
    folder: Path, path: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = ProjectInputs(load_project(folder))
    assert inputs.name_of(folder / path) == name
    monkeypatch.chdir(folder)
    assert inputs.name_of(Path(path)) == name


def test_a_folder_that_was_listed_is_an_input(folder: Path) -> None:
    inputs = ProjectInputs(load_project(folder))
    assert inputs.name_of(folder / "docs", is_listing=True) == "docs/*"
    assert inputs.name_of(folder / "node_modules", is_listing=True) is None


def test_a_link_is_an_input_by_the_name_that_the_project_has_for_it(folder: Path) -> None:
    outside = write(folder.parent, "shared.rules", "y")
    (folder / "shared.rules").symlink_to(outside)
    inputs = ProjectInputs(load_project(folder))
    assert inputs.name_of(folder / "shared.rules") == "shared.rules"
    assert digest(folder, "shared.rules") == hashlib.sha256(b"y").hexdigest()


def test_what_is_in_a_folder_that_is_an_input_is_not_named_again() -> None:
    names = {"functions/", "functions/a.js", "functions/src/*", "functions.md", "docs/*"}
    assert without_covered(names) == {"functions/", "functions.md", "docs/*"}


def test_every_file_of_the_checks_is_named_but_what_python_leaves_there(folder: Path) -> None:
    for name in ("conftest.py", "deep/test_b.py", "matrix.yaml", "__pycache__/x.pyc", ".hidden"):
        write(folder, f"checks/{name}")
    assert set(ProjectInputs(load_project(folder)).check_names()) == {
        "checks/test_a.py",
        "checks/conftest.py",
        "checks/deep/test_b.py",
        "checks/matrix.yaml",
    }
