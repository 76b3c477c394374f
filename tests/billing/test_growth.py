"""How figures are judged to grow."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.billing.growth import Order, growth_of, growth_of_time

CASES = yaml.safe_load(
    (Path(__file__).parent.parent / "corpus/billing/growth.yaml").read_text(encoding="utf-8")
)["cases"]
SIZES = (10, 100, 1_000)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_course_has_its_order(case):
    growth = growth_of(case["sizes"], case["figures"], case.get("results"), ahead=case.get("ahead"))
    assert growth.order is Order[case["order"]]


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_a_straight_line_grows_with_the_collection(base, slope):
    growth = growth_of(SIZES, [base + slope * size for size in SIZES])
    assert growth.order is Order.COLLECTION
    assert growth.at(5_000) == pytest.approx(base + slope * 5_000)


@given(st.integers(0, 10_000))
def test_a_level_line_is_constant_however_high(figure):
    growth = growth_of(SIZES, [figure] * 3)
    assert growth.order is Order.CONSTANT
    assert growth.at(10**6) == figure


@given(st.integers(0, 1_000), st.integers(1, 20))
def test_a_square_grows_faster_than_the_collection(base, factor):
    growth = growth_of(SIZES, [base + factor * size**2 for size in SIZES])
    assert growth.order is Order.QUADRATIC


@given(
    st.lists(st.integers(1, 5_000), min_size=3, max_size=3, unique=True).map(sorted),
    st.integers(0, 1_000),
    st.floats(0.1, 50),
    st.sampled_from([0.7, 1.0, 1.3, 2.0, 3.0]),
)
def test_the_exponent_is_found_whatever_the_sizes_and_the_fixed_part(sizes, base, factor, exponent):
    figures = [base + factor * size**exponent for size in sizes]
    assert growth_of(sizes, figures).exponent == pytest.approx(exponent, abs=0.02)


@given(st.lists(st.integers(0, 5_000), min_size=3, max_size=3))
def test_more_data_never_costs_less_in_the_projection(figures):
    growth = growth_of(SIZES, sorted(figures))
    assert growth.at(10_000) >= growth.at(1_000)


def test_a_time_that_wavers_is_constant():
    assert growth_of_time(SIZES, [2.0, 2.6, 1.9]).order is Order.CONSTANT
    assert growth_of_time(SIZES, [2.0, 2.1, 3.9]).order is Order.CONSTANT


def test_a_time_that_goes_up_with_the_data_is_seen():
    assert growth_of_time(SIZES, [2.0, 9.0, 80.0]).order is Order.COLLECTION
    assert growth_of_time(SIZES, [2.0, 90.0, 9_000.0]).order is Order.QUADRATIC


def test_a_course_reads_well():
    assert str(growth_of(SIZES, [21, 21, 21])) == "constant: 21"
    assert str(growth_of(SIZES, [10, 100, 1_000])) == "with the collection: 10 → 100 → 1,000"


@pytest.mark.parametrize(
    ("sizes", "figures"),
    [((1, 2), (1, 2)), ((1, 2, 3), (1, 2)), ((3, 2, 1), (1, 2, 3)), ((0, 1, 2), (1, 2, 3))],
)
def test_too_little_to_judge_by_is_refused(sizes, figures):
    with pytest.raises(ValueError, match="sizes"):
        growth_of(sizes, figures)
