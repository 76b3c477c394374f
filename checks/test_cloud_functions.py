"""Testing / Test Cloud Functions: each function does its work, once."""

from datetime import UTC, datetime, timedelta

import pytest
import requests
from conftest import REGION, new_expense
from google.cloud import firestore

import harness

pytestmark = pytest.mark.workflow("Testing/Test Cloud Functions")

PAYMENT = {"groupId": "home", "fromUid": "bob", "toUid": "alice", "requestId": "r1"}
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64


def balances(admin):
    return {
        doc.id: doc.get("netCents") for doc in admin.collection("groups/home/balances").stream()
    }


def feed(admin, group_id="home"):
    entries = admin.collection(f"groups/{group_id}/activity").stream()
    return sorted(entry.get("type") for entry in entries)


def test_an_invite_is_made_and_accepted(call, live_household, firestore_admin, drain_events):
    """createInvite and acceptInvite bring a stranger into the group, exactly once."""
    made = call("createInvite", {"groupId": "home", "role": "viewer"}, as_="alice")
    expires = datetime.fromisoformat(made["expiresAt"])
    assert timedelta(days=6, hours=23) < expires - datetime.now(UTC) <= timedelta(days=7)

    joined = call(
        "acceptInvite", {"code": made["code"].lower(), "displayName": "Mal"}, as_="mallory"
    )
    assert joined == {"groupId": "home", "role": "viewer"}
    drain_events()
    home = firestore_admin.document("groups/home").get()
    assert sorted(home.get("memberIds")) == ["alice", "bob", "mallory", "vera"]
    assert home.get("memberCount") == 4
    member = firestore_admin.document("groups/home/members/mallory").get()
    assert (member.get("role"), member.get("displayName")) == ("viewer", "Mal")
    assert firestore_admin.document(f"invites/{made['code']}").get().get("uses") == 1
    assert feed(firestore_admin) == ["member_joined"]


def test_a_payment_moves_both_balances_once(call, live_household, firestore_admin):
    """settleUp moves both balances; the same request again moves nothing."""
    first = call("settleUp", {**PAYMENT, "amountCents": 9100}, as_="bob")
    assert first == {"settlementId": "r1", "fromNetCents": -50000, "toNetCents": 50000}
    again = call("settleUp", {**PAYMENT, "amountCents": 9100}, as_="bob")
    assert again == first
    assert balances(firestore_admin) == {"alice": 50000, "bob": -50000, "vera": 0}
    with pytest.raises(harness.FunctionsError) as refused:
        call("settleUp", {**PAYMENT, "amountCents": 1}, as_="bob")
    assert refused.value.code == "already-exists"


def test_settling_the_last_debt_closes_the_expenses(
    call, live_household, firestore_admin, drain_events
):
    """When nobody owes anything, open expenses become settled and the feed says so."""
    call("settleUp", {**PAYMENT, "amountCents": 59100}, as_="bob")
    drain_events()
    for name in ("rent", "pizza", "old"):
        assert (
            firestore_admin.document(f"groups/home/expenses/{name}").get().get("status")
            == "settled"
        )
    assert feed(firestore_admin) == ["settlement_recorded"]


def test_balances_follow_an_expense_through_its_life(
    firestore_as, live_household, firestore_admin, drain_events
):
    """Adding, changing and deleting an expense moves the balances there and back again."""
    bob = firestore_as("bob")
    before = balances(firestore_admin)
    expense = bob.document("groups/home/expenses/milk")

    expense.create(new_expense("bob", {"alice": 100, "bob": 50}))
    drain_events()
    assert balances(firestore_admin) == {"alice": 59000, "bob": -59000, "vera": 0}

    expense.update(
        {
            "amountCents": 300,
            "splits": {"alice": 300},
            "updatedBy": "bob",
            "updatedAt": firestore.SERVER_TIMESTAMP,
        }
    )
    drain_events()
    assert balances(firestore_admin) == {"alice": 58800, "bob": -58800, "vera": 0}

    expense.delete()
    drain_events()
    assert balances(firestore_admin) == before
    assert feed(firestore_admin) == ["expense_created", "expense_deleted", "expense_updated"]


def test_balances_of_a_group_sum_to_zero(
    firestore_as, live_household, firestore_admin, drain_events, record_proof
):
    """However expenses come and go, what is owed equals what is due."""
    bob = firestore_as("bob")
    for index in range(12):
        splits = {"alice": 10 + index, "bob": 7 * index + 1}
        bob.document(f"groups/home/expenses/e{index}").create(new_expense("bob", splits))
    for index in range(0, 12, 3):
        bob.document(f"groups/home/expenses/e{index}").delete()
    drain_events()
    assert sum(balances(firestore_admin).values()) == 0
    record_proof("16 writes at once left the balances at a sum of zero")


def test_the_member_list_follows_who_leaves(
    firestore_as, live_household, firestore_admin, drain_events
):
    """A member who leaves is no longer counted."""
    firestore_as("vera").document("groups/home/members/vera").delete()
    drain_events()
    home = firestore_admin.document("groups/home").get()
    assert (home.get("memberIds"), home.get("memberCount")) == (["alice", "bob"], 2)
    assert feed(firestore_admin) == ["member_left"]


def test_a_deleted_group_leaves_nothing(live_household, firestore_admin, storage_as, drain_events):
    """Deleting a group deletes what is below it."""
    storage_as("bob").upload("receipts/home/rent/a.jpg", JPEG, content_type="image/jpeg")
    drain_events()
    firestore_admin.document("groups/home").delete()
    drain_events()
    assert [c.id for c in firestore_admin.document("groups/home").collections()] == []


def test_a_receipt_is_noted_on_its_expense(
    live_household, firestore_admin, storage_as, drain_events, wait_until
):
    """An uploaded receipt appears on the expense that it belongs to."""
    storage_as("bob").upload("receipts/home/rent/a.jpg", JPEG, content_type="image/jpeg")
    rent = firestore_admin.document("groups/home/expenses/rent")
    wait_until(lambda: "receipt" in rent.get().to_dict())
    receipt = rent.get().get("receipt")
    assert receipt["path"] == "receipts/home/rent/a.jpg"
    assert (receipt["contentType"], receipt["sizeBytes"]) == ("image/jpeg", len(JPEG))


def test_a_new_account_gets_a_profile(functions, auth_user, firestore_admin, wait_until):
    """Signing up makes a profile with reminders on."""
    user = auth_user(email="nora@example.com")
    profile = firestore_admin.document(f"users/{user.uid}")
    wait_until(lambda: profile.get().exists)
    assert profile.get().get("remindersEnabled") is True


def test_debtors_are_reminded_on_schedule(live_household, firestore_admin, run_reminders):
    """The weekly reminder reaches who owes 5.00 or more, once a day however often it runs."""
    run_reminders()
    assert feed(firestore_admin) == ["reminder"]
    run_reminders()
    assert feed(firestore_admin) == ["reminder"]


def test_reminders_come_on_monday_mornings(
    live_household, firestore_admin, scheduled_functions, emulator_clock
):
    """The reminder comes every Monday at nine in Berlin, in winter and in summer."""
    emulator_clock.freeze("2030-03-24T00:00:00Z")
    ran = scheduled_functions.advance(timedelta(weeks=2), only=["remindDebtors"])
    assert [run.at for run in ran] == [
        datetime(2030, 3, 25, 8, tzinfo=UTC),
        datetime(2030, 4, 1, 7, tzinfo=UTC),
    ]
    entries = firestore_admin.collection("groups/home/activity").get()
    assert sorted(entry.get("createdAt") for entry in entries) == [run.at for run in ran]


def test_reminders_can_be_switched_off(live_household, firestore_admin, run_reminders):
    """Who switched reminders off gets none."""
    firestore_admin.document("users/bob").update({"remindersEnabled": False})
    run_reminders()
    assert feed(firestore_admin) == []


def test_the_export_is_a_table_for_members(suite, live_household, auth_user, firestore_admin):
    """exportGroup gives a member every expense, and defuses what a spreadsheet would run."""
    user = auth_user(uid="bob")
    firestore_admin.document("groups/home/expenses/pizza").update({"description": "=1+1"})
    answer = requests.get(
        f"http://{suite.functions}/{suite.project_id}/{REGION}/exportGroup",
        params={"groupId": "home"},
        headers={"Authorization": f"Bearer {user.id_token}"},
        timeout=30,
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = answer.content.decode("utf-8").splitlines()
    assert len(rows) == 1 + 4
    assert "'=1+1" in answer.text


@pytest.mark.parametrize(
    ("method", "group_id", "token", "status"),
    [
        ("POST", "home", "member", 405),
        ("GET", "home", None, 401),
        ("GET", "home", "nonsense", 401),
        ("GET", "a/b", "member", 400),
        ("GET", "nowhere", "member", 404),
        ("GET", "away", "member", 403),
    ],
)
def test_the_export_refuses_with_the_right_status(
    method, group_id, token, status, suite, live_household, auth_user
):
    """exportGroup answers 405, 401, 400, 404 and 403 where they belong."""
    bearer = auth_user(uid="bob").id_token if token == "member" else token
    answer = requests.request(
        method,
        f"http://{suite.functions}/{suite.project_id}/{REGION}/exportGroup",
        params={"groupId": group_id},
        headers={"Authorization": f"Bearer {bearer}"} if bearer else {},
        timeout=30,
    )
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
