"""Verification Phase / Quality Check / Code organization: where things stand, held by a machine."""

import re
import shutil
import subprocess

import pytest

import harness

pytestmark = pytest.mark.workflow("Quality Check/Code organization")

MAX_LINES = 300


@pytest.fixture
def sources(harness_project):
    """The functions' own JavaScript files, by their path in backend/functions."""
    folder = harness_project / "backend/functions"
    files = [folder / "index.js", *sorted((folder / "src").rglob("*.js"))]
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_every_file_is_javascript(harness_project, sources, record_proof):
    """Node parses every source file of the functions."""
    node = shutil.which("node")
    if node is None:
        harness.not_verified("Node.js is not installed")
    for name in sources:
        checked = subprocess.run(
            [node, "--check", harness_project / "backend/functions" / name],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
    record_proof(f"{len(sources)} files parsed")


def test_no_file_does_too_much(sources):
    """No source file is longer than a reader can hold."""
    long = {
        name: text.count("\n") for name, text in sources.items() if text.count("\n") > MAX_LINES
    }
    assert not long


def test_the_entry_point_only_exports(sources):
    """index.js names the functions; what they do is in src/."""
    index = sources["index.js"]
    assert not re.search(r"=>\s*{|function\s*\(", index)


def test_modules_do_not_need_each_other_in_a_circle(sources):
    """No module requires itself through others."""
    needs = {
        name: {
            f"src/{target.removesuffix('.js')}.js"
            for target in re.findall(r"require\(\"\./(?:src/)?([\w./-]+)\"\)", text)
        }
        for name, text in sources.items()
    }
    assert any(needs.values()), "no require() was found: has the code changed its style?"

    def circle(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        return next(
            (found for need in needs.get(name, ()) if (found := circle(need, [*path, name]))), None
        )

    assert circle("index.js", []) is None


def test_the_region_is_stated_once(sources):
    """Functions run in one region, named in one place."""
    places = [name for name, text in sources.items() if "europe-west1" in text]
    assert places == ["src/config.js"]


def test_the_app_reaches_firebase_through_repositories(client_contract):
    """Screens and models ask repositories; only repositories ask Firebase."""
    uses = [*client_contract.queries, *client_contract.documents, *client_contract.callables]
    assert uses
    elsewhere = {
        use.position.file_name
        for use in (*uses, *client_contract.objects)
        if "repositories/" not in use.position.file_name
    }
    assert not elsewhere
