"""What latencies say: percentiles, and their ratio to those of a call that does nothing.

A time of one machine says little, and a ratio within one run much: the machine's speed cancels
out. How sure a ratio is, its interval says: it rests on ranks alone, and assumes nothing of how
latencies are spread, but that they are independent. A limit counts as exceeded only when the whole
interval lies above it, so that noise does not decide.

Source: David and Nagaraja, "Order Statistics", 7.1, distribution-free confidence intervals for
    quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, inf, lgamma, log

CONFIDENCE = 0.95
# What may lie outside at each end of each of the two intervals that make a ratio's.
_OUTSIDE = (1 - CONFIDENCE) / 4


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as long as a call that does nothing.

    Attributes:
        value: As measured.
        low: Lower end of the interval that holds the true ratio with 95 % confidence.
        high: Its upper end.
    """

    value: float
    low: float
    high: float

    def is_over(self, limit: float) -> bool:
        """Whether it is surely more than a limit."""
        return self.low > limit

    def __str__(self) -> str:
        """Return it with two digits: `8.3 times (7.1 to 9.9)`."""
        above = "?" if self.high == inf else two_digits(self.high)
        return f"{two_digits(self.value)} times ({two_digits(self.low)} to {above})"


def two_digits(number: float) -> str:
    """Return a number that is not negative with two digits that say something: `8.3`, `1,300`."""
    if number == inf:
        return "∞"
    rounded = float(f"{number:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def percentile(latencies: Sequence[float], percent: float) -> float:
    """Return the least of the latencies that so many percent of them do not exceed.

    Raises:
        ValueError: There are none, or no such percentile.
    """
    _check(latencies, percent)
    # 95 % of 20 are 19, whatever floats make of it.
    rank = ceil(len(latencies) * percent / 100 - 1e-9)
    return sorted(latencies)[max(rank, 1) - 1]


def interval(latencies: Sequence[float], percent: float) -> tuple[float, float]:
    """Return between which two of the latencies the true percentile lies; 0 and infinity where
    there are too few to tell.

    Raises:
        ValueError: There are none, or no such percentile.
    """
    _check(latencies, percent)
    values, count = sorted(latencies), len(latencies)
    # How many of the latencies lie below the true percentile is binomial.
    below = [_binomial(count, number, percent / 100) for number in range(count + 1)]
    low, high = 0.0, inf
    tail = 0.0
    for rank in range(1, count + 1):
        tail += below[rank - 1]
        if tail > _OUTSIDE:
            break
        low = values[rank - 1]
    tail = 0.0
    for rank in range(count, 0, -1):
        tail += below[rank]
        if tail > _OUTSIDE:
            break
        high = values[rank - 1]
    return low, high


def ratio_of(work: Sequence[float], nothing: Sequence[float], percent: float) -> Ratio:
    """Return a percentile of `work` as a multiple of the median of `nothing`.

    Args:
        work: Latencies of what is judged; infinity for a call that was never answered.
        nothing: Latencies of calls that do nothing, in the same run.
    Raises:
        ValueError: One of the two is empty.
    """
    low, high = interval(work, percent)
    base_low, base_high = interval(nothing, 50)
    return Ratio(
        percentile(work, percent) / percentile(nothing, 50),
        low / base_high,
        high / base_low if base_low else inf,
    )


def ratio_of_one(latency: float, nothing: Sequence[float]) -> Ratio:
    """Return a single latency as a multiple of the median of `nothing`; the interval is that of the
    median alone.

    Raises:
        ValueError: There are no latencies of nothing.
    """
    low, high = interval(nothing, 50)
    return Ratio(latency / percentile(nothing, 50), latency / high, latency / low if low else inf)


def _binomial(count: int, number: int, chance: float) -> float:
    if chance >= 1:
        return float(number == count)
    ways = lgamma(count + 1) - lgamma(number + 1) - lgamma(count - number + 1)
    return exp(ways + number * log(chance) + (count - number) * log(1 - chance))


def _check(latencies: Sequence[float], percent: float) -> None:
    if not latencies:
        raise ValueError("no latencies were measured")
    if not 0 < percent <= 100:
        raise ValueError(f"there is no percentile {percent:g}")
    if min(latencies) <= 0:
        raise ValueError("a latency is a time, and more than none")
