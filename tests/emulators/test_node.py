from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.emulators.node import FIREBASE_TOOLS_VERSION, find_node_tools
from harness.errors import EnvironmentLacking

_REPOSITORY = Path(__file__).parents[2]


def _fake_node(folder: Path, monkeypatch, version: str) -> None:
    node = folder / "bin" / "node"
    node.parent.mkdir()
    node.write_text(f"#!/bin/sh\nprintf '%s\\n%s\\n' {node} {version}\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(node.parent))


def _install(folder: Path, version: str = FIREBASE_TOOLS_VERSION) -> Path:
    package = folder / "node_modules" / "firebase-tools"
    (package / "lib" / "bin").mkdir(parents=True)
    (package / "lib" / "bin" / "firebase.js").write_text("")
    (package / "package.json").write_text(json.dumps({"version": version}))
    return package


def test_firebase_tools_is_found_in_a_folder_above(tmp_path, monkeypatch):
    _fake_node(tmp_path, monkeypatch, "22.1.0")
    package = _install(tmp_path, "15.99.0")
    project = tmp_path / "packages" / "backend"
    project.mkdir(parents=True)
    tools = find_node_tools(project)
    assert tools.entry == package / "lib" / "bin" / "firebase.js"
    assert (tools.version, tools.node_version) == ("15.99.0", "22.1.0")


def test_without_node_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentLacking, match="Node is not installed"):
        find_node_tools(tmp_path)


def test_a_node_that_is_too_old_is_named(tmp_path, monkeypatch):
    _fake_node(tmp_path, monkeypatch, "18.20.0")
    with pytest.raises(EnvironmentLacking, match=r"Node 18\.20\.0 .* is too old"):
        find_node_tools(tmp_path)


def test_missing_node_modules_are_mended_by_npm_ci_where_they_are_declared(tmp_path, monkeypatch):
    _fake_node(tmp_path, monkeypatch, "22.1.0")
    (tmp_path / "package.json").write_text('{"devDependencies": {"firebase-tools": "15.34.2"}}')
    with pytest.raises(EnvironmentLacking) as caught:
        find_node_tools(tmp_path, tools_dir=tmp_path)
    assert caught.value.fix == f"run: npm ci  (in {tmp_path})"


def test_missing_node_modules_are_mended_by_npm_install_elsewhere(tmp_path, monkeypatch):
    _fake_node(tmp_path, monkeypatch, "22.1.0")
    with pytest.raises(EnvironmentLacking) as caught:
        find_node_tools(tmp_path, tools_dir=tmp_path)
    assert f"npm install --save-dev firebase-tools@{FIREBASE_TOOLS_VERSION}" in caught.value.fix


def test_the_repository_pins_the_version_that_the_harness_names():
    manifest = json.loads((_REPOSITORY / "package.json").read_text())
    assert manifest["devDependencies"]["firebase-tools"] == FIREBASE_TOOLS_VERSION


def test_the_lock_pins_contents_and_names_no_registry():
    lock = json.loads((_REPOSITORY / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/firebase-tools"]["version"] == FIREBASE_TOOLS_VERSION
    assert all("integrity" in entry for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
