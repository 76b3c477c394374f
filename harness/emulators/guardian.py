"""Runs one command, and ends all that it started when the harness ends, whatever ended that.

A script, run by path in a process of its own, with nothing of this package imported: it has to be
up at once and to survive the harness. firebase-tools starts emulators detached, in sessions of
their own, so killing a process group is not enough; here orphans come back to this process
(Linux), and every descendant carries a variable by which it is found (everywhere).

Talks over its standard streams, one JSON object a line:
  in   first the order, `{"argv": [...], "cwd": ..., "env": {...}, ...}`, then {"stop": true}; the
       end of the stream means the same, and that the harness is gone or done: the private folder
       is deleted then
  out  {"started": PID}, {"exited": STATUS}, {"stopped": true, "killed": N}
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import IO, Any

import psutil

MARK = "HARNESS_SUITE_ID"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.2
# After the command itself is gone, how long leftovers may take to follow SIGTERM.
_LEFTOVER_S = 2.0
# How long the harness may take to read the log after a stop.
_FAREWELL_S = 30.0


class Guardian:
    """One command under guard."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._buffer = b""
        self._stdin_open = True
        self._stop_asked = False
        self._status: int | None = None
        self._child = 0
        self._told = False
        order = self._read_order()
        self._argv: list[str] = order["argv"]
        self._cwd: str = order["cwd"]
        self._env: dict[str, str] = order["env"]
        self._log: str = order["log"]
        self._folder: str = order["folder"]
        self._mark: str = order["env"][MARK]
        self._gentle_s: float = order["gentle_s"]
        self._terminate_s: float = order["terminate_s"]

    def run(self) -> int:
        """Start the command, and stay until it, its descendants and the folder are gone."""
        try:
            self._start()
            while not self._stop_asked and not self._harness_is_gone():
                self._listen(_POLL_S)
                self._reap()
                if self._status is not None and not self._told:
                    self._told = True
                    self._end_leftovers()
                    self._say({"exited": self._status})
            killed = self._stop()
            self._say({"stopped": True, "killed": killed})
            limit = time.monotonic() + _FAREWELL_S
            while self._stdin_open and not self._harness_is_gone() and time.monotonic() < limit:
                self._listen(_POLL_S)
        finally:
            self._kill(self._family())
            shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def _read_order(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            chunk = os.read(0, 65536)
            if not chunk:
                raise SystemExit(2)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        order: dict[str, Any] = json.loads(line)
        return order

    def _start(self) -> None:
        if sys.platform == "linux":
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            with open(self._log, "ab") as log:  # noqa: PTH123 - pathlib costs an import here
                process = self._spawn(log)
        except FileNotFoundError:
            # The harness has given up before this process was there, and taken the folder away.
            self._status, self._stop_asked = 127, True
            return
        if process is None:
            self._status = 127  # as a shell has it
            return
        self._child = process.pid
        # Reaped by hand, with the orphans; Popen must not wait for it too.
        process.returncode = 0
        self._say({"started": self._child})

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes] | None:
        # In a session of its own: a Ctrl-C at the terminal reaches the harness alone, which then
        # ends the suite in order.
        try:
            return subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_guardian if sys.platform == "linux" else None,
            )
        except OSError as error:
            log.write(f"{self._argv[0]} cannot be started: {error.strerror}\n".encode())
            return None

    def _listen(self, timeout_s: float) -> None:
        if not self._stdin_open:
            time.sleep(timeout_s)
            return
        ready, _, _ = select.select([0], [], [], timeout_s)
        if not ready:
            return
        chunk = os.read(0, 65536)
        if not chunk:
            self._stdin_open = False
            self._stop_asked = True
        self._buffer += chunk
        if b'"stop"' in self._buffer:
            self._stop_asked = True

    def _harness_is_gone(self) -> bool:
        # The pipe alone does not tell: a process that the harness forked may hold its other end.
        return os.getppid() != self._parent

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(message).encode() + b"\n")

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                self._status = os.waitstatus_to_exitcode(status)

    def _stop(self) -> int:
        """End the command gently, then less gently; return how many processes had to be killed."""
        for number, limit_s in (
            (signal.SIGINT, self._gentle_s),
            (signal.SIGTERM, self._terminate_s),
        ):
            if self._status is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)
            self._wait_until(lambda: self._status is not None, limit_s)
        return self._end_leftovers()

    def _end_leftovers(self) -> int:
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.terminate()
        self._wait_until(lambda: not self._family(), _LEFTOVER_S)
        return self._kill(self._family())

    def _kill(self, processes: list[psutil.Process]) -> int:
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._wait_until(lambda: not self._family(), _LEFTOVER_S)
        return len(processes)

    def _wait_until(self, condition: Any, limit_s: float) -> None:
        limit = time.monotonic() + limit_s
        self._reap()
        while not condition() and time.monotonic() < limit:
            time.sleep(0.02)
            self._reap()

    def _family(self) -> list[psutil.Process]:
        """Everything alive that the command started, near or far."""
        own = os.getpid()
        found: dict[int, psutil.Process] = {}
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(own).children(recursive=True):
                found[process.pid] = process
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid not in found and process.environ().get(MARK) == self._mark:
                    found[process.pid] = process
        found.pop(own, None)
        return [process for process in found.values() if _is_alive(process)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _end_with_guardian() -> None:
    """If even this process is killed, let firebase-tools end itself and its emulators."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:
    """Run as a script."""
    # Handlers, not SIG_IGN: what is ignored here would stay ignored in every emulator.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: None)
    guardian = Guardian()

    def stop(*_: object) -> None:
        guardian._stop_asked = True

    signal.signal(signal.SIGTERM, stop)
    return guardian.run()


if __name__ == "__main__":
    sys.exit(main())
