"""When scheduled functions are due: both syntaxes of Cloud Scheduler, read and worked out.

unix-cron ("0 9 * * 1-5") is worked out by cronsim, App Engine's syntax ("every monday 09:00") here.
Who runs what is due is not known here, and no clock is read.

Source: Cloud Scheduler, "Cron job format and time zone"; App Engine, "Scheduling jobs with
cron.yaml", Defining the cron job schedule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_LAST_YEAR = 9998

_CRON_FIELD = r"[0-9A-Za-z*,/-]+"
_CRON = re.compile(rf"{_CRON_FIELD}(?:[ \t]+{_CRON_FIELD}){{4}}")
_NOT_UNIX = re.compile(r"(?<![A-Za-z])[0-9]*[Ll](?![A-Za-z])")  # L: another cron's "last"
_TIME = r"[0-2]?[0-9]:[0-5][0-9]"
_INTERVAL = re.compile(
    rf"every (\d{{1,5}}) (hours|minutes|mins)(?: from ({_TIME}) to ({_TIME})| (synchronized))?"
)
_CALENDAR = re.compile(rf"(?:(every|[a-z0-9,]+) )?([a-z,]+)(?: of ([a-z,]+))?(?: ({_TIME}))?")
_DAYS_OF_MONTH = re.compile(rf"([0-9,]+) of ([a-z,]+)(?: ({_TIME}))?")

_ORDINALS = {
    name: number
    for number, names in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th"), start=1
    )
    for name in names.split()
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday mon",
            "tuesday tue tues",
            "wednesday wed",
            "thursday thu thurs",
            "friday fri",
            "saturday sat",
            "sunday sun",
        )
    )
    for name in names.split()
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_EVERY_MONTH = frozenset(range(1, 13))


class ScheduleError(ValueError):
    """A schedule that cannot be understood; its text says why."""


class Schedule(Protocol):
    """When something is due."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in order, in UTC."""


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Five fields of unix-cron."""

    expression: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in order, in UTC."""
        for due in CronSim(self.expression, moment.astimezone(self.zone)):
            yield due.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Every so many minutes.

    Cloud Scheduler counts from when a job was deployed, which is not known here. We count from the
    start of 1970, so that an interval which divides a day begins with the day, in UTC.
    """

    interval: timedelta

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in order, in UTC."""
        due = _EPOCH + ((moment - _EPOCH) // self.interval + 1) * self.interval
        while due.year <= _LAST_YEAR:
            yield due
            due += self.interval


@dataclass(frozen=True, slots=True)
class WindowSchedule:
    """Every so many minutes from one time of the day to another, both included."""

    interval: timedelta
    opens: time
    closes: time
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in order, in UTC."""
        over_midnight = _DAY if self.closes < self.opens else timedelta(0)
        for day in _days(moment.astimezone(self.zone).date() - _DAY):
            due = datetime.combine(day, self.opens, self.zone).astimezone(UTC)
            closes = datetime.combine(day + over_midnight, self.closes, self.zone)
            while due <= closes:
                if due > moment:
                    yield due
                due += self.interval


@dataclass(frozen=True, slots=True)
class CalendarSchedule:
    """At one time of chosen days.

    Args:
        weekdays: 0 is Monday.
        ordinals: The first, second ... of those weekdays in its month; None: each.
        days_of_month: In place of weekdays.
    """

    at: time
    zone: ZoneInfo
    months: frozenset[int] = _EVERY_MONTH
    weekdays: frozenset[int] = frozenset(range(7))
    ordinals: frozenset[int] | None = None
    days_of_month: frozenset[int] | None = None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, in order, in UTC."""
        for day in _days(moment.astimezone(self.zone).date()):
            if self._is_chosen(day):
                due = datetime.combine(day, self.at, self.zone).astimezone(UTC)
                if due > moment:
                    yield due

    def _is_chosen(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        if self.days_of_month is not None:
            return day.day in self.days_of_month
        is_nth = self.ordinals is None or (day.day - 1) // 7 + 1 in self.ordinals
        return is_nth and day.weekday() in self.weekdays


def parse_schedule(text: str, time_zone: str) -> Schedule:
    """Read a schedule as functions have it.

    Args:
        time_zone: Such as "Europe/Berlin".
    Raises:
        ScheduleError: It is none, or the time zone is not known.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f'the time zone "{time_zone}" is not known') from error
    words = " ".join(text.split())
    if _CRON.fullmatch(words):
        return _cron(words, zone)
    lowered = words.lower()
    interval = _INTERVAL.fullmatch(lowered)
    if interval is not None:
        return _interval(text, interval, zone)
    days = _DAYS_OF_MONTH.fullmatch(lowered)
    if days is not None:
        return CalendarSchedule(
            _time(text, days[3]),
            zone,
            _months(text, days[2]),
            days_of_month=_numbers(text, days[1]),
        )
    calendar = _CALENDAR.fullmatch(lowered)
    if calendar is not None:
        return _calendar(text, calendar, zone)
    raise _unknown(text)


def _cron(expression: str, zone: ZoneInfo) -> Schedule:
    if _NOT_UNIX.search(expression):
        raise ScheduleError(f'"{expression}" is no unix-cron schedule: it has no L')
    try:
        CronSim(expression, _EPOCH)
    except CronSimError as error:
        raise ScheduleError(f'"{expression}" is no unix-cron schedule: {error}') from error
    return CronSchedule(expression, zone)


def _interval(text: str, match: re.Match[str], zone: ZoneInfo) -> Schedule:
    count = int(match[1])
    if count == 0:
        raise ScheduleError(f'"{text}" is no schedule: an interval of nothing')
    interval = timedelta(hours=count) if match[2] == "hours" else timedelta(minutes=count)
    if match[5]:
        return WindowSchedule(interval, time(0), time(23, 59), zone)
    if match[3]:
        return WindowSchedule(interval, _time(text, match[3]), _time(text, match[4]), zone)
    return IntervalSchedule(interval)


def _calendar(text: str, match: re.Match[str], zone: ZoneInfo) -> Schedule:
    which, names, months, at = match.groups()
    if which is None:
        raise _unknown(text)
    ordinals = None if which == "every" else _named(text, which, _ORDINALS)
    if names == "day" and ordinals is not None:
        raise _unknown(text)
    weekdays = frozenset(range(7)) if names == "day" else _named(text, names, _WEEKDAYS)
    return CalendarSchedule(
        _time(text, at), zone, _months(text, months or "month"), weekdays, ordinals
    )


def _named(text: str, names: str, known: dict[str, int]) -> frozenset[int]:
    found = frozenset(known.get(name, -1) for name in names.split(","))
    if -1 in found:
        raise _unknown(text)
    return found


def _months(text: str, names: str) -> frozenset[int]:
    return _EVERY_MONTH if names == "month" else _named(text, names, _MONTHS)


def _numbers(text: str, days: str) -> frozenset[int]:
    found = frozenset(int(day) if day else 0 for day in days.split(","))
    if not found <= frozenset(range(1, 32)):
        raise _unknown(text)
    return found


def _time(text: str, at: str | None) -> time:
    hour, _, minute = (at or "00:00").partition(":")
    try:
        return time(int(hour), int(minute))
    except ValueError as error:
        raise _unknown(text) from error


def _unknown(text: str) -> ScheduleError:
    return ScheduleError(
        f'"{text}" is neither a unix-cron schedule such as "0 9 * * 1" nor one of App Engine such '
        'as "every 5 minutes" or "every monday 09:00"'
    )


def _days(first: date) -> Iterator[date]:
    day = first
    while day.year <= _LAST_YEAR:
        yield day
        day += _DAY
