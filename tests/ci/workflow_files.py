"""The CI files as data, and their steps run in a shell as a runner does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240
# What the steps call; node is not among them, so that the embedded Firestore runs alone.
_TOOLS = ("bash", "git", "head", "xargs", "mktemp", "cat", "cp", "mkdir", "env", "sh", "dirname")
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")


def load(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@dataclass
class Job:
    """A job's machine: a clone, and what the runner gives to steps."""

    clone: Path
    temp: Path
    tools: Path
    context: Mapping[str, str]
    said: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        path = self.temp / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def run(self, step: Mapping[str, Any]) -> int:
        """Run a step's script with its environment, and return its status."""
        environment = {
            "PATH": str(self.tools),
            "HOME": str(self.temp),
            "GITHUB_OUTPUT": str(self.temp / "output"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary.md"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }
        for name, value in step.get("env", {}).items():
            environment[name] = self._filled(str(value))
        folder = self.clone / self._filled(step.get("working-directory", "."))
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        self.said = ran.stdout + ran.stderr
        self._take_outputs(step)
        return ran.returncode

    def run_script(self, script: Sequence[str], **variables: str) -> int:
        """Run the lines of a GitLab job as its runner does: as one script, which ends with the
        first that fails.
        """
        step = {"run": "set -eo pipefail\n" + "\n".join(script), "env": variables}
        return self.run(step)

    def _filled(self, text: str) -> str:
        known = {"runner.temp": str(self.temp), **self.context, **self.outputs}
        return _EXPRESSION.sub(lambda found: known.get(found.group(1), ""), text)

    def _take_outputs(self, step: Mapping[str, Any]) -> None:
        path = self.temp / "output"
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            name, _, value = line.partition("=")
            self.outputs[f"steps.{step.get('id')}.outputs.{name}"] = value
        path.unlink(missing_ok=True)


def make_tools(folder: Path) -> Path:
    """Return a folder with the programs that steps call, and nothing else."""
    folder.mkdir()
    for name in _TOOLS:
        found = shutil.which(name)
        assert found, f"the steps need {name}"
        (folder / name).symlink_to(found)
    harness = folder / "harness"
    harness.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n', encoding="utf-8")
    harness.chmod(0o755)
    return folder
