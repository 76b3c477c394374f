"""Testing / Performance testing: the functions under concurrent callers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import group, membership

import harness

pytestmark = pytest.mark.workflow("Testing/Performance testing")

CALLERS = 4
ROUNDS = 6
PER_SECOND = 8
#: How many times as long as one that is refused before it does anything a call may take: the
#: median, 95 of 100, and the first one, for which a process starts.
WARM, TAIL, COLD = 15, 60, 500


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


@pytest.fixture
def settle(call, households):
    """One settlement by its number, in one of several groups."""

    def settle_up(number):
        payment = {
            "groupId": households[number % CALLERS],
            "fromUid": "bob",
            "toUid": "alice",
            "amountCents": 1,
            "requestId": f"steady{number}",
        }
        call("settleUp", payment, as_="bob")

    return settle_up


@pytest.fixture
def refused(call):
    """A call that is refused before it does anything."""

    def refuse():
        with pytest.raises(harness.FunctionsError, match="groupId"):
            call("settleUp", {}, as_="bob")

    return refuse


def test_a_warm_call_is_not_out_of_proportion(settle, refused, steady_load):
    """Eight payments a second, each with its trigger, take a small multiple of a refused call."""
    load = steady_load(
        "settle up",
        settle,
        noop=refused,
        per_second=PER_SECOND,
        seconds=3,
        # The emulator starts a process for each call that finds none idle: no more than there are.
        callers=CALLERS,
        warm_up=CALLERS,
        p50=WARM,
        p95=TAIL,
    )
    # Each group has its own balances: nothing is written by everybody.
    assert not load.hot_documents(limit=PER_SECOND / CALLERS + 1)


def test_a_cold_start_is_not_out_of_proportion(settle, refused, steady_load):
    """The first settlement after a deployment waits for a process, and no longer than that."""
    steady_load(
        "first settlement", settle, noop=refused, per_second=2, seconds=1, callers=1, cold=COLD
    )
