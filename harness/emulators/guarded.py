"""A command under guard: started, watched, and ended with everything it started.

The other end of `guardian.py`. Knows nothing of Firebase.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from harness.emulators.guardian import MARK
from harness.emulators.workspace import own_folder

_GUARDIAN = Path(__file__).with_name("guardian.py")
_GENTLE_S = 8.0
_TERMINATE_S = 2.0
# The guardian's own limits add up to less than this.
_STOP_LIMIT_S = 20.0


class GuardedProcess:
    """A running command that ends with this process, whatever ends this process.

    Args:
        folder: The run's private folder; deleted by the guardian when all is over.
        log: Where the command's output goes.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
    ) -> None:
        self.log = log
        self.exit_status: int | None = None
        self.killed = 0
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self._has_exited = threading.Event()
        self._has_stopped = threading.Event()
        self._lock = own_folder(folder)
        # -P: this folder has modules named like others' and must not be on the script's path.
        self._guardian = subprocess.Popen(
            [sys.executable, "-P", str(_GUARDIAN)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            # The folder is in use until both are gone.
            pass_fds=(self._lock,),
        )
        order = {
            "argv": list(argv),
            "cwd": str(cwd),
            "env": {**env, MARK: self._mark},
            "log": str(log),
            "folder": str(folder),
            "gentle_s": _GENTLE_S,
            "terminate_s": _TERMINATE_S,
        }
        self._tell(order)
        self._reader = threading.Thread(target=self._read, name="suite-guardian", daemon=True)
        self._reader.start()

    @property
    def guardian_pid(self) -> int:
        """The process that ends the command; the command is its child."""
        return self._guardian.pid

    @property
    def has_ended(self) -> bool:
        """Whether the command has ended by itself, or its guardian has."""
        return self._has_exited.is_set()

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the command has ended by itself; False when the limit came first."""
        return self._has_exited.wait(timeout_s)

    def stop(self) -> None:
        """End the command and all it started. The log can still be read; `close` deletes it."""
        self._tell({"stop": True})
        if not self._has_stopped.wait(_STOP_LIMIT_S):
            self._kill_marked()

    def close(self) -> None:
        """Let the guardian delete the folder and end; do both where it cannot."""
        with contextlib.suppress(OSError):
            if self._guardian.stdin is not None:
                self._guardian.stdin.close()
        try:
            self._guardian.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait(_STOP_LIMIT_S)
        self._reader.join(_STOP_LIMIT_S)
        if self._guardian.stdout is not None:
            self._guardian.stdout.close()
        if self._folder.exists():
            # The guardian was killed.
            self._kill_marked()
            shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)

    def _tell(self, message: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._guardian.stdin is not None:
                self._guardian.stdin.write(json.dumps(message).encode() + b"\n")
                self._guardian.stdin.flush()

    def _read(self) -> None:
        for line in self._guardian.stdout or ():
            message = json.loads(line)
            if "exited" in message:
                self.exit_status = message["exited"]
                self._has_exited.set()
            if "stopped" in message:
                self.killed = message["killed"]
                self._has_stopped.set()
        # Its stream has ended: nobody looks after the command any more.
        self._has_exited.set()
        self._has_stopped.set()

    def _kill_marked(self) -> None:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self._mark:
                    process.kill()
