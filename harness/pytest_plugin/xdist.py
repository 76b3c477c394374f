"""pytest-xdist: how the workers of a run and its controller know of each other.

The workers collect, the controller records; they tell each other through a folder. Nothing is
created before a worker finds a check. The hooks are registered only where xdist is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.pytest_plugin import run_of, start_run

_SHARED = pytest.StashKey[Path]()


def worker_id(config: pytest.Config) -> str:
    """Return a worker's name, such as "gw0"; the empty string in the controller and without
    xdist.
    """
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    return str(worker["workerid"]) if worker else ""


def shared_folder(config: pytest.Config) -> Path | None:
    """Return the folder that this run's processes share, which may not exist yet; None without
    xdist.
    """
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    return Path(worker["harness_shared_folder"]) if worker else config.stash.get(_SHARED, None)


def pytest_configure_node(node: Any) -> None:
    """Name the shared folder to a worker, before it starts."""
    # The run's id is a random one, so nobody else can have made the folder.
    folder = Path(tempfile.gettempdir()) / f"harness-run-{node.workerinput['testrunuid']}"
    node.config.stash[_SHARED] = folder
    node.workerinput["harness_shared_folder"] = str(folder)
    run = run_of(node.config)
    if run is not None:
        run.share(folder)


def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Begin to record, and start the suite, when a worker found checks; no test has run by now."""
    _join(node.config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take notice of checks that no worker could finish to collect."""
    if not worker_id(session.config):
        _join(session.config)


def _join(config: pytest.Config) -> None:
    folder = config.stash.get(_SHARED, None)
    if folder is not None and folder.is_dir():
        run = run_of(config) or start_run(config)
        run.workers_collected()
