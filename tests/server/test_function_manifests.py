from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.server.function_manifests import functions_that_retry


def write(folder: Path, number: int, content: Any) -> None:
    place = folder / f"firebase-discovery-{number}"
    place.mkdir()
    text = content if isinstance(content, str) else json.dumps(content)
    (place / "functions.yaml").write_text(text, encoding="utf-8")
    os.utime(place / "functions.yaml", (number, number))


def event(retry: Any, **more: Any) -> dict[str, Any]:
    return {"eventTrigger": {"eventType": "e", "retry": retry}, **more}


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        (event(True), {"us-central1-on"}),
        (event(True, region=["a1", "b2"]), {"a1-on", "b2-on"}),
        (event(True, region=None), {"us-central1-on"}),
        (event(False), set()),
        (event("{{ params.RETRY }}"), set()),
        ({"httpsTrigger": {}}, set()),
        ({"scheduleTrigger": {"retryConfig": {"retryCount": 3}}}, set()),
    ],
)
def test_an_event_function_that_asks_for_retries_is_found(
    tmp_path: Path, endpoint: dict[str, Any], found: set[str]
) -> None:
    write(tmp_path, 1, {"endpoints": {"on": endpoint}})
    assert functions_that_retry(tmp_path) == found


def test_what_was_loaded_last_counts(tmp_path: Path) -> None:
    write(tmp_path, 2, {"endpoints": {"on": event(False), "other": event(True)}})
    write(tmp_path, 1, {"endpoints": {"on": event(True), "third": event(True)}})
    assert functions_that_retry(tmp_path) == {"us-central1-other", "us-central1-third"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"endpoints": []}', '{"endpoints": {"a": 1}}'])
def test_what_is_no_manifest_names_no_function(tmp_path: Path, content: str) -> None:
    write(tmp_path, 1, content)
    assert functions_that_retry(tmp_path) == frozenset()


def test_a_folder_that_is_not_there_names_no_function(tmp_path: Path) -> None:
    assert functions_that_retry(tmp_path / "none") == frozenset()
