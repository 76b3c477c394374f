"""Verification Phase / Quality Check / Feature completeness."""

import pytest
import requests
from conftest import REGION, membership, new_expense
from google.cloud import firestore

import harness

pytestmark = pytest.mark.workflow("Quality Check/Feature completeness")


def test_the_feature_works_from_founding_to_settled(
    call, auth_user, firestore_as, drain_events, suite, record_proof
):
    """Two people found a group, share a cost, pay it back and export it, through the real suite."""
    alice, bob = auth_user(uid="alice"), auth_user(uid="bob")
    as_alice, as_bob = firestore_as(alice), firestore_as(bob)

    now = firestore.SERVER_TIMESTAMP
    batch = as_alice.batch()
    batch.set(
        as_alice.document("groups/lisbon"),
        {
            "name": "Lisbon",
            "kind": "trip",
            "currency": "EUR",
            "createdBy": "alice",
            "createdAt": now,
            "archived": False,
            "memberIds": ["alice"],
            "memberCount": 1,
        },
    )
    owner = {**membership("alice", "owner"), "joinedAt": now}
    batch.set(as_alice.document("groups/lisbon/members/alice"), owner)
    batch.commit()

    code = call("createInvite", {"groupId": "lisbon"}, as_=alice)["code"]
    call("acceptInvite", {"code": code, "displayName": "Bob"}, as_=bob)
    drain_events()

    as_alice.document("groups/lisbon/expenses/hotel").create(
        new_expense("alice", {"alice": 15000, "bob": 15000}, category="travel")
    )
    drain_events()
    assert as_bob.document("groups/lisbon/balances/bob").get().get("netCents") == -15000

    settled = call(
        "settleUp",
        {
            "groupId": "lisbon",
            "fromUid": "bob",
            "toUid": "alice",
            "amountCents": 15000,
            "requestId": "payback",
        },
        as_=bob,
    )
    assert (settled["fromNetCents"], settled["toNetCents"]) == (0, 0)
    drain_events()
    assert as_bob.document("groups/lisbon/expenses/hotel").get().get("status") == "settled"

    feed = as_bob.collection("groups/lisbon/activity").limit(30).get()
    told = {entry.get("type") for entry in feed}
    assert told >= {"member_joined", "expense_created", "settlement_recorded"}

    export = requests.get(
        f"http://{suite.functions}/{suite.project_id}/{REGION}/exportGroup",
        params={"groupId": "lisbon"},
        headers={"Authorization": f"Bearer {bob.id_token}"},
        timeout=30,
    )
    assert '"150.00"' in export.text
    record_proof("found, invite, join, spend, balance, settle, feed and export worked in one story")


def test_the_tasks_of_the_feature_are_done(workflow_document):
    """Every component feature and backend task in the workflow document is ticked."""
    tasks = [i for i in workflow_document.items if "Component Features" in i.heading_path]
    if not tasks or all(task.is_placeholder for task in tasks):
        harness.not_verified("Component Features is not filled in yet")
    still_open = [task.text for task in tasks if not task.is_ticked]
    assert not still_open, f"not done yet: {'; '.join(still_open)}"


def test_what_the_app_calls_is_deployed(client_contract, deployed_functions):
    """Every callable that the app's code names is deployed."""
    called = {use.name for use in client_contract.callables}
    assert called, "the app calls no function: is `flutter` right in harness.yaml?"
    assert called <= set(deployed_functions), sorted(called - set(deployed_functions))
