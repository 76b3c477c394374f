"""Starts the processes of functions before a check waits for them.

The Functions emulator runs each function in a process of its own, started by the first request for
it, which takes a second of processor time. Before a process is given a request, it is asked for a
path of the emulator's own, `/__/health`, whose answer runs no code of the function's; the same path
can be asked for through the emulator. What runs is what runs when the function is loaded.

A function that does not start here is no result: whoever calls it later starts it again.

Source: firebase-tools 15.34, emulator/functionsEmulator.ts: handleHttpsTrigger;
    functionsEmulatorRuntime.ts: main.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from harness.emulators.functions import DeployedFunction, functions_from_backends
from harness.emulators.hub import SuiteEndpoints
from harness.emulators.loopback import Loopback, expect_ok
from harness.errors import HarnessError

_NAME = "Functions emulator"
_HEALTH = "/__/health"
_RUNTIME = Path("emulator") / "functionsEmulatorRuntime.js"
_VALID_FUNCTIONS = re.compile(r"valid functions are: (.*)", re.DOTALL)
_LIST_S = 10.0
# A process takes some 100 MB, and a run has use for a few functions only.
MOST_FUNCTIONS = 16


def can_warm_up(tools_lib: Path, functions: Any, folders: Sequence[Path]) -> bool:
    """Whether the emulator answers for functions without running them: those in Node only.

    Args:
        tools_lib: The folder `lib` of firebase-tools.
        functions: What firebase.json has of them: one codebase, or a list.
        folders: Where their source is.
    """
    try:
        answers = _HEALTH in (tools_lib / _RUNTIME).read_text(encoding="utf-8")
    except OSError:
        return False
    codebases = functions if isinstance(functions, list) else [functions]
    in_node = all(str(each.get("runtime") or "nodejs").startswith("nodejs") for each in codebases)
    return answers and in_node and all((path / "package.json").is_file() for path in folders)


class WarmUp:
    """Starts functions in the background, a few at a time.

    Args:
        wanted: Names of functions that will be called.
        with_events: Whether those that events run are wanted too.
        at_once: How many start at the same time while other work goes on.
        at_once_in_the_end: How many do while `finish` waits for them.
        start_s: How long one may take.
    """

    def __init__(
        self,
        endpoints: SuiteEndpoints,
        wanted: Collection[str],
        *,
        with_events: bool,
        at_once: int,
        at_once_in_the_end: int,
        start_s: float,
    ) -> None:
        self._connection = Loopback(_NAME, endpoints["functions"])
        self._project_id = endpoints.project_id
        self._wanted = wanted
        self._with_events = with_events
        self._at_once = at_once
        self._at_once_in_the_end = at_once_in_the_end
        self._start_s = start_s
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, str]] | None = None
        self._under_way: set[str] = set()
        self._failed: list[str] = []
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """Begin to start functions, and return at once."""
        self._add_threads(self._at_once)

    def finish(self, limit_s: float) -> list[str]:
        """Wait until all have started or the limit has come; nothing begins to start after that.

        Returns:
            The names of those that did not start.
        """
        ends = time.monotonic() + limit_s
        self._add_threads(self._at_once_in_the_end - len(self._threads))
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        with self._lock:
            left = [name for name, _ in self._waiting or ()]
            self._waiting = []
            return sorted({*self._failed, *self._under_way, *left})

    def _add_threads(self, count: int) -> None:
        for _ in range(count):
            # Daemons: a function that hangs must not keep the run from ending.
            thread = threading.Thread(target=self._work, name="warm-up", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            name, path = task
            try:
                answer = self._connection.request("GET", path, timeout_s=self._start_s)
                started = answer.status_code == 200
            except HarnessError:
                started = False
            with self._lock:
                self._under_way.discard(name)
                if not started:
                    self._failed.append(name)

    def _next(self) -> tuple[str, str] | None:
        with self._lock:
            if self._waiting is None:
                try:
                    self._waiting = self._paths()
                except HarnessError:
                    self._waiting = []  # the checks that need functions will say what is wrong
            if not self._waiting:
                return None
            task = self._waiting.pop(0)
            self._under_way.add(task[0])
            return task

    def _paths(self) -> list[tuple[str, str]]:
        """Return each wanted function's name and the path of its process's health."""
        answer = self._connection.request("GET", "/backends", timeout_s=_LIST_S)
        functions = functions_from_backends(expect_ok(_NAME, answer))
        # Asked for a function that does not exist, the emulator names the keys that do; those of
        # event functions end in a number.
        unknown = self._connection.request(
            "GET", f"/{self._project_id}/harness/none", timeout_s=_LIST_S
        )
        keys = keys_in(unknown.text)
        return [
            (function.name, f"/{self._project_id}/{function.region}/{name}{_HEALTH}")
            for function in chosen(functions, self._wanted, with_events=self._with_events)
            if (name := _key_of(function, keys)) is not None
        ]


def chosen(
    functions: Sequence[DeployedFunction], wanted: Collection[str], *, with_events: bool
) -> list[DeployedFunction]:
    """Return the functions that are worth starting: named ones before those that events run."""
    named = [each for each in functions if each.name in wanted]
    by_event = [
        each
        for each in functions
        if with_events and each.kind == "event" and each.name not in wanted
    ]
    return [*named, *by_event][:MOST_FUNCTIONS]


def keys_in(message: str) -> list[str]:
    """Return the keys that the emulator names when it is asked for a function that is none."""
    found = _VALID_FUNCTIONS.search(message)
    return [key.strip() for key in found.group(1).split(",")] if found else []


def _key_of(function: DeployedFunction, keys: Sequence[str]) -> str | None:
    """Return a function's key without its region."""
    own = re.compile(rf"{re.escape(function.trigger_id)}(-\d+)?")
    found = [key for key in keys if own.fullmatch(key)]
    return found[-1].removeprefix(f"{function.region}-") if found else None
