"""Testing / Integration testing with Flutter frontend: the app's own requests, made for real."""

import pytest
from client_requests import path_of, query_of, run
from conftest import seed_household

import harness

pytestmark = pytest.mark.workflow("Testing/Integration testing with Flutter frontend")


def test_every_query_of_the_app_is_allowed_and_served(
    client_contract, firestore_as, household, record_proof
):
    """Each query in the app's Dart code is allowed by the rules and served by an index."""
    assert client_contract.queries, "no query was found in the app's Dart code"
    refused = []
    for use in client_contract.queries:
        try:
            run(firestore_as("alice"), use)
        except Exception as error:
            refused.append(f"{use.position}: {use}\n  {str(error).splitlines()[0]}")
    assert not refused, "\n".join(refused)
    record_proof(f"{len(client_contract.queries)} queries of the app ran as a signed-in user")


def test_listeners_of_the_app_deliver(client_contract, firestore_as, household, wait_until):
    """Each query that the app listens to delivers its first snapshot."""
    listened = [use for use in client_contract.queries if use.run == "listen"]
    assert listened
    for use in listened:
        delivered = []
        watch = query_of(firestore_as("alice"), use).on_snapshot(
            lambda documents, changes, time, to=delivered: to.append(len(documents))
        )
        try:
            wait_until(lambda to=delivered: bool(to))
        finally:
            watch.unsubscribe()


def test_every_document_of_the_app_has_a_rule(
    client_contract, firestore_as, firestore_admin, household, record_proof
):
    """Each document that the app reads can be read by the group's owner."""
    reads = [use for use in client_contract.documents if use.operation in ("get", "listen")]
    assert reads
    for use in reads:
        assert firestore_as("alice").document(path_of(use.segments)).get().exists, use.position
    record_proof(f"{len(reads)} document reads of the app were allowed and found")


def test_every_callable_of_the_app_answers(
    client_contract, deployed_functions, call, live_household, record_proof
):
    """Each callable in the app's Dart code is deployed and checks what it is sent."""
    for use in client_contract.callables:
        assert use.name in deployed_functions, f"{use.position}: {use.name} is not deployed"
        with pytest.raises(harness.FunctionsError) as refused:
            call(use.name, {}, as_="alice")
        assert refused.value.code == "invalid-argument"
    record_proof(f"{len(client_contract.callables)} callables of the app answered")


def test_objects_of_the_app_are_where_the_rules_are(client_contract, storage_as, live_household):
    """A receipt uploaded to the path that the app uses is accepted and comes back."""
    uploads = [use for use in client_contract.objects if use.operation == "create"]
    assert uploads
    for use in uploads:
        path = path_of(use.segments)
        storage_as("alice").upload(path, b"\xff\xd8\xff", content_type="image/jpeg")
        assert storage_as("bob").download(path) == b"\xff\xd8\xff"


def test_nothing_in_the_app_was_left_unread(client_contract):
    """All Firestore, Functions and Storage calls of the app were understood."""
    assert [str(use.position) for use in client_contract.not_understood] == []


def test_the_seed_is_what_the_app_would_show(firestore_admin, firestore_as, household):
    """The home screen's query finds the group that was seeded, and not the archived one."""
    seed_household(firestore_admin)
    groups = (
        firestore_as("alice")
        .collection("groups")
        .where(filter=harness_filter("memberIds", "array_contains", "alice"))
        .where(filter=harness_filter("archived", "==", False))
        .order_by("createdAt", direction="DESCENDING")
        .limit(50)
        .get()
    )
    assert [group.id for group in groups] == ["home"]


def harness_filter(path, operator, value):
    from google.cloud.firestore_v1.base_query import FieldFilter

    return FieldFilter(path, operator, value)
