"""What a check looked at, as its evidence will name it. No suite: the fixtures that need one are
not set up here, their parts are a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.project_inputs import BACK_END
from harness.pytest_plugin import fixtures
from harness.pytest_plugin.inputs import _PARTS_OF_FIXTURES, Observed, watched

pytest_plugins = ["pytester"]

CHECK = """\
import json, os, pathlib, subprocess, sys
import pytest
import helper

pytestmark = pytest.mark.workflow("T/a")
HERE = pathlib.Path(__file__).parent.parent
AT_IMPORT = (HERE / "at-import.md").read_text()

@pytest.fixture(scope="session")
def api():
    return (HERE / "docs/api.md").read_text()

def test_reads(): (HERE / "plain.md").read_text()
def test_fixture(api): pass
def test_fixture_again(api): pass
def test_lists(): list((HERE / "docs").iterdir())
def test_nothing(): pass
def test_writes():
    (HERE / "made.txt").write_text("x")
    (HERE / "made.txt").read_text()
def test_relative(monkeypatch):
    monkeypatch.chdir(HERE / "docs")
    open("relative.md").close()
def test_document(workflow_document): pass
def test_settings(harness_settings): pass
def test_starts_a_process():
    subprocess.run([sys.executable, "-c", "open('made.txt', 'w').close()"], check=True, cwd=HERE)
    (HERE / "made.txt").read_text()
def test_others():
    for name in ("node_modules/x.js", ".git/HEAD", "/etc/hostname", "debug.log"):
        (HERE / name).read_bytes()
def test_fails():
    (HERE / "plain.md").read_text()
    assert False
"""

COMMON = {
    "at-import.md",
    "checks/conftest.py",
    "checks/data.yaml",
    "checks/helper.py",
    "checks/package/__init__.py",
    "checks/package/deep.py",
    "checks/test_a.py",
    "harness",
}
BACK_END_NAMES = {"firebase.json", "firestore.rules", "firestore.indexes.json", "functions/"}
FIREBASE_JSON = """{
  "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"},
  "functions": {"source": "functions"}
}"""
FILES = {
    "firebase.json": FIREBASE_JSON,
    "harness.yaml": "workflow: workflow.md\n",
    "workflow.md": "# T\n- [ ] a\n",
    "checks/test_a.py": CHECK,
    "checks/test_other.py": "def test_other(): open('plain.md').close()\n",
    "checks/conftest.py": "",
    "checks/helper.py": "import package.deep\nfrom package import deep\n",
    "checks/package/__init__.py": "",
    "checks/package/deep.py": "def later():\n    import not_installed_anywhere\n",
    "checks/unused.py": "",
    "checks/data.yaml": "",
    "node_modules/x.js": "",
    ".git/HEAD": "",
    "debug.log": "",
    **dict.fromkeys(["at-import.md", "plain.md", "docs/api.md", "docs/relative.md"], ""),
}


@pytest.fixture
def inputs_of(pytester: pytest.Pytester) -> Callable[..., dict[str, set[str]]]:
    """A function that runs the checks, and returns by check the names of its inputs."""
    for name, text in FILES.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(*words: str) -> dict[str, set[str]]:
        ran = pytester.runpytest_subprocess(
            "checks", f"--rootdir={pytester.path}", "--harness-evidence=records", *words
        )
        return read_inputs(pytester.path / "records/checks.jsonl", str(ran.outlines))

    return run


def read_inputs(records: Path, said: str) -> dict[str, set[str]]:
    assert records.is_file(), said
    found = {}
    for line in records.read_text().splitlines():
        result = json.loads(line)
        if result["item_id"] is not None:
            assert len(set(result["inputs"])) == len(result["inputs"])
            found[result["nodeid"].partition("::")[2]] = set(result["inputs"])
    assert found
    return found


def test_each_check_has_the_inputs_that_it_looked_at(
    inputs_of: Callable[..., dict[str, set[str]]],
) -> None:
    inputs = inputs_of()
    for names in inputs.values():
        assert names >= COMMON
    assert {name: names - COMMON for name, names in inputs.items()} == {
        "test_reads": {"plain.md"},
        "test_fixture": {"docs/api.md"},
        "test_fixture_again": {"docs/api.md"},  # the fixture was set up before
        "test_lists": {"docs/*"},
        "test_nothing": set(),
        "test_writes": set(),
        "test_relative": {"docs/relative.md"},
        "test_document": {"workflow.md#without-ticks", "harness.yaml"},
        "test_settings": {"harness.yaml"},
        "test_starts_a_process": BACK_END_NAMES,
        "test_others": set(),
        "test_fails": {"plain.md"},
    }


def test_workers_send_their_inputs_to_the_controller(
    inputs_of: Callable[..., dict[str, set[str]]],
) -> None:
    assert inputs_of("-n2")["test_reads"] - COMMON == {"plain.md"}


def test_every_fixture_of_the_table_is_one() -> None:
    names = {name for module in fixtures.MODULES for name in vars(module)}
    assert set(_PARTS_OF_FIXTURES) <= names


@pytest.mark.parametrize("name", ["suite", "project_id", "rules_coverage"])
def test_who_can_make_clients_of_their_own_depends_on_the_whole_back_end(name: str) -> None:
    assert set(_PARTS_OF_FIXTURES[name]) >= BACK_END


def test_the_innermost_watcher_is_told(tmp_path: Path) -> None:
    outer, inner = Observed(), Observed()
    for name in "abc":
        (tmp_path / name).touch()
    with watched(outer):
        (tmp_path / "a").read_text()
        with watched(inner):
            (tmp_path / "b").read_text()
    (tmp_path / "c").read_text()
    assert (outer.files, inner.files) == ({str(tmp_path / "a")}, {str(tmp_path / "b")})
