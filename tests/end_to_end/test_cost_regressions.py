"""What makes the sample backend dearer is caught by the check that is meant to, by name."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.conftest import copy_repository

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("end_to_end")]

RUN_LIMIT_S = 600
FAULTS = yaml.safe_load((Path(__file__).parent / "cost_faults.yaml").read_text(encoding="utf-8"))[
    "faults"
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Plant all faults and run the checks that must notice them: their results by name, and what
    pytest printed.
    """
    copy = copy_repository(tmp_path_factory.mktemp("dearer"))
    for fault in FAULTS:
        path = copy / fault["file"]
        text = path.read_text(encoding="utf-8")
        assert text.count(fault["find"]) == 1, fault["name"]
        path.write_text(text.replace(fault["find"], fault["put"]), encoding="utf-8")
    done = subprocess.run(
        (
            *(".venv/bin/python", "-P", "-m", "pytest", "checks"),
            *("-q", "-p", "no:cacheprovider", "--harness-evidence=results"),
            *("-k", " or ".join(fault["check"] for fault in FAULTS)),
        ),
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    lines = (copy / "results" / "checks.jsonl").read_text(encoding="utf-8").splitlines()
    results = {result["nodeid"].rpartition("::")[2]: result for result in map(json.loads, lines)}
    return results, done.stdout


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"])
def test_the_check_that_is_meant_to_notices_it(
    fault: dict[str, str], faulty: tuple[dict[str, Any], str]
) -> None:
    results, printed = faulty
    assert results[fault["check"]]["outcome"] == "FAILED", results[fault["check"]]
    assert fault["says"] in printed, printed
