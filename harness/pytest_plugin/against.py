"""Checks against a real project (`--against PROJECT`): those with the mark `staging` run, through a
client that cannot write; all others are not verified.

Registered only with the option. Two things have to name the project: the option, and `staging:` in
harness.yaml, which a review sees. Nothing is ticked and nothing is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from harness.errors import EnvironmentLacking, HarnessError
from harness.project import load_settings
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.suite import project_folder

if TYPE_CHECKING:
    from google.cloud.firestore import Client

MARK = "staging"
_EMULATORS = ("FIRESTORE_EMULATOR_HOST", "FIREBASE_EMULATOR_HUB")


def checked_project(config: pytest.Config) -> str:
    """Return the project to ask, once both guards have let it pass.

    Raises:
        pytest.UsageError: One has not.
    """
    project: str = config.getoption("--harness-against")
    try:
        named = load_settings(project_folder(config)).staging
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    if named is None:
        raise pytest.UsageError(
            f"--against {project}: harness.yaml does not say that this is a staging project\n"
            f"  fix: if it is, add the line `staging: {project}` to harness.yaml"
        )
    if named != project:
        raise pytest.UsageError(
            f"--against {project}: the staging project of harness.yaml is {named}\n"
            f"  fix: give --against {named}, or correct `staging` in harness.yaml"
        )
    found = [name for name in _EMULATORS if os.environ.get(name)]
    if found:
        raise pytest.UsageError(
            f"--against {project}: {found[0]} is set, which names an emulator\n"
            f"  fix: unset {found[0]}"
        )
    return project


class AgainstPlugin:
    """What is different in such a run: which checks run, and what reads."""

    def __init__(self, project: str) -> None:
        self.project = project

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Let only those checks begin that say they read, and that need no emulator."""
        if item.get_closest_marker(MARK) is None:
            not_verified(f"against {self.project} only checks with the mark `{MARK}` run")
        names: list[str] = getattr(item, "fixturenames", [])
        if "harness_suite" in names:
            others = ", ".join(sorted(_own_arguments(item) - {"firestore_reader"}))
            not_verified(f"it needs the emulators, for {others or 'a fixture of its own'}")

    def pytest_report_header(self) -> str:
        """Say where the requests go."""
        return f"harness: against {self.project}, reading only; nothing is ticked or recorded"

    @pytest.fixture
    def firestore_reader(self) -> Iterator[Client]:
        """A Firestore client of the project that can only read."""
        from harness.emulators.read_only_client import read_only_client

        try:
            client: Client = read_only_client(self.project)
        except EnvironmentLacking as error:
            not_verified(f"{error.problem}; {error.fix}")
        yield client
        client.close()  # type: ignore[no-untyped-call]


def _own_arguments(item: pytest.Item) -> set[str]:
    """Return the names among the check's own arguments."""
    info = getattr(item, "_fixtureinfo", None)
    return set(getattr(info, "argnames", ()))
