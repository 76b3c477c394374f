"""Coverage of Storage rules, by the runtime's process as firebase-tools starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.rules.coverage import FALSE, TRUE, CoverageCounts
from harness.server.storage_coverage import coverage_path, read_storage_coverage

RULES = """\
rules_version = '2';
service firebase.storage {
  match /b/{bucket}/o {
    match /{name} {
      allow get: if request.auth.uid == name
          || firestore.exists(/databases/(default)/documents/readers/$(request.auth.uid));
    }
  }
}
"""


class RuntimeProcess:
    """Speaks the protocol with a process, one line each way."""

    def __init__(self, requests: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.server.storage_rules", "serve", "--requests", requests],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.read() == {"id": -1, "status": "ok"}

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def send(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return self.read()

    def load(self, text: str, name: str = "0") -> None:
        source = {"files": [{"name": "storage.rules", "content": text}]}
        context = {"rulesetName": name, "source": source}
        assert not self.send({"action": "load_ruleset", "context": context, "id": 1})["errors"]

    def verify(self, uid: str, path: str) -> dict[str, Any]:
        auth = {"uid": {"string_value": uid}, "token": {"map_value": {"fields": {}}}}
        request = {"auth": {"map_value": {"fields": auth}}, "resource": {"null_value": None}}
        variables = {
            "request": {"map_value": {"fields": request}},
            "resource": {"null_value": None},
        }
        context = {
            "rulesetName": "0",
            "service": "firebase.storage",
            "path": f"/b/bucket/o/{path}",
            "method": "get",
            "variables": variables,
        }
        return self.send({"action": "verify", "context": context, "id": 7})


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[RuntimeProcess]:
    started = RuntimeProcess(tmp_path / "requests.jsonl")
    yield started
    started.process.kill()
    started.process.communicate(timeout=10)


def counted(tmp_path: Path) -> CoverageCounts:
    (counts,) = read_storage_coverage(coverage_path(tmp_path / "requests.jsonl"))
    return counts


def seen(counts: CoverageCounts, text: str) -> dict[str, int]:
    (span,) = (span for span in counts.visits if counts.text[span.start : span.end] == text)
    return dict(counts.of(span))


def test_before_the_first_request_there_is_nothing(tmp_path: Path) -> None:
    assert read_storage_coverage(tmp_path / "storage-coverage.json") == []


def test_who_has_an_answer_can_read_its_count_and_a_kill_takes_none(
    runtime: RuntimeProcess, tmp_path: Path
) -> None:
    runtime.load(RULES)
    assert runtime.verify("ana", "ana")["result"] == {"permit": True}
    assert seen(counted(tmp_path), "request.auth.uid == name") == {TRUE: 1}
    question = runtime.verify("bob", "ana")
    assert question["action"] == "fetch_firestore_document"
    # Asked once, although the request is evaluated twice.
    answer = runtime.send({"id": 7, "status": "not_found"})
    assert answer["result"] == {"permit": False}
    runtime.process.kill()
    assert seen(counted(tmp_path), "request.auth.uid == name") == {TRUE: 1, FALSE: 1}


def test_rules_that_are_loaded_again_are_counted_on(
    runtime: RuntimeProcess, tmp_path: Path
) -> None:
    for _ in range(2):
        runtime.load(RULES)
        runtime.verify("ana", "ana")
    assert seen(counted(tmp_path), "request.auth.uid == name") == {TRUE: 2}


def test_a_file_that_is_no_count_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "storage-coverage.json"
    path.write_text('{"rulesets": [{}]}')
    with pytest.raises(ValueError, match="not the coverage of rules"):
        read_storage_coverage(path)
