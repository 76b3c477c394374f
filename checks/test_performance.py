"""Testing / Performance testing: the functions under concurrent callers."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest
from conftest import group, membership

import harness

pytestmark = pytest.mark.workflow("Testing/Performance testing")

CALLERS = 4
ROUNDS = 6
#: A call may cost this many times a call that is refused before it does anything.
MAX_RATIO = 15


@pytest.fixture
def households(firestore_admin, live_household, without_events):
    """One group for each caller, so that they do not wait for one another."""
    with without_events():
        return seed_groups(firestore_admin)


def seed_groups(firestore_admin):
    for index in range(CALLERS):
        group_id = f"load{index}"
        firestore_admin.document(f"groups/{group_id}").set(group("alice", "bob"))
        for uid, role in (("alice", "owner"), ("bob", "member")):
            firestore_admin.document(f"groups/{group_id}/members/{uid}").set(membership(uid, role))
        for uid, cents in (("alice", 100000), ("bob", -100000)):
            firestore_admin.document(f"groups/{group_id}/balances/{uid}").set({"netCents": cents})
    return [f"load{index}" for index in range(CALLERS)]


def test_concurrent_callers_are_all_answered(call, households, firestore_admin, record_proof):
    """Callers at the same time all succeed, and no cent is lost."""

    def pay(job):
        group_id, number = job
        call(
            "settleUp",
            {
                "groupId": group_id,
                "fromUid": "bob",
                "toUid": "alice",
                "amountCents": 10,
                "requestId": f"load{number}",
            },
            as_="bob",
        )

    jobs = [(group_id, number) for number in range(ROUNDS) for group_id in households]
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(pay, jobs))
    for group_id in households:
        cents = firestore_admin.document(f"groups/{group_id}/balances/bob").get().get("netCents")
        assert cents == -100000 + 10 * ROUNDS
    record_proof(f"{len(jobs)} payments by {CALLERS} callers at once were all recorded, each once")


def test_a_warm_call_is_not_out_of_proportion(call, households):
    """A warm settleUp takes no more than a small multiple of a call that does nothing.

    A ratio of medians within one run: the machine's speed cancels out.
    """

    def timed(amount, number):
        payment = {
            "groupId": households[0],
            "fromUid": "bob",
            "toUid": "alice",
            "amountCents": amount,
            "requestId": f"ratio{number}",
        }
        start = time.perf_counter()
        if amount == 0:
            with pytest.raises(harness.FunctionsError, match="amountCents"):
                call("settleUp", payment, as_="bob")
        else:
            call("settleUp", payment, as_="bob")
        return time.perf_counter() - start

    timed(0, 0)
    timed(1, 0)
    nothing, something = [], []
    for number in range(1, 12):
        nothing.append(timed(0, number))
        something.append(timed(1, number))
    ratio = median(something) / median(nothing)
    assert ratio <= MAX_RATIO, f"a settlement takes {ratio:.1f} times a refused call"
