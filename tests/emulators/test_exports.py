"""`--import` and `--export-on-exit` through the official suite, Auth's users included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.backend.databases import Backend
from harness.emulators.node import find_node_tools
from harness.errors import EnvironmentLacking
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from harness.server.exports import read_seed, write_suite_export

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("exports")]

ROOT = Path(__file__).parents[2]
LIMIT_S = 120

WRITE = """
import os, requests
host, project = os.environ["FIRESTORE_EMULATOR_HOST"], os.environ["GCLOUD_PROJECT"]
base = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
owner = {"Authorization": "Bearer owner"}
body = {"fields": {"n": {"integerValue": "5"}}}
requests.patch(f"{base}/a/1", json=body, headers=owner, timeout=10).raise_for_status()
second = base.replace("(default)", "second")
requests.patch(f"{second}/b/1", json=body, headers=owner, timeout=10).raise_for_status()
storage = os.environ["FIREBASE_STORAGE_EMULATOR_HOST"]
url = f"http://{storage}/v0/b/{project}.appspot.com/o?name=notes/1.txt"
requests.post(url, data=b"kept", headers=owner, timeout=10).raise_for_status()
auth = os.environ["FIREBASE_AUTH_EMULATOR_HOST"]
url = f"http://{auth}/identitytoolkit.googleapis.com/v1/projects/{project}/accounts"
requests.post(url, json={"localId": "ana"}, headers=owner, timeout=10).raise_for_status()
"""

READ = """
import os, requests
host, project = os.environ["FIRESTORE_EMULATOR_HOST"], os.environ["GCLOUD_PROJECT"]
base = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
owner = {"Authorization": "Bearer owner"}
print(requests.get(f"{base}/a/1", headers=owner, timeout=10).json()["fields"]["n"])
second = base.replace("(default)", "second")
print(requests.get(f"{second}/b/1", headers=owner, timeout=10).json().get("fields"))
storage = os.environ["FIREBASE_STORAGE_EMULATOR_HOST"]
url = f"http://{storage}/v0/b/{project}.appspot.com/o/notes%2F1.txt?alt=media"
print(requests.get(url, headers=owner, timeout=10).text)
auth = os.environ["FIREBASE_AUTH_EMULATOR_HOST"]
url = f"http://{auth}/identitytoolkit.googleapis.com/v1/projects/{project}/accounts:query"
users = requests.post(url, json={}, headers=owner, timeout=10).json().get("userInfo", [])
print([user["localId"] for user in users])
"""


def around(project: Path, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "harness", "emulators", "exec", "--project", str(project)),
            *(*options, "--", sys.executable, "-c", script),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    try:
        find_node_tools(ROOT)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    rules = "service cloud.firestore { match /databases/{d}/documents { match /{x=**} {} } }"
    (folder / "firestore.rules").write_text(rules, encoding="utf-8")
    rules = "service firebase.storage { match /b/{b}/o { match /{x=**} { allow read; } } }"
    (folder / "storage.rules").write_text(rules, encoding="utf-8")
    config = {
        "firestore": {"rules": "firestore.rules"},
        "storage": {"rules": "storage.rules"},
        "emulators": {"auth": {}, "firestore": {}, "storage": {}, "ui": {"enabled": False}},
    }
    (folder / "firebase.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_data_goes_out_and_in_again(project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    written = around(project, WRITE, "--export-on-exit", str(data))
    assert written.returncode == 0, written.stderr
    five = {"n": 5}
    assert read_seed(data).documents == {"(default)": {"a/1": five}, "second": {"b/1": five}}
    read = around(project, READ, "--import", str(data))
    assert read.returncode == 0, read.stderr
    integer = "{'n': {'integerValue': '5'}}"
    assert read.stdout.splitlines() == ["{'integerValue': '5'}", integer, "kept", "['ana']"]


def test_a_folder_that_the_embedded_firestore_wrote_alone_is_imported_below_a_seed(
    project: Path, tmp_path: Path
) -> None:
    data, seed = tmp_path / "data", tmp_path / "seed.yaml"
    now = Timestamp(1_700_000_000_000_000)
    service = Backend(IndexDefinitions(), None, True).database(DatabaseName("demo-harness"))
    service.store.load({ResourcePath("a/1"): {"n": 7}}, now)
    write_suite_export([service], data, now, now)
    seed.write_text("databases: {second: {b/1: {n: 9}}}\nusers: [{uid: ana}]\n", encoding="utf-8")
    read = around(project, READ, "--import", str(data), "--seed", str(seed))
    assert read.returncode == 0, read.stderr
    first, second, file, users = read.stdout.splitlines()
    assert (first, users) == ("{'integerValue': '7'}", "['ana']")
    assert second == "{'n': {'integerValue': '9'}}"
    assert "kept" not in file


def test_a_seed_that_is_wrong_is_told_before_anything_starts(project: Path, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("documents: {a/1: 1}", encoding="utf-8")
    read = around(project, READ, "--seed", str(seed))
    assert read.returncode == 2
    assert "seed.yaml:1:13: a/1 has no fields" in read.stderr
    assert "starting" not in read.stderr
