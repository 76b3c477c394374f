"""The suite that this run's checks use: one that runs already, one handed over, or one started
here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from harness.emulators.environment import without_credentials
from harness.emulators.handover import HANDOVER_VARIABLE, HandedSuite, Handover
from harness.emulators.owner import SuiteOwner, running_suite
from harness.emulators.suite import SuiteOptions
from harness.errors import EnvironmentLacking
from harness.project import find_project_folder, load_settings
from harness.pytest_plugin.xdist import shared_folder, worker_id

# Two starts of the suite (with functions, then without) and the embedded Firestore's.
_WAIT_S = 240.0


@contextmanager
def suite_for_checks(config: pytest.Config) -> Iterator[FoundSuite]:
    """Find or start a suite; what this process started ends with the context."""
    with ExitStack() as stack:
        yield FoundSuite(config, stack)


class FoundSuite:
    """A suite for this process, got when it is asked for."""

    def __init__(self, config: pytest.Config, stack: ExitStack) -> None:
        self._config = config
        self._stack = stack

    def get(self) -> HandedSuite:
        """Return the suite, its variables put into the environment and the ways to production taken
        out.

        Raises:
            HarnessError: None can be had; EnvironmentLacking where the machine is at fault.
        """
        handed = self._find()
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        kept = without_credentials(os.environ)
        for name in set(os.environ) - set(kept):
            patch.delenv(name)
        for name, value in {**kept, **handed.endpoints.environment()}.items():
            patch.setenv(name, value)
        return handed

    def _find(self) -> HandedSuite:
        config = self._config
        if HANDOVER_VARIABLE in os.environ:
            return Handover(Path(os.environ[HANDOVER_VARIABLE])).wait(_WAIT_S)
        running = _running(config)
        if running is not None:
            return running
        shared = shared_folder(config)
        if worker_id(config) and shared is not None:
            return Handover(_suite_folder(shared)).wait(_WAIT_S)
        folder = Path(tempfile.mkdtemp(prefix="harness-run-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        owner = SuiteOwner(_options(config), Handover(folder))
        self._stack.callback(owner.stop)
        owner.start()
        return Handover(folder).wait(_WAIT_S)


def start_for_workers(config: pytest.Config, folder: Path) -> SuiteOwner | None:
    """Start the suite that xdist's workers wait for; None when they find one themselves."""
    if config.getoption("--harness-against"):
        return None
    if HANDOVER_VARIABLE in os.environ or _running(config) is not None:
        return None
    owner = SuiteOwner(_options(config), Handover(_suite_folder(folder)))
    owner.start()
    return owner


def _suite_folder(shared: Path) -> Path:
    return shared / "suite"


def _running(config: pytest.Config) -> HandedSuite | None:
    return running_suite(os.environ, default_project=_project_id(config))


def project_folder(config: pytest.Config) -> Path:
    """Return the folder of the project whose checks run.

    Raises:
        ConfigError: There is none.
    """
    named = config.getoption("--harness-project")
    return find_project_folder(Path(named) if named else config.invocation_params.dir)


def _project_id(config: pytest.Config) -> str:
    return load_settings(project_folder(config)).project_id


def _options(config: pytest.Config) -> SuiteOptions:
    folder = project_folder(config)
    firestore: Literal["embedded", "official", "attach"] = (
        config.getoption("--harness-firestore") or "embedded"
    )
    if firestore == "attach":
        raise EnvironmentLacking(
            "there is no Firestore to attach to: FIRESTORE_EMULATOR_HOST is not set",
            fix="set it to the host:port of the Firestore that runs",
        )
    settings = load_settings(folder)
    return SuiteOptions(
        folder,
        project_id=settings.project_id,
        firestore_arguments=settings.firestore.arguments,
        firestore=firestore,
    )
