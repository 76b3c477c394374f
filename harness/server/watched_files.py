"""The rules and the indexes that the server was started with, loaded again when their files change.

A file that does not load keeps what was there, and says so on the log. Must not live here: how a
file is read (`run.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from harness.errors import HarnessError

logger = logging.getLogger(__name__)

_LOOK_S = 0.25

_Look: TypeAlias = tuple[int, int, int]


@dataclass(slots=True)
class WatchedFile:
    """One file.

    Args:
        load: Reads the file and puts what it says into use.
    """

    path: Path
    load: Callable[[], None]
    _seen: _Look | None = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._look()

    def look(self) -> bool:
        """Load the file if it has changed; return whether it was loaded."""
        now = self._look()
        if now == self._seen or now is None:
            # A file that is gone may be one that an editor is about to put back.
            return False
        self._seen = now
        try:
            self.load()
        except HarnessError as error:
            logger.error("%s\n  until then what was loaded before stays in use", error)
            return False
        logger.warning("%s has changed and was loaded", self.path)
        return True

    def _look(self) -> _Look | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


async def watch_files(files: list[WatchedFile]) -> None:
    """Look at files until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)
        for file in files:
            file.look()
