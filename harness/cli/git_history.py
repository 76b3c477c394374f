"""What git says of the commit that is checked out, and of the one that brought a file."""

from __future__ import annotations

from pathlib import Path

from harness.errors import EnvironmentLacking
from harness.git import run_git


def checked_out_commit(folder: Path) -> str:
    """Return the commit that is checked out; empty outside of git, or before any commit."""
    try:
        found = run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except EnvironmentLacking:
        return ""
    return found.stdout.decode().strip() if found.returncode == 0 else ""


def path_in_repository(folder: Path) -> str:
    """Return a folder's path from the repository's, with slashes; empty for the repository's own,
    and outside of git.
    """
    try:
        found = run_git(folder, "rev-parse", "--show-prefix")
    except EnvironmentLacking:
        return ""
    return found.stdout.decode().strip() if found.returncode == 0 else ""


def distrust_of_commit(folder: Path, path: Path) -> str:
    """Return why a file is not vouched for by a signed commit; empty if it is.

    It is when the last commit that changed the file has a signature that git accepts (by `git
    verify-commit`, with the keys and signers of git's own settings), and the file is as that commit
    left it.

    Args:
        folder: The project's.
        path: From there.
    Raises:
        HarnessError: git cannot be asked.
    """
    name = path.as_posix()
    last = run_git(folder, "rev-list", "-1", "HEAD", "--", name)
    if last.returncode:
        return "git knows no commit here"
    commit = last.stdout.decode().strip()
    if not commit:
        return "it is not committed"
    if run_git(folder, "status", "--porcelain", "--", name).stdout.strip():
        return "it is not as it was committed"
    if run_git(folder, "verify-commit", commit).returncode:
        return f"commit {commit[:7]} has no signature that git accepts"
    return ""
