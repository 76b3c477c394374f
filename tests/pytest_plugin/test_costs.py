"""Scenarios, budgets and growth, measured by checks."""

import json

import pytest

from harness.costs import read_costs
from tests.pytest_plugin.checks import make_project
from tests.pytest_plugin.test_fixtures import address, running  # noqa: F401

pytest_plugins = "pytester"

pytestmark = pytest.mark.usefixtures("running")

SETTINGS = """\
budgets:
  open: {reads: 3, growth: page}
  feed: {growth: page}
"""
FILLED = """
import pytest

@pytest.fixture
def things(firestore_admin):
    things = firestore_admin.collection("things")
    for number in range(5):
        things.document(str(number)).set({"n": number})
    return things
"""


def project(pytester: pytest.Pytester, check: str) -> None:
    make_project(pytester, conftest=FILLED, test_cost=check)
    (pytester.path / "harness.yaml").write_text(SETTINGS, encoding="utf-8")


def test_a_scenario_over_its_budget_fails_and_names_its_requests(
    pytester: pytest.Pytester,
) -> None:
    project(
        pytester,
        """
        def test_open(things, query_cost):
            with query_cost("open") as cost:
                list(things.order_by("n").stream())
                things.document("0").get()
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '*"open" costs 6 reads; its budget is 3*',
            "*5 reads: RunQuery things order by n  at test_cost.py:3*",
            "*1 reads: BatchGetDocuments things/[*]  at test_cost.py:4*",
        ]
    )


def test_what_a_scenario_costs_is_kept_whether_or_not_the_check_passes(
    pytester: pytest.Pytester,
) -> None:
    project(
        pytester,
        """
        def test_open(things, query_cost):
            with query_cost("open"):
                list(things.stream())

        def test_other(things, query_cost):
            with query_cost("other"):
                things.document("0").set({"n": 0})
            with query_cost():
                things.document("0").get()
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(failed=1, passed=1)
    found = read_costs(pytester.path).scenarios
    assert {name: cost.operations.reads for name, cost in found.items()} == {"open": 5, "other": 0}
    assert found["other"].operations.writes == 1
    assert [finding.id for finding in found["other"].findings] == ["PERF-29"]
    assert found["open"].check == "test_cost.py::test_open"


def test_a_query_over_its_budget_fails_in_any_block(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        def test_unnamed(things, query_cost):
            with query_cost():
                list(things.order_by("n").limit(4).stream())

        def test_within(things, query_cost):
            with query_cost() as cost:
                list(things.order_by("n").limit(3).stream())
                list(things.where("n", "==", 1).limit(3).stream())
            assert cost.without_budget() == ["things where n == ?"]
        """,
    )
    settings = 'budgets: {queries: {"things order by n": {reads: 3}}}'
    (pytester.path / "harness.yaml").write_text(settings, encoding="utf-8")
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "the query things order by n limit 4 costs 4 reads; its budget is 3",
            "*4 reads: RunQuery things order by n limit 4  at test_cost.py:3",
        ]
    )


def test_a_failed_comparison_names_the_requests(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        def test_reads(things, query_cost):
            with query_cost() as cost:
                for number in range(3):
                    list(things.where("n", "==", number).limit(2).stream())
            assert cost.reads <= 2
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.stdout.fnmatch_lines(
        ["E*assert 3 <= 2", "E*3 reads: 3 × RunQuery things where n == [?] limit 2  at test_cost*"]
    )


def test_a_cost_that_grows_with_the_data_fails_although_it_is_cheap_today(
    pytester: pytest.Pytester,
) -> None:
    project(
        pytester,
        """
        def test_feed(firestore_admin, cost_growth):
            posts = firestore_admin.collection("posts")

            def seed(start, end):
                for number in range(start, end):
                    posts.document(f"p{number}").set({"n": number})

            cost_growth("feed", seed, lambda: list(posts.stream()), sizes=(2, 6, 20))

        def test_page(firestore_admin, cost_growth):
            posts = firestore_admin.collection("posts")

            def seed(start, end):
                for number in range(start, end):
                    posts.document(f"p{number}").set({"n": number})

            growth = cost_growth(
                "feed", seed, lambda: list(posts.limit(4).stream()), sizes=(2, 6, 20)
            )
            assert growth.reads.figures == (2, 4, 4)
            assert growth.order.words == "with the page size"
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            '*"feed": reads grow with the result: 2 → 6 → 20; allowed: with the page size*',
            "*20 reads: RunQuery posts *",
        ]
    )
    assert [each.name for each in read_costs(pytester.path).growth] == ["feed", "feed"]


def test_only_growth_is_measured_where_only_that_is_asked_for(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        def test_other():
            pass

        def test_feed(firestore_admin, cost_growth):
            def seed(start, end):
                for number in range(start, end):
                    firestore_admin.document(f"posts/{number}").set({"n": number})

            cost_growth("feed", seed, lambda: firestore_admin.document("posts/0").get())
        """,
    )
    result = pytester.runpytest_inprocess(
        "-q", "-W", "ignore", "--harness-growth", "--harness-growth-sizes=1,2,3"
    )
    result.assert_outcomes(passed=1, deselected=1)
    (growth,) = read_costs(pytester.path).growth
    assert growth.growth["reads"].sizes == (1, 2, 3)


def test_a_run_replaces_what_the_last_one_measured(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        def test_open(things, query_cost):
            with query_cost("open"):
                things.document("0").get()
        """,
    )
    stale = pytester.path / ".harness" / "costs" / "gw7.jsonl"
    stale.parent.mkdir(parents=True)
    stale.write_text(json.dumps({"scenario": "old"}) + "\n", encoding="utf-8")
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=1)
    assert list(read_costs(pytester.path).scenarios) == ["open"]
