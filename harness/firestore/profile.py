"""Where production and Google's emulator differ, and whom a database answers like.

Every difference is a field of `Profile`, so that no other module asks which of the two it is. What
the emulator does and no client can want (forgetting listeners at a reset, sending every result anew
after each write, losing the sign of -0.0) is not reproduced: docs/profiles.md lists it.

Source: production: Firestore's documentation and recorded answers; emulator: observed, 1.22.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.firestore import limits


@dataclass(frozen=True, slots=True)
class Profile:
    """How a database answers where there is a choice.

    Attributes:
        enforces_indexes: A query without its composite index fails.
        max_inequality_fields: In one query; None: any number.
        max_query_components: Filters, orders and parent of one query; None: any number.
        max_request_bytes: Of one request's message; None: what the transport takes.
        limits_index_entries: A document whose index entries are too many or too large is refused.
        counts_array_contains_by_disjunct: One array-contains for each part of an OR; otherwise one
            for the whole query.
        refuses_descending_keys: `order by __name__ desc` alone fails for that; otherwise it wants
            an index.
        takes_implicit_cursor_values: A cursor may have values for orders that are implied.
        counts_up_to_zero: `up_to: 0` is a limit of a count; otherwise it is an error.
        partitions: PartitionQuery is there.
        explains: `explain_options` are followed; otherwise they are passed over.
        resumes: A listener that comes with a token is told what has changed since.
        refuses_undefined_distances: The cosine of a zero vector fails the search; otherwise such a
            document comes last.
        keeps_order_asked: Documents come in the order in which they were asked for; otherwise those
            that were found come first.
        tells_changes_in_events: Functions are told which fields an update has changed, and `{}` for
            the side that is not there; otherwise neither.
        retries_events: Functions that ask for it get an event again that they failed on.
        refuses_unknown_names: A REST request with a name that its message lacks is an error;
            otherwise the name is passed over.
        bounds_pages: ListDocuments gives 20 documents where no page size is asked for, and 300 at
            most; otherwise as many as asked for, or all, and a size below 0 is an error.
        missing_document: The message for a document that is not there, `{name}` its name.
    """

    name: str
    enforces_indexes: bool
    max_inequality_fields: int | None
    max_query_components: int | None
    max_request_bytes: int | None
    limits_index_entries: bool
    counts_array_contains_by_disjunct: bool
    refuses_descending_keys: bool
    takes_implicit_cursor_values: bool
    counts_up_to_zero: bool
    partitions: bool
    explains: bool
    resumes: bool
    refuses_undefined_distances: bool
    keeps_order_asked: bool
    tells_changes_in_events: bool
    retries_events: bool
    refuses_unknown_names: bool
    bounds_pages: bool
    missing_document: str


PRODUCTION: Final = Profile(
    name="production",
    enforces_indexes=True,
    max_inequality_fields=limits.MAX_INEQUALITY_FIELDS,
    max_query_components=limits.MAX_QUERY_COMPONENTS,
    max_request_bytes=limits.MAX_REQUEST_BYTES,
    limits_index_entries=True,
    counts_array_contains_by_disjunct=True,
    refuses_descending_keys=False,
    takes_implicit_cursor_values=True,
    counts_up_to_zero=False,
    partitions=True,
    explains=True,
    resumes=True,
    refuses_undefined_distances=True,
    keeps_order_asked=False,
    tells_changes_in_events=True,
    retries_events=True,
    refuses_unknown_names=True,
    bounds_pages=True,
    missing_document='Document "{name}" not found.',
)

EMULATOR: Final = Profile(
    name="emulator",
    enforces_indexes=False,
    max_inequality_fields=None,
    max_query_components=None,
    max_request_bytes=None,
    limits_index_entries=False,
    counts_array_contains_by_disjunct=False,
    refuses_descending_keys=True,
    takes_implicit_cursor_values=False,
    counts_up_to_zero=True,
    partitions=False,
    explains=False,
    resumes=False,
    refuses_undefined_distances=False,
    keeps_order_asked=True,
    tells_changes_in_events=False,
    retries_events=False,
    refuses_unknown_names=False,
    bounds_pages=False,
    missing_document="Document ({name}) not found.",
)

PROFILES: Final = {profile.name: profile for profile in (PRODUCTION, EMULATOR)}
