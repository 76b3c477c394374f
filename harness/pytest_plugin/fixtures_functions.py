"""The Functions emulator: calls, events, schedules and what functions print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from harness.emulators.auth import AuthUser
    from harness.emulators.functions import FunctionsEmulator
    from harness.pytest_plugin.clock import EmulatorClock
    from harness.pytest_plugin.context import CheckContext
    from harness.pytest_plugin.functions_log import FunctionsLog
    from harness.pytest_plugin.schedules import ScheduledFunctions


class CallFunction(Protocol):
    """How `call_function` is called."""

    def __call__(
        self,
        name: str,
        data: Any = None,
        *,
        as_: str | AuthUser | None = None,
        claims: Mapping[str, Any] | None = None,
        region: str | None = None,
        timeout_s: float = 60.0,
    ) -> Any:
        """Return a callable function's result, or raise its FunctionsError."""


@pytest.fixture
def functions(harness_suite_project: CheckContext) -> FunctionsEmulator:
    """The Functions emulator: `request` HTTP functions, `run_scheduled`, `publish`, list what is
    `deployed`.
    """
    from harness.emulators.functions import FunctionsEmulator

    harness_suite_project.address("functions")
    emulator = FunctionsEmulator(harness_suite_project.endpoints)
    harness_suite_project.functions = emulator
    return emulator


@pytest.fixture
def call_function(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> CallFunction:
    """A function that calls a callable function, as a uid, an AuthUser, or someone not signed
    in.
    """

    def call(
        name: str,
        data: Any = None,
        *,
        as_: str | AuthUser | None = None,
        claims: Mapping[str, Any] | None = None,
        region: str | None = None,
        timeout_s: float = 60.0,
    ) -> Any:
        from harness.emulators.functions import FunctionsError
        from harness.pytest_plugin.functions_log import FunctionsLog

        token = harness_suite_project.token(as_, claims or {})
        log = harness_suite_project.suite.log
        since = FunctionsLog(log) if log is not None else None
        try:
            return functions.call(name, data, token=token, region=region, timeout_s=timeout_s)
        except FunctionsError as error:
            # The SDK hides from clients what was thrown; whoever reads the report needs it.
            is_hidden = (error.code, error.message) == ("internal", "INTERNAL")
            thrown = since.first_error() if is_hidden and since is not None else None
            if thrown is not None:
                error.args = (f"{error}; {name} logged: {thrown}",)
            elif _CUT_OFF in error.message:
                error.args = (f"{error}; {_cut_off(functions, name)}",)
            raise

    return call


@pytest.fixture
def drain_events(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> Callable[..., int]:
    """A function that waits until every event that is due was delivered; returns how many were.

    The check fails if a function failed meanwhile, unless `failures_allowed=True`.
    """
    from harness.pytest_plugin.functions_log import FunctionsLog

    path = harness_suite_project.suite.log
    log = FunctionsLog(path) if path is not None else None

    def drain(timeout_s: float = 30.0, *, failures_allowed: bool = False) -> int:
        __tracebackhide__ = True
        return harness_suite_project.firestore.drain_events(
            timeout_s,
            failures_allowed=failures_allowed,
            thrown=lambda: log.first_error() if log is not None else None,
        )

    return drain


@pytest.fixture
def redeliver_events(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> Callable[[], int]:
    """A function that delivers the check's events once more, with the ids they had; returns how
    many. Delivery is at least once in production: a function must bear it.
    """
    return harness_suite_project.firestore.redeliver_events


@pytest.fixture
def scheduled_functions(
    functions: FunctionsEmulator, emulator_clock: EmulatorClock, drain_events: Callable[..., int]
) -> ScheduledFunctions:
    """Scheduled functions under `emulator_clock`: `.advance(seconds)` puts it forward and runs what
    is due on the way, `.run(name)` runs one now, `.due(seconds)` only says.
    """
    from harness.pytest_plugin.schedules import ScheduledFunctions

    return ScheduledFunctions(functions, emulator_clock, drain_events)


@pytest.fixture
def functions_log(
    harness_suite_project: CheckContext, functions: FunctionsEmulator
) -> FunctionsLog:
    """What functions have printed since the check began."""
    from harness.pytest_plugin.functions_log import FunctionsLog
    from harness.pytest_plugin.outcome import not_verified

    log = harness_suite_project.suite.log
    if log is None:
        not_verified("the functions' log cannot be read: the suite was not started by the harness")
    return FunctionsLog(log)


# Source: observed: firebase-tools 15.34, what its proxy answers when the function's process ends.
_CUT_OFF = '"ECONNRESET"'


def _cut_off(functions: FunctionsEmulator, name: str) -> str:
    """Say what ends a function's process before it has answered."""
    limits = [each.timeout_s for each in functions.deployed() if each.name == name]
    limit = f", or did not answer within its {limits[0]:g} s" if limits else ""
    return f"the process of {name} ended before it had answered: it crashed{limit}"
