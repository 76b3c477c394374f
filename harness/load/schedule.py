"""When the calls of a load are to be made: an open-loop schedule.

Users do not wait for one another. So a call is made when its time has come, whether or not those
before it were answered, and its latency counts from that time: a server that stands still for a
second makes every call of that second late, not one (coordinated omission).

Source: Gil Tene, "How NOT to Measure Latency"; Schroeder et al., "Open Versus Closed: A Cautionary
    Tale", NSDI 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True, slots=True)
class Schedule:
    """Calls at even distances.

    Attributes:
        per_second: Calls a second.
        seconds: For how long.
    Raises:
        ValueError: Not one call would be made.
    """

    per_second: float
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a schedule without a call."""
        if not (self.per_second > 0 and self.seconds > 0) or self.calls < 1:
            raise ValueError(
                f"{self.per_second:g} calls a second for {self.seconds:g} seconds are no load"
            )

    @property
    def calls(self) -> int:
        """How many calls there are."""
        # A tenth of a second at 10 a second is one call, whatever floats make of it.
        return floor(self.per_second * self.seconds + 1e-9)

    def starts_s(self) -> list[float]:
        """Return when each call begins, in seconds from the beginning of the load."""
        return [number / self.per_second for number in range(self.calls)]
