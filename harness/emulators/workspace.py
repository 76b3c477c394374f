"""A run's private folder under the system's temporary one, and what earlier runs left there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

_PREFIX = "harness-"
_LOCK_FILE = "owner.lock"
# Unix sockets of function workers lie in the folder: `fire_emu_` and 16 digits. macOS allows a
# path of 103 bytes, and its temporary folder's name alone takes half of it.
_LONGEST_BASE = 60


def make_private_folder(base: Path | None = None) -> Path:
    """Make a folder that only this user can read, for one run.

    Folders of runs whose harness and guardian were both killed are removed on the way.

    Args:
        base: Where to make it; by default the system's folder for temporary files.
    """
    if base is None:
        base = Path(os.path.realpath(tempfile.gettempdir()))
        if len(str(base)) > _LONGEST_BASE and Path("/tmp").is_dir():
            base = Path(os.path.realpath("/tmp"))
    _remove_abandoned(base)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))


def own_folder(folder: Path) -> int:
    """Mark a folder as in use for as long as the returned file descriptor is open anywhere.

    A lock, not a process id: those of another container mean nothing here, and its temporary folder
    may be ours.
    """
    descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _remove_abandoned(base: Path) -> None:
    for lock in base.glob(f"{_PREFIX}*/{_LOCK_FILE}"):
        try:
            with lock.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            # In use, or another user's, or gone meanwhile.
            continue


def write_json(path: Path, data: Any) -> None:
    """Write a file for firebase-tools to read."""
    path.write_text(json.dumps(data, indent=2), encoding="utf-8")
