"""The time of the emulated Firestore, in a check's hands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.pytest_plugin.admin import FirestoreAdmin


class EmulatorClock:
    """The clock of the check's project: `request.time`, server timestamps and time-outs follow it.

    Times are datetimes with a time zone, or texts such as "2030-01-31T12:00:00Z".
    """

    def __init__(self, firestore: FirestoreAdmin) -> None:
        self._firestore = firestore

    def now(self) -> datetime:
        """Return what the clock shows."""
        return _moment(self._firestore.clock())

    def freeze(self, at: datetime | str | None = None) -> datetime:
        """Stop the clock, at a time or where it stands; return that time."""
        return self._set(at, frozen=True)

    def set(self, at: datetime | str) -> datetime:
        """Set the clock; it goes on from there. Return that time."""
        return self._set(at, frozen=False)

    def move_to(self, at: datetime | str) -> datetime:
        """Set the clock; it stands or goes on, as before. Return that time."""
        return _moment(self._firestore.set_clock({"now": _text(at)}))

    def resume(self) -> datetime:
        """Let a clock that stands go on from where it is; return that time."""
        return self._set(None, frozen=False)

    def advance(self, by: float | timedelta) -> datetime:
        """Put the clock forward by so many seconds, standing or going; return the new time."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        return _moment(self._firestore.advance_clock(seconds))

    def expire_tokens(self) -> datetime:
        """From now on, refuse ID tokens whose time has passed by this clock, as production does.
        Otherwise they are good for ever, as in the official emulators.
        """
        return _moment(self._firestore.set_clock({"tokensExpire": True}))

    def reset(self) -> datetime:
        """Let the clock show the real time again; return it."""
        return _moment(self._firestore.reset_clock())

    def _set(self, at: datetime | str | None, *, frozen: bool) -> datetime:
        content: dict[str, Any] = {"frozen": frozen}
        if at is not None:
            content["now"] = _text(at)
        return _moment(self._firestore.set_clock(content))


@contextmanager
def controlled_clock(firestore: FirestoreAdmin) -> Iterator[EmulatorClock]:
    """Give a check its clock, and the real time back afterwards."""
    clock = EmulatorClock(firestore)
    clock.now()  # another Firestore says here that it has none
    try:
        yield clock
    finally:
        clock.reset()


def _text(at: datetime | str) -> str:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        raise ValueError(f"{at!r} lacks its time zone: give datetime(..., tzinfo=UTC)")
    return at.astimezone(UTC).isoformat()


def _moment(answer: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(answer["now"])
