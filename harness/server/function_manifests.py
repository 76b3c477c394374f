"""Which functions ask for retries, from the manifests of the functions SDK.

The Functions emulator tells nobody; but the SDK writes what it found in the code into a file for
firebase-tools, in a temporary folder of the suite. Without such a file no function is known to ask.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MANIFESTS = "firebase-discovery-*/functions.yaml"
_MAX_SIZE_BYTES = 4_000_000
_DEFAULT_REGION = "us-central1"


def functions_that_retry(folder: Path) -> frozenset[str]:
    """Return each function that shall hear of an event again when it failed: `us-central1-onUser`.

    Where functions were loaded several times, the last time counts.

    Source: firebase-tools 15, deploy/functions/runtimes/discovery/v1alpha1; observed:
        firebase-functions 6.6, FUNCTIONS_MANIFEST_OUTPUT_PATH.
    """
    retries: dict[str, bool] = {}
    for manifest in sorted(folder.glob(_MANIFESTS), key=_written_at):
        for name, endpoint in _endpoints(manifest):
            trigger = endpoint.get("eventTrigger")
            if isinstance(trigger, dict):
                for region in _regions(endpoint):
                    retries[f"{region}-{name}"] = trigger.get("retry") is True
    return frozenset(function for function, asks in retries.items() if asks)


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _endpoints(manifest: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        if manifest.stat().st_size > _MAX_SIZE_BYTES:
            return []
        content = json.loads(manifest.read_bytes())  # the SDK writes its YAML as JSON
    except (OSError, ValueError, RecursionError):
        return []  # half written, or another SDK's
    endpoints = content.get("endpoints") if isinstance(content, dict) else None
    if not isinstance(endpoints, dict):
        return []
    return [(name, each) for name, each in endpoints.items() if isinstance(each, dict)]


def _regions(endpoint: dict[str, Any]) -> list[str]:
    regions = endpoint.get("region")
    named = [each for each in regions if isinstance(each, str)] if isinstance(regions, list) else []
    return named or [_DEFAULT_REGION]
