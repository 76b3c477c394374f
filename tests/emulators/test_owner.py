"""The owner starts as much of a suite as the machine can, and ends it."""

import socket
from pathlib import Path

import pytest

from harness.emulators.handover import Handover
from harness.emulators.owner import SuiteOwner, running_suite
from harness.emulators.suite import SuiteOptions
from harness.errors import ConfigError, EnvironmentLacking

RULES = "rules_version = '2';\nservice cloud.firestore {}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on a machine without Node."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "firebase.json").write_text(
        '{"firestore": {"rules": "firestore.rules"}, "functions": {"source": "functions"}}'
    )
    (folder / "firestore.rules").write_text(RULES)
    for name in ("FIREBASE_EMULATOR_HUB", "FIRESTORE_EMULATOR_HOST", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return folder


def test_without_node_the_embedded_firestore_alone_is_handed_over(
    project: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    handover = Handover(tmp_path / "handover")
    owner = SuiteOwner(SuiteOptions(project, progress=said.append), handover)
    owner.start()
    try:
        suite = handover.wait(60)
        assert suite == owner.handed
        assert suite.endpoints.firestore is not None
        assert suite.endpoints.functions is None
        assert set(suite.lacking) == {"auth", "functions"}
        assert suite.lacking["functions"].startswith("Node is not installed")
        assert isinstance(owner.failure, EnvironmentLacking)
        assert any("the embedded Firestore alone" in line for line in said)
        host, _, port = suite.endpoints.firestore.partition(":")
        socket.create_connection((host, int(port)), timeout=10).close()
    finally:
        owner.stop()
    owner.stop()  # again does nothing
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=10)


def test_stopping_at_once_leaves_nothing(project: Path, tmp_path: Path) -> None:
    owner = SuiteOwner(SuiteOptions(project), Handover(tmp_path / "handover"))
    owner.start()
    owner.stop()
    assert owner.wait(0)


def test_a_firestore_to_attach_to_is_enough_without_node(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:9")
    handover = Handover(tmp_path / "handover")
    owner = SuiteOwner(SuiteOptions(project, firestore="attach"), handover)
    owner.start()
    suite = handover.wait(60)
    owner.stop()
    assert suite.firestore == "attach"
    assert suite.endpoints.firestore == "127.0.0.1:9"
    assert set(suite.lacking) == {"auth", "functions"}


def test_a_project_at_fault_is_no_lack_of_the_machine(project: Path, tmp_path: Path) -> None:
    (project / "firebase.json").write_text("{}")
    owner = SuiteOwner(SuiteOptions(project), Handover(tmp_path / "handover"))
    owner.start()
    assert owner.wait(60)
    owner.stop()
    assert isinstance(owner.failure, ConfigError)
    assert owner.handed is None


def test_a_suite_that_runs_is_found_by_its_variables() -> None:
    assert running_suite({}, default_project="demo-x") is None
    environment = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080"}
    found = running_suite(environment, default_project="demo-x")
    assert found is not None
    assert (found.endpoints.project_id, found.firestore) == ("demo-x", "attach")
    named = running_suite({**environment, "GCLOUD_PROJECT": "demo-y"}, default_project="demo-x")
    assert named is not None
    assert named.endpoints.project_id == "demo-y"


def test_a_suites_log_is_found_as_long_as_it_is_there(tmp_path: Path) -> None:
    log = tmp_path / "suite.log"
    environment = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:8080", "HARNESS_SUITE_LOG": str(log)}
    for there in (False, True):
        if there:
            log.touch()
        found = running_suite(environment, default_project="demo-x")
        assert found is not None
        assert found.log == (log if there else None)
