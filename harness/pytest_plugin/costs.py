"""Keeps what the checks of one process measured, for the reports."""

from __future__ import annotations

import pytest

from harness.billing.scenarios import GrowthCost, ScenarioCost
from harness.costs import CostsFile
from harness.pytest_plugin.suite import project_folder
from harness.pytest_plugin.xdist import worker_id

_ONLY_PROCESS = "main"
_FILE = pytest.StashKey[CostsFile]()


def keep_cost(config: pytest.Config, measured: ScenarioCost | GrowthCost) -> None:
    """Keep a measurement, unless this run is a rehearsal."""
    if config.getoption("--harness-rehearsal"):
        return
    file = config.stash.get(_FILE, None)
    if file is None:
        file = CostsFile(project_folder(config), worker_id(config) or _ONLY_PROCESS)
        config.stash[_FILE] = file
    file.append(measured)
