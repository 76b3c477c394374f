"""`harness init` and `harness verify` on a project with functions that are built, in the real
suite.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.emulators.node import find_node_tools
from harness.errors import EnvironmentLacking
from tests.cli.conftest import RULES, ProjectFolder, Ran, harness  # noqa: F401 - a fixture

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("init")]

REPOSITORY = Path(__file__).parents[2]
SDK = REPOSITORY / "backend" / "functions" / "node_modules"
SOURCE = """\
const { onCall } = require("firebase-functions/v2/https");
exports.NAME = onCall(() => "hello");
"""


def test_source_is_verified_and_not_an_old_build_of_it(
    harness: Callable[..., Ran],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        find_node_tools(REPOSITORY)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    if not (SDK / "firebase-functions").is_dir():
        pytest.skip("firebase-functions is not installed; run: npm ci  (in backend/functions)")
    project = ProjectFolder(tmp_path / "shop")
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules"}, "functions": {"source": "functions"}}',
    )
    project.write("firestore.rules", RULES)
    manifest = {
        "main": "lib/index.js",
        "scripts": {"build": "cp src/index.ts lib/index.js"},
        "engines": {"node": "20"},
        "dependencies": {"firebase-functions": "*"},
    }
    project.write("functions/package.json", json.dumps(manifest))
    project.write("functions/tsconfig.json", "{}")
    built = project.write("functions/lib/index.js", SOURCE.replace("NAME", "old"))
    project.write("functions/src/index.ts", SOURCE.replace("NAME", "hello"))
    os.utime(built, (0, 0))
    (project.path / "functions/node_modules").symlink_to(SDK)
    monkeypatch.chdir(project.path)

    assert harness("init").status == 0
    ran = harness("verify")

    assert ran.status == 1, ran.err  # the skeletons are not verified
    assert "building the functions in functions: npm run build" in ran.err
    document = project.read("workflow/backend-workflow.md")
    ticked = [line.strip() for line in document.splitlines() if "[x]" in line]
    assert ticked == [
        "- [x] Review file structure requirements",
        "- [x] Set up Firebase emulators for local development",
        "- [x] Test with Firebase Emulator Suite",
    ]
    said = " ".join(ran.out.split())
    assert "(loaded: hello)" in said
    assert "no check calls them yet: hello" in said
    assert harness("audit").status == 0
    project.write("functions/src/index.ts", SOURCE.replace("NAME", "bye"))
    ran = harness("audit")
    assert ran.status == 1
    assert "functions/ has changed since it was verified" in ran.out


def test_a_service_that_is_not_started_leaves_the_boxes_of_the_suite_open(
    harness: Callable[..., Ran],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        find_node_tools(REPOSITORY)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    project = ProjectFolder(tmp_path / "shop")
    firestore = {"rules": "firestore.rules"}
    project.write("firebase.json", json.dumps({"firestore": firestore, "database": {"rules": "r"}}))
    project.write("firestore.rules", RULES)
    project.write("r", "{}")
    project.write("pubspec.yaml", "dependencies: {firebase_storage: any}")
    project.write("lib/main.dart", "")
    monkeypatch.chdir(project.path)

    assert harness("init").status == 0
    said = " ".join(harness("verify").out.split())
    items = ("Set up Firebase emulators for local development", "Test with Firebase Emulator Suite")
    document = project.read("workflow/backend-workflow.md")
    assert all(f"- [ ] {item}" in document for item in items)
    assert "failed: AssertionError: not running: firebase_storage needs storage; where" in said
    project.write("pubspec.yaml", "dependencies: {cloud_firestore: any}")
    said = " ".join(harness("verify").out.split())
    assert "firebase.json needs database, and the harness starts no such emulator" in said
    assert project.read("workflow/backend-workflow.md") == document
    project.write("firebase.json", json.dumps({"firestore": firestore}))
    harness("verify")
    document = project.read("workflow/backend-workflow.md")
    assert all(f"- [x] {item}" in document for item in items)
