"""Reviews of the project's files in checks: how one ends a check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.errors import EnvironmentLacking, HarnessError
from harness.project import load_project, one_workflow_path
from harness.project_readiness import ProjectReadiness
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.recorder import Findings
from harness.readiness.review import Review


class Settle(Protocol):
    """How `settle` is called."""

    def __call__(self, review: Callable[..., Review], *arguments: Any) -> None:
        """Make the review, and pass, fail or leave the check unverified by what it found."""


def readiness_of(folder: Path, workflow: str | None) -> ProjectReadiness:
    """Return the reviews of a project and its workflow document.

    Raises:
        HarnessError: A setting cannot be used, or there is no document, or several.
    """
    project = load_project(folder)
    return ProjectReadiness(project, one_workflow_path(folder, project.settings, workflow))


def settled_by(findings: Findings) -> Settle:
    """Return the function that `settle` gives."""

    def settle(review: Callable[..., Review], *arguments: Any) -> None:
        __tracebackhide__ = True
        try:
            found = review(*arguments)
        except EnvironmentLacking as error:
            not_verified(f"{error.problem}; {error.fix}")
        except HarnessError as error:
            pytest.fail(str(error), pytrace=False)
        if found.problems:
            pytest.fail(str(found), pytrace=False)
        if found.unknown:
            not_verified(found.unknown)
        findings.add_proof(found.proof)

    return settle
