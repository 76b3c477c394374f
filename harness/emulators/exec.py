"""Runs a command beside a suite: with its environment, its signals, its exit status."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence

from harness.emulators.environment import without_credentials
from harness.errors import ConfigError, EnvironmentLacking

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# As a shell reports death by signal.
_KILLED_BY = 128

_SHELL = "/bin/sh"


def is_shell_line(word: str) -> bool:
    """Whether a word is for the shell to read: no command, and more than a plain name."""
    return shlex.quote(word) != word and shutil.which(word) is None


def command_line(words: Sequence[str]) -> list[str]:
    """Return the command that a user's words name, before anything is started for it.

    Several words are the command and its arguments. A single one that is not a command is a line
    for the shell: `firebase emulators:exec` takes its script like that.

    Raises:
        ConfigError: The first word is an option, and none of ours.
        EnvironmentLacking: There is no such command.
    """
    command = words[0]
    if command.startswith("-"):
        raise ConfigError(
            f"there is no option {command}",
            fix="leave it out; the options are in: harness emulators exec --help",
        )
    if shutil.which(command) is not None:
        return list(words)
    if len(words) == 1 and is_shell_line(command):
        return [_SHELL, "-c", command]
    raise EnvironmentLacking(
        f"{command} cannot be run: there is no such command",
        fix="install it, or correct the command",
    )


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
