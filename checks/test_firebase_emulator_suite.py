"""Testing / Test with Firebase Emulator Suite: every part runs, and they work together."""

import json

import pytest
import requests
from conftest import new_expense

import harness

pytestmark = pytest.mark.workflow("Testing/Test with Firebase Emulator Suite")


def test_every_configured_emulator_runs(suite, harness_project, record_proof):
    """Each service that firebase.json configures answers on its port."""
    config = json.loads((harness_project / "firebase.json").read_text(encoding="utf-8"))
    if suite.hub is None:
        harness.not_verified("the Emulator Suite is not running, only a Firestore")
    running = requests.get(f"http://{suite.hub}/emulators", timeout=10).json()
    wanted = {name for name in ("firestore", "functions", "storage") if name in config}
    wanted |= {"auth", "eventarc", "tasks", "hub", "logging"}
    assert wanted <= set(running), sorted(wanted - set(running))
    record_proof(f"running: {', '.join(sorted(wanted))}")


def test_the_project_cannot_be_a_real_one(suite):
    """The suite runs under a demo project: nothing can reach production."""
    assert suite.project_id.startswith("demo-")


def test_a_signed_in_user_goes_through_every_service(
    auth_user, firestore_as, storage_as, live_household, firestore_admin, drain_events, wait_until
):
    """One user's token from the Auth emulator works in Firestore, Functions and Storage."""
    bob = auth_user(uid="bob")
    firestore_as(bob).document("groups/home/expenses/milk").create(
        new_expense("bob", {"alice": 100, "bob": 100})
    )
    storage_as(bob).upload(
        "receipts/home/milk/photo.jpg", b"\xff\xd8\xff", content_type="image/jpeg"
    )
    milk = firestore_admin.document("groups/home/expenses/milk")
    wait_until(lambda: "receipt" in milk.get().to_dict())
    drain_events()
    assert firestore_as(bob).document("groups/home/balances/bob").get().get("netCents") == -59000


def test_no_function_failed_while_loading(suite, deployed_functions, record_proof):
    """Every function that the code exports was loaded by the suite."""
    assert deployed_functions
    record_proof(f"{len(deployed_functions)} functions were loaded")
