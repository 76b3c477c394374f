"""What all clients together may have the server hold of requests that are not complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.errors import StatusCode, StatusError

MAX_INCOMPLETE_BYTES: Final = 1 << 30
"""Of all requests together; each by itself is bounded by its transport."""


@dataclass(slots=True)
class Incoming:
    """Counts the bytes of incomplete requests; whoever adds some takes them back."""

    held_bytes: int = 0
    limit_bytes: int = MAX_INCOMPLETE_BYTES

    @property
    def is_full(self) -> bool:
        """Say whether requests that are still coming have to be refused."""
        return self.held_bytes > self.limit_bytes


def too_much_incoming() -> StatusError:
    """Make the error of a request for which there is no room."""
    return StatusError(
        StatusCode.RESOURCE_EXHAUSTED,
        f"Requests that are not complete hold more than {MAX_INCOMPLETE_BYTES} bytes.",
    )


def payload_too_large(limit_bytes: int) -> StatusError:
    """Make the error of a request that is larger than production takes.

    Source: recorded from production.
    """
    return StatusError(
        StatusCode.INVALID_ARGUMENT, f"Request payload size exceeds the limit: {limit_bytes} bytes."
    )
