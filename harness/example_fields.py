"""What documents hold that checks which fit any project write: one field that no app has.

What they cost says nothing of the app.
"""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLE_FIELD = "example"


def is_example(fields: Mapping[str, object]) -> bool:
    """Whether a document is one that only a check wrote."""
    return len(fields) == 1 and EXAMPLE_FIELD in fields
