"""Verification Phase / Quality Check / Cost optimization review: reads, against budgets.

The budgets are in harness.yaml: `query_cost()` holds every function and query to its own.
"""

import pytest
import requests
from client_requests import run
from conftest import LONG_AGO, REGION, new_expense
from google.cloud import firestore
from test_performance_optimization import add_expenses

pytestmark = pytest.mark.workflow("Quality Check/Cost optimization review")

PAYMENT = {"groupId": "home", "fromUid": "bob", "toUid": "alice", "requestId": "r1"}
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64
#: More than any page of the app holds.
MANY = 120
#: How long a function may take that starts a process, on a machine that does much else.
START_S = 60


def test_every_query_has_a_limit(client_contract):
    """No query of the app reads a whole collection."""
    unlimited = [f"{use.position}: {use}" for use in client_contract.queries if use.limit is None]
    assert not unlimited, "\n".join(unlimited)


def test_every_query_of_the_app_is_within_its_budget(
    client_contract, firestore_as, firestore_admin, household, query_cost, record_proof
):
    """Each query in the app's Dart code has a budget, and keeps it in a group with full pages."""
    add_expenses(firestore_admin, 0, MANY)
    for use in client_contract.queries:
        with query_cost() as cost:
            run(firestore_as("alice"), use)
        assert cost.without_budget() == [], f"{use.position}: no budget in harness.yaml"
    record_proof(f"{len(client_contract.queries)} queries cost what harness.yaml allows")


def test_every_function_is_within_its_budget(
    call,
    functions,
    deployed_functions,
    firestore_as,
    firestore_admin,
    live_household,
    auth_user,
    storage_as,
    suite,
    drain_events,
    run_reminders,
    wait_until,
    query_cost,
    record_proof,
):
    """Each function has a budget and keeps it, from the first invite to the group's end."""
    with query_cost() as cost:
        bob = auth_user(uid="bob")
        leaver = auth_user(uid="nora")  # the second of two for onUserCreated
        profile = firestore_admin.document("users/nora")
        wait_until(lambda: profile.get().exists, START_S)

        made = call("createInvite", {"groupId": "home"}, as_="alice")
        call("acceptInvite", {"code": made["code"]}, as_="mallory")
        milk = firestore_as("bob").document("groups/home/expenses/milk")
        milk.create(new_expense("bob", {"alice": 100, "bob": 50}))
        drain_events(START_S)
        storage_as("bob").upload("receipts/home/milk/a.jpg", JPEG, content_type="image/jpeg")
        wait_until(lambda: "receipt" in milk.get().to_dict(), START_S)
        milk.delete()
        drain_events(START_S)
        run_reminders()
        call("settleUp", {**PAYMENT, "amountCents": 59100}, as_="bob")
        answer = functions.request(
            "exportGroup", params={"groupId": "home"}, token=bob.id_token, region=REGION
        )
        assert answer.status == 200
        drain_events(START_S)
        leave(suite, leaver)
        wait_until(lambda: not profile.get().exists, START_S)
        firestore_admin.document("groups/home").delete()
        drain_events(START_S)
    assert deployed_functions - set(cost.runs) == set(), "functions that this check does not run"
    assert cost.runs["onUserCreated"] == 2
    functions_without = deployed_functions & set(cost.without_budget())
    assert functions_without == set(), "functions without a budget in harness.yaml"
    record_proof(f"{len(cost.runs)} functions cost what harness.yaml allows")


def leave(suite, user):
    """Delete one's account, as the app does."""
    answer = requests.post(
        f"http://{suite.auth}/identitytoolkit.googleapis.com/v1/accounts:delete",
        params={"key": "any"},
        json={"idToken": user.id_token},
        timeout=30,
    )
    assert answer.ok, answer.text


def test_reminders_read_no_debtor_one_by_one_and_skip_no_page(
    live_household, firestore_admin, without_events, run_reminders, query_cost
):
    """Two pages of debtors are read by cursor, and what belongs to them in one batch."""
    with without_events():
        add_debtors(firestore_admin, 0, 250)
    with query_cost() as cost:
        run_reminders()
    assert cost.by_function()["remindDebtors"].writes > 200
    wasteful = [each for each in cost.findings() if each.id in ("PERF-05", "PERF-07")]
    assert not wasteful, "\n".join(map(str, wasteful))


def add_debtors(admin, start, end):
    """Groups of one debtor each; a page of reminders holds 200."""
    batch = admin.batch()
    for index in range(start, end):
        balance = {"netCents": -1000 - index, "updatedAt": LONG_AGO}
        batch.set(admin.document(f"groups/g{index:04}/balances/u{index:04}"), balance)
    batch.commit()


def test_opening_a_group_is_within_its_budget(client_contract, firestore_as, household, query_cost):
    """Opening a group (members, balances, latest expenses, feed) stays within its reads."""
    screen = [
        use
        for use in client_contract.queries
        if use.segments[:2] == ("groups", "{groupId}") and use.run == "listen"
    ]
    with query_cost("open a group") as cost:
        for use in screen:
            run(firestore_as("alice"), use)
    assert cost.reads > 0


def test_adding_an_expense_is_within_its_budget(
    firestore_as, live_household, drain_events, query_cost
):
    """Adding an expense, with the lookups of rules and what it sets off, stays within reads."""
    with query_cost("add an expense") as cost:
        firestore_as("bob").document("groups/home/expenses/milk").create(
            new_expense("bob", {"alice": 100, "bob": 100})
        )
        drain_events()
    assert cost.writes > 1


def test_settling_up_is_within_its_budget(call, live_household, drain_events, query_cost):
    """Settling up, with what it sets off, stays within its reads."""
    with query_cost("settle up") as cost:
        call("settleUp", {**PAYMENT, "amountCents": 100}, as_="bob")
        drain_events()
    assert cost.runs == {"settleUp": 1, "onSettlementCreated": 1}
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
