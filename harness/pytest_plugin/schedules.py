"""Scheduled functions under the check's clock: what is due is run when the clock gets there."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from harness.emulators.functions import DeployedFunction, FunctionsEmulator, FunctionsError
from harness.emulators.schedules import Schedule, ScheduleError, parse_schedule
from harness.errors import ConfigError
from harness.pytest_plugin.clock import EmulatorClock

MAX_RUNS = 1000
"""Runs of one step of the clock: each starts or asks a process."""


@dataclass(frozen=True, slots=True, order=True)
class ScheduledRun:
    """A scheduled function, and when it is due, in UTC."""

    at: datetime
    name: str
    region: str = field(compare=False)


class ScheduledFunctions:
    """The scheduled functions of the Functions emulator, which runs none of them by itself.

    Args:
        drain: Waits until the events are handled that a run has caused.
    """

    def __init__(
        self, functions: FunctionsEmulator, clock: EmulatorClock, drain: Callable[[], object]
    ) -> None:
        self._functions = functions
        self._clock = clock
        self._drain = drain

    def advance(
        self, by: float | timedelta, *, only: Sequence[str] | None = None
    ) -> list[ScheduledRun]:
        """Put the clock forward, and on the way run what is due, in the order of time.

        Each function runs with the clock at the time it is due, and the next one after the events
        that it caused were handled. Functions due at the same time run in the order of their names.

        Args:
            by: Seconds.
            only: Names; by default all scheduled functions run.
        Returns:
            What was run.
        Raises:
            FunctionsError: One failed; the clock stays at that time. It is not tried again.
            ConfigError: A schedule cannot be read, or a name is not that of a scheduled function.
            ValueError: More than `MAX_RUNS` runs are due.
        """
        start = self._clock.now()
        end = start + _seconds(by)
        runs = self._due(start, end, only)
        for run in runs:
            self._move_to(run.at)
            try:
                self.run(run.name, at=run.at, region=run.region)
            except FunctionsError as error:
                error.add_note(f"{run.name} was due at {run.at.isoformat()}")
                raise
        self._move_to(end)
        return runs

    def due(
        self, by: float | timedelta, *, only: Sequence[str] | None = None
    ) -> list[ScheduledRun]:
        """Say what `advance` would run."""
        start = self._clock.now()
        return self._due(start, start + _seconds(by), only)

    def run(self, name: str, *, at: datetime | None = None, region: str | None = None) -> None:
        """Run one function now, whenever it is due, and wait for the events that it causes.

        Args:
            at: When it is told that it was due; by default what the clock shows.
        """
        moment = (at or self._clock.now()).astimezone(UTC)
        text = moment.isoformat().replace("+00:00", "Z")
        self._functions.run_scheduled(name, schedule_time=text, region=region)
        self._drain()

    def _due(
        self, start: datetime, end: datetime, only: Sequence[str] | None
    ) -> list[ScheduledRun]:
        times = [_runs(function, start, end) for function in self._chosen(only)]
        runs = list(islice(heapq.merge(*times), MAX_RUNS + 1))
        if len(runs) > MAX_RUNS:
            raise ValueError(
                f"more than {MAX_RUNS} runs are due until {end.isoformat()}: take smaller steps, "
                "or name those that matter with only=[...]"
            )
        return runs

    def _chosen(self, only: Sequence[str] | None) -> Iterable[DeployedFunction]:
        scheduled = [each for each in self._functions.deployed() if each.kind == "scheduled"]
        if only is None:
            return scheduled
        names = {name.replace(".", "-") for name in only}
        unknown = sorted(names - {function.name for function in scheduled})
        if unknown:
            known = ", ".join(each.name for each in scheduled)
            raise ConfigError(
                f"not scheduled functions: {', '.join(unknown)}",
                fix=f"choose from: {known or 'there are none'}",
            )
        return [function for function in scheduled if function.name in names]

    def _move_to(self, moment: datetime) -> None:
        if self._clock.now() < moment:  # a clock that goes may be there already
            self._clock.move_to(moment)


def _runs(function: DeployedFunction, start: datetime, end: datetime) -> Iterator[ScheduledRun]:
    due = takewhile(lambda moment: moment <= end, _schedule(function).after(start))
    return (ScheduledRun(moment, function.name, function.region) for moment in due)


def _schedule(function: DeployedFunction) -> Schedule:
    try:
        return parse_schedule(function.schedule or "", function.time_zone or "UTC")
    except ScheduleError as error:
        raise ConfigError(
            f"the schedule of the function {function.name} cannot be read: {error}",
            fix="write it as Cloud Scheduler takes it",
        ) from error


def _seconds(by: float | timedelta) -> timedelta:
    step = by if isinstance(by, timedelta) else timedelta(seconds=by)
    if step < timedelta(0):
        raise ValueError(f"the clock goes forward only, not by {step}")
    return step
