"""When scheduled functions are due, and in which order they run."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.emulators.schedules import ScheduleError, parse_schedule

TABLE = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus/schedules/times.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["schedule"])
def test_a_schedule_is_due_when_the_table_says(case: dict[str, Any]) -> None:
    schedule = parse_schedule(case["schedule"], case.get("zone", "UTC"))
    assert list(islice(schedule.after(case["after"]), len(case["due"]))) == case["due"]


@pytest.mark.parametrize("case", TABLE["refused"], ids=lambda case: case["schedule"])
def test_what_is_no_schedule_says_so(case: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(case["schedule"], case.get("zone", "UTC"))
    assert case["says"] in str(caught.value)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
SCHEDULES = st.sampled_from([case["schedule"] for case in TABLE["cases"]])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])


@given(SCHEDULES, ZONES, MOMENTS)
def test_due_times_increase_and_do_not_depend_on_where_one_begins(
    text: str, zone: str, start: datetime
) -> None:
    schedule = parse_schedule(text, zone)
    due = list(islice(schedule.after(start), 4))
    assert due == sorted(set(due))
    assert due[0] > start
    assert list(islice(schedule.after(due[0]), 3)) == due[1:]
    between = start + (due[1] - start) / 2
    later = takewhile(lambda each: each <= due[3], schedule.after(between))
    assert list(later) == [each for each in due if each > between]


def test_an_interval_is_counted_in_real_time_over_a_change_of_the_clocks() -> None:
    schedule = parse_schedule("every 30 minutes from 01:00 to 04:00", "Europe/Berlin")
    night = datetime(2030, 3, 30, 12, tzinfo=UTC)  # at 02:00 it will be 03:00
    due = [each.strftime("%H:%M") for each in islice(schedule.after(night), 5)]
    assert due == ["00:00", "00:30", "01:00", "01:30", "02:00"]
