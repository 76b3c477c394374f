"""A server that is killed while it exports leaves the export before, or the new one: whole.

`make stress` does it 200 times.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import requests

from harness.emulators.firestore_client import firestore_client
from harness.errors import ConfigError
from harness.server.exports import read_seed

PROJECT = "demo-killed"
KILLS = int(os.environ.get("HARNESS_STRESS_KILLS", "4"))
DOCUMENTS = 400
LIMIT_S = 30


def export_and_kill(folder: Path, round_: int, after_s: float | None) -> float:
    """Start a server, write documents, ask for an export, and kill the server after a while, or
    once it has answered (None). Return how long it had.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "firestore", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().removeprefix("API endpoint: http://")
            client = firestore_client(address, PROJECT)
            batch = client.batch()
            for number in range(DOCUMENTS):
                numbers = list(range(number % 150))
                batch.set(client.document(f"c/{number}"), {"round": round_, "numbers": numbers})
            batch.commit()
            client.close()
            asked = {
                "database": f"projects/{PROJECT}/databases/(default)",
                "export_directory": str(folder),
                "export_name": "e",
            }
            url = f"http://{address}/emulator/v1/projects/{PROJECT}:export"
            started = time.monotonic()
            with suppress(requests.Timeout):
                requests.post(url, json=asked, timeout=after_s or LIMIT_S).raise_for_status()
            return time.monotonic() - started
        finally:
            process.kill()
            process.wait(LIMIT_S)


def rounds_in(folder: Path) -> set[int] | None:
    """Return which rounds the documents of an export are of, all of them being there."""
    if not (folder / "e").exists():
        with pytest.raises(ConfigError, match="is no export"):
            read_seed(folder)
        return None
    documents = read_seed(folder).documents["(default)"]
    assert set(documents) == {f"c/{number}" for number in range(DOCUMENTS)}
    return {int(str(fields["round"])) for fields in documents.values()}


def test_a_kill_leaves_the_export_before_or_the_new_one(tmp_path: Path) -> None:
    random = Random(KILLS)
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()
    duration_s = export_and_kill(whole, 0, None)
    assert rounds_in(whole) == {0}
    held = None
    outcomes = {"absent": 0, "before": 0, "new": 0}
    for round_ in range(KILLS):
        export_and_kill(folder, round_, duration_s * random.uniform(0.1, 1.9))
        found = rounds_in(folder)
        if found is None:
            assert held is None, "the export before is gone"
            outcomes["absent"] += 1
            continue
        assert found in ({held}, {round_})
        outcomes["new" if found == {round_} else "before"] += 1
        (held,) = found
    print(outcomes)  # noqa: T201
