"""Reads a project's files as they were at a git revision.

Nothing is checked out and nothing in the repository changes.
"""

from __future__ import annotations

import posixpath
import subprocess
from pathlib import Path

from harness.errors import HarnessError
from harness.git import run_git
from harness.source import SourceText


class GitRevision:
    """One commit of the repository that a folder is in.

    Args:
        folder: The project's.
        name: A revision as the user names it: `main`, `HEAD~3`, `origin/main`.
        instead: What may be given in place of a revision.
    Raises:
        EnvironmentLacking: There is no git.
        HarnessError: The folder is in no repository, or there is no such revision.
    """

    def __init__(self, folder: Path, name: str, *, instead: str = "a rules file") -> None:
        if name.startswith("-"):
            raise _no_revision(name, "a revision does not begin with -", instead)
        self.name = name
        self._instead = instead
        self._folder = folder
        inside = self._git("rev-parse", "--show-prefix")
        if inside.returncode:
            raise HarnessError(
                f"{folder} is in no git repository that can be read: {_said(inside)}",
                fix=f"run this in a clone, or give {instead} instead of a revision",
            )
        self._prefix = inside.stdout.decode().strip("\n")
        found = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if found.returncode:
            raise _no_revision(name, "there is no such revision here", instead)
        self.commit = found.stdout.decode().strip()

    def read(self, path: str) -> SourceText | None:
        """Return a file's text; None when it is not there at this revision.

        Args:
            path: As firebase.json has it, from the project's folder.
        Raises:
            HarnessError: It is not UTF-8, or lies outside the repository.
        """
        inside = posixpath.normpath(posixpath.join(self._prefix, path))
        if inside.startswith(("/", "../")):
            raise HarnessError(
                f"{path} lies outside the repository, so git does not know what it was",
                fix=f"name {self._instead} instead of a revision",
            )
        at = f"{self.commit}:{inside}"
        kind = self._git("cat-file", "-t", at)
        if kind.returncode or kind.stdout.strip() != b"blob":
            return None
        shown = self._git("cat-file", "blob", at)
        if shown.returncode:
            raise HarnessError(
                f"git cannot show {path} of {self.name}: {_said(shown)}", fix="run git fsck"
            )
        try:
            return SourceText(f"{self.name}:{path}", shown.stdout.decode())
        except UnicodeDecodeError as error:
            raise HarnessError(
                f"{path} of {self.name} is not UTF-8", fix="choose another revision"
            ) from error

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return run_git(
            self._folder, *arguments, otherwise=f"give {self._instead} instead of a revision"
        )


def _no_revision(name: str, problem: str, instead: str) -> HarnessError:
    return HarnessError(
        f"{name}: {problem}, and no file",
        fix="name a branch, tag or commit (in CI fetch it first: git fetch origin main), "
        f"or {instead}",
    )


def _said(process: subprocess.CompletedProcess[bytes]) -> str:
    lines = process.stderr.decode(errors="replace").split("\n")
    return lines[0].removeprefix("fatal: ")
