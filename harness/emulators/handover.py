"""A suite handed over by the process that owns it to those that use it, through a folder.

The owner is `harness verify`, or xdist's controller; the users are pytest's processes. The users
may be there first: they wait, and go on as soon as the owner says what runs, or why nothing does.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from harness.emulators.hub import SuiteEndpoints
from harness.errors import EnvironmentLacking, HarnessError

HANDOVER_VARIABLE = "HARNESS_SUITE_HANDOVER"
LOG_VARIABLE = "HARNESS_SUITE_LOG"
"""By this, what runs beside a suite of `harness emulators` finds its log."""

_POLL_S = 0.05
# An owner announces itself before its users start, or at once when they have collected.
_ANNOUNCEMENT_S = 20.0
_LINE_END = "\n"
_OWNER = "owner.json"
_SUITE = "suite.json"


@dataclass(frozen=True, slots=True)
class HandedSuite:
    """What runs, and what of the project's emulators does not.

    Args:
        firestore: Whose Firestore it is: "embedded", "official" or "attach".
        lacking: For each emulator that cannot be had here, why, and what mends it: one line.
        log: The suite's log; None for a suite that was not started by the harness.
        storage_requests: Where the Storage rules runtime notes what it has judged, as long as the
            file is there; None where it cannot be told to.
        can_warm_up: Whether functions' processes can be started before they are called.
    """

    endpoints: SuiteEndpoints
    firestore: str
    lacking: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    storage_requests: Path | None = None
    can_warm_up: bool = False


def reason_of(error: HarnessError, project_dir: Path) -> str:
    """Return an error as one line, to stand beside an item: where, what, and what to do.

    Names within the project count from its folder: the reason becomes part of committed evidence.
    """
    where = f"{error.at}: " if error.at else ""
    line = f"{where}{error.problem.partition(_LINE_END)[0]}; {error.fix}"
    return line.replace(f"{project_dir.resolve()}{os.sep}", "")


class Handover:
    """Both sides of the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def announce(self) -> None:
        """Say that this process will hand over a suite."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(_OWNER, {"pid": os.getpid()})

    def hand_over(self, suite: HandedSuite) -> None:
        """Say what runs."""
        self._write(
            _SUITE,
            {
                "endpoints": asdict(suite.endpoints),
                "firestore": suite.firestore,
                "lacking": dict(suite.lacking),
                "log": str(suite.log) if suite.log else None,
                "storage_requests": str(suite.storage_requests) if suite.storage_requests else None,
                "can_warm_up": suite.can_warm_up,
            },
        )

    def give_up(self, error: HarnessError) -> None:
        """Say that nothing could be started."""
        is_lacking = error.exit_status == EnvironmentLacking.exit_status
        problem = f"{error.at}: {error.problem}" if error.at else error.problem
        self._write(_SUITE, {"problem": problem, "fix": error.fix, "lacking": is_lacking})

    def wait(self, timeout_s: float) -> HandedSuite:
        """Wait until the owner says what runs.

        Raises:
            EnvironmentLacking: The machine cannot start it, its owner is gone, or the time is over.
            HarnessError: The project's files are at fault.
        """
        limit = time.monotonic() + timeout_s
        announced_by = time.monotonic() + min(timeout_s, _ANNOUNCEMENT_S)
        while True:
            answer = self._read(_SUITE)
            if answer is not None:
                break
            owner = self._read(_OWNER)
            now = time.monotonic()
            if owner is None and now > announced_by:
                raise EnvironmentLacking(
                    "no process of this run provides a suite",
                    fix="name the fixture among the check's arguments instead of getfixturevalue()",
                )
            if owner is not None and not psutil.pid_exists(owner["pid"]):
                raise EnvironmentLacking(
                    "the process that was starting the suite has ended",
                    fix="run it again; its own output says why",
                )
            if now > limit:
                raise EnvironmentLacking(
                    f"the suite was not ready within {timeout_s:.0f} s",
                    fix="run `harness emulators start` to see what it waits for",
                )
            time.sleep(_POLL_S)
        if "problem" in answer:
            kind = EnvironmentLacking if answer["lacking"] else HarnessError
            raise kind(answer["problem"], fix=answer["fix"])
        return HandedSuite(
            SuiteEndpoints(**answer["endpoints"]),
            answer["firestore"],
            answer["lacking"],
            Path(answer["log"]) if answer["log"] else None,
            Path(answer["storage_requests"]) if answer.get("storage_requests") else None,
            answer.get("can_warm_up", False),
        )

    def _write(self, name: str, value: object) -> None:
        # A reader finds the whole file or none.
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self.folder, delete=False, suffix=".tmp"
        ) as file:
            json.dump(value, file)
        Path(file.name).replace(self.folder / name)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            value = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return value if isinstance(value, dict) else None
