from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.server.running import Project, ServerUnderTest, new_project_id, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[ServerUnderTest]:
    with running_server() as running:
        yield running


@pytest.fixture
def project(server: ServerUnderTest) -> Iterator[Project]:
    with ExitStack() as cleanups:
        yield Project(server, new_project_id(), cleanups.callback)


@pytest.fixture
def db(project: Project) -> Any:
    """The published client, as an administrator."""
    return project.client()
