"""What the project's own files say, and what its access matrix decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.flutter.contract import ClientContract
    from harness.project_readiness import ProjectReadiness
    from harness.pytest_plugin.access import AskOverTheWire, CheckedMatrix, DecidedProject
    from harness.pytest_plugin.context import CheckContext
    from harness.pytest_plugin.readiness import Settle
    from harness.workflow.document import WorkflowDocument


@pytest.fixture(scope="session")
def harness_project(pytestconfig: pytest.Config) -> Path:
    """The project's folder, which holds firebase.json."""
    from harness.pytest_plugin.suite import project_folder

    return project_folder(pytestconfig)


@pytest.fixture(scope="session")
def harness_settings(harness_project: Path) -> Settings:
    """What harness.yaml says."""
    from harness.project import load_settings

    return load_settings(harness_project)


@pytest.fixture(scope="session")
def workflow_document(pytestconfig: pytest.Config, harness_project: Path) -> WorkflowDocument:
    """The workflow document whose items the checks name, as it was when the run began; of several,
    the first.
    """
    from harness.project import load_settings, load_workflow, one_workflow_path, workflow_paths

    chosen = pytestconfig.getoption("--harness-workflow")
    settings = load_settings(harness_project)
    paths = workflow_paths(harness_project, settings, chosen)
    return load_workflow(paths[0] if paths else one_workflow_path(harness_project, settings))


@pytest.fixture(scope="session")
def client_contract(harness_project: Path, harness_settings: Settings) -> ClientContract:
    """What the Flutter app's Dart code asks of Firebase: `.queries`, `.documents`, `.callables`,
    `.objects`, and what was `.not_understood`.
    """
    from harness.errors import EnvironmentLacking, HarnessError
    from harness.flutter_project import read_client_contract
    from harness.pytest_plugin.outcome import not_verified

    try:
        return read_client_contract(harness_project, harness_settings.flutter_folder)
    except EnvironmentLacking as error:
        not_verified(f"{error.problem}; {error.fix}")
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def readiness(request: pytest.FixtureRequest, harness_project: Path) -> ProjectReadiness:
    """Reviews of the project's files, for `settle`: links, tasks against the phase file, emulators,
    collections, documents, production (docs/readiness.md). Of several workflow documents each that
    has the check's item must hold.
    """
    from harness.errors import HarnessError
    from harness.pytest_plugin.readiness import readiness_of

    chosen = request.config.getoption("--harness-workflow")
    try:
        return readiness_of(request.node, harness_project, chosen)
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def settle(request: pytest.FixtureRequest) -> Settle:
    """A function that ends the check as a review has it: `settle(readiness.links)` records what was
    seen, fails with what is wrong, or is not verified where nothing could be found out.
    """
    from harness.pytest_plugin.readiness import settled_by
    from harness.pytest_plugin.recorder import findings_of

    return settled_by(findings_of(request.node))


@pytest.fixture(scope="session")
def harness_access(pytestconfig: pytest.Config, harness_project: Path) -> DecidedProject:
    """The project's access matrix, decided in process once for all checks."""
    from harness.errors import HarnessError
    from harness.pytest_plugin.access import decided_project

    try:
        return decided_project(pytestconfig, harness_project)
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def access_matrix(request: pytest.FixtureRequest, harness_access: DecidedProject) -> CheckedMatrix:
    """The access matrix of harness.yaml, decided in process: `.check()` fails with a table of
    surprises, `.blind_spots()` says what it would not notice.
    """
    from harness.pytest_plugin.access import CheckedMatrix
    from harness.pytest_plugin.recorder import findings_of

    return CheckedMatrix(harness_access, findings_of(request.node))


@pytest.fixture
def access_over_the_wire(
    harness_access: DecidedProject,
    harness_suite_project: CheckContext,
    record_proof: Callable[[str], None],
) -> AskOverTheWire:
    """A function that asks a sample of the access matrix's cells of the running emulators, through
    the published clients; it fails where an answer is not the one in process.
    """
    from harness.pytest_plugin.access import ask_over_the_wire

    return ask_over_the_wire(harness_access, harness_suite_project, record_proof)
