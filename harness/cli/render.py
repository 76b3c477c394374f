"""The only place that prints.

Results go to standard output; what is going on, and errors, go to standard error, so that a report
can be piped.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

_DEFAULT_WIDTH = 100
_MAX_WIDTH = 140


def text(message: str) -> None:
    """Print a result."""
    sys.stdout.write(message if message.endswith("\n") else f"{message}\n")
    sys.stdout.flush()


def note(message: str) -> None:
    """Print what is worth knowing beside the result."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def error(message: str) -> None:
    """Print what went wrong."""
    note(f"harness: {message}")


def uses_color() -> bool:
    """Whether standard output is a terminal that shows colours. Source: no-color.org."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def width() -> int:
    """Return the columns to print in."""
    if not sys.stdout.isatty():
        return _DEFAULT_WIDTH
    return min(_MAX_WIDTH, shutil.get_terminal_size((_DEFAULT_WIDTH, 24)).columns)


class Progress:
    """What is going on, on standard error: one line that changes on a terminal, one line a phase
    elsewhere.
    """

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._status: Status | None = None
        self._console: Console | None = None
        self._began = time.monotonic()
        self._last = ""

    def __enter__(self) -> Self:
        if self._is_live:
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def phase(self, words: str) -> None:
        """Say that something began or ended; stays on the screen."""
        seconds = time.monotonic() - self._began
        if self._console is not None:
            self._console.print(f"{seconds:5.1f} s  {words}", markup=False, style="dim")
        else:
            note(f"{seconds:5.1f} s  {words}")

    def now(self, words: str) -> None:
        """Say what is being done at this moment; replaced by the next, and not shown where lines
        stay.
        """
        if self._status is not None and words != self._last:
            from rich.text import Text

            self._last = words
            self._status.update(Text(words))
