"""What one run of a scenario uses of what is billed: Operations. Counts, never money."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Operations:
    """Billed operations; they add up with `+` and multiply with a number of times.

    Fractions are for averages: 0.25 runs of a scenario with one read are 0.25 reads.

    Attributes:
        reads: Document reads, those of rules and the batches of index entries among them.
        invocations: Of functions: calls and delivered events.
        egress_bytes: Serialized answers, without those that rules denied.
        ttl_deletes: Of documents that had expired: at the price of deletes, but never free.
        stored_bytes: What storage grew by, indexes included; less than 0 where it shrank.
    """

    reads: float = 0
    writes: float = 0
    deletes: float = 0
    invocations: float = 0
    egress_bytes: float = 0
    stored_bytes: float = 0
    ttl_deletes: float = 0

    def __add__(self, other: Operations) -> Operations:
        """Add up, figure by figure."""
        return Operations(*(getattr(self, name) + getattr(other, name) for name in FIGURES))

    def __mul__(self, times: float) -> Operations:
        """Return the same for so many runs."""
        return Operations(*(getattr(self, name) * times for name in FIGURES))

    def to_json(self) -> dict[str, float]:
        """Return the figures that are not zero, by name."""
        return {name: value for name in FIGURES if (value := getattr(self, name))}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Operations:
        """Read what `to_json` gave.

        Raises:
            ValueError: It is something else.
        """
        known = {name: figure for name, figure in value.items() if name in FIGURES}
        if any(
            isinstance(figure, bool)
            or not isinstance(figure, int | float)
            or (figure < 0 and name != "stored_bytes")
            for name, figure in known.items()
        ):
            raise ValueError("billed operations are numbers that are not negative")
        return cls(**known)


FIGURES = tuple(field.name for field in fields(Operations))
NOTHING = Operations()
