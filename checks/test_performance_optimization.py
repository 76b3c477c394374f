"""Verification Phase / Quality Check / Performance optimization: work that does not grow."""

import pytest
from client_requests import run
from conftest import LONG_AGO, expense, new_expense

pytestmark = pytest.mark.workflow("Quality Check/Performance optimization")

SMALL, LARGE = 40, 400
SIZES = (10, 40, 400)


def add_expenses(admin, start, end):
    for first in range(start, end, 200):
        add_batch(admin, first, min(end, first + 200))


def add_batch(admin, start, end):
    batch = admin.batch()
    for index in range(start, end):
        batch.set(
            admin.document(f"groups/home/expenses/x{index:04}"),
            expense("alice", {"alice": 100, "bob": index + 1}),
        )
        batch.set(
            admin.document(f"groups/home/activity/x{index:04}"),
            {"type": "expense_created", "createdAt": LONG_AGO},
        )
    batch.commit()


def test_no_screen_reads_more_as_the_group_grows(
    client_contract, firestore_as, firestore_admin, household, query_cost, record_proof
):
    """Ten times the data costs each of the app's queries not one read more, past a full page."""
    entries = {}
    for size, start in ((SMALL, 0), (LARGE, SMALL)):
        add_expenses(firestore_admin, start, size)
        for use in client_contract.queries:
            if use.run == "aggregate":
                continue
            with query_cost() as cost:
                run(firestore_as("alice"), use)
            entries.setdefault(str(use), []).append((cost.reads, cost.index_entries_scanned))
    grown = {use: seen for use, seen in entries.items() if seen[0] != seen[-1]}
    assert not grown, f"reads and index entries at {SMALL} and {LARGE} documents: {grown}"
    record_proof(f"{len(entries)} queries cost the same at {SMALL} and at {LARGE} documents")


def test_no_query_of_the_app_scans_what_it_does_not_return(
    client_contract, firestore_as, firestore_admin, household, query_cost
):
    """Each query walks one index entry per document it returns, and at most one beyond."""
    add_expenses(firestore_admin, 0, SMALL)
    for use in client_contract.queries:
        with query_cost() as cost:
            found = run(firestore_as("alice"), use)
        assert cost.index_entries_scanned <= found + 1, f"{use.position}: {use}"


def test_opening_a_group_grows_no_further_than_its_pages(
    client_contract, firestore_as, firestore_admin, household, cost_growth
):
    """However many expenses a group has, opening it reads full pages and no more."""
    screen = [
        use
        for use in client_contract.queries
        if use.segments[:2] == ("groups", "{groupId}") and use.run == "listen"
    ]
    growth = cost_growth(
        "open a group",
        seed=lambda start, end: add_expenses(firestore_admin, start, end),
        run=lambda: [run(firestore_as("alice"), use) for use in screen],
    )
    assert growth.order.words == "with the page size"


def test_adding_an_expense_costs_the_same_in_an_old_group(
    firestore_as, live_household, firestore_admin, drain_events, cost_growth
):
    """An expense costs as much in a group with 400 of them as in one with 10, triggers included."""
    numbers = iter(range(10))

    def add_one():
        firestore_as("bob").document(f"groups/home/expenses/n{next(numbers)}").create(
            new_expense("bob", {"alice": 100, "bob": 100})
        )
        drain_events()

    cost_growth(
        "add an expense",
        seed=lambda start, end: add_expenses(firestore_admin, start, end),
        run=add_one,
        sizes=SIZES,
    )


def test_settling_up_costs_the_same_in_an_old_group(
    call, live_household, firestore_admin, drain_events, cost_growth
):
    """A payment costs as much with 400 expenses as with 10, triggers included."""
    numbers = iter(range(10))

    def settle():
        call(
            "settleUp",
            {
                "groupId": "home",
                "fromUid": "bob",
                "toUid": "alice",
                "amountCents": 1,
                "requestId": f"r{next(numbers)}",
            },
            as_="bob",
        )
        drain_events()

    cost_growth(
        "settle up",
        seed=lambda start, end: add_expenses(firestore_admin, start, end),
        run=settle,
        sizes=SIZES,
    )
