"""What a month costs: by hand, and as laws."""

from dataclasses import replace
from decimal import Decimal
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.billing.forecast import forecast, monthly_bill
from harness.billing.operations import FIGURES, Operations
from harness.billing.prices import read_prices
from harness.billing.traffic import TrafficModel, read_traffic
from harness.errors import ConfigError
from harness.source import SourceText
from harness.yaml_settings import YamlReader

PRICES = read_prices(
    SourceText(
        "prices.yaml",
        files("harness.billing").joinpath("prices.yaml").read_text(encoding="utf-8"),
    )
)
TRAFFIC = TrafficModel(
    "us-central1", users=10_000, sessions_a_day=2, actions_a_session={"open": 3, "add": 0.5}
)
OPEN = Operations(reads=25)
ADD = Operations(reads=4, writes=3, invocations=2, stored_bytes=2_000, egress_bytes=500)


def test_a_month_by_hand():
    # A day: 60,000 × open = 1,500,000 reads; 10,000 × add = 40,000 reads, 30,000 writes, 20,000
    # invocations, 20 MB stored, 5 MB sent.
    month = monthly_bill({"open": OPEN, "add": ADD}, TRAFFIC, PRICES)
    bill = {line.what: line for line in month.lines}
    reads = bill["document reads"]
    assert reads.used == 1_540_000 * 30
    assert reads.billed == (1_540_000 - 50_000) * 30
    assert reads.amount == Decimal("13.41")  # 447 × 0.03
    assert bill["document writes"].amount == Decimal("0.27")  # 3 × 0.09
    assert bill["document deletes"].amount == 0
    # Grows from 0 to 600 MB within the month: below the free GiB.
    assert bill["storage, GiB"].amount == 0
    # 600,000 invocations are free; so are 180,000 vCPU seconds, of which 300 ms each makes 180,000.
    assert bill["function invocations"].amount == 0
    assert bill["function vCPU seconds"].used == 180_000
    assert bill["function vCPU seconds"].amount == 0
    assert month.total == Decimal("13.68")


def test_ttl_deletes_cost_what_deletes_do_and_are_never_free():
    quiet = replace(TRAFFIC, users=1, actions_a_session={"open": 1})
    day = monthly_bill({"open": Operations(deletes=10_000)}, quiet, PRICES)
    assert day.total == 0
    expired = monthly_bill({"open": Operations(ttl_deletes=10_000)}, quiet, PRICES)
    # 2 × 10,000 a day, in a month 600,000: 6 × 0.01.
    assert {line.what: line.amount for line in expired.lines}["TTL deletes"] == Decimal("0.06")
    assert expired.total == Decimal("0.06")


def test_what_is_free_a_day_cannot_be_saved_up():
    quiet = replace(TRAFFIC, users=1, actions_a_session={"open": 1})
    one = monthly_bill({"open": Operations(reads=25_000)}, quiet, PRICES)
    assert one.total == 0
    two = monthly_bill({"open": Operations(reads=25_001)}, quiet, PRICES)
    assert two.lines[0].billed == 2 * 30


def test_what_is_stored_adds_up_over_the_months():
    found = forecast({"add": Operations(stored_bytes=100_000)}, TRAFFIC, PRICES)
    assert list(found.months) == sorted(found.months)
    # 10,000 × 100 kB a day are 27.9 GiB a month: half of that on average in the first, and what
    # the first has left in the second.
    first, second = found.months[:2]
    per_month = Decimal(10_000 * 100_000 * 30) / (1 << 30)
    assert first == pytest.approx((per_month / 2 - 1) * Decimal("0.15"), rel=Decimal("1e-9"))
    assert second == pytest.approx((per_month * 3 / 2 - 1) * Decimal("0.15"), rel=Decimal("1e-9"))


def test_users_who_become_more_cost_more():
    growing = replace(TRAFFIC, growth_a_month=10)
    months = forecast({"open": OPEN}, growing, PRICES).months
    assert all(a < b for a, b in pairwise(months))


def test_what_was_not_measured_is_told_and_not_billed():
    found = forecast({"open": OPEN, "odd": OPEN}, TRAFFIC, PRICES)
    assert found.unmeasured == ("add",)
    assert found.unused == ("odd",)
    assert [action.name for action in found.actions] == ["open"]


def test_a_location_without_prices_has_the_upper_bound_and_says_so():
    elsewhere = replace(TRAFFIC, location="europe-west33")
    found = forecast({"open": OPEN}, elsewhere, PRICES)
    assert found.bill.lines[0].price == Decimal("0.06")
    assert "did you mean europe-west3" in found.notes[0]
    assert (
        "low confidence" in forecast({}, replace(TRAFFIC, location="europe-west3"), PRICES).notes[0]
    )


def test_sensitivity_is_that_of_the_same_bill():
    found = forecast({"open": OPEN}, TRAFFIC, PRICES)
    totals = {each.assumption: each.totals for each in found.sensitivity}
    assert totals["users"] == tuple(
        monthly_bill({"open": OPEN}, replace(TRAFFIC, users=users), PRICES).total
        for users in (8_000, 12_000, 20_000)
    )
    # No function runs, and nothing is stored: the bill does not depend on these.
    assert sorted(totals) == [
        'how often "open"',
        "list prices of Firestore",
        'reads of "open"',
        "sessions a day",
        "users",
    ]
    assert totals["list prices of Firestore"][2] == 2 * found.bill.total


@given(
    st.builds(Operations, **{name: st.integers(0, 10_000) for name in FIGURES}),
    st.floats(0, 1e6, allow_nan=False),
    st.floats(1, 3, allow_nan=False),
)
def test_more_use_never_costs_less(use, users, times):
    some = replace(TRAFFIC, users=users, actions_a_session={"open": 1})
    more = replace(some, users=users * times)
    assert (
        monthly_bill({"open": use}, some, PRICES).total
        <= monthly_bill({"open": use}, more, PRICES).total
    )


def traffic_of(text: str) -> TrafficModel:
    reader = YamlReader(SourceText("harness.yaml", text))
    root = reader.root()
    assert root is not None
    return read_traffic(reader, root)


def test_a_traffic_model_is_read():
    model = traffic_of(
        "{location: eur3, users: 5, sessions_a_day: 1.5, stored_gib: 3, "
        "actions_a_session: {open: 2}}"
    )
    assert model == TrafficModel("eur3", 5, 1.5, {"open": 2.0}, stored_gib=3)
    assert model.runs_a_day("open") == 15


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{location: eur3}", "traffic lacks users"),
        ("{location: eur3, user: 5}", 'did you mean "users"'),
        (
            "{location: eur3, users: -5, sessions_a_day: 1, actions_a_session: {}}",
            "traffic.users is not a number",
        ),
    ],
)
def test_a_traffic_model_that_does_not_fit_is_refused(text, problem):
    with pytest.raises(ConfigError) as caught:
        traffic_of(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("reads: 0.06", "reads: free", "nam5.reads is not a price"),
        ("fallback: nam5", "fallback: mars", '"mars" is not one of the locations'),
        ("  egress: 0.12", "  outgress: 0.12", '"outgress" is not a key'),
        ("rounding_ms: 100", "date2: 100", '"date2" is not a key'),
    ],
)
def test_a_price_list_that_does_not_fit_is_refused_with_its_place(old, new, problem):
    text = files("harness.billing").joinpath("prices.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigError) as caught:
        read_prices(SourceText("prices.yaml", text.replace(old, new, 1)))
    assert problem in str(caught.value)
    assert caught.value.at is not None


def test_every_price_says_when_and_how_sure():
    for prices in PRICES.locations.values():
        assert prices.confidence in ("high", "medium", "low")
        assert prices.date.startswith("20")
        # The ratio that all lists keep, but for rounding: 3 : 1 : 1/3.
        assert prices.writes == pytest.approx(prices.reads * 3, rel=Decimal("0.03"))
