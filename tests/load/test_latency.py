"""Percentiles, their intervals, and ratios to a call that does nothing."""

from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency import interval, percentile, ratio_of, ratio_of_one
from harness.load.schedule import Schedule

LATENCIES = st.lists(st.floats(1e-6, 1e3, allow_nan=False), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([3, 1, 2], 50, 2),
        ([1, 2, 3, 4], 50, 2),
        (list(range(1, 21)), 95, 19),
        (list(range(1, 101)), 95, 95),
        ([7], 95, 7),
        ([1, 2], 100, 2),
    ],
)
def test_a_percentile_is_one_of_the_latencies(values, percent, expected):
    assert percentile(values, percent) == expected


@given(LATENCIES, st.sampled_from([5, 50, 95, 99]))
def test_the_interval_holds_the_percentile(values, percent):
    low, high = interval(values, percent)
    assert low <= percentile(values, percent) <= high


@given(LATENCIES, LATENCIES, st.floats(0.01, 100))
def test_the_machines_speed_cancels_out(work, nothing, speed):
    ratio = ratio_of(work, nothing, 95)
    slower = ratio_of([each * speed for each in work], [each * speed for each in nothing], 95)
    assert slower.value == pytest.approx(ratio.value)
    assert slower.low == pytest.approx(ratio.low)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    # Of an exponential spread the true percentiles are known; 95 % at least, since each end of both
    # intervals is given a quarter of what may lie outside.
    random = Random(7)
    true = 2.995732 / 0.693147  # -ln 0.05 by -ln 0.5
    runs = [
        ratio_of(
            [random.expovariate(1) + 1e-9 for _ in range(80)],
            [random.expovariate(1) + 1e-9 for _ in range(40)],
            95,
        )
        for _ in range(400)
    ]
    held = sum(ratio.low <= true <= ratio.high for ratio in runs) / len(runs)
    assert held >= 0.95


def test_few_calls_are_no_proof():
    ratio = ratio_of([5.0, 50.0], [1.0] * 40, 50)
    assert ratio.value == 5
    assert ratio.low == 0
    assert ratio.high == inf
    assert not ratio.is_over(2)


def test_what_is_surely_over_is_over():
    ratio = ratio_of([20.0] * 40, [1.0] * 40, 95)
    assert ratio.is_over(15)
    assert not ratio.is_over(20)
    assert ratio_of([inf] * 40, [1.0] * 40, 50).is_over(1_000_000)


def test_one_call_is_compared_with_the_median_of_nothing():
    ratio = ratio_of_one(12.0, [1.0, 2.0, 3.0] * 10)
    assert (ratio.value, ratio.low, ratio.high) == (6, 4, 12)


def test_a_ratio_has_two_digits():
    assert str(ratio_of([8.344] * 30, [1.0] * 30, 50)) == "8.3 times (8.3 to 8.3)"
    assert str(ratio_of([5.0, 50.0], [1.0] * 30, 50)) == "5 times (0 to ?)"


@pytest.mark.parametrize("values", [[], [0.0], [-1.0, 2.0]])
def test_what_is_no_latency_is_refused(values):
    with pytest.raises(ValueError, match="latenc"):
        percentile(values, 50)


def test_calls_come_at_even_distances():
    assert Schedule(10, 0.5).starts_s() == [0, 0.1, 0.2, 0.3, 0.4]
    assert Schedule(0.1, 10).calls == 1
    assert Schedule(3, 1 / 3).calls == 1


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (-1, 5), (1, 0.5)])
def test_no_call_is_no_load(rate, seconds):
    with pytest.raises(ValueError, match="no load"):
        Schedule(rate, seconds)
