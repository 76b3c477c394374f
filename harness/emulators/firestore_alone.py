"""The embedded Firestore without the Emulator Suite around it: what runs where there is no Node."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from harness.emulators.environment import without_credentials
from harness.emulators.guarded import GuardedProcess
from harness.emulators.hub import SuiteEndpoints
from harness.emulators.launcher import FIRESTORE_SERVER
from harness.emulators.ports import LOOPBACK, HeldPorts, hold_ports
from harness.emulators.workspace import make_private_folder
from harness.errors import EnvironmentLacking

_READY_S = 20.0
_POLL_S = 0.02
_ANSWER_S = 2.0
_SHOWN_LINES = 6


class EmbeddedFirestore:
    """One run of `harness.server` on a free port, ended with everything else that this process
    started.

    Args:
        project_id: Must begin with `demo-`, as for the suite.
        rules: The ruleset's file; None: every client is denied nothing.
        indexes: The index definitions' file.
        arguments: More arguments for the server.
    """

    def __init__(
        self,
        project_id: str,
        *,
        rules: Path | None = None,
        indexes: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._project_id = project_id
        self._arguments = [
            *(["--rules", str(rules)] if rules else []),
            *(["--indexes", str(indexes)] if indexes else []),
            *arguments,
        ]
        self._ports: HeldPorts | None = None
        self._process: GuardedProcess | None = None
        self._address = ""

    @property
    def endpoints(self) -> SuiteEndpoints:
        """Where it is; known once `start` has returned."""
        return SuiteEndpoints(self._project_id, firestore=self._address)

    def start(self) -> None:
        """Start it and return at once."""
        self._ports = hold_ports(["firestore"])
        port = self._ports.numbers["firestore"]
        self._address = f"{LOOPBACK}:{port}"
        folder = make_private_folder()
        argv = [
            # -P: the user's folder must not be on the path of our server.
            *(sys.executable, "-P", "-m", FIRESTORE_SERVER.module, *FIRESTORE_SERVER.arguments),
            *("--host", LOOPBACK, "--port", str(port), "--project_id", self._project_id),
            *self._arguments,
        ]
        self._ports.hand_over()
        self._process = GuardedProcess(
            argv,
            folder=folder,
            cwd=folder,
            env=without_credentials(os.environ),
            log=folder / "firestore.log",
        )

    def wait_until_ready(self, timeout_s: float = _READY_S) -> None:
        """Wait until it answers.

        Raises:
            EnvironmentLacking: It ended, or the limit came first; nothing runs then.
        """
        process = self._process
        if process is None:
            raise RuntimeError("the embedded Firestore has not been started")
        limit = time.monotonic() + timeout_s
        while not self._answers():
            if process.wait_for_end(_POLL_S) or time.monotonic() > limit:
                said = self._last_words(process)
                self.stop()
                raise EnvironmentLacking(
                    f"the embedded Firestore did not start{said}",
                    fix="run `harness firestore` to see it alone",
                )
        if self._ports is not None:
            self._ports.release()

    def stop(self) -> None:
        """End it. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
            process.close()
        if self._ports is not None:
            self._ports.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between here and the loopback
            try:
                return session.get(f"http://{self._address}/", timeout=_ANSWER_S).ok
            except requests.RequestException:
                return False

    def _last_words(self, process: GuardedProcess) -> str:
        try:
            lines = process.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "".join(f"\n  | {line[:200]}" for line in lines[-_SHOWN_LINES:] if line.strip())
