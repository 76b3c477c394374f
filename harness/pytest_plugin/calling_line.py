"""Which line of the project's own code asked: the nearest one up the stack."""

from __future__ import annotations

import sys
from pathlib import Path

_MAX_FRAMES = 60
_INSTALLED = ("site-packages", "dist-packages")


class CallingLine:
    """Finds lines of files below a folder.

    Args:
        folder: The project's. Of what is below it, installed packages are left out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve()) + "/"
        self._names: dict[str, str | None] = {}

    def __call__(self) -> str | None:
        """Return `checks/test_feed.py:12` for whoever called; None if that is not the project."""
        frame = sys._getframe(1)
        for _ in range(_MAX_FRAMES):
            name = self._name(frame.f_code.co_filename)
            if name is not None:
                return f"{name}:{frame.f_lineno}"
            if frame.f_back is None:
                return None
            frame = frame.f_back
        return None

    def _name(self, file_name: str) -> str | None:
        if file_name not in self._names:
            is_own = file_name.startswith(self._folder) and not any(
                part in file_name for part in _INSTALLED
            )
            name = file_name[len(self._folder) :] if is_own else None
            # The harness itself, where it is the project that is worked on.
            self._names[file_name] = None if name and name.startswith("harness/") else name
        return self._names[file_name]
