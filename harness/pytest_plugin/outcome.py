"""The outcome of a check that could not run: not verified, with its reason. Never a pass."""

from __future__ import annotations

from typing import NoReturn

import pytest


class NotVerified(pytest.skip.Exception):  # type: ignore[name-defined, misc]  # a class attribute
    """A check that could not find out. pytest shows it as skipped; the record keeps the reason."""

    # As pytest does for its own: printed by its bare name.
    __module__ = "builtins"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, allow_module_level=True)
        self.reason = reason


def not_verified(reason: str) -> NoReturn:
    """End the check as not verified.

    Args:
        reason: What is lacking, and what would mend it; a person reads it beside the open box.
    """
    __tracebackhide__ = True
    raise NotVerified(" ".join(reason.split()))
