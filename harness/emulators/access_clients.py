"""Asks cells of the access matrix of running emulators, with the published clients.

Rows are turned into the calls that a check would make. What the answers should be is decided in
process (`access/decide.py`); here they are only asked for and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never

from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.vector import Vector as ClientVector

from harness.access.decide import MatrixQuestions, given_writes
from harness.access.model import (
    AccessMatrix,
    AccessRow,
    CollectionQuery,
    DocumentRead,
    DocumentWrite,
    DocumentWrites,
    FilterGroup,
    FilterTree,
    MatrixCell,
    ObjectRequest,
    WriteForm,
)
from harness.access.storage_objects import DEFAULT_CONTENT_TYPE
from harness.access.templates import Absence, FieldOperation, Filling, Template
from harness.emulators.storage import StorageDenied, StorageEmulator, StorageObjectMissing
from harness.errors import ConfigError
from harness.firestore.documents import TransformKind, Write, WriteKind
from harness.firestore.paths import DatabaseName
from harness.firestore.query import Direction, Operator
from harness.firestore.values import GeoPoint, Reference, Timestamp, Value, Vector
from harness.rules.request import STORAGE, Method

MAX_UPLOAD_BYTES = 16_000_000
"""A cell that uploads more is not asked over the wire."""

_BATCH_SIZE = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OPERATORS = {
    Operator.EQUAL: "==",
    Operator.NOT_EQUAL: "!=",
    Operator.LESS_THAN: "<",
    Operator.LESS_THAN_OR_EQUAL: "<=",
    Operator.GREATER_THAN: ">",
    Operator.GREATER_THAN_OR_EQUAL: ">=",
    Operator.IN: "in",
    Operator.NOT_IN: "not-in",
    Operator.ARRAY_CONTAINS: "array_contains",
    Operator.ARRAY_CONTAINS_ANY: "array_contains_any",
}
_OPERATIONS: Mapping[TransformKind, Callable[[Any], Any]] = {
    TransformKind.INCREMENT: firestore.Increment,
    TransformKind.MAXIMUM: firestore.Maximum,
    TransformKind.MINIMUM: firestore.Minimum,
    TransformKind.APPEND_MISSING_ELEMENTS: firestore.ArrayUnion,
    TransformKind.REMOVE_ALL_FROM_ARRAY: firestore.ArrayRemove,
}
# The rules let it through; it was the data, or an index, that was not there.
_LET_THROUGH = (exceptions.NotFound, exceptions.AlreadyExists, exceptions.FailedPrecondition)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A cell to which an emulator gave another answer than the rules engine in process."""

    cell: MatrixCell
    over_the_wire: bool

    def __str__(self) -> str:
        words = {True: "allowed", False: "denied"}
        return (
            f"{self.cell.row}, as {self.cell.persona}: {words[self.over_the_wire]} over the wire, "
            f"{words[self.cell.allowed]} in process"
        )


class AccessClients:
    """The personas of a matrix as clients of running emulators.

    Args:
        matrix: Its `now` is the present: servers have no other.
        firestore_of: From a persona to a Firestore client with its token.
        firestore_admin: A client past the rules.
        clear_firestore: Empties the database.
        storage_of: From a persona to Storage with its token; None: Storage does not run.
        storage_admin: Storage past the rules.
    """

    def __init__(
        self,
        matrix: AccessMatrix,
        firestore_of: Callable[[str], firestore.Client],
        firestore_admin: firestore.Client,
        clear_firestore: Callable[[], None],
        storage_of: Callable[[str], StorageEmulator] | None = None,
        storage_admin: StorageEmulator | None = None,
    ) -> None:
        self.matrix = matrix
        self._firestore_of = firestore_of
        self._admin = firestore_admin
        self._clear = clear_firestore
        self._storage_of = storage_of
        self._storage_admin = storage_admin
        self._questions = MatrixQuestions(matrix)
        self._clients: dict[str, firestore.Client] = {}
        self._has_documents = False
        self._has_objects = False

    def can_ask(self, cell: MatrixCell) -> bool:
        """Whether a cell can be asked of what runs."""
        request = self.matrix.row(cell.row).request
        if isinstance(request, ObjectRequest):
            return self._storage_of is not None and request.sent.size_bytes <= MAX_UPLOAD_BYTES
        return True

    def disagreements(self, cells: Iterable[MatrixCell]) -> list[Disagreement]:
        """Ask cells of the emulators; return those that are answered differently there.

        The emulators hold the sample documents and objects whenever one is asked. All of Firestore
        is asked first.

        Raises:
            ConfigError: An emulator refuses a request for another reason than rules.
        """
        found = []
        for cell in sorted(cells, key=lambda cell: cell.recorded.service == STORAGE):
            allowed = self._ask(self.matrix.row(cell.row), cell.persona)
            if allowed is not cell.allowed:
                found.append(Disagreement(cell, allowed))
        return found

    def _ask(self, row: AccessRow, persona: str) -> bool:
        filling = self._filling(persona)
        if not self._has_documents:
            self._clear()
            self._write([write for _, write in self._questions.documents()])
            self._has_documents = True
        if row.given:
            self._has_documents = False
            self._write(list(given_writes(row, filling)))
        changes = bool(row.methods - {Method.GET, Method.LIST})
        if isinstance(row.request, ObjectRequest):
            if not self._has_objects:
                self._store_objects()
            allowed = self._ask_storage(row.request, filling, persona)
            self._has_objects = not (allowed and changes)
        else:
            allowed = self._ask_firestore(row, filling, persona)
            self._has_documents = self._has_documents and not (allowed and changes)
        return allowed

    def _store_objects(self) -> None:
        """Bring back the sample objects, and nothing else."""
        assert self._storage_admin is not None
        self._storage_admin.clear()
        for path, version in self._questions.objects().items():
            self._storage_admin.upload(
                path,
                bytes(min(version.stored.size_bytes, MAX_UPLOAD_BYTES)),
                content_type=version.stored.content_type or DEFAULT_CONTENT_TYPE,
                metadata=version.stored.metadata,
            )

    def _write(self, writes: list[Write]) -> None:
        for start in range(0, len(writes), _BATCH_SIZE):
            batch = self._admin.batch()
            for write in writes[start : start + _BATCH_SIZE]:
                document = self._admin.document(write.path)
                if write.kind is WriteKind.DELETE:
                    batch.delete(document)
                else:
                    batch.set(document, client_value(write.fields or {}, self._admin))
            batch.commit()

    # Firestore

    def _ask_firestore(self, row: AccessRow, filling: Filling, persona: str) -> bool:
        client = self._clients.get(persona)
        if client is None:
            client = self._clients[persona] = self._firestore_of(persona)
        try:
            self._call(row, filling, client)
        except exceptions.PermissionDenied:
            return False
        except _LET_THROUGH:
            return True
        except exceptions.InvalidArgument as error:
            raise ConfigError(
                f'the emulator refuses "{row.name}" as {persona}: {error.message}',
                fix="correct the row: what the rules say to such a request does not matter",
                at=row.at,
            ) from error
        return True

    def _call(self, row: AccessRow, filling: Filling, client: firestore.Client) -> None:
        match row.request:
            case DocumentRead(path=path):
                client.document(filling.text(path)).get()
            case CollectionQuery() as query:
                client_query(query, filling, client).get()
            case DocumentWrites(writes=writes):
                # One write is a batch as well: the library makes the same request of it.
                batch = client.batch()
                for write in writes:
                    add_write(batch, write, filling, client)
                batch.commit()
            case ObjectRequest():
                raise AssertionError("asked of Storage")
            case _:
                assert_never(row.request)

    # Storage

    def _ask_storage(self, asked: ObjectRequest, filling: Filling, persona: str) -> bool:
        assert self._storage_of is not None
        storage = self._storage_of(persona)
        path, sent = filling.text(asked.path), asked.sent
        try:
            with suppress(StorageObjectMissing):  # rules are asked first
                match asked.method:
                    case Method.GET:
                        storage.metadata(path)
                    case Method.LIST:
                        storage.list(f"{path}/" if path else "", delimiter="/")
                    case Method.CREATE:
                        storage.upload(
                            path,
                            bytes(sent.size_bytes),
                            content_type=sent.content_type or DEFAULT_CONTENT_TYPE,
                            metadata=sent.metadata,
                        )
                    case Method.UPDATE:
                        storage.update_metadata(
                            path, content_type=sent.content_type, metadata=sent.metadata
                        )
                    case Method.DELETE:
                        storage.delete(path)
                    case _:
                        assert_never(asked.method)
        except StorageDenied:
            return False
        return True

    def _filling(self, persona: str) -> Filling:
        return Filling(
            self.matrix.uid(persona), self.matrix.now, DatabaseName(self.matrix.project_id)
        )


def add_write(
    batch: firestore.WriteBatch, write: DocumentWrite, filling: Filling, client: firestore.Client
) -> None:
    """Make the call of the published client that a write of the table stands for."""
    document = client.document(filling.text(write.path))
    data = _data(write.data, filling, client)
    match write.form:
        case None:
            batch.delete(document)
        case WriteForm.CREATE:
            batch.create(document, data)
        case WriteForm.SET:
            batch.set(document, data)
        case WriteForm.MERGE:
            batch.set(document, data, merge=True)
        case WriteForm.UPDATE:
            batch.update(document, data)
        case _:
            assert_never(write.form)


def client_query(
    asked: CollectionQuery, filling: Filling, client: firestore.Client
) -> firestore.Query:
    """Make the query of the published client that a list of the table stands for."""
    path = filling.text(asked.path)
    query: Any = client.collection_group(path) if asked.is_group else client.collection(path)
    for tree in asked.where:
        query = query.where(filter=_filter(tree, filling, client))
    for field, direction in asked.order:
        is_down = direction is Direction.DESCENDING
        query = query.order_by(
            filling.text(field), direction="DESCENDING" if is_down else "ASCENDING"
        )
    if asked.offset:
        query = query.offset(asked.offset)
    if asked.limit is not None:
        query = query.limit(asked.limit)
    found: firestore.Query = query
    return found


def _filter(tree: FilterTree, filling: Filling, client: firestore.Client) -> Any:
    if isinstance(tree, FilterGroup):
        terms = [_filter(term, filling, client) for term in tree.terms]
        return (Or if tree.is_or else And)(terms)
    value = client_value(filling.value(tree.value), client)
    return FieldFilter(filling.text(tree.field), _OPERATORS[tree.operator], value)


def _data(
    data: Mapping[str, Template], filling: Filling, client: firestore.Client
) -> dict[str, Any]:
    return {
        filling.text(name): _sent(template, filling, client)
        for name, template in data.items()
        if template is not Absence.ABSENT
    }


def _sent(template: Template, filling: Filling, client: firestore.Client) -> Any:
    if template is Absence.DELETED:
        return firestore.DELETE_FIELD
    if isinstance(template, FieldOperation):
        operation = _OPERATIONS.get(template.kind)
        if operation is None:
            return firestore.SERVER_TIMESTAMP
        return operation(client_value(filling.value(template.operand), client))
    if isinstance(template, dict):
        return _data(template, filling, client)
    return client_value(filling.value(template), client)


def client_value(value: Value, client: firestore.Client) -> Any:
    """Return a value as the published client takes it."""
    match value:
        case Timestamp():
            return _EPOCH + timedelta(microseconds=value.micros)
        case Reference():
            return client.document(value.path)
        case GeoPoint():
            return firestore.GeoPoint(value.latitude, value.longitude)
        case Vector():
            return ClientVector(value.values)
        case tuple():
            return [client_value(item, client) for item in value]
        case dict():
            return {name: client_value(item, client) for name, item in value.items()}
        case _:
            return value
