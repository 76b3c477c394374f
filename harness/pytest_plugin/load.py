"""Makes the calls of a load, each when it is due, and takes their latencies.

When they are due and what the latencies say is decided in `load/`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

import pytest

from harness.billing.findings import writes_by_document
from harness.billing.usage import RequestUse
from harness.load.latency import percentile
from harness.load.result import LoadResult, milliseconds
from harness.load.schedule import Schedule
from harness.pytest_plugin.context import CheckContext
from harness.workflow.evidence import ResultTable

NOTHING_CALLS = 40
"""How many calls that do nothing there are, half of them before the load and half after it."""
_FIRST_NOTHING = 3  # They open the connection.
_MAX_WORDS = 120
_HOT_SHOWN = 3
_DRAIN_S = 30.0
LIMITS = ("cold", "p50", "p95")

Work = Callable[[int], Any]


@dataclass(slots=True)
class _Callers:
    """Threads that share the calls of a schedule: who is free takes the next one, and waits until
    it is due.
    """

    work: Work
    first: int
    starts_s: list[float]
    latencies_s: list[float] = field(init=False)
    late_s: list[float] = field(init=False)
    failures: Counter[str] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.latencies_s = [inf] * len(self.starts_s)
        self.late_s = [0.0] * len(self.starts_s)

    def run(self, callers: int, limit_s: float) -> None:
        """Make the calls; none is waited for longer than a limit."""
        began = time.perf_counter()
        ends = began + max(self.starts_s, default=0.0) + limit_s
        numbers = count()
        threads = [
            # Daemons: a call that never ends must not keep the run from ending.
            threading.Thread(target=self._call, args=(numbers, began), daemon=True)
            for _ in range(min(callers, len(self.starts_s)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, ends - time.perf_counter()))
        self.is_over.set()
        self.latencies_s = list(self.latencies_s)  # from now on nobody writes into it

    def _call(self, numbers: count[int], began: float) -> None:
        while not self.is_over.is_set():
            number = next(numbers)
            if number >= len(self.starts_s):
                return
            due = began + self.starts_s[number]
            time.sleep(max(0.0, due - time.perf_counter()))
            self.late_s[number] = max(0.0, time.perf_counter() - due)
            latencies_s = self.latencies_s
            try:
                self.work(self.first + number)
            except (Exception, pytest.fail.Exception) as error:
                self.failures[_words(error)] += 1
            latencies_s[number] = time.perf_counter() - due


def run_load(
    context: CheckContext,
    name: str,
    work: Work,
    noop: Callable[[], Any],
    schedule: Schedule,
    *,
    callers: int,
    warm_up: int,
    cold_start: bool,
    timeout_s: float,
) -> LoadResult:
    """Make the calls of a load.

    Args:
        work: One call, by its number: the first is 0, and none comes twice.
        noop: A call that does nothing, by the same way.
        callers: Calls that may be under way at the same time.
        warm_up: Calls made at once before the load, so that its first ones do not wait for
            processes to start.
        cold_start: Whether functions are loaded anew before the first call, so that it starts a
            process; that takes some seconds.
        timeout_s: How long a call may take.
    """
    if cold_start:
        with context.without_background_triggers():
            pass
    first = _Callers(work, 0, [0.0])
    first.run(1, timeout_s)
    warming = _Callers(work, 1, [0.0] * warm_up)
    warming.run(warm_up, timeout_s)
    for _ in range(_FIRST_NOTHING):
        noop()
    nothing_s = [_timed(noop) for _ in range(NOTHING_CALLS // 2)]
    mark = context.firestore.requests_since(None)["lastSequence"]
    loading = _Callers(work, 1 + warm_up, schedule.starts_s())
    loading.run(callers, timeout_s)
    nothing_s += [_timed(noop) for _ in range(NOTHING_CALLS // 2)]
    return LoadResult(
        name,
        schedule,
        first.latencies_s[0] if cold_start else None,
        tuple(loading.latencies_s),
        max(loading.late_s),
        tuple(nothing_s),
        first.failures + warming.failures + loading.failures,
        _writes_since(context, mark),
    )


def table_of(load: LoadResult, limits: Mapping[str, float]) -> ResultTable:
    """Return the latencies as a table of the last run's report."""
    rows: list[tuple[str, ...]] = []
    flagged: list[int] = []
    times = {
        "cold": load.cold_s or 0.0,
        "p50": percentile(load.latencies_s, 50),
        "p95": percentile(load.latencies_s, 95),
    }
    for name in LIMITS if load.cold_s is not None else LIMITS[1:]:
        ratio, limit = getattr(load, name), limits.get(name)
        if limit is not None and ratio.is_over(limit):
            flagged.append(len(rows))
        rows.append((name, milliseconds(times[name]), str(ratio), f"{limit:g}" if limit else ""))
    notes = [load.summary, f"calls were made {milliseconds(load.late_s)} late at most"]
    notes += [
        f"{path} was written {rate:.2g} times a second: production sustains about one"
        for path, rate in list(load.hot_documents().items())[:_HOT_SHOWN]
    ]
    return ResultTable(
        f"Latency: {load.name}",
        ("", "time", "of a call of nothing", "limit"),
        tuple(rows),
        tuple(flagged),
        tuple(notes),
    )


def _writes_since(context: CheckContext, mark: int) -> dict[str, int]:
    """Return how often each document was written, by triggers too; nothing where nobody knows."""
    context.firestore.wait_for_events(_DRAIN_S)
    answer = context.firestore.requests_since(mark)
    if answer["truncated"]:
        return {}
    return writes_by_document(map(RequestUse.from_json, answer["requests"]))


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _words(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:_MAX_WORDS]}"
