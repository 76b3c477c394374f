"""A project on disk: found and read."""

import json
from pathlib import Path

import pytest

from harness.errors import ConfigError, WorkflowError
from harness.project import (
    demo_project_id,
    find_project_folder,
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


@pytest.mark.parametrize(
    ("scripts", "aliases", "expected"),
    [
        (
            {"rules": 'firebase emulators:exec --only firestore --project demo-a "jest"'},
            {},
            "demo-a",
        ),
        (
            {"rules": "firebase emulators:exec --project=demo-a jest", "up": "-P demo-a"},
            {},
            "demo-a",
        ),
        ({}, {"default": "shop-1", "local": "demo-a"}, "demo-a"),
        ({"rules": "--project demo-a", "up": "--project demo-b"}, {}, None),
        ({"rules": "firebase emulators:exec --project shop-1 jest"}, {"default": "shop-1"}, None),
    ],
)
def test_the_demo_project_of_a_projects_own_scripts(
    tmp_path: Path, scripts: object, aliases: object, expected: str | None
) -> None:
    write(tmp_path, "package.json", json.dumps({"scripts": scripts}))
    write(tmp_path, ".firebaserc", json.dumps({"projects": aliases}))
    assert demo_project_id(tmp_path) == expected


@pytest.mark.parametrize("text", ["", "[]", "{", '{"scripts": "none"}'])
def test_a_package_file_that_cannot_be_read_names_no_project(tmp_path: Path, text: str) -> None:
    write(tmp_path, "package.json", text)
    assert demo_project_id(tmp_path) is None
