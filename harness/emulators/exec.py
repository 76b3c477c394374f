"""Runs a command beside a suite: with its environment, its signals, its exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from harness.emulators.environment import without_credentials
from harness.errors import EnvironmentLacking

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# As a shell reports death by signal.
_KILLED_BY = 128


def run_command(argv: Sequence[str], suite_environment: Mapping[str, str]) -> int:
    """Run a command with the suite's environment and return its exit status.

    Credentials are not passed on. Signals that come in meanwhile go to the command, which decides
    when it ends; so the suite still ends in order after it. Call it from the main thread.

    Args:
        argv: The command and its arguments; no shell is involved.
    Returns:
        Its exit status; 128 and the signal's number where a signal ended it.
    Raises:
        EnvironmentLacking: There is no such command.
    """
    if not argv:
        raise ValueError("a command is needed")
    environment = {**without_credentials(os.environ), **suite_environment}
    try:
        process = subprocess.Popen(list(argv), env=environment)
    except OSError as error:
        raise EnvironmentLacking(
            f"{argv[0]} cannot be run: {error.strerror}", fix="install it, or correct the command"
        ) from error

    def forward(number: int, frame: object) -> None:
        # A Ctrl-C at the terminal has reached the command already, which is in the same group.
        if number != signal.SIGINT or not os.isatty(0):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else _KILLED_BY - status
