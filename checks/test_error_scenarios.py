"""Testing / Error scenario testing: what goes wrong in production, brought about on purpose."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from conftest import expense, invite, new_expense
from google.api_core.exceptions import GoogleAPICallError

import harness

pytestmark = pytest.mark.workflow("Testing/Error scenario testing")


def balances(admin):
    return {
        doc.id: doc.get("netCents") for doc in admin.collection("groups/home/balances").stream()
    }


def outcome(call, name, data, uid):
    try:
        call(name, data, as_=uid)
    except harness.FunctionsError as error:
        return error.code
    return "ok"


def test_an_event_delivered_twice_counts_once(
    firestore_as, live_household, firestore_admin, drain_events, redeliver_events
):
    """Every event delivered a second time leaves balances and feed as they were."""
    firestore_as("bob").document("groups/home/expenses/milk").create(
        new_expense("bob", {"alice": 100, "bob": 50})
    )
    drain_events()
    before = (
        balances(firestore_admin),
        len(firestore_admin.collection("groups/home/activity").get()),
    )
    assert redeliver_events() >= 1
    drain_events()
    after = balances(firestore_admin), len(firestore_admin.collection("groups/home/activity").get())
    assert after == before


def test_the_last_place_of_an_invite_is_given_once(call, live_household, firestore_admin):
    """Four people take an invite for one at the same time: one gets in."""
    firestore_admin.document("invites/RACECODE22").set(invite("home"))
    people = ["nora", "omar", "pia", "quinn"]
    with ThreadPoolExecutor(len(people)) as pool:
        data = {"code": "RACECODE22"}
        codes = list(pool.map(lambda uid: outcome(call, "acceptInvite", data, uid), people))
    assert sorted(codes) == ["ok", *["resource-exhausted"] * 3]
    assert firestore_admin.document("invites/RACECODE22").get().get("uses") == 1
    home = firestore_admin.document("groups/home").get()
    assert home.get("memberCount") == len(home.get("memberIds")) == 4


def test_a_debt_is_paid_once_by_two_at_once(call, live_household, firestore_admin):
    """Two payments of the whole debt at the same time: one is recorded."""
    payment = {"groupId": "home", "fromUid": "bob", "toUid": "alice", "amountCents": 59100}
    requests_ = [{**payment, "requestId": "r1"}, {**payment, "requestId": "r2"}]
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda data: outcome(call, "settleUp", data, "bob"), requests_))
    assert sorted(codes) == ["failed-precondition", "ok"]
    assert balances(firestore_admin) == {"alice": 0, "bob": 0, "vera": 0}


def test_a_malformed_document_breaks_nothing(
    live_household, firestore_admin, firestore_as, drain_events
):
    """An expense that an import got wrong is left out of the balances; the next one is not."""
    before = balances(firestore_admin)
    firestore_admin.document("groups/home/expenses/bad").set(
        {**expense("bob", {"bob": 100}), "amountCents": "a lot", "splits": None}
    )
    drain_events()
    assert balances(firestore_admin) == before
    firestore_as("bob").document("groups/home/expenses/good").create(
        new_expense("bob", {"alice": 100})
    )
    drain_events()
    assert balances(firestore_admin)["alice"] == before["alice"] - 100


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_a_malformed_token_is_refused(token, suite, project_id, household):
    """A token that is none is refused, not taken for nobody's."""
    answer = requests.get(
        f"http://{suite.firestore}/v1/projects/{project_id}/databases/(default)/documents/users/bob",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code in (400, 401, 403, 500)
    assert "fields" not in answer.text


def test_a_stale_write_is_refused(firestore_as, firestore_admin, household):
    """A write that depends on an older version of the document is refused."""
    pizza = firestore_as("bob").document("groups/home/expenses/pizza")
    old = pizza.get()
    firestore_admin.document("groups/home/expenses/pizza").update({"receipt": {"path": "x"}})
    from google.cloud import firestore

    option = firestore_as("bob").write_option(last_update_time=old.update_time)
    with pytest.raises(GoogleAPICallError) as refused:
        pizza.update(
            {
                "description": "Stale",
                "updatedBy": "bob",
                "updatedAt": firestore.SERVER_TIMESTAMP,
            },
            option=option,
        )
    assert refused.value.grpc_status_code.name == "FAILED_PRECONDITION"
