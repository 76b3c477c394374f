"""SIGINT and SIGTERM end the server within a second, whatever it is busy with.

The loop hears of a signal when it has its turn, which may be after an operation of seconds; so the
process is ended from a thread if the loop has not ended it. A second signal does not wait at all.

Source: firebase-tools sends SIGINT and waits for 4 s.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

PATIENCE_S = 0.7
"""How long the end may take in an orderly way."""

_SIGNALLED = 128
"""Added to a signal's number: the status of what it ended, as a shell has it."""


def end_on_signals(stop: Callable[[], None], *, has_work_to_do: bool) -> None:
    """Have signals call `stop` in the running loop, in the main thread.

    Args:
        has_work_to_do: Something is to be written at the end, which takes the time it takes.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def ended(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            _end(_SIGNALLED + number)
        asked = True
        loop.call_soon_threadsafe(stop)
        if not has_work_to_do:
            watch = threading.Timer(PATIENCE_S, _end, [0])
            watch.daemon = True
            watch.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ended)


def _end(status: int) -> None:
    """End the process here and now: nothing of it is kept."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
