"""`--import` and `--export-on-exit` through the official suite, Auth's users included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.emulators.node import find_node_tools
from harness.errors import EnvironmentLacking
from harness.server.exports import read_seed

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
auth = os.environ["FIREBASE_AUTH_EMULATOR_HOST"]
url = f"http://{auth}/identitytoolkit.googleapis.com/v1/projects/{project}/accounts:query"
users = requests.post(url, json={}, headers=owner, timeout=10).json()["userInfo"]
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


def test_data_goes_out_and_in_again(tmp_path: Path) -> None:
    try:
        find_node_tools(ROOT)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    rules = "service cloud.firestore { match /databases/{d}/documents { match /{x=**} {} } }"
    (tmp_path / "firestore.rules").write_text(rules, encoding="utf-8")
    config = {
        "firestore": {"rules": "firestore.rules"},
        "emulators": {"auth": {}, "firestore": {}, "ui": {"enabled": False}},
    }
    (tmp_path / "firebase.json").write_text(json.dumps(config), encoding="utf-8")
    data = tmp_path / "data"
    written = around(tmp_path, WRITE, "--export-on-exit", str(data))
    assert written.returncode == 0, written.stderr
    assert read_seed(data).documents == {"(default)": {"a/1": {"n": 5}}}
    read = around(tmp_path, READ, "--import", str(data))
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines() == ["{'integerValue': '5'}", "['ana']"]
