"""Documents and what changes them: snapshots, masks, preconditions, transforms, writes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.values import Fields, Timestamp, Value


@dataclass(frozen=True, slots=True)
class DocumentSnapshot:
    """A document as it stood at one moment. A missing document has no snapshot: it is None."""

    path: ResourcePath
    fields: Fields
    create_time: Timestamp
    update_time: Timestamp


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of a document before a write; at most one of the two is set."""

    exists: bool | None = None
    update_time: Timestamp | None = None


class TransformKind(Enum):
    """What a field transform does, named as on the wire."""

    SET_TO_SERVER_VALUE = "set_to_server_value"
    INCREMENT = "increment"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    APPEND_MISSING_ELEMENTS = "append_missing_elements"
    REMOVE_ALL_FROM_ARRAY = "remove_all_from_array"


@dataclass(frozen=True, slots=True)
class FieldTransform:
    """One transform. `operand` is None for the server time, a tuple for the array transforms."""

    field: FieldPath
    kind: TransformKind
    operand: Value = None


class WriteKind(Enum):
    """What a write does. A stand-alone transform is an UPDATE with an empty mask."""

    UPDATE = "update"
    DELETE = "delete"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a commit.

    `mask` None replaces the whole document; a mask, even an empty one, touches its paths only.
    `is_transform`: it came as `Write.transform`, the older half of what is one write since there is
    `update_transforms`.
    """

    kind: WriteKind
    path: ResourcePath
    fields: Fields | None = None
    mask: tuple[FieldPath, ...] | None = None
    transforms: tuple[FieldTransform, ...] = ()
    precondition: Precondition | None = None
    is_transform: bool = False


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write answers.

    `update_time` is None for a delete and for a verify of a missing document.
    """

    update_time: Timestamp | None
    transform_results: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What a whole commit did to one document: its state before the commit and after it."""

    path: ResourcePath
    before: DocumentSnapshot | None
    after: DocumentSnapshot | None


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit answers, and what it changed (documents left as they were are not listed)."""

    commit_time: Timestamp
    write_results: tuple[WriteResult, ...]
    changes: tuple[DocumentChange, ...]
