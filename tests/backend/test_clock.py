"""What a project's clock shows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backend.clock import (
    REAL_TIME,
    ClockSetting,
    moment_text,
    parse_moment,
    parse_seconds,
)
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

S = 1_000_000

# What is done to a clock at real second 100, and what it then shows at 100 and at 107.
MOVES: list[tuple[str, list[tuple[Any, ...]], int, int]] = [
    ("nothing", [], 100, 107),
    ("set", [("set", 5000)], 5000, 5007),
    ("set back", [("set", 3)], 3, 10),
    ("advanced", [("advanced", 60)], 160, 167),
    ("stopped", [("stopped",)], 100, 100),
    ("stopped, then set", [("stopped",), ("set", 9)], 9, 9),
    ("set, then stopped", [("set", 9), ("stopped",)], 9, 9),
    ("stopped, then advanced", [("stopped",), ("advanced", 60)], 160, 160),
    ("stopped, set, and going", [("stopped",), ("set", 9), ("going",)], 9, 16),
    ("going twice", [("set", 9), ("going",), ("going",)], 9, 16),
]


@pytest.mark.parametrize(
    ("moves", "at_100", "at_107"), [row[1:] for row in MOVES], ids=lambda _: ""
)
def test_a_clock_shows_what_was_made_of_it(
    moves: list[tuple[Any, ...]], at_100: int, at_107: int
) -> None:
    setting = REAL_TIME
    for name, *arguments in moves:
        setting = getattr(setting, name)(*(each * S for each in arguments), 100 * S)
    assert (setting.at(100 * S), setting.at(107 * S)) == (at_100 * S, at_107 * S)


def test_a_stopped_clock_goes_on_from_where_it_stands() -> None:
    setting = REAL_TIME.stopped(100 * S).going(200 * S)
    assert setting == ClockSetting(-100 * S)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2030-01-31T12:00:00Z", 1_896_091_200 * S),
        ("2030-01-31T12:00:00.5+01:00", 1_896_087_600 * S + 500_000),
    ],
)
def test_times_are_read(text: str, micros: int) -> None:
    assert parse_moment(text) == micros
    assert parse_moment(moment_text(micros)) == micros


@pytest.mark.parametrize(
    "text", ["2030-01-31T12:00:00", "2030-01-31", "noon", "", 5, None, ["2030"], "2030-13-01T00Z"]
)
def test_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(StatusError) as error:
        parse_moment(text)
    assert error.value.code is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("value", ["5", None, True, float("nan"), float("inf"), 1e300, 10**400])
def test_what_is_no_number_of_seconds_is_refused(value: Any) -> None:
    with pytest.raises(StatusError, match="is no number of seconds"):
        parse_seconds(value)


def test_a_clock_leaves_neither_its_range_nor_its_direction() -> None:
    for micros in (-1, 10**18):
        with pytest.raises(StatusError, match="from 1970 to the end of 9998"):
            REAL_TIME.set(micros, 0)
    with pytest.raises(StatusError, match="a clock advances"):
        REAL_TIME.advanced(-1, 0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_commit_times_strictly_increase_however_the_clock_jumps(times: list[int]) -> None:
    database = Database(DatabaseName("p"))
    found = []
    for number, micros in enumerate(times):
        write = Write(WriteKind.UPDATE, ResourcePath("c/d"), {"n": number})
        result = database.commit(database.prepare([write], Timestamp(micros)))
        found.append(result.commit_time.micros)
        if micros % 3 == 0:
            database.strong_read_time(Timestamp(micros))
    assert found == sorted(set(found))
    assert all(commit >= micros for commit, micros in zip(found, times, strict=True))
