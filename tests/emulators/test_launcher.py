from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.emulators.launcher import Launcher, ServerCommand, write_launcher

_ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd()]))"


@pytest.fixture
def servers(tmp_path, monkeypatch) -> Path:
    """A folder of modules that print how they were called, in place of the real servers."""
    folder = tmp_path / "modules"
    folder.mkdir()
    for name in ("echo_firestore", "echo_storage"):
        (folder / f"{name}.py").write_text(_ECHO)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def _launcher(folder: Path, *, embedded: bool = True, java: str | None = None) -> Launcher:
    folder.mkdir()
    return write_launcher(
        folder,
        firestore=ServerCommand("echo_firestore", ("--indexes", "/a b/i.json"))
        if embedded
        else None,
        storage=ServerCommand("echo_storage"),
        real_java=java,
        real_npm=None,
    )


def _run(launcher: Launcher, *arguments: str, name: str = "java") -> subprocess.CompletedProcess:
    # As firebase-tools does: found by its bare name on PATH.
    path = os.pathsep.join([str(launcher.bin_dir), os.environ["PATH"]])
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [name, *arguments],
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_java_claims_to_be_new_enough(tmp_path, servers):
    answer = _run(_launcher(tmp_path / "run"), "-Duser.language=en", "-version")
    assert answer.returncode == 0
    assert 'version "21' in answer.stderr


def test_the_firestore_marker_starts_our_server_with_both_sets_of_arguments(tmp_path, servers):
    launcher = _launcher(tmp_path / "run with space")
    marker = launcher.environment["FIRESTORE_EMULATOR_BINARY_PATH"]
    answer = _run(
        launcher, "-Duser.language=en", "-jar", marker, "--host", "127.0.0.1", "--rules", "/c d/e"
    )
    assert json.loads(answer.stdout)[0] == [
        *("--host", "127.0.0.1", "--rules", "/c d/e"),
        *("--indexes", "/a b/i.json"),
    ]


def test_the_storage_marker_starts_the_rules_runtime(tmp_path, servers):
    launcher = _launcher(tmp_path / "run")
    marker = launcher.environment["STORAGE_EMULATOR_BINARY_PATH"]
    answer = _run(launcher, "-Djava.security.manager=disallow", "-jar", marker, "serve")
    assert json.loads(answer.stdout)[0] == ["serve"]


def test_any_other_jar_goes_to_the_real_java(tmp_path, servers):
    real = tmp_path / "real java"
    real.write_text('#!/bin/sh\necho "real: $*"\n')
    real.chmod(0o755)
    launcher = _launcher(tmp_path / "run", java=str(real))
    answer = _run(launcher, "-Xmx1g", "-jar", "/elsewhere/database.jar", "--port", "9000")
    assert answer.stdout == "real: -Xmx1g -jar /elsewhere/database.jar --port 9000\n"


def test_without_java_other_jars_are_refused_with_a_reason(tmp_path, servers):
    answer = _run(_launcher(tmp_path / "run"), "-jar", "/elsewhere/database.jar")
    assert answer.returncode == 127
    assert "no Java is installed" in answer.stderr


def test_googles_firestore_gets_the_real_version(tmp_path, servers):
    real = tmp_path / "java17"
    real.write_text("#!/bin/sh\necho 'openjdk version \"17\"' >&2\n")
    real.chmod(0o755)
    launcher = _launcher(tmp_path / "run", embedded=False, java=str(real))
    assert "FIRESTORE_EMULATOR_BINARY_PATH" not in launcher.environment
    assert 'version "17"' in _run(launcher, "-version").stderr


def test_npm_does_not_ask_the_registry_what_is_new(tmp_path, servers):
    launcher = _launcher(tmp_path / "run")
    answer = _run(launcher, "show", "firebase-functions", "--json=true", name="npm")
    assert (answer.returncode, json.loads(answer.stdout)) == (0, {})


def test_our_servers_run_on_this_python(tmp_path, servers):
    java = (_launcher(tmp_path / "run").bin_dir / "java").read_text()
    assert f"exec {sys.executable} -P -m echo_firestore" in java
