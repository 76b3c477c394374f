"""Reviews of the project's files in checks: how one ends a check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from harness.errors import EnvironmentLacking, HarnessError
from harness.project import load_project, workflow_paths
from harness.project_readiness import ProjectReadiness
from harness.pytest_plugin.mapping import item_ids_of, load_items
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.recorder import Findings
from harness.readiness.review import Review


class Settle(Protocol):
    """How `settle` is called."""

    def __call__(self, review: Callable[..., Review], *arguments: Any) -> None:
        """Make the review, and pass, fail or leave the check unverified by what it found."""


def readiness_of(node: pytest.Item, folder: Path, workflows: Sequence[str]) -> ProjectReadiness:
    """Return the reviews of a project, and of the workflow documents that have an item which the
    check names: all of them, if it names none.

    Raises:
        HarnessError: A setting cannot be used.
    """
    project = load_project(folder)

    def documents() -> Sequence[Path]:
        # Looked for by the reviews that are about documents: others do not depend on any.
        paths = workflow_paths(folder, project.settings, workflows)
        items = load_items(folder, folder, workflows)
        named = {items.documents.split(reference)[0] for reference in item_ids_of(node, items)}
        return [path for path in paths if project.relative(path) in named] or paths

    return ProjectReadiness(project, documents)


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
