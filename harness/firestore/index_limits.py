"""Refuses documents whose index entries are too many or too large.

Source: Firestore, "Usage and limits", Indexes. The messages are production's, as users and another
project have recorded them; that of too large a sum is the one it has for any commit whose entries
are too large.
"""

from __future__ import annotations

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexMode,
)
from harness.firestore.index_entries import index_entries
from harness.firestore.paths import ResourcePath
from harness.firestore.sizes import document_size_bytes
from harness.firestore.values import Fields

_SMALL_DOCUMENT_BYTES = 1_568
"""A document within it is within every limit, if no composite index has several entries of it.

Its name and fields are 1,536 bytes. A byte of a field makes at most two entries, each of at most
twice the name, 32 bytes and the fields: 4.8 MB in all. Of 1,000 composite indexes each has one
entry, of at most twice the name, 32 bytes and the fields: 3.1 MB in all.
"""


def check_index_entries(
    path: ResourcePath,
    fields: Fields,
    definitions: IndexDefinitions,
    size_bytes: int | None = None,
) -> None:
    """Refuse a document that production could not index.

    Args:
        size_bytes: Of the document, if it is known already.
    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if size_bytes is None:
        size_bytes = document_size_bytes(path, fields)
    if size_bytes <= _SMALL_DOCUMENT_BYTES and not definitions.has_array_composites(
        path.collection_id
    ):
        return
    count = entry_bytes = 0
    for entries in index_entries(path, fields, definitions):
        count += _counted(entries.index, entries.count)
        entry_bytes += entries.size_bytes
        if count > limits.MAX_INDEX_ENTRIES_PER_DOCUMENT:
            raise _invalid(f"too many index entries for entity /{path}")
        if entries.largest_bytes > limits.MAX_INDEX_ENTRY_BYTES:
            raise _invalid("Index entry is too large.")
    if entry_bytes > limits.MAX_INDEX_ENTRIES_BYTES_PER_DOCUMENT:
        raise _invalid("Transaction too big. Decrease transaction size.")


def _counted(index: IndexDefinition, count: int) -> int:
    """Return how many entries production counts, which is two for each element of an array.

    Source: recorded from production: an array of 19,999 elements is taken, one of 20,000 is not.
    """
    is_array = len(index.fields) == 2 and index.fields[0].mode is IndexMode.CONTAINS
    return 2 * count + 2 if is_array else count


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
