"""`make verify` on the sample backend: boxes become true, and false again when the reason goes."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.conftest import DOCUMENT

pytestmark = [pytest.mark.suite, pytest.mark.xdist_group("end_to_end")]

RUN_LIMIT_S = 600


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )


def last_run(copy: Path) -> dict[str, dict]:
    report = json.loads((copy / ".harness" / "last-run.json").read_text())
    return {item["item_id"]: item for item in report["items"]}


def changed_bytes(before: bytes, after: bytes) -> set[tuple[bytes, bytes]]:
    assert len(before) == len(after)
    pairs = enumerate(zip(before, after, strict=True))
    return {(bytes([old]), bytes([new])) for _, (old, new) in pairs if old != new}


def faults() -> list[dict[str, str]]:
    table = yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text())
    return table["faults"]


def plant(copy: Path) -> dict[str, str]:
    """Plant every fault; return the check that must notice it, by item."""
    for fault in faults():
        path = copy / fault["file"]
        text = path.read_text()
        assert text.count(fault["find"]) == 1, fault["item"]
        path.write_text(text.replace(fault["find"], fault["put"]))
    return {fault["item"]: fault["check"] for fault in faults()}


def test_boxes_follow_their_reasons(repository_copy: Path) -> None:
    document = repository_copy / DOCUMENT
    untouched = document.read_bytes()

    healthy = run(repository_copy, "make", "--no-print-directory", "verify")
    assert healthy.returncode == 0, healthy.stdout[-4000:] + healthy.stderr[-2000:]
    ticked = document.read_bytes()
    items = last_run(repository_copy)
    verified = {item_id for item_id, item in items.items() if item["verdict"] == "VERIFIED"}
    assert len(verified) >= 10
    assert changed_bytes(untouched, ticked) == {(b" ", b"x")}
    assert sum(a != b for a, b in zip(untouched, ticked, strict=True)) == len(verified)

    expected = plant(repository_copy)
    faulty = run(repository_copy, ".venv/bin/harness", "verify")
    assert faulty.returncode == 1, faulty.stdout[-4000:] + faulty.stderr[-2000:]
    items = last_run(repository_copy)
    for item_id, check in expected.items():
        failed = [c["nodeid"] for c in items[item_id]["checks"] if c["outcome"] == "FAILED"]
        assert any(nodeid.endswith(f"::{check}") for nodeid in failed), (item_id, failed)
    still_ticked = {item_id for item_id in expected if items[item_id]["is_ticked"]}
    assert not still_ticked
    unticked = document.read_bytes()
    expected_text = untouched.decode()
    for fault in faults():
        if fault["file"] == DOCUMENT:
            expected_text = expected_text.replace(fault["find"], fault["put"])
    assert unticked.decode() == expected_text
