"""What is over its budget, and what has none."""

import pytest

from harness.billing.budgets import parts_over, scenario_over, with_uncounted, without_budget
from harness.billing.scenario_growth import SizedRun, figures_growth, grows_too_fast
from harness.config import Budget, PartBudgets
from tests.billing.uses import use

PAGE = "orders order by n limit 20"


def test_a_scenario_over_its_budget_names_what_it_is_made_of():
    requests = [use(reads=20, returned=20, at="a.py:1"), use(shape="users", reads=3)]
    assert scenario_over("open", Budget(reads=22, invocations=1), requests, 2) == [
        '"open" costs 23 reads; its budget is 22',
        "  20 reads: RunQuery orders  at a.py:1",
        "  3 reads: RunQuery users",
        '"open" costs 2 invocations; its budget is 1',
    ]
    assert scenario_over("open", Budget(reads=23, invocations=2), requests, 2) == []


def test_a_functions_budget_is_for_one_run_on_average():
    requests = [use(reads=3, function="pay") for _ in range(4)] + [use(reads=90)]
    budgets = PartBudgets(functions={"pay": Budget(reads=6), "idle": Budget(reads=0)})
    assert parts_over(requests, {"pay": 2}, budgets) == []
    assert parts_over(requests, {"pay": 1}, budgets) == [
        "the function pay costs 12 reads; its budget is 6",
        "  12 reads: 4 × RunQuery orders (function pay)",
    ]
    tight = PartBudgets(functions={"pay": Budget(reads=5)})
    assert parts_over(requests, {"pay": 2}, tight)[0] == (
        "the function pay costs 12 reads in 2 runs, 6 a run; its budget is 5"
    )


def test_a_querys_budget_is_for_each_request_and_told_once():
    requests = [use(shape=PAGE, reads=20, limit=20), use(shape=PAGE, reads=21, limit=20)] * 2
    budgets = PartBudgets(queries={"orders order by n": Budget(reads=20)})
    assert parts_over(requests, {}, budgets) == [
        f"the query {PAGE} costs 21 reads; its budget is 20",
        f"  21 reads: RunQuery {PAGE}",
    ]


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        (PAGE, PAGE),
        ("orders order by n", PAGE),
        ("orders order by n", "orders order by n start after limit 20"),
        ("orders order by n", "orders order by n end before offset 40 limit 20"),
        ("orders order by end desc", "orders order by end desc limit 20"),
        ("orders where limit == ?", "orders where limit == ? limit 5"),
        ("orders", PAGE),
    ],
)
def test_a_query_is_known_by_its_shape_with_or_without_its_page_or_by_its_collection(key, shape):
    budgets = PartBudgets(queries={key: Budget(reads=1)})
    assert len(parts_over([use(shape=shape, reads=2)], {}, budgets)) == 2


def test_the_nearest_name_decides():
    budgets = PartBudgets(queries={"orders": Budget(reads=1), PAGE: Budget(reads=50)})
    assert parts_over([use(shape=PAGE, reads=20)], {}, budgets) == []


def test_what_has_no_budget_is_told():
    requests = [
        use(shape=PAGE),
        use(shape="users limit 5", collection="users"),
        use(function="pay", shape="secrets", collection="secrets"),
        use(rpc="GetDocument", shape="users/*"),
    ]
    budgets = PartBudgets(queries={"orders order by n": Budget(reads=1)})
    assert without_budget(requests, budgets) == ["pay", "users"]


def test_a_function_that_nobody_counted_ran_once():
    requests = [use(function="onUpload"), use(function="pay"), use(function="pay")]
    assert with_uncounted(requests, {"pay": 2, "idle": 1, "none": 0}) == {
        "onUpload": 1,
        "pay": 2,
        "idle": 1,
    }


# Growth


def runs(make):
    return [SizedRun(size, tuple(make(size)), {"pay": 1}) for size in (10, 100, 1_000)]


def test_what_a_function_reads_is_no_result_of_the_scenario():
    own = runs(lambda size: [use(reads=size, returned=size, function="pay")])
    assert figures_growth(own)["reads"].order.words == "with the collection"
    client = runs(lambda size: [use(reads=size, returned=size)])
    assert figures_growth(client)["reads"].order.words == "with the result"


def test_one_get_for_each_result_is_more_than_the_result():
    loop = runs(
        lambda size: [
            use(reads=size, returned=size),
            *[use(rpc="BatchGetDocuments", shape="users/*", reads=1, returned=1)] * size,
        ]
    )
    lines = grows_too_fast("feed", Budget(growth="result"), PartBudgets(), loop)
    assert lines == [
        '"feed": reads grow with the collection: 20 → 200 → 2,000; allowed: with the result',
        "  10 → 100 → 1,000 reads: BatchGetDocuments users/*",
        "  10 → 100 → 1,000 reads: RunQuery orders",
    ]


def test_functions_and_queries_have_growth_of_their_own():
    def make(size):
        return [use(reads=size, returned=size, function="pay", shape="ledger", collection="ledger")]

    budgets = PartBudgets(
        functions={"pay": Budget(growth="constant")}, queries={"ledger": Budget(growth="page")}
    )
    heads = [line for line in grows_too_fast("x", None, budgets, runs(make)) if line[0] != " "]
    assert heads == [
        "the function pay: reads grow with the collection: 10 → 100 → 1,000; allowed: constant",
        "the query ledger: reads grow with the result: 10 → 100 → 1,000; "
        "allowed: with the page size",
    ]


def test_a_page_that_is_just_full_is_no_growth():
    page = runs(
        lambda size: [
            use(
                reads=min(size, 100),
                returned=min(size, 100),
                index_entries=min(size, 101),
                limit=100,
            )
        ]
    )
    growth = figures_growth(page)["index entries"]
    assert growth.order.words == "with the page size"
    assert growth.figures == (10, 100, 101)
