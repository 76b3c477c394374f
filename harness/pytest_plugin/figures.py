"""Numbers of the bill that say what they are made of when an assertion about them fails."""

from __future__ import annotations

from collections.abc import Sequence


class Figure(int):
    """A number of the bill.

    Attributes:
        breakdown: A line for each shape of requests that is in it, the largest part first.
    """

    breakdown: tuple[str, ...]

    def __new__(cls, value: float, breakdown: Sequence[str] = ()) -> Figure:
        """Make it."""
        figure = super().__new__(cls, round(value))
        figure.breakdown = tuple(breakdown)
        return figure


def explain_comparison(left: object, right: object, operator: str) -> list[str] | None:
    """Return what pytest prints of a failed comparison with a figure; None: it is with none."""
    figure = left if isinstance(left, Figure) else right
    if not isinstance(figure, Figure):
        return None
    return [f"{left} {operator} {right}", *figure.breakdown]
