"""In which order `harness verify` runs checks, and what it starts ahead of those that wait for it.

Checks that need no emulator run while the suite starts; those that call no function run while
functions' processes start; what loads all functions anew runs behind what calls them, since each
would wait for its process again. Within each of these, checks stay in their order.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from harness.emulators.handover import Handover
from harness.emulators.warm_up import WarmUp
from harness.errors import HarnessError

# The last of these that a check asks for, directly or through another fixture. Loads and questions
# over the wire may load functions anew, and loads need processes that are there already.
_STAGES = (
    "harness_suite",
    "harness_suite_project",
    "steady_load",
    "access_over_the_wire",
    "rules_coverage",
)
_USE_FUNCTIONS = (2, 3)
# Nobody says which of the functions that events run checks will set off: many checks, all of them.
_MANY_CHECKS = 5
_SUITE_S = 240.0
# A function that takes longer goes on starting while checks run, as it would without.
_START_S = 20.0
_ALL_START_S = 60.0
_NAME = re.compile(r"\w+(?:[.-]\w+)*")


def stage_of(item: pytest.Item) -> int:
    """Return when a check's turn is: 0 is first."""
    names = getattr(item, "fixturenames", ())
    return max((at for at, name in enumerate(_STAGES, 1) if name in names), default=0)


class FunctionsAhead:
    """Starts functions while checks run that use none.

    Args:
        items: The checks of the run.
        handover: Through which the suite is handed over.
    """

    def __init__(self, items: Sequence[pytest.Item], handover: Handover) -> None:
        users = [item for item in items if stage_of(item) in _USE_FUNCTIONS]
        self._modules = {item.path for item in users}
        self._with_events = len(users) >= _MANY_CHECKS
        self._wanted: frozenset[str] = frozenset()
        self._handover = handover
        self._warm_up: WarmUp | None = None
        self._is_settled = threading.Event()
        self._thread = threading.Thread(target=self._begin, name="functions-ahead", daemon=True)

    def begin(self) -> None:
        """Wait for the suite in the background, and begin when it is there."""
        # At once, and not in the background: while a check runs, what is read counts as its input.
        self._wanted = _names_in(self._modules)
        if self._modules:
            self._thread.start()
        else:
            self._is_settled.set()

    def finish(self) -> list[str]:
        """Wait until all have started, before the first check that uses functions: none starts by
        itself while one runs. Returns the names of those that did not start.
        """
        self._is_settled.wait(_START_S)
        warm_up, self._warm_up = self._warm_up, None
        return warm_up.finish(_ALL_START_S) if warm_up is not None else []

    def _begin(self) -> None:
        processors = os.cpu_count() or 1
        try:
            suite = self._handover.wait(_SUITE_S)
            if suite.can_warm_up:
                self._warm_up = WarmUp(
                    suite.endpoints,
                    self._wanted,
                    with_events=self._with_events,
                    at_once=max(1, processors // 2),
                    at_once_in_the_end=processors,
                    start_s=_START_S,
                )
                self._warm_up.begin()
        except HarnessError:
            pass  # the checks that need the suite say why there is none
        finally:
            self._is_settled.set()


def _names_in(modules: Collection[Path]) -> frozenset[str]:
    """Return the words of checks and of the conftest files beside them: names of functions are
    among them.
    """
    paths = {*modules, *(module.with_name("conftest.py") for module in modules)}
    words: set[str] = set()
    for path in paths:
        with contextlib.suppress(OSError):
            # `billing.charge` and `billing-charge` are the same function.
            text = path.read_text(encoding="utf-8", errors="replace")
            words.update(word.replace(".", "-") for word in _NAME.findall(text))
    return frozenset(words)
