"""What a load found: latencies of calls, as multiples of a call that does nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from harness.load.latency import Ratio, percentile, ratio_of, ratio_of_one, two_digits
from harness.load.schedule import Schedule

HOT_WRITES_PER_SECOND = 1.0
"""Writes to one document that production sustains. Source: Firestore documentation, "Best
practices", updates to a single document."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One load.

    Attributes:
        cold_s: How long the first call took, for which a process had to start; None: it was not
            asked for.
        latencies_s: Of each call, from the time it was due; infinity where none was answered in
            time.
        late_s: How long after it was due a call was made, at most: the callers were all busy.
        nothing_s: Of calls that do nothing, made one by one before and after the load.
        failures: What the calls that failed said, with how many said so.
        writes: By document, how often it was written, if that was measured.
    """

    name: str
    schedule: Schedule
    cold_s: float | None
    latencies_s: tuple[float, ...]
    late_s: float
    nothing_s: tuple[float, ...]
    failures: Mapping[str, int]
    writes: Mapping[str, int]

    @property
    def cold(self) -> Ratio:
        """The first call. It is one call: the interval is that of what it is compared with.

        Raises:
            ValueError: There was no cold start.
        """
        if self.cold_s is None:
            raise ValueError("a cold start is measured where it has a limit: cold=300")
        return ratio_of_one(self.cold_s, self.nothing_s)

    @property
    def p50(self) -> Ratio:
        """The median call."""
        return self.ratio(50)

    @property
    def p95(self) -> Ratio:
        """The call that 95 of 100 do not exceed."""
        return self.ratio(95)

    def ratio(self, percent: float) -> Ratio:
        """Return a percentile as a multiple of a call that does nothing."""
        return ratio_of(self.latencies_s, self.nothing_s, percent)

    @property
    def unanswered(self) -> int:
        """How many calls were not answered in time."""
        return self.latencies_s.count(inf)

    def hot_documents(self, limit: float = HOT_WRITES_PER_SECOND) -> dict[str, float]:
        """Return the documents that were written more often than so many times a second, with the
        rate; the hottest first.
        """
        rates = {path: times / self.schedule.seconds for path, times in self.writes.items()}
        hot = {path: rate for path, rate in rates.items() if rate > limit}
        return dict(sorted(hot.items(), key=lambda each: (-each[1], each[0])))

    def over(self, limits: Mapping[str, float]) -> list[str]:
        """Return a line for each ratio that is surely over its limit, and for calls that failed.

        The first line of each says what is wrong without a time, since it becomes part of evidence;
        the figures are on the second.

        Args:
            limits: Of `cold`, `p50` and `p95`.
        """
        lines = []
        for words, times in self.failures.items():
            lines += [f'"{self.name}": calls failed: {words}', f"  {self._of_all(times)}"]
        if self.unanswered:
            lines.append(f'"{self.name}": calls were not answered in time')
            lines.append(f"  {self._of_all(self.unanswered)}")
        for name, limit in limits.items():
            ratio: Ratio = getattr(self, name)
            if ratio.is_over(limit):
                lines.append(f'"{self.name}": {name} is over {limit:g} times a call of nothing')
                lines.append(f"  {ratio}; {self.summary}")
        return lines

    def _of_all(self, times: int) -> str:
        return f"{times} of {self.schedule.calls}"

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        return (
            f"{self.schedule.calls} calls at {self.schedule.per_second:g} a second, "
            f"nothing takes {milliseconds(percentile(self.nothing_s, 50))}"
        )


def milliseconds(seconds: float) -> str:
    """Return a time with two digits."""
    return "none" if seconds == inf else f"{two_digits(seconds * 1000)} ms"
