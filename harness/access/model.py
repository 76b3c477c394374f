"""The access matrix: who may do what, one row a request and one column a persona.

Records only. A row's request holds templates (`templates.py`), which `requests.py` fills for each
persona; `decide.py` asks the rules, `reader.py` reads the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from harness.access.templates import SIGNED_OUT_UID, Template
from harness.config import Persona
from harness.firestore.query import Direction, Operator
from harness.firestore.values import Timestamp
from harness.rules.recorded import RecordedRequest
from harness.rules.request import FIRESTORE, STORAGE, Method
from harness.source import SourcePosition

BATCH = "batch"
"""What stands for the method of a row that writes several documents at once."""


class WriteForm(StrEnum):
    """The call of a client library that makes a write.

    CREATE fails where the document exists, UPDATE where it does not and changes only the fields
    that it names. SET replaces the document, MERGE adds to it; both make it where it is missing.
    """

    CREATE = "create"
    UPDATE = "update"
    SET = "set"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class DocumentRead:
    """A `get` of one document."""

    path: str


@dataclass(frozen=True, slots=True)
class FilterTerm:
    """`field operator value`."""

    field: str
    operator: Operator
    value: Template


@dataclass(frozen=True, slots=True)
class FilterGroup:
    """Filters joined by AND, or by OR."""

    is_or: bool
    terms: tuple[FilterTree, ...]


FilterTree: TypeAlias = "FilterTerm | FilterGroup"


@dataclass(frozen=True, slots=True)
class CollectionQuery:
    """A `list`: a query of a collection, or of all collections with an id.

    Args:
        path: The collection's path; for a collection group only its id.
        is_group: Whether it is a collection group.
    """

    path: str
    is_group: bool = False
    where: tuple[FilterTree, ...] = ()
    order: tuple[tuple[str, Direction], ...] = ()
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """One write.

    Args:
        method: CREATE, UPDATE or DELETE: what the rules are to be asked.
        form: Which call makes it; None for a delete.
        data: What the call is given. For WriteForm.UPDATE the keys are field paths (`a.b`).
    """

    method: Method
    path: str
    at: SourcePosition
    form: WriteForm | None = None
    data: Mapping[str, Template] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentWrites:
    """One write, or several in one batch."""

    writes: tuple[DocumentWrite, ...]
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a sample object in Storage is, or what an upload sends. Its content is so many zero
    bytes: rules see no content.

    Args:
        content_type: None where the client names none.
    """

    size_bytes: int = 0
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """A request to Storage.

    Args:
        method: CREATE is an upload, also over an object that is there; UPDATE changes metadata.
        path: Without the bucket; for a list the folder, empty for the whole bucket.
        sent: What an upload or an update of metadata sends.
    """

    method: Method
    path: str
    sent: StoredObject = field(default_factory=StoredObject)


RowRequest: TypeAlias = DocumentRead | CollectionQuery | DocumentWrites | ObjectRequest


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One request, and the personas to whom it is allowed; to all others it must be denied.

    Args:
        given: Documents that differ from the sample for this row, by path; None: it is not there.
    """

    name: str
    request: RowRequest
    allowed: frozenset[str]
    at: SourcePosition
    given: Mapping[str, Mapping[str, Template] | None] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """`get`, `list`, `create`, `update`, `delete`, or `batch`."""
        match self.request:
            case DocumentRead():
                return Method.GET.value
            case CollectionQuery():
                return Method.LIST.value
            case ObjectRequest(method=method):
                return method.value
            case DocumentWrites(writes=writes, is_batch=is_batch):
                return BATCH if is_batch else writes[0].method.value

    @property
    def methods(self) -> frozenset[Method]:
        """What the rules are asked: several for a batch."""
        if isinstance(self.request, DocumentWrites):
            return frozenset(write.method for write in self.request.writes)
        return frozenset({Method(self.method)})

    @property
    def path(self) -> str:
        """The path as the table has it; for a batch that of its first write."""
        if isinstance(self.request, DocumentWrites):
            return self.request.writes[0].path
        return self.request.path

    @property
    def service(self) -> str:
        """`cloud.firestore` or `firebase.storage`."""
        return STORAGE if isinstance(self.request, ObjectRequest) else FIRESTORE


@dataclass(frozen=True, slots=True)
class AccessMatrix:
    """The whole table.

    Args:
        personas: Its columns.
        rows: In the order of the file; their names are distinct.
        documents: What is stored before each request, by path. A path with `$uid` stands for one
            document of each persona.
        objects: The same for Storage.
        now: The time at which every request arrives; whole milliseconds.
        project_id: Names the default bucket, and is in the personas' tokens.
        files: Every file that was read for it, the table's own first.
        positions: Where each sample document and object stands, for messages.
    """

    personas: Mapping[str, Persona]
    rows: tuple[AccessRow, ...]
    documents: Mapping[str, Mapping[str, Template]]
    objects: Mapping[str, StoredObject]
    now: Timestamp
    project_id: str
    files: tuple[str, ...]
    positions: Mapping[str, SourcePosition] = field(default_factory=dict)

    @property
    def bucket(self) -> str:
        """The project's default bucket."""
        return f"{self.project_id}.appspot.com"

    @property
    def services(self) -> frozenset[str]:
        """The services that its rows ask."""
        return frozenset(row.service for row in self.rows)

    def row(self, name: str) -> AccessRow:
        """Return a row by its name."""
        return next(row for row in self.rows if row.name == name)

    def uid(self, persona: str) -> str:
        """Return what `$uid` stands for in a persona's requests."""
        uid = self.personas[persona].uid
        return SIGNED_OUT_UID if uid is None else uid


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One row as one persona.

    Args:
        expected: Whether the table allows it.
        recorded: The request, and what the rules said.
    """

    row: str
    persona: str
    expected: bool
    recorded: RecordedRequest

    @property
    def allowed(self) -> bool:
        """Whether the rules allowed it."""
        return self.recorded.allowed

    @property
    def is_surprise(self) -> bool:
        """Whether the rules say something else than the table."""
        return self.recorded.allowed is not self.expected
