"""What one write does to one document: checks, preconditions, masks, transforms.

Nothing here knows the store: a document comes in, a document goes out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.checks import check_field_path, check_fields
from harness.firestore.documents import DocumentSnapshot, Write, WriteKind
from harness.firestore.masks import FieldsEditor, merge_fields
from harness.firestore.paths import DatabaseName, ResourcePath, document_name
from harness.firestore.sizes import document_size_bytes
from harness.firestore.transforms import apply_transforms, check_transforms, request_time
from harness.firestore.values import Timestamp, Value, identical


def check_writes(writes: Sequence[Write], commit_time: Timestamp, enforce_limits: bool) -> None:
    """Refuse writes that are wrong whatever the documents are.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    transform_count = 0
    for write in writes:
        if write.kind is WriteKind.VERIFY:
            _check_verify(write)
        elif write.kind is WriteKind.UPDATE:
            if write.fields:
                check_fields(write.fields)
            for path in write.mask or ():
                check_field_path(path)
            if write.transforms:
                check_transforms(write.transforms)
        transform_count += len(write.transforms)
        precondition = write.precondition
        # A commit's time is later than the clock, or than the last commit if that ran ahead of it.
        if (
            precondition is not None
            and precondition.update_time is not None
            and precondition.update_time.micros > commit_time.micros
        ):
            raise _invalid(
                "The 'update_time' of a precondition must not be later than the current time."
            )
    if len(writes) > 1:
        _check_verified_once(writes)
        _check_not_updated_after_delete(writes)
    if enforce_limits and transform_count > limits.MAX_TRANSFORMS_PER_DOCUMENT:
        _check_transform_counts(writes)


def failed_precondition(
    write: Write, document: DocumentSnapshot | None, database: DatabaseName
) -> StatusError | None:
    """Return the error of a precondition that does not hold, or None if there is none or it holds.

    Source: production's answers (the existence texts are asserted by Google's Python system tests).
    """
    precondition = write.precondition
    if precondition is None:
        return None
    if precondition.exists is not None and precondition.exists != (document is not None):
        name = document_name(database, write.path)
        if precondition.exists:
            return StatusError(StatusCode.NOT_FOUND, f"No document to update: {name}")
        return StatusError(StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
    if precondition.update_time is not None:
        stored = document.update_time.micros if document else 0
        required = precondition.update_time.micros
        if stored != required:
            return StatusError(
                StatusCode.FAILED_PRECONDITION,
                f"the stored version ({stored}) does not match the required base version "
                f"({required})",
            )
    return None


def apply_write(
    write: Write,
    document: DocumentSnapshot | None,
    commit_time: Timestamp,
    database: DatabaseName,
    enforce_limits: bool,
    now: Timestamp | None = None,
) -> tuple[DocumentSnapshot | None, tuple[Value, ...], int | None]:
    """Return the document after a checked write, the transforms' results, and the document's size,
    which is None if nobody has looked.

    A write that leaves the fields identical returns the very snapshot that came in.

    Args:
        now: The clock's time, for server timestamps; None: the commit's.
    Raises:
        StatusError: INVALID_ARGUMENT if the document would be too large.
    """
    if write.kind is WriteKind.DELETE:
        return None, (), None
    if write.kind is WriteKind.VERIFY:
        return document, (), None
    results: tuple[Value, ...] = ()
    given = write.fields or {}
    if write.mask is None and not write.transforms:
        fields = given
    else:
        if write.mask is None:
            editor = FieldsEditor(given)
        else:
            editor = FieldsEditor(document.fields if document else {})
            merge_fields(editor, given, write.mask)
        server_time = request_time(commit_time if now is None else now)
        results = apply_transforms(editor, write.transforms, server_time)
        fields = editor.fields
    if document is not None and identical(document.fields, fields):
        return document, results, None
    size_bytes = None
    if enforce_limits:
        size_bytes = document_size_bytes(write.path, fields)
        if size_bytes > limits.MAX_DOCUMENT_BYTES:
            raise _too_large(write.path, size_bytes, database)
    create_time = document.create_time if document else commit_time
    return DocumentSnapshot(write.path, fields, create_time, commit_time), results, size_bytes


def _too_large(path: ResourcePath, size_bytes: int, database: DatabaseName) -> StatusError:
    return _invalid(
        f"Document '{document_name(database, path)}' cannot be written because its size "
        f"({size_bytes:,} bytes) exceeds the maximum allowed size of "
        f"{limits.MAX_DOCUMENT_BYTES:,} bytes."
    )


def _check_verify(write: Write) -> None:
    if write.precondition is None or (
        write.precondition.exists is None and write.precondition.update_time is None
    ):
        raise _invalid("a verify must contain a precondition")
    if write.mask is not None:
        raise _invalid("a verify must not specify a document mask.")
    if write.transforms:
        raise _invalid("a verify must not specify a update transform.")


def _check_verified_once(writes: Sequence[Write]) -> None:
    verified: set[ResourcePath] = set()
    written: set[ResourcePath] = set()
    for write in writes:
        if write.kind is WriteKind.VERIFY:
            if write.path in verified:
                raise _invalid(
                    "the same document cannot be verified more than once in a single request"
                )
            if write.path in written:
                raise _invalid(
                    "the same document cannot be written and then verified in a single request"
                )
            verified.add(write.path)
        else:
            if write.path in verified:
                raise _invalid(
                    "the same document cannot be verified and then written in a single request"
                )
            written.add(write.path)


def _check_not_updated_after_delete(writes: Sequence[Write]) -> None:
    """Refuse an update of a document that the same commit has deleted before.

    Source: the web SDK's own tests of transactions, which run on production and on the emulator;
    Datastore's `CommitRequest.mutations`, whose words for it are not documented.
    """
    deleted: set[ResourcePath] = set()
    for write in writes:
        if write.kind is WriteKind.DELETE:
            deleted.add(write.path)
        elif write.path in deleted and write.kind is WriteKind.UPDATE:
            if write.precondition is not None and write.precondition.exists:
                raise _invalid(
                    "the same document cannot be deleted and then updated in a single request"
                )
            deleted.discard(write.path)


def _check_transform_counts(writes: Sequence[Write]) -> None:
    counts: Counter[ResourcePath] = Counter()
    for write in writes:
        counts[write.path] += len(write.transforms)
        if counts[write.path] > limits.MAX_TRANSFORMS_PER_DOCUMENT:
            raise _invalid(
                f"A single document can have at most {limits.MAX_TRANSFORMS_PER_DOCUMENT} "
                "transforms in one commit."
            )


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
