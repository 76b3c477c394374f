"""Verification Phase / Quality Check / Cost optimization review: reads, against budgets."""

import pytest
from client_requests import run
from conftest import new_expense
from google.cloud import firestore

pytestmark = pytest.mark.workflow("Quality Check/Cost optimization review")


def test_every_query_has_a_limit(client_contract):
    """No query of the app reads a whole collection."""
    unlimited = [f"{use.position}: {use}" for use in client_contract.queries if use.limit is None]
    assert not unlimited, "\n".join(unlimited)


def test_opening_a_group_is_within_its_budget(
    client_contract, firestore_as, household, query_cost, record_metric
):
    """Opening a group (members, balances, latest expenses, feed) stays within its reads."""
    screen = [
        use
        for use in client_contract.queries
        if use.segments[:2] == ("groups", "{groupId}") and use.run == "listen"
    ]
    with query_cost("open a group") as cost:
        for use in screen:
            run(firestore_as("alice"), use)
    record_metric("reads_to_open_a_group", cost.reads)
    assert cost.reads > 0


def test_adding_an_expense_is_within_its_budget(
    firestore_as, live_household, drain_events, query_cost, record_metric
):
    """Adding an expense, with the lookups of rules and what it sets off, stays within reads."""
    with query_cost("add an expense") as cost:
        firestore_as("bob").document("groups/home/expenses/milk").create(
            new_expense("bob", {"alice": 100, "bob": 100})
        )
        drain_events()
    record_metric("reads_to_add_an_expense", cost.reads)
    record_metric("writes_to_add_an_expense", cost.writes)
    assert cost.writes > 1


def test_settling_up_is_within_its_budget(
    call, live_household, drain_events, query_cost, record_metric
):
    """Settling up, with what it sets off, stays within its reads."""
    payment = {
        "groupId": "home",
        "fromUid": "bob",
        "toUid": "alice",
        "amountCents": 100,
        "requestId": "r1",
    }
    with query_cost("settle up") as cost:
        call("settleUp", payment, as_="bob")
        drain_events()
    record_metric("reads_to_settle_up", cost.reads)
    assert cost.invocations >= 1
    assert cost.by_function()["settleUp"].writes > 0


def test_a_write_does_not_run_in_circles(
    firestore_as, live_household, drain_events, query_cost, record_metric
):
    """A trigger's own writes set off no further work without end: one expense, few writes."""
    with query_cost() as cost:
        firestore_as("bob").document("groups/home/expenses/pizza").update(
            {
                "description": "Pizza",
                "updatedBy": "bob",
                "updatedAt": firestore.SERVER_TIMESTAMP,
            }
        )
        drain_events()
    record_metric("writes_to_rename_an_expense", cost.writes)
    assert cost.writes <= 4, cost.by_query()


def test_the_rules_look_up_no_more_than_two_documents(firestore_as, household, query_cost):
    """Reading an expense costs the expense and one lookup; adding one costs two lookups."""
    with query_cost() as cost:
        firestore_as("bob").document("groups/home/expenses/rent").get()
    assert cost.rules_reads == 1
    with query_cost() as cost:
        firestore_as("bob").document("groups/home/expenses/milk").create(
            new_expense("bob", {"bob": 100})
        )
    assert cost.rules_reads == 2
