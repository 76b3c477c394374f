"""What the report makes of a forecast."""

from dataclasses import replace
from decimal import Decimal
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.billing.chart import report_svg
from harness.billing.forecast import forecast, monthly_bill
from harness.billing.operations import Operations
from harness.billing.report import cost_report, money, report_text
from harness.billing.scenarios import scenario_cost
from tests.billing.test_forecast import PRICES, TRAFFIC
from tests.billing.uses import use


def report_of(**requests):
    measured = {name: scenario_cost(name, "c", uses, 0) for name, uses in requests.items()}
    operations = {name: cost.operations for name, cost in measured.items()}
    return cost_report(measured, forecast(operations, TRAFFIC, PRICES), PRICES)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0"),
        ("4.349", "$4.3"),
        ("21.59", "$22"),
        ("1234", "$1,200"),
        ("0.0000069", "$0.0000069"),
        ("99.6", "$100"),
    ],
)
def test_an_amount_has_two_digits(amount, text):
    assert money(Decimal(amount)) == text


def test_the_largest_saving_comes_first_and_small_ones_follow():
    report = report_of(
        open=[use(reads=500, returned=500)],
        add=[use(reads=120, skipped=100, limit=20, returned=20, shape="users")],
    )
    assert [(each.scenario, each.finding.id) for each in report.savings] == [
        ("open", "PERF-06"),
        ("add", "PERF-07"),
    ]
    # 60,000 runs a day × 480 reads × 30 days at 0.03.
    assert report.savings[0].a_month == Decimal("259.2")


@given(st.integers(1, 400), st.integers(0, 60), st.integers(0, 60))
def test_savings_together_never_exceed_the_bill(returned, gets, again):
    report = report_of(
        open=[
            use(reads=returned, returned=returned),
            *[use(rpc="GetDocument", shape="users/*", reads=1, documents=["users/a"])] * gets,
            *[use(rpc="GetDocument", shape="teams/*", reads=1, documents=["teams/a"])] * again,
        ]
    )
    saved = sum(each.a_month for each in report.savings)
    assert saved <= report.forecast.bill.total
    assert all(each.a_month > 0 for each in report.savings)


def test_what_is_free_saves_nothing():
    report = report_of(open=[use(reads=0, returned=0)])
    assert report.savings == ()
    assert "nothing that was seen would make this bill smaller" in report_text(report)


def test_a_markdown_table_bears_any_name():
    report = report_of(open=[use(reads=30, limit=30)], add=[use(reads=3, limit=5)])
    text = report_text(report, markdown=True)
    assert "| open |" in text
    assert text.count("```") % 2 == 0


def test_the_picture_is_well_formed_whatever_actions_are_called():
    names = {'open <a> & "b"': [use(reads=30, limit=30)], "add": [use(reads=3, limit=5)]}
    model = replace(TRAFFIC, actions_a_session=dict.fromkeys(names, 3))
    measured = {name: scenario_cost(name, "c", uses, 0) for name, uses in names.items()}
    operations = {name: cost.operations for name, cost in measured.items()}
    root = fromstring(
        report_svg(cost_report(measured, forecast(operations, model, PRICES), PRICES))
    )
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert 'open <a> & "b"' in words
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == 1 + 2 + 12


def test_a_users_share_is_the_bills():
    month = monthly_bill({"open": Operations(reads=25)}, TRAFFIC, PRICES)
    report = report_of(open=[use(reads=25, limit=30)])
    assert report.forecast.per_user == month.total / 10_000
