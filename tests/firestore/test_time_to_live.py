"""Which documents have expired.

Source: google.firestore.admin.v1 Field.TtlConfig; Firestore, "Manage data retention with TTL
policies".
"""

import pytest

from harness.firestore.documents import Write, WriteKind
from harness.firestore.index_definitions import AUTOMATIC, FieldOverride, IndexDefinitions
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.store import Database
from harness.firestore.time_to_live import expired_documents
from harness.firestore.values import Timestamp

NOW = Timestamp(1_900_000_000_000_000)
PAST, LATER = Timestamp(NOW.micros - 1), Timestamp(NOW.micros + 1)
POLICIES = IndexDefinitions(
    overrides=(
        FieldOverride("c", FieldPath(("expireAt",)), AUTOMATIC, ttl=True),
        FieldOverride("d", FieldPath(("meta", "until")), frozenset(), ttl=True),
        FieldOverride("e", FieldPath(("expireAt",)), AUTOMATIC),
    )
)


@pytest.mark.parametrize(
    ("path", "fields", "expires"),
    [
        ("c/a", {"expireAt": PAST}, True),
        ("c/a", {"expireAt": NOW}, True),
        ("c/a", {"expireAt": LATER}, False),
        ("c/a", {}, False),
        ("c/a", {"expireAt": None}, False),
        ("c/a", {"expireAt": 1}, False),
        ("c/a", {"expireAt": "2001-01-01T00:00:00Z"}, False),
        # Times in arrays count in the Enterprise edition only.
        ("c/a", {"expireAt": (PAST,)}, False),
        ("c/a", {"meta": {"until": PAST}}, False),
        ("x/y/c/a", {"expireAt": PAST}, True),
        ("c/a/below/b", {"expireAt": PAST}, False),
        ("d/a", {"meta": {"until": PAST}}, True),
        ("d/a", {"meta.until": PAST}, False),
        ("e/a", {"expireAt": PAST}, False),
    ],
)
def test_a_document_expires_by_the_time_in_the_field_of_its_policy(path, fields, expires):
    store = Database(DatabaseName("demo-test"))
    document = ResourcePath(path)
    store.commit(store.prepare([Write(WriteKind.UPDATE, document, fields)], PAST))
    assert list(expired_documents(store, POLICIES, NOW)) == ([document] if expires else [])
