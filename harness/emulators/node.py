"""Finds Node and firebase-tools, and says what to install where one is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentLacking

# The version that the repository pins and its tests run; any 15 works alike.
FIREBASE_TOOLS_VERSION = "15.34.2"
_ENTRY = Path("node_modules") / "firebase-tools" / "lib" / "bin" / "firebase.js"
_OLDEST_NODE = 20
_NODE_ANSWER_S = 20


@dataclass(frozen=True, slots=True)
class NodeTools:
    """Where Node and firebase-tools are.

    Args:
        node: The executable itself, not a version manager's shim: shims look into the home folder,
            which the suite's children do not get.
        entry: `firebase.js` of firebase-tools.
        version: Of firebase-tools.
    """

    node: Path
    node_version: str
    entry: Path
    version: str


def find_node_tools(project_dir: Path, *, tools_dir: Path | None = None) -> NodeTools:
    """Find Node and firebase-tools for a project.

    Looks for `node_modules/firebase-tools` in `tools_dir` if given, and nowhere else then;
    otherwise in the project folder and those above it, beside the harness (its own repository),
    and last at a global `firebase` command.

    Raises:
        EnvironmentLacking: One of them is missing or too old; the message names the command that
            installs it.
    """
    node, node_version = _find_node()
    entry = _find_entry(project_dir, tools_dir)
    manifest = entry.parents[2] / "package.json"
    try:
        version = str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentLacking(
            f"firebase-tools in {manifest.parent} is incomplete: package.json cannot be read",
            fix=f"run: npm ci  (in {manifest.parents[2]})",
        ) from error
    return NodeTools(node, node_version, entry, version)


def _find_node() -> tuple[Path, str]:
    found = shutil.which("node")
    if found is None:
        raise EnvironmentLacking(
            "Node is not installed (no `node` on PATH), and the Emulator Suite runs on it",
            fix=f"install Node {_OLDEST_NODE} or newer; without it: harness firestore",
        )
    try:
        answer = subprocess.run(
            [found, "-p", "process.execPath + '\\n' + process.versions.node"],
            capture_output=True,
            text=True,
            timeout=_NODE_ANSWER_S,
            check=True,
        ).stdout
        path, version = answer.strip().splitlines()[-2:]
        major = int(version.split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EnvironmentLacking(
            f"{found} does not work: it cannot say its version",
            fix=f"install Node {_OLDEST_NODE} or newer",
        ) from error
    if major < _OLDEST_NODE:
        raise EnvironmentLacking(
            f"Node {version} at {path} is too old for firebase-tools {FIREBASE_TOOLS_VERSION}",
            fix=f"install Node {_OLDEST_NODE} or newer",
        )
    return Path(path), version


def _find_entry(project_dir: Path, tools_dir: Path | None) -> Path:
    if tools_dir is not None:
        places = [tools_dir]
    else:
        start = project_dir.resolve()
        places = [start, *start.parents, Path(__file__).resolve().parents[2]]
    for place in places:
        entry = place / _ENTRY
        if entry.is_file():
            return entry
    if tools_dir is None:
        command = shutil.which("firebase")
        if command is not None:
            entry = Path(os.path.realpath(command))
            if entry.parts[-4:] == ("firebase-tools", "lib", "bin", "firebase.js"):
                return entry
    for place in places:
        if "firebase-tools" in _declared_packages(place):
            raise EnvironmentLacking(
                f"firebase-tools is not installed: {place / 'node_modules'} does not have it",
                fix=f"run: npm ci  (in {place})",
            )
    wanted = f"firebase-tools@{FIREBASE_TOOLS_VERSION}"
    raise EnvironmentLacking(
        f"firebase-tools is not installed for {places[0]}",
        fix=f"run: npm install --save-dev {wanted}  (in {places[0]})",
    )


def _declared_packages(folder: Path) -> set[str]:
    try:
        manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    if not isinstance(manifest, dict):
        return set()
    names: set[str] = set()
    for key in ("dependencies", "devDependencies"):
        section = manifest.get(key)
        if isinstance(section, dict):
            names.update(section)
    return names
