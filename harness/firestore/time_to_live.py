"""Which documents have expired by the TTL policies of `firestore.indexes.json`.

Production deletes them some time within a day or more, one by one and in no order; until then reads
and queries find them. Here they are deleted when somebody says so.

Source: Firestore, "Manage data retention with TTL policies"; google.firestore.admin.v1
Field.TtlConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, get_field


def expired_documents(
    store: Database, definitions: IndexDefinitions, now: Timestamp
) -> Iterator[ResourcePath]:
    """Yield the documents whose expiry field holds a time that is not after `now`.

    A document without the field, or with anything but a timestamp in it, never expires. What lies
    below a document that expires stays.
    """
    for group, field in definitions.expiry_fields.items():
        for collection in store.collections_with_id(group):
            for path in store.paths_in(collection):
                document = store.get(path)
                expiry = get_field(document.fields, field) if document is not None else None
                if isinstance(expiry, Timestamp) and expiry.micros <= now.micros:
                    yield path
