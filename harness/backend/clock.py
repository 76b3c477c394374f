"""The time of a project: the real one, or one that a check has set, moved or stopped.

The real time comes in as an argument, in microseconds since 1970; what reads it is
`server/shell.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.errors import StatusCode, StatusError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """How a clock differs from the real time.

    Args:
        ahead_micros: How far it is ahead while it goes; less than 0 is behind.
        stopped_at: The time it stands at, in microseconds since 1970; None: it goes.
        tokens_expire: Whether ID tokens are refused when it has passed their time, as in
            production; the official emulator takes them for ever.
    """

    ahead_micros: int = 0
    stopped_at: int | None = None
    tokens_expire: bool = False

    def at(self, real: int) -> int:
        """Return what the clock shows at a real time."""
        return real + self.ahead_micros if self.stopped_at is None else self.stopped_at

    def set(self, micros: int, real: int) -> ClockSetting:
        """Return the setting in which the clock shows another time, and stands or goes as before.

        Raises:
            StatusError: INVALID_ARGUMENT: the time is before 1970 or after the year 9998.
        """
        if not 0 <= micros < _LATEST:
            raise _invalid("a clock shows times from 1970 to the end of 9998")
        stopped_at = None if self.stopped_at is None else micros
        return replace(self, ahead_micros=micros - real, stopped_at=stopped_at)

    def advanced(self, micros: int, real: int) -> ClockSetting:
        """Return the setting that is so much later.

        Raises:
            StatusError: INVALID_ARGUMENT: as `set`, or the amount is less than 0.
        """
        if micros < 0:
            raise _invalid("a clock advances; to put it back, set it")
        return self.set(self.at(real) + micros, real)

    def stopped(self, real: int) -> ClockSetting:
        """Return the setting in which the clock stands at what it shows."""
        return replace(self, stopped_at=self.at(real))

    def going(self, real: int) -> ClockSetting:
        """Return the setting in which the clock goes on from what it shows."""
        return replace(self, ahead_micros=self.at(real) - real, stopped_at=None)

    def to_json(self, real: int) -> dict[str, Any]:
        """Return it as the control route prints it."""
        now = self.at(real)
        return {
            "now": moment_text(now),
            "frozen": self.stopped_at is not None,
            "aheadSeconds": (now - real) / _MICROS,
            "tokensExpire": self.tokens_expire,
        }


REAL_TIME = ClockSetting()


def parse_moment(text: Any) -> int:
    """Read a time with its zone, such as `2030-01-31T12:00:00Z`: microseconds since 1970.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise _invalid(f"{text!r} is no time such as 2030-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise _invalid(f"{text!r} lacks its time zone: add a Z for UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_text(micros: int) -> str:
    """Return a time in UTC: `2030-01-31T12:00:00.000000Z`."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_seconds(value: Any) -> int:
    """Read a number of seconds: whole microseconds.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= _LATEST / _MICROS:
        raise _invalid(f"{value!r} is no number of seconds")
    micros: int = round(value * _MICROS)
    return micros


def _invalid(problem: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, problem)
