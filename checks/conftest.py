"""What the checks of Splitmates share: one household, and the personas around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import firestore

REGION = "europe-west1"

LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Household:
    """The seeded group, `groups/home`: Alice owns it, Bob is a member, Vera may look."""

    group_id: str = "home"
    owner: str = "alice"
    member: str = "bob"
    viewer: str = "vera"
    stranger: str = "mallory"


def expense(paid_by: str, splits: dict[str, int], **changes: Any) -> dict[str, Any]:
    """An expense as the app would have written it some time ago."""
    return {
        "description": "Groceries",
        "amountCents": sum(splits.values()),
        "currency": "EUR",
        "paidBy": paid_by,
        "splits": splits,
        "category": "groceries",
        "status": "open",
        "createdBy": paid_by,
        "createdAt": LONG_AGO,
        "updatedBy": paid_by,
        "updatedAt": LONG_AGO,
        **changes,
    }


def new_expense(by: str, splits: dict[str, int], **changes: Any) -> dict[str, Any]:
    """An expense as the app writes it now: the server fills in the times."""
    now = {"createdAt": firestore.SERVER_TIMESTAMP, "updatedAt": firestore.SERVER_TIMESTAMP}
    return expense(by, splits, **{**now, **changes})


def group(owner: str, *members: str, **changes: Any) -> dict[str, Any]:
    """A group document."""
    return {
        "name": "Flat 3",
        "kind": "household",
        "currency": "EUR",
        "createdBy": owner,
        "createdAt": LONG_AGO,
        "archived": False,
        "memberIds": [owner, *members],
        "memberCount": 1 + len(members),
        **changes,
    }


def membership(uid: str, role: str) -> dict[str, Any]:
    """A member document."""
    return {"uid": uid, "role": role, "displayName": uid.title(), "joinedAt": LONG_AGO}


def seed_household(admin: firestore.Client) -> Household:
    """Write the household, an archived group of the same people, and a stranger's group."""
    batch = admin.batch()

    def put(path: str, data: dict[str, Any]) -> None:
        batch.set(admin.document(path), data)

    put("groups/home", group("alice", "bob", "vera"))
    for uid, role in (("alice", "owner"), ("bob", "member"), ("vera", "viewer")):
        put(f"groups/home/members/{uid}", membership(uid, role))
    put("groups/home/expenses/rent", expense("alice", {"alice": 30000, "bob": 60000}))
    put("groups/home/expenses/pizza", expense("bob", {"alice": 900, "bob": 900}, category="food"))
    put("groups/home/expenses/old", expense("bob", {"bob": 100}, status="settled"))
    put("groups/home/expenses/former", expense("gone", {"alice": 300}, createdBy="bob"))
    put("groups/home/balances/alice", {"netCents": 59100, "updatedAt": LONG_AGO})
    put("groups/home/balances/bob", {"netCents": -59100, "updatedAt": LONG_AGO})
    put("groups/home/balances/vera", {"netCents": 0, "updatedAt": LONG_AGO})
    put(
        "groups/home/settlements/s1",
        {
            "fromUid": "bob",
            "toUid": "alice",
            "amountCents": 100,
            "currency": "EUR",
            "createdBy": "bob",
            "createdAt": LONG_AGO,
        },
    )
    put("groups/home/activity/a1", {"type": "member_joined", "createdAt": LONG_AGO})
    put("groups/home/processedEvents/e1", {"processedAt": LONG_AGO})

    put("groups/attic", group("alice", "bob", archived=True))
    put("groups/attic/members/alice", membership("alice", "owner"))
    put("groups/attic/members/bob", membership("bob", "member"))
    put("groups/attic/expenses/lamp", expense("bob", {"alice": 500, "bob": 500}))

    put("groups/away", group("mallory", kind="trip"))
    put("groups/away/members/mallory", membership("mallory", "owner"))

    put("invites/HOMECODE22", invite("home"))
    for uid in ("alice", "bob", "vera", "mallory", "sue"):
        put(f"users/{uid}", profile(uid))
    batch.commit()
    return Household()


def found_group(
    client: firestore.Client,
    group_id: str,
    uid: str,
    founder: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Found a group as the app does: two documents in one batch.

    `changes` are to the group, `founder` to its founder's membership.
    """
    now = firestore.SERVER_TIMESTAMP
    batch = client.batch()
    batch.set(
        client.document(f"groups/{group_id}"),
        {
            "name": "Lisbon",
            "kind": "trip",
            "currency": "EUR",
            "createdBy": uid,
            "createdAt": now,
            "archived": False,
            "memberIds": [uid],
            "memberCount": 1,
            **changes,
        },
    )
    owner = {**membership(uid, "owner"), "joinedAt": now, **(founder or {})}
    batch.set(client.document(f"groups/{group_id}/members/{uid}"), owner)
    batch.commit()


def profile(uid: str) -> dict[str, Any]:
    """A user's profile."""
    return {
        "displayName": uid.title(),
        "defaultCurrency": "EUR",
        "remindersEnabled": True,
        "createdAt": LONG_AGO,
        "updatedAt": LONG_AGO,
    }


def make_profile(client: firestore.Client, uid: str, **changes: Any) -> None:
    """Make one's profile as the app does."""
    now = {"createdAt": firestore.SERVER_TIMESTAMP, "updatedAt": firestore.SERVER_TIMESTAMP}
    client.document(f"users/{uid}").create({**profile(uid), **now, **changes})


def invite(group_id: str, **changes: Any) -> dict[str, Any]:
    """An invite that is good for another week."""
    return {
        "groupId": group_id,
        "groupName": "Flat 3",
        "role": "member",
        "createdBy": "alice",
        "createdAt": LONG_AGO,
        "expiresAt": datetime.now(UTC) + timedelta(days=7),
        "maxUses": 1,
        "uses": 0,
        **changes,
    }


@pytest.fixture
def household(firestore_admin: firestore.Client) -> Household:
    """The household, in a project where no function reacts to it."""
    return seed_household(firestore_admin)


@pytest.fixture
def live_household(
    firestore_admin: firestore.Client,
    functions: Any,
    without_events: Callable[[], AbstractContextManager[None]],
) -> Household:
    """The household in the suite's own project, where functions react to what happens next."""
    with without_events():
        household = seed_household(firestore_admin)
        for name in ("activity", "processedEvents"):
            for document in firestore_admin.collection(f"groups/home/{name}").list_documents():
                document.delete()
    return household


@pytest.fixture
def call(call_function: Callable[..., Any]) -> Callable[..., Any]:
    """Call one of the app's callables, in the app's region."""

    def call_in_region(name: str, data: Any = None, *, as_: Any = None) -> Any:
        return call_function(name, data, as_=as_, region=REGION)

    return call_in_region


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for what a Storage or Auth trigger does: those two are not Firestore's to drain."""

    def wait(is_so: Callable[[], bool], timeout_s: float = 15) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, f"still not so after {timeout_s} s"
            time.sleep(0.05)

    return wait


@pytest.fixture
def deployed_functions(functions: Any) -> set[str]:
    """The names of the functions that the suite has loaded."""
    return {function.name for function in functions.deployed()}


@pytest.fixture
def run_reminders(functions: Any, drain_events: Callable[..., int]) -> Callable[[], None]:
    """Run the weekly reminder, as Cloud Scheduler would on a Monday morning."""

    def run() -> None:
        functions.run_scheduled(
            "remindDebtors", schedule_time="2026-01-05T08:00:00Z", region=REGION
        )
        drain_events()

    return run
