"""Rules suites of app teams, in the real suite: mocha, @firebase/rules-unit-testing, the JS SDK."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "tests" / "javascript"
MOCHA = SUITE / "node_modules" / ".bin" / "mocha"
LIMIT_S = 180


@pytest.mark.suite
def test_a_suite_of_the_official_npm_package_passes(tmp_path: Path) -> None:
    if shutil.which("node") is None or not MOCHA.exists():
        pytest.skip("the packages of tests/javascript are not installed: make setup")
    report_file = tmp_path / "report.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "emulators", "exec", "--only", "firestore,storage"),
            *("--", str(MOCHA), "--timeout", "20000", "--exit"),
            *("--reporter", "json", "--reporter-option", f"output={report_file}"),
            str(SUITE / "rules_unit_testing" / "*.test.mjs"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert report_file.exists(), run.stdout + run.stderr
    report = json.loads(report_file.read_text(encoding="utf-8"))
    failures = {test["fullTitle"]: test["err"].get("message") for test in report["failures"]}
    assert not failures
    assert report["stats"]["passes"] == report["stats"]["tests"] >= 25
    assert run.returncode == 0, run.stderr
