"""Timestamp and Duration: their methods, the namespaces that make them, and their arithmetic. All
UTC.
"""

from __future__ import annotations

from datetime import date

from harness.rules.runtime import RulesError
from harness.rules.signatures import Overload, function, method
from harness.rules.values import (
    DURATION_LIMIT_NANOS,
    NANOS_PER_SECOND,
    TIMESTAMP_MAX_NANOS,
    TIMESTAMP_MIN_NANOS,
    RulesDuration,
    RulesTimestamp,
)

_DAY = 86_400 * NANOS_PER_SECOND
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_UNITS = {
    "w": 7 * _DAY,
    "d": _DAY,
    "h": 3600 * NANOS_PER_SECOND,
    "m": 60 * NANOS_PER_SECOND,
    "s": NANOS_PER_SECOND,
    "ms": 1_000_000,
    "ns": 1,
}


def timestamp_of(nanos: int) -> RulesTimestamp:
    """Return the moment, or fail when it lies outside the years 1 to 9999."""
    if TIMESTAMP_MIN_NANOS <= nanos <= TIMESTAMP_MAX_NANOS:
        return RulesTimestamp(nanos)
    raise RulesError("Timestamp is out of range.")


def duration_of(nanos: int) -> RulesDuration:
    """Return the duration, or fail when it is longer than the reference allows."""
    if -DURATION_LIMIT_NANOS <= nanos <= DURATION_LIMIT_NANOS:
        return RulesDuration(nanos)
    raise RulesError("Duration is out of range.")


def _date(moment: RulesTimestamp) -> date:
    return date.fromordinal(_EPOCH_ORDINAL + moment.nanos // _DAY)


def _day_nanos(moment: RulesTimestamp) -> int:
    return moment.nanos % _DAY


def _make_date(year: int, month: int, day: int) -> RulesTimestamp:
    try:
        ordinal = date(year, month, day).toordinal()
    except (ValueError, OverflowError):
        raise RulesError(f"Invalid date: year {year}, month {month}, day {day}.") from None
    return RulesTimestamp((ordinal - _EPOCH_ORDINAL) * _DAY)


def _make_duration(amount: int, unit: str) -> RulesDuration:
    nanos = _UNITS.get(unit)
    if nanos is None:
        raise RulesError(f"Invalid duration unit: {unit}.")
    return duration_of(amount * nanos)


def _make_time(hours: int, minutes: int, seconds: int, nanos: int) -> RulesDuration:
    return duration_of(((hours * 60 + minutes) * 60 + seconds) * NANOS_PER_SECOND + nanos)


def _whole_seconds(length: RulesDuration) -> int:
    seconds = abs(length.nanos) // NANOS_PER_SECOND
    return seconds if length.nanos >= 0 else -seconds


def _remaining_nanos(length: RulesDuration) -> int:
    nanos = abs(length.nanos) % NANOS_PER_SECOND
    return nanos if length.nanos >= 0 else -nanos


METHODS: tuple[Overload, ...] = (
    method("timestamp", "year", "", lambda moment: _date(moment).year),
    method("timestamp", "month", "", lambda moment: _date(moment).month),
    method("timestamp", "day", "", lambda moment: _date(moment).day),
    # Monday is 1. Source: measured, 2020-01-02 (a Thursday) is 4.
    method("timestamp", "dayOfWeek", "", lambda moment: _date(moment).isoweekday()),
    method("timestamp", "dayOfYear", "", lambda moment: _date(moment).timetuple().tm_yday),
    method(
        "timestamp", "hours", "", lambda moment: _day_nanos(moment) // (3600 * NANOS_PER_SECOND)
    ),
    method(
        "timestamp",
        "minutes",
        "",
        lambda moment: _day_nanos(moment) // (60 * NANOS_PER_SECOND) % 60,
    ),
    # Of the minute, not since the epoch.
    method("timestamp", "seconds", "", lambda moment: _day_nanos(moment) // NANOS_PER_SECOND % 60),
    method("timestamp", "nanos", "", lambda moment: moment.nanos % NANOS_PER_SECOND),
    method(
        "timestamp", "date", "", lambda moment: RulesTimestamp(moment.nanos - _day_nanos(moment))
    ),
    method("timestamp", "time", "", lambda moment: RulesDuration(_day_nanos(moment))),
    method("timestamp", "toMillis", "", lambda moment: moment.nanos // 1_000_000),
    method("duration", "seconds", "", _whole_seconds),
    method("duration", "nanos", "", _remaining_nanos),
)

FUNCTIONS: tuple[Overload, ...] = (
    function("timestamp.date", "int, int, int", _make_date),
    function("timestamp.value", "int", lambda millis: timestamp_of(millis * 1_000_000)),
    function("duration.value", "int, string", _make_duration),
    function("duration.time", "int, int, int, int", _make_time),
    function("duration.abs", "duration", lambda length: RulesDuration(abs(length.nanos))),
)
