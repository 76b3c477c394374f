"""Testing / Verify security rules: attacks, and the journeys that rules must allow."""

import json
import subprocess
import sys

import pytest
from conftest import LONG_AGO, found_group, make_profile, new_expense
from google.api_core.exceptions import PermissionDenied
from google.cloud import firestore

import harness

pytestmark = pytest.mark.workflow("Testing/Verify security rules")

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 64


def test_anyone_signed_in_can_found_a_group(firestore_as, household):
    """A group and its founder's membership, written in one batch, are allowed."""
    found_group(firestore_as("nora"), "lisbon", "nora")
    assert firestore_as("nora").document("groups/lisbon").get().exists


@pytest.mark.parametrize(
    "forged",
    [
        {"name": ""},
        {"kind": "cult"},
        {"currency": "euros"},
        {"createdBy": "alice"},
        {"createdAt": LONG_AGO},
        {"memberIds": ["nora", "alice"]},
        {"memberCount": 0},
        {"archived": True},
        {"plan": "premium"},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_a_group_cannot_be_founded_with_forged_fields(forged, firestore_as, household):
    """A founder cannot name another creator, other members, or fields of their own."""
    with pytest.raises(PermissionDenied):
        found_group(firestore_as("nora"), "lisbon", "nora", **forged)


@pytest.mark.parametrize(
    "forged",
    [
        {"role": "member"},
        {"uid": "alice"},
        {"displayName": ""},
        {"joinedAt": LONG_AGO},
        {"isAdmin": True},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_a_founder_cannot_forge_their_membership(forged, firestore_as, household):
    """The founder's own membership has the shape it must have."""
    with pytest.raises(PermissionDenied):
        found_group(firestore_as("nora"), "lisbon", "nora", founder=forged)


def test_a_founder_names_no_one_else_an_owner(firestore_as, household):
    """A group cannot be founded around somebody else's membership, or for somebody else."""
    nora = firestore_as("nora")
    with pytest.raises(PermissionDenied):
        found_group(nora, "lisbon", "omar", createdBy="nora")
    with pytest.raises(PermissionDenied):
        found_group(nora, "lisbon", "omar")


@pytest.mark.parametrize("place", range(12))
def test_each_share_of_an_expense_counts(place, firestore_as, firestore_admin, household):
    """Among twelve shares, one that is negative is found wherever it stands."""
    crowd = ["bob", *(f"m{number:02}" for number in range(11))]
    firestore_admin.document("groups/home").update({"memberIds": crowd})
    shares = dict.fromkeys(sorted(crowd), 100)
    forged = sorted(crowd)[place]
    balancing = sorted(crowd)[(place + 1) % 12]
    bob = firestore_as("bob")
    bob.document("groups/home/expenses/fair").create(new_expense("bob", shares))
    with pytest.raises(PermissionDenied):
        bob.document("groups/home/expenses/unfair").create(
            new_expense("bob", {**shares, forged: -100, balancing: 300})
        )


def test_a_profile_is_made_by_its_owner_and_in_shape(firestore_as, household):
    """A user makes their own profile; an unsafe photo address and other fields are refused."""
    nora = firestore_as("nora")
    forgeries = [
        {"photoUrl": "http://example.com/a.png"},
        {"isAdmin": True},
        {"displayName": ""},
        {"defaultCurrency": "euros"},
        {"createdAt": LONG_AGO},
        {"updatedAt": LONG_AGO},
    ]
    for forged in forgeries:
        with pytest.raises(PermissionDenied):
            make_profile(nora, "nora", **forged)
    with pytest.raises(PermissionDenied):
        make_profile(nora, "omar")
    make_profile(nora, "nora", photoUrl="https://example.com/a.png")


def test_one_denied_write_denies_the_batch(firestore_as, firestore_admin, household):
    """A batch with one write that is not allowed changes nothing."""
    bob = firestore_as("bob")
    batch = bob.batch()
    batch.set(bob.document("groups/home/expenses/a"), new_expense("bob", {"bob": 100}))
    batch.update(bob.document("groups/home/balances/bob"), {"netCents": 0})
    with pytest.raises(PermissionDenied):
        batch.commit()
    assert not firestore_admin.document("groups/home/expenses/a").get().exists


def test_a_member_who_left_sees_nothing(firestore_as, firestore_admin, household):
    """Membership is looked up for each request: who leaves, loses access at once."""
    bob = firestore_as("bob")
    assert bob.document("groups/home/expenses/rent").get().exists
    firestore_admin.document("groups/home/members/bob").delete()
    with pytest.raises(PermissionDenied):
        bob.document("groups/home/expenses/rent").get()


def test_a_claim_must_be_true_to_count(firestore_as, household):
    """The support claim counts only as the boolean true."""
    for claim in ("true", 1, None, False):
        with pytest.raises(PermissionDenied):
            firestore_as("sue", support=claim).document("groups/home").get()
    assert firestore_as("sue", support=True).document("groups/home").get().exists


def test_a_transaction_is_subject_to_the_rules(firestore_as, firestore_admin, household):
    """A client's transaction cannot move a balance."""
    bob = firestore_as("bob")
    balance = bob.document("groups/home/balances/bob")

    @firestore.transactional
    def forgive(transaction):
        cents = balance.get(transaction=transaction).get("netCents")
        transaction.update(balance, {"netCents": cents + 100})

    with pytest.raises(PermissionDenied):
        forgive(bob.transaction())
    assert firestore_admin.document("groups/home/balances/bob").get().get("netCents") == -59100


def test_an_increment_is_judged_by_its_result(firestore_as, household):
    """Rules see the document after a transform: an amount cannot be moved past the shares' sum."""
    with pytest.raises(PermissionDenied):
        firestore_as("bob").document("groups/home/expenses/pizza").update(
            {
                "amountCents": firestore.Increment(1),
                "updatedBy": "bob",
                "updatedAt": firestore.SERVER_TIMESTAMP,
            }
        )


def test_receipts_are_for_the_group(storage_as, storage_unauthenticated, live_household):
    """Members read and add receipts of their group; strangers and the signed-out do neither."""
    path = "receipts/home/rent/photo.jpg"
    storage_as("bob").upload(path, JPEG, content_type="image/jpeg")
    assert storage_as("vera").download(path) == JPEG
    for client in (storage_as("mallory"), storage_unauthenticated):
        with pytest.raises(harness.StorageDenied):
            client.download(path)
        with pytest.raises(harness.StorageDenied):
            client.upload("receipts/home/rent/other.jpg", JPEG, content_type="image/jpeg")


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("photo.jpg", JPEG, "text/html"),
        ("page.html", JPEG, "image/jpeg"),
        ("empty.jpg", b"", "image/jpeg"),
        ("huge.jpg", b"\0" * (5 * 1024 * 1024 + 1), "image/jpeg"),
    ],
    ids=["type", "name", "empty", "too large"],
)
def test_a_receipt_is_a_picture_of_at_most_5_mib(
    name, content, content_type, storage_as, live_household
):
    """Other content, other names, empty and oversized files are refused."""
    with pytest.raises(harness.StorageDenied):
        storage_as("bob").upload(f"receipts/home/rent/{name}", content, content_type=content_type)


def test_a_receipt_needs_an_open_expense_and_a_contributor(storage_as, live_household):
    """Viewers add no receipts; a settled or missing expense takes none; none is replaced."""
    refused = [("vera", "rent"), ("bob", "old"), ("bob", "none")]
    for uid, expense_id in refused:
        with pytest.raises(harness.StorageDenied):
            storage_as(uid).upload(
                f"receipts/home/{expense_id}/a.jpg", JPEG, content_type="image/jpeg"
            )
    path = "receipts/home/rent/a.jpg"
    storage_as("bob").upload(path, JPEG, content_type="image/jpeg")
    with pytest.raises(harness.StorageDenied):
        storage_as("bob").upload(path, JPEG, content_type="image/jpeg")


def test_receipts_are_deleted_by_owner_and_author_only(storage_as, storage_admin, live_household):
    """Only the owner and the expense's author delete a receipt."""
    path = "receipts/home/rent/b.jpg"
    storage_as("alice").upload(path, JPEG, content_type="image/jpeg")
    for uid in ("bob", "vera", "mallory"):
        with pytest.raises(harness.StorageDenied):
            storage_as(uid).delete(path)
    storage_as("alice").delete(path)
    with pytest.raises(harness.StorageObjectMissing):
        storage_admin.download(path)


def lint(folder, *files):
    """Run the rules linter as CI does; return its exit status and what it found."""
    command = [sys.executable, "-m", "harness", "rules", "lint", "--format", "json", *files]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    findings = json.loads(ran.stdout)["findings"] if ran.stdout else ran.stderr
    return ran.returncode, findings


def test_the_linter_has_no_warning(harness_project):
    """Nothing is open, pointless or always an error in the rules of Firestore and Storage."""
    status, findings = lint(harness_project)
    assert [each for each in findings if each["level"] != "note"] == []
    assert status == 0


def test_the_linter_notices_rules_that_are_opened(harness_project, tmp_path):
    """The same rules with one guard taken out are found."""
    rules = harness_project / "backend" / "firestore.rules"
    weakened = rules.read_text().replace("allow get: if isUser(uid) || isSupport();", "allow get;")
    (tmp_path / "weak.rules").write_text(weakened)
    status, findings = lint(tmp_path, "weak.rules")
    assert status == 1
    assert "open-rules" in {each["rule"] for each in findings}
