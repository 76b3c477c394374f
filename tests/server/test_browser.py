"""The web SDK of `firebase` in a real Chromium, against the embedded Firestore."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.running import ServerUnderTest

SUITES = Path(__file__).parents[1] / "javascript"
MOCHA = SUITES / "node_modules" / ".bin" / "mocha"
LIMIT_S = 240


@pytest.mark.xdist_group("chromium")  # its npm package unpacks it once, to a shared folder
def test_the_web_sdk_reads_writes_and_listens(server: ServerUnderTest, tmp_path: Path) -> None:
    if shutil.which("node") is None or not MOCHA.exists():
        pytest.skip("the packages of tests/javascript are not installed: make test")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the npm package that brings Chromium is for Linux on x86-64 only")
    report_file = tmp_path / "report.json"
    run = subprocess.run(
        [
            *(str(MOCHA), "--timeout", "30000", "--exit"),
            *("--reporter", "json", "--reporter-option", f"output={report_file}"),
            str(SUITES / "browser" / "*.test.mjs"),
        ],
        cwd=SUITES,
        env={**os.environ, "FIRESTORE_EMULATOR_HOST": server.host},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert report_file.exists(), run.stdout + run.stderr
    report = json.loads(report_file.read_text(encoding="utf-8"))
    failures = {test["fullTitle"]: test["err"].get("message") for test in report["failures"]}
    assert not failures
    assert report["stats"]["passes"] == report["stats"]["tests"] >= 14
    assert run.returncode == 0, run.stderr
