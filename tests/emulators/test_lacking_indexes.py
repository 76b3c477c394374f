"""What `harness emulators exec` says of queries that Google's emulator would have served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.emulators.lacking_indexes import queries_without_index
from harness.emulators.node import find_node_tools
from harness.errors import EnvironmentLacking
from tests.server.running import running_server

ROOT = Path(__file__).parents[2]
LIMIT_S = 120

QUERY = {
    "structuredQuery": {
        "from": [{"collectionId": "areas", "allDescendants": True}],
        "where": {
            "fieldFilter": {
                "field": {"fieldPath": "home"},
                "op": "EQUAL",
                "value": {"stringValue": "h"},
            }
        },
    }
}
SHAPE = "**/areas where home == ?"
ASKING = f"""
import os, requests
host, project = os.environ["FIRESTORE_EMULATOR_HOST"], os.environ["GCLOUD_PROJECT"]
url = f"http://{{host}}/v1/projects/{{project}}/databases/(default)/documents:runQuery"
owner = {{"Authorization": "Bearer owner"}}
print(requests.post(url, json={QUERY!r}, headers=owner, timeout=10).status_code)
"""


def test_queries_that_were_refused_are_told_by_their_shape() -> None:
    with running_server() as server:

        def ask(query: dict[str, Any]) -> int:
            path = "/v1/projects/demo-x/databases/(default)/documents:runQuery"
            owner = {"Authorization": "Bearer owner"}
            return server.http("POST", path, json=query, headers=owner).status_code

        assert ask({"structuredQuery": {"from": [{"collectionId": "areas"}]}}) == 200
        assert queries_without_index(server.host) == ()
        assert [ask(QUERY), ask(QUERY)] == [400, 400]
        assert queries_without_index(server.host) == (SHAPE,)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    try:
        find_node_tools(ROOT)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    config = {"firestore": {}, "emulators": {"firestore": {}, "ui": {"enabled": False}}}
    (tmp_path / "firebase.json").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


@pytest.mark.suite
def test_exec_says_so_at_the_end_and_the_emulator_profile_serves_them(project: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "harness", "emulators", "exec", "--only", "firestore"),
                *(*options, "--", sys.executable, "-c", ASKING),
            ],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )

    refused = run()
    assert (refused.returncode, refused.stdout) == (0, "400\n")
    assert f"refused for want of an index, as in production: {SHAPE}\n" in refused.stderr
    served = run("--profile", "emulator")
    assert (served.returncode, served.stdout) == (0, "200\n")
    assert "refused" not in served.stderr
