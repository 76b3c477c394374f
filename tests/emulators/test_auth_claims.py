"""What rules see of users whom the official Auth emulator has signed in, in the real suite."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests" / "corpus" / "auth_claims" / "users.yaml"
LIMIT_S = 120
GRANTED, DENIED = 404, 403  # The document that is asked for does not exist.


@pytest.mark.suite
def test_rules_see_the_claims_that_the_auth_emulator_gives(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (ROOT / "node_modules").exists():
        pytest.skip("firebase-tools is not installed: make setup")
    answers_file = tmp_path / "answers.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "emulators", "exec", "--only", "auth,firestore"),
            *("--", sys.executable, "-m", "tests.emulators.ask_claims"),
            *(str(TABLE), str(answers_file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert answers_file.exists(), run.stdout + run.stderr
    table = yaml.safe_load(TABLE.read_text("utf-8"))
    expected = {
        (user, condition): DENIED if condition in rows["denied"] else GRANTED
        for user, rows in table["users"].items()
        for condition in [*rows["granted"], *rows["denied"], *table["everyone"]]
    }
    answered = {
        (user, condition): status
        for user, condition, status in json.loads(answers_file.read_text())
    }
    wrong = [key for key, status in expected.items() if answered.get(key) != status]
    assert wrong == []
    assert len(answered) > 50
