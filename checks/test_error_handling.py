"""Verification Phase / Quality Check / Error handling: what callers are told."""

import pytest
from conftest import group, invite, membership

import harness

pytestmark = pytest.mark.workflow("Quality Check/Error handling")

PAYMENT = {
    "groupId": "home",
    "fromUid": "bob",
    "toUid": "alice",
    "amountCents": 100,
    "requestId": "r1",
}

#: callable, data, caller, code
REFUSALS = [
    ("createInvite", {"groupId": "home"}, None, "unauthenticated"),
    ("createInvite", None, "alice", "invalid-argument"),
    ("createInvite", "home", "alice", "invalid-argument"),
    ("createInvite", {"groupId": "../x"}, "alice", "invalid-argument"),
    ("createInvite", {"groupId": "home", "role": "owner"}, "alice", "invalid-argument"),
    ("createInvite", {"groupId": "home", "maxUses": 13}, "alice", "invalid-argument"),
    ("createInvite", {"groupId": "home", "expiresInDays": 0.5}, "alice", "invalid-argument"),
    ("createInvite", {"groupId": "nowhere"}, "alice", "not-found"),
    ("createInvite", {"groupId": "home"}, "bob", "permission-denied"),
    ("createInvite", {"groupId": "home"}, "mallory", "permission-denied"),
    ("createInvite", {"groupId": "attic"}, "alice", "failed-precondition"),
    ("acceptInvite", {"code": "HOMECODE22"}, None, "unauthenticated"),
    ("acceptInvite", {}, "mallory", "invalid-argument"),
    (
        "acceptInvite",
        {"code": "HOMECODE22", "displayName": "x" * 61},
        "mallory",
        "invalid-argument",
    ),
    ("acceptInvite", {"code": "NOSUCHCODE"}, "mallory", "not-found"),
    ("acceptInvite", {"code": "HOMECODE22"}, "bob", "already-exists"),
    ("settleUp", PAYMENT, None, "unauthenticated"),
    ("settleUp", {**PAYMENT, "amountCents": 0}, "bob", "invalid-argument"),
    ("settleUp", {**PAYMENT, "amountCents": "100"}, "bob", "invalid-argument"),
    ("settleUp", {**PAYMENT, "toUid": "bob"}, "bob", "invalid-argument"),
    ("settleUp", {**PAYMENT, "requestId": "a/b"}, "bob", "invalid-argument"),
    ("settleUp", {**PAYMENT, "groupId": "nowhere"}, "bob", "not-found"),
    ("settleUp", {**PAYMENT, "toUid": "mallory"}, "bob", "not-found"),
    ("settleUp", PAYMENT, "vera", "permission-denied"),
    ("settleUp", PAYMENT, "mallory", "permission-denied"),
    ("settleUp", {**PAYMENT, "amountCents": 59101}, "bob", "failed-precondition"),
    ("settleUp", {**PAYMENT, "groupId": "attic"}, "bob", "failed-precondition"),
]


def test_each_refusal_has_its_code(call, live_household, firestore_admin, record_proof):
    """Wrong input, wrong callers and wrong states get the documented code, and change nothing."""
    before = firestore_admin.document("groups/home").get().to_dict()
    surprises = []
    for name, data, caller, code in REFUSALS:
        with pytest.raises(harness.FunctionsError) as refused:
            call(name, data, as_=caller)
        if refused.value.code != code:
            surprises.append(f"{name}({data}) as {caller}: {refused.value.code}, not {code}")
    assert not surprises, "\n".join(surprises)
    assert firestore_admin.document("groups/home").get().to_dict() == before
    assert firestore_admin.document("groups/home/balances/bob").get().get("netCents") == -59100
    record_proof(f"{len(REFUSALS)} refusals had their documented code")


def test_a_malformed_field_is_named(call, live_household):
    """An invalid argument names the field, so that the app can mark it."""
    with pytest.raises(harness.FunctionsError) as refused:
        call("settleUp", {**PAYMENT, "amountCents": -5}, as_="bob")
    assert refused.value.details == {"field": "amountCents"}


def test_too_large_a_payment_says_what_is_payable(call, live_household):
    """Settling more than is owed says how much is."""
    with pytest.raises(harness.FunctionsError) as refused:
        call("settleUp", {**PAYMENT, "amountCents": 60000}, as_="bob")
    assert refused.value.details == {"payableCents": 59100}


def test_a_full_group_and_spent_invites_are_told_apart(call, live_household, firestore_admin):
    """Expired, used up, archived and full are four answers."""
    past = invite("home")["createdAt"]
    crowd = [f"user{index}" for index in range(11)]
    firestore_admin.document("groups/full").set(group("alice", *crowd))
    firestore_admin.document("groups/full/members/alice").set(membership("alice", "owner"))
    cases = {
        "EXPIRED222": (invite("home", expiresAt=past), "failed-precondition"),
        "ARCHIVED22": (invite("attic"), "failed-precondition"),
        "USEDUP2222": (invite("home", uses=1), "resource-exhausted"),
        "FULLGROUP2": (invite("full"), "resource-exhausted"),
        "GONEGROUP2": (invite("gone"), "not-found"),
    }
    for code, (data, _) in cases.items():
        firestore_admin.document(f"invites/{code}").set(data)
    for code, (_, expected) in cases.items():
        with pytest.raises(harness.FunctionsError) as refused:
            call("acceptInvite", {"code": code}, as_="mallory")
        assert refused.value.code == expected, code


def test_an_owner_has_at_most_ten_open_invites(call, live_household, firestore_admin):
    """The eleventh open invite is refused as resource-exhausted."""
    for index in range(9):
        firestore_admin.document(f"invites/CODE{index}").set(invite("home"))
    with pytest.raises(harness.FunctionsError) as refused:
        call("createInvite", {"groupId": "home"}, as_="alice")
    assert refused.value.code == "resource-exhausted"
