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
from harness.firestore.sizes import document_name_size_bytes, fields_size_bytes
from harness.firestore.values import Fields

_SMALL_FIELDS_BYTES = 1_024
_SHORT_NAME_BYTES = 512
"""A document within both is within every limit, if no composite index has several entries of it:
341 fields of three bytes make at most 5 entries each, of at most 2 * 512 + 1,500 + 32 bytes besides
the value, and 1,000 composite indexes one entry each, of at most 2 * 512 + 1,024 + 32 bytes.
"""


def check_index_entries(path: ResourcePath, fields: Fields, definitions: IndexDefinitions) -> None:
    """Refuse a document that production could not index.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if _is_surely_within(path, fields, definitions):
        return
    count = size_bytes = 0
    for entries in index_entries(path, fields, definitions):
        count += _counted(entries.index, entries.count)
        size_bytes += entries.size_bytes
        if count > limits.MAX_INDEX_ENTRIES_PER_DOCUMENT:
            raise _invalid(f"too many index entries for entity /{path}")
        if entries.largest_bytes > limits.MAX_INDEX_ENTRY_BYTES:
            raise _invalid("Index entry is too large.")
    if size_bytes > limits.MAX_INDEX_ENTRIES_BYTES_PER_DOCUMENT:
        raise _invalid("Transaction too big. Decrease transaction size.")


def _is_surely_within(path: ResourcePath, fields: Fields, definitions: IndexDefinitions) -> bool:
    return (
        document_name_size_bytes(path) <= _SHORT_NAME_BYTES
        and fields_size_bytes(fields) <= _SMALL_FIELDS_BYTES
        and not definitions.has_array_composites(path.collection_id)
    )


def _counted(index: IndexDefinition, count: int) -> int:
    """Return how many entries production counts, which is two for each element of an array.

    Source: recorded from production: an array of 19,999 elements is taken, one of 20,000 is not.
    """
    is_array = len(index.fields) == 2 and index.fields[0].mode is IndexMode.CONTAINS
    return 2 * count + 2 if is_array else count


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
