"""A project on disk: found, read, digested."""

from pathlib import Path

import pytest

from harness.errors import ConfigError, WorkflowError
from harness.project import (
    check_digests,
    find_project_folder,
    input_digests,
    is_check_file,
    load_project,
    load_template,
    one_workflow_path,
    workflow_paths,
)

FIREBASE_JSON = """{
  "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
  "storage": {"rules": "storage.rules"},
  "functions": {"source": "functions"}
}"""


def write(folder: Path, name: str, text: str = "x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "firebase.json", FIREBASE_JSON)
    for name in ("firestore.rules", "storage.rules", "functions/index.js", "checks/test_a.py"):
        write(tmp_path, name)
    return tmp_path


def test_the_nearest_folder_upwards_is_the_project(folder: Path) -> None:
    (folder / "app" / "lib").mkdir(parents=True)
    assert find_project_folder(folder / "app" / "lib") == folder.resolve()


def test_a_folder_without_a_project_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no firebase\.json"):
        find_project_folder(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        find_project_folder(tmp_path / "none")


def test_inputs_are_what_the_emulators_run(folder: Path) -> None:
    # firestore.indexes.json is named and not there.
    assert set(input_digests(load_project(folder))) == {
        "firebase.json",
        "firestore.rules",
        "storage.rules",
        "functions/",
    }


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("functions/src/deep.js", True),
        ("functions/.env", True),
        ("functions/node_modules/x/index.js", False),
        ("functions/.git/HEAD", False),
        ("functions/firebase-debug.log", False),
    ],
)
def test_a_codebase_is_digested_without_what_is_installed_or_left_behind(
    folder: Path, name: str, changes: bool
) -> None:
    before = input_digests(load_project(folder))["functions/"]
    write(folder, name, "y")
    assert (input_digests(load_project(folder))["functions/"] != before) is changes


def test_what_typescript_builds_is_no_source(folder: Path) -> None:
    write(folder, "functions/tsconfig.json", "{}")
    before = input_digests(load_project(folder))["functions/"]
    write(folder, "functions/lib/index.js", "built")
    assert input_digests(load_project(folder))["functions/"] == before


def test_the_name_of_a_source_file_counts(folder: Path) -> None:
    before = input_digests(load_project(folder))["functions/"]
    (folder / "functions/index.js").rename(folder / "functions/other.js")
    assert input_digests(load_project(folder))["functions/"] != before


def test_every_file_of_the_checks_is_digested_but_what_python_leaves_there(folder: Path) -> None:
    for name in ("conftest.py", "deep/test_b.py", "matrix.yaml", "__pycache__/x.pyc", ".hidden"):
        write(folder, f"checks/{name}")
    assert set(check_digests(load_project(folder))) == {
        "checks/test_a.py",
        "checks/conftest.py",
        "checks/deep/test_b.py",
        "checks/matrix.yaml",
    }


@pytest.mark.parametrize(
    ("name", "holds_checks"),
    [
        ("checks/test_a.py", True),
        ("checks/deep/a_test.py", True),
        ("checks/conftest.py", False),
        ("checks/helpers.py", False),
        ("checks/test_data.yaml", False),
        ("test_folder/helpers.py", False),
    ],
)
def test_what_is_not_a_file_of_checks_is_shared_by_all(name: str, holds_checks: bool) -> None:
    assert is_check_file(name) is holds_checks


def test_the_document_that_is_named_goes_before_settings_and_search(folder: Path) -> None:
    found = write(folder, "workflow/found.md")
    set_ = write(folder, "set.md")
    named = write(folder, "named.md")
    project = load_project(folder)
    assert workflow_paths(folder, project.settings) == (found,)
    write(folder, "harness.yaml", "workflow: set.md\n")
    project = load_project(folder)
    assert workflow_paths(folder, project.settings) == (set_,)
    assert workflow_paths(folder, project.settings, [named]) == (named,)


def test_several_documents_and_none_are_errors_that_name_them(folder: Path) -> None:
    settings = load_project(folder).settings
    with pytest.raises(WorkflowError, match="no workflow document in"):
        one_workflow_path(folder, settings)
    write(folder, "a/backend-workflow-1.md")
    write(folder, "b/backend-workflow-2.md")
    with pytest.raises(WorkflowError, match=r"a/backend-workflow-1\.md, b/backend-workflow-2\.md"):
        one_workflow_path(folder, settings)


def test_the_template_ships_with_the_package() -> None:
    assert len(load_template().items) == 53
