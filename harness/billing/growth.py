"""How a figure grows with the data: figures measured at several sizes -> Growth.

Reads and index entries are exact, so they are judged exactly; times are not, so only their order of
growth is. Measuring is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from math import log

_QUADRATIC_FROM = 1.5
_TIME_FROM = 0.35
"""Exponents of `figure ~ size ** exponent` from which growth counts as of that order. What grows
with the square root or the logarithm of the data lies below."""
_LOGARITHMIC, _STEEPEST = 1e-4, 8.0
"""Between which exponents are looked for."""


class Order(IntEnum):
    """How fast something grows, the slowest first."""

    CONSTANT = 0
    """The same at every size."""
    PAGE = 1
    """It grows until a page is full, and no further."""
    RESULT = 2
    """With what is returned to the caller, one for one."""
    COLLECTION = 3
    """With the data."""
    QUADRATIC = 4
    """Faster than the data."""

    @property
    def words(self) -> str:
        """Return it as reports name it."""
        return _WORDS[self]


_WORDS = {
    Order.CONSTANT: "constant",
    Order.PAGE: "with the page size",
    Order.RESULT: "with the result",
    Order.COLLECTION: "with the collection",
    Order.QUADRATIC: "faster than the collection",
}
ORDERS = {
    "constant": Order.CONSTANT,
    "page": Order.PAGE,
    "result": Order.RESULT,
    "collection": Order.COLLECTION,
}
"""The words by which a budget allows growth."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How one figure grew.

    Attributes:
        sizes: How much data there was, ascending.
        figures: What was measured at each size.
        exponent: Of `figure ~ size ** exponent` in the last steps; 0 where nothing grew.
    """

    order: Order
    sizes: tuple[int, ...]
    figures: tuple[float, ...]
    exponent: float

    def at(self, size: int) -> float:
        """Return what the figure would be at a size that was not measured, on the course of the
        last step.
        """
        last_size, last = self.sizes[-1], self.figures[-1]
        if self.order <= Order.PAGE or size <= last_size:
            return last
        before_size, before = self.sizes[-2], self.figures[-2]
        if self.order is Order.QUADRATIC:
            return float(last * (size / last_size) ** self.exponent)
        return last + (last - before) / (last_size - before_size) * (size - last_size)

    @property
    def course(self) -> str:
        """The figures one after another: `10 → 100 → 1,000`."""
        return " → ".join(f"{figure:,.6g}" for figure in self.figures)

    def __str__(self) -> str:
        """Return `constant`, or the course: `with the collection: 10 → 100 → 1,000`."""
        if self.order is Order.CONSTANT:
            return f"constant: {self.figures[0]:,g}"
        return f"{self.order.words}: {self.course}"


def growth_of(
    sizes: Sequence[int],
    figures: Sequence[float],
    results: Sequence[float] | None = None,
    *,
    ahead: Sequence[float] | None = None,
) -> Growth:
    """Judge how an exact figure grew.

    Args:
        sizes: How much data there was: at least three, ascending.
        figures: Reads, writes, index entries or requests at each size.
        results: How many documents were returned at each size. A figure that grows no faster than
            these grows with the result.
        ahead: What of each figure does not count: the one index entry beyond its limit by which a
            query sees that there is more. A page that is just full has none yet.
    Raises:
        ValueError: Too few sizes, or not as many figures.
    """
    _check(sizes, figures)
    judged = [
        figure - more for figure, more in zip(figures, ahead or [0] * len(sizes), strict=True)
    ]
    first, before, last = judged[0], judged[-2], judged[-1]
    exponent = _exponent(sizes, judged)
    if last <= first or all(figure <= first for figure in judged[1:]):
        order = Order.CONSTANT
    elif last <= before:
        order = Order.PAGE
    elif exponent >= _QUADRATIC_FROM:
        order = Order.QUADRATIC
    elif results is not None and _follows(judged, results):
        order = Order.RESULT
    else:
        order = Order.COLLECTION
    return Growth(order, tuple(sizes), tuple(figures), exponent)


def growth_of_time(sizes: Sequence[int], ratios: Sequence[float]) -> Growth:
    """Judge how a time grew, of which only the order of growth can be told.

    Args:
        ratios: Times divided by that of a call that does nothing, measured at the same moment.
    Raises:
        ValueError: Too few sizes, or not as many figures.
    """
    _check(sizes, ratios)
    # Over all sizes: one slow measurement must not decide.
    exponent = log(max(ratios[-1], 1e-9) / max(ratios[0], 1e-9)) / log(sizes[-1] / sizes[0])
    last_step = _exponent(sizes, ratios)
    if exponent < _TIME_FROM or last_step <= 0:
        order = Order.CONSTANT if exponent < _TIME_FROM else Order.PAGE
    elif last_step >= _QUADRATIC_FROM:
        order = Order.QUADRATIC
    else:
        order = Order.COLLECTION
    return Growth(order, tuple(sizes), tuple(ratios), max(exponent, 0.0))


def _check(sizes: Sequence[int], figures: Sequence[float]) -> None:
    if len(sizes) < 3 or len(figures) != len(sizes):
        raise ValueError("growth needs a figure for each of three sizes or more")
    if sizes[0] < 1 or any(a >= b for a, b in pairwise(sizes)):
        raise ValueError("sizes begin with 1 or more, and ascend")


def _exponent(sizes: Sequence[int], figures: Sequence[float]) -> float:
    """Return the exponent of `figure = fixed + factor * size ** exponent` through the last three
    sizes; 0 where it grows no faster than the logarithm of the size.
    """
    if figures[-1] <= figures[-2]:
        return 0.0
    first, before, last = sizes[-3:]
    if figures[-2] <= figures[-3]:
        # It grows from the last step on, such as the second read of a count of 2,000.
        return log(figures[-1] / max(figures[-2], 1e-9)) / log(last / before)
    wanted = (figures[-1] - figures[-2]) / (figures[-2] - figures[-3])

    def ratio(exponent: float) -> float:
        return float((last**exponent - before**exponent) / (before**exponent - first**exponent))

    low, high = _LOGARITHMIC, _STEEPEST
    if ratio(low) >= wanted:
        return 0.0
    while high - low > _LOGARITHMIC:  # the ratio ascends with the exponent
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(middle) < wanted else (low, middle)
    return (low + high) / 2


def _follows(figures: Sequence[float], results: Sequence[float]) -> bool:
    """Whether the last step of a figure is no longer than that of the results."""
    return figures[-1] - figures[-2] <= results[-1] - results[-2]
