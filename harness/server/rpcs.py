"""The methods of `google.firestore.v1.Firestore`, as functions of messages; gRPC and REST both end
here.

Each takes a request message and the headers, and returns the response message, or several of them
where the method is a stream of responses. Of a long answer, messages are made as they are sent: the
documents that they tell of are there already, and never change. The order of checks is the
emulator's: names first, then the token, then everything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from harness.backend.auth import Caller
from harness.backend.metering import RequestRecord
from harness.backend.requests import (
    BatchWrite,
    Commit,
    DocumentsReply,
    GetDocuments,
    ListCollectionIds,
    ListDocuments,
    PartitionQuery,
    QueryReply,
    RunAggregation,
    RunQuery,
)
from harness.backend.service import DatabaseService
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import DocumentSnapshot, Precondition, Write, WriteKind
from harness.firestore.paths import (
    DatabaseName,
    ResourcePath,
    check_collection_id,
    check_document_id,
    document_name,
    parse_database_name,
    parse_database_or_parent_name,
    parse_document_name,
    parse_parent_name,
)
from harness.firestore.values import Timestamp
from harness.server import wire
from harness.server.fault_injection import guarded_call
from harness.server.shell import RequestHeaders, Shell, new_document_id
from harness.server.wire import pb

T = TypeVar("T")
_TURN = 1_000
"""Documents that are put into one message before others have their turn."""

_Read: TypeAlias = GetDocuments | ListDocuments | RunQuery | RunAggregation


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method: its messages and what it does."""

    name: str
    request: Any
    call: Callable[[Any, RequestHeaders], Awaitable[Any]]
    is_stream: bool = False


class FirestoreRpcs:
    """The methods, over one running server."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def table(self) -> dict[str, Rpc]:
        """Return every method that answers one request, by its name on the wire."""
        unary = [
            ("GetDocument", self.get_document),
            ("ListDocuments", self.list_documents),
            ("CreateDocument", self.create_document),
            ("UpdateDocument", self.update_document),
            ("DeleteDocument", self.delete_document),
            ("BeginTransaction", self.begin_transaction),
            ("Commit", self.commit),
            ("Rollback", self.rollback),
            ("PartitionQuery", self.partition_query),
            ("ListCollectionIds", self.list_collection_ids),
            ("BatchWrite", self.batch_write),
        ]
        streams = [
            ("BatchGetDocuments", self.batch_get_documents),
            ("RunQuery", self.run_query),
            ("RunAggregationQuery", self.run_aggregation_query),
            ("ExecutePipeline", self.execute_pipeline),
        ]
        return {
            name: Rpc(
                name,
                getattr(pb, f"{name}Request"),
                guarded_call(self._shell, name, call),
                is_stream=is_stream,
            )
            for methods, is_stream in ((unary, False), (streams, True))
            for name, call in methods
        }

    # --- reads ------------------------------------------------------------------------------------

    async def get_document(self, request: Any, headers: RequestHeaders) -> Any:
        """Read one document; a missing one is an error."""
        name, path = parse_document_name(request.name)
        service, caller = self._open(name, headers)
        operation = GetDocuments(
            (path,), wire.mask_from_proto(request, "mask"), wire.consistency_from_proto(request)
        )

        def read(now: Timestamp, record: RequestRecord, give_up: bool) -> DocumentSnapshot:
            reply = service.get_documents(operation, caller, now, record, give_up=give_up)
            _, found = reply.documents[0]
            if found is None:  # told within, for the record of the request
                message = service.profile.missing_document.format(name=request.name)
                raise StatusError(StatusCode.NOT_FOUND, message)
            return found

        snapshot = await self._read("GetDocument", service, caller, operation, read)
        out = pb.Document()
        wire.document_to_proto(name, snapshot, out)
        return out

    async def batch_get_documents(self, request: Any, headers: RequestHeaders) -> Iterator[Any]:
        """Read documents by name."""
        name = parse_database_name(request.database)
        paths = tuple([wire.document_path(document, name) for document in request.documents])
        service, caller = self._open(name, headers)
        operation = GetDocuments(
            paths, wire.mask_from_proto(request, "mask"), wire.consistency_from_proto(request)
        )
        reply = await self._read(
            "BatchGetDocuments",
            service,
            caller,
            operation,
            lambda now, record, give_up: service.get_documents(
                operation, caller, now, record, give_up=give_up
            ),
        )
        return _documents_messages(service, reply)

    async def list_documents(self, request: Any, headers: RequestHeaders) -> Any:
        """Read one page of a collection."""
        name, parent = parse_parent_name(request.parent)
        if request.collection_id:
            check_collection_id(request.collection_id)
        service, caller = self._open(name, headers)
        operation = ListDocuments(
            parent,
            request.collection_id or None,
            request.page_size,
            request.page_token,
            request.order_by,
            wire.mask_from_proto(request, "mask"),
            request.show_missing,
            wire.consistency_from_proto(request),
        )
        reply = await self._read(
            "ListDocuments",
            service,
            caller,
            operation,
            lambda now, record, give_up: service.list_documents(
                operation, caller, now, record, give_up=give_up
            ),
        )
        out = pb.ListDocumentsResponse(next_page_token=reply.next_page_token)
        for number, (path, snapshot) in enumerate(reply.documents):
            if number % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            if snapshot is None:
                out.documents.add(name=document_name(name, path))
            else:
                wire.document_to_proto(name, snapshot, out.documents.add())
        return out

    async def list_collection_ids(self, request: Any, headers: RequestHeaders) -> Any:
        """Read the ids of the collections below a document or the root."""
        name, parent = parse_database_or_parent_name(request.parent)
        service, caller = self._open(name, headers)
        operation = ListCollectionIds(
            parent,
            request.page_size,
            request.page_token,
            wire.consistency_from_proto(request).read_time,
        )
        reply = self._shell.run(
            service,
            "ListCollectionIds",
            caller,
            lambda now, record: service.list_collection_ids(operation, caller, now, record),
        )
        return pb.ListCollectionIdsResponse(
            collection_ids=reply.collection_ids, next_page_token=reply.next_page_token
        )

    async def run_query(self, request: Any, headers: RequestHeaders) -> Iterator[Any]:
        """Run a query; the last response says that it is done."""
        name, parent = parse_parent_name(request.parent)
        service, caller = self._open(name, headers)
        operation = RunQuery(
            wire.query_from_proto(parent, request.structured_query),
            wire.consistency_from_proto(request),
            wire.explain_from_proto(request),
        )
        await self._shell.build_indexes(service, operation.query)
        started = time.perf_counter()
        reply = await self._read(
            "RunQuery",
            service,
            caller,
            operation,
            lambda now, record, give_up: service.run_query(
                operation, caller, now, record, give_up=give_up
            ),
        )
        duration_s = time.perf_counter() - started
        return _query_messages(name, reply, operation.explain is False, duration_s)

    async def run_aggregation_query(self, request: Any, headers: RequestHeaders) -> list[Any]:
        """Aggregate over a query."""
        name, parent = parse_parent_name(request.parent)
        service, caller = self._open(name, headers)
        message = request.structured_aggregation_query
        operation = RunAggregation(
            wire.query_from_proto(parent, message.structured_query),
            wire.aggregations_from_proto(message.aggregations),
            wire.consistency_from_proto(request),
            wire.explain_from_proto(request),
        )
        await self._shell.build_indexes(service, operation.query, operation.aggregations)
        started = time.perf_counter()
        reply = await self._read(
            "RunAggregationQuery",
            service,
            caller,
            operation,
            lambda now, record, give_up: service.run_aggregation(
                operation, caller, now, record, give_up=give_up
            ),
        )
        duration_s = time.perf_counter() - started
        out = pb.RunAggregationQueryResponse()
        if reply.transaction is not None:
            out.transaction = reply.transaction
        if reply.values is not None:
            fields = out.result.aggregate_fields
            for alias, value in reply.values.items():
                wire.value_to_proto(value, fields[alias])
            wire.timestamp_to_proto(reply.read_time, out.read_time)
        if reply.explain is not None:
            wire.explain_to_proto(reply.explain, duration_s, out.explain_metrics)
        return [out]

    async def partition_query(self, request: Any, headers: RequestHeaders) -> Any:
        """Find cursors that split a collection group query."""
        name, parent = parse_parent_name(request.parent)
        service, caller = self._open(name, headers)
        operation = PartitionQuery(
            wire.query_from_proto(parent, request.structured_query),
            request.partition_count,
            request.page_size,
            request.page_token,
            wire.consistency_from_proto(request).read_time,
        )
        page = self._shell.run(
            service,
            "PartitionQuery",
            caller,
            lambda now, record: service.partition_query(operation, caller, now, record),
        )
        out = pb.PartitionQueryResponse(next_page_token=page.next_page_token)
        for cursor in page.cursors:
            wire.cursor_to_proto(cursor, out.partitions.add())
        return out

    # --- writes -----------------------------------------------------------------------------------

    async def create_document(self, request: Any, headers: RequestHeaders) -> Any:
        """Write a document that must not exist, under an id of the client's or one made here."""
        name, parent = parse_parent_name(request.parent)
        check_collection_id(request.collection_id)
        document_id = request.document_id or new_document_id()
        check_document_id(document_id)
        path = parent.child(request.collection_id).child(document_id)
        service, caller = self._open(name, headers)
        write = Write(
            WriteKind.UPDATE,
            path,
            wire.fields_from_proto(request.document.fields),
            precondition=Precondition(exists=False),
        )
        return await self._write_document("CreateDocument", service, caller, write, request)

    async def update_document(self, request: Any, headers: RequestHeaders) -> Any:
        """Write a document, or the fields of its mask."""
        name, path = parse_document_name(request.document.name)
        service, caller = self._open(name, headers)
        write = Write(
            WriteKind.UPDATE,
            path,
            wire.fields_from_proto(request.document.fields),
            mask=wire.mask_from_proto(request, "update_mask"),
            precondition=wire.precondition_from_proto(request),
        )
        return await self._write_document("UpdateDocument", service, caller, write, request)

    async def delete_document(self, request: Any, headers: RequestHeaders) -> Any:
        """Delete a document."""
        name, path = parse_document_name(request.name)
        service, caller = self._open(name, headers)
        write = Write(WriteKind.DELETE, path, precondition=wire.precondition_from_proto(request))
        await self._commit("DeleteDocument", service, caller, Commit((write,)))
        return pb.Empty()

    async def commit(self, request: Any, headers: RequestHeaders) -> Any:
        """Write atomically."""
        name = parse_database_name(request.database)
        writes = wire.writes_from_proto(request.writes, name)
        service, caller = self._open(name, headers)
        operation = Commit(writes, request.transaction or None)
        result = await self._commit("Commit", service, caller, operation)
        return wire.commit_to_proto(result, pb.CommitResponse())

    async def batch_write(self, request: Any, headers: RequestHeaders) -> Any:
        """Write one by one."""
        name = parse_database_name(request.database)
        writes = wire.writes_from_proto(request.writes, name)
        service, caller = self._open(name, headers)
        operation = BatchWrite(writes)
        reply = await self._shell.run_waiting(
            service,
            "BatchWrite",
            caller,
            lambda now, record, give_up: service.batch_write(
                operation, caller, now, record, give_up=give_up
            ),
            writes,
        )
        out = pb.BatchWriteResponse()
        for outcome in reply.outcomes:
            result, status = out.write_results.add(), out.status.add()
            if isinstance(outcome, StatusError):
                status.code, status.message = outcome.code, outcome.message
            else:
                wire.write_result_to_proto(outcome, result)
        return out

    # --- transactions -----------------------------------------------------------------------------

    async def begin_transaction(self, request: Any, headers: RequestHeaders) -> Any:
        """Open a transaction."""
        name = parse_database_name(request.database)
        service, caller = self._open(name, headers)
        options = wire.transaction_options_from_proto(request.options)
        transaction = self._shell.run(
            service,
            "BeginTransaction",
            caller,
            lambda now, record: service.begin_transaction(options, now),
        )
        return pb.BeginTransactionResponse(transaction=transaction)

    async def rollback(self, request: Any, headers: RequestHeaders) -> Any:
        """End a transaction without writing."""
        name = parse_database_name(request.database)
        service, caller = self._open(name, headers)
        self._shell.run(
            service,
            "Rollback",
            caller,
            lambda now, record: service.rollback(request.transaction, now),
        )
        return pb.Empty()

    # --- not supported ----------------------------------------------------------------------------

    async def execute_pipeline(self, request: Any, headers: RequestHeaders) -> Any:
        """Refuse, in the words of the standard edition."""
        # Source: observed: emulator 1.22.0, standard edition.
        parse_database_name(request.database)
        raise wire.invalid("ExecutePipeline requires the Database Edition to be `enterprise`.")

    # --- the parts --------------------------------------------------------------------------------

    def _open(self, name: DatabaseName, headers: RequestHeaders) -> tuple[DatabaseService, Caller]:
        caller = self._shell.caller(headers, name.project)
        return self._shell.database(name), caller

    async def _read(
        self,
        rpc: str,
        service: DatabaseService,
        caller: Caller,
        operation: _Read,
        read: Callable[[Timestamp, RequestRecord, bool], T],
    ) -> T:
        """Run a read now; in a transaction it may have to wait for writes that came before it."""
        consistency = operation.consistency
        if consistency.transaction is None and consistency.begin is None:
            return self._shell.run(
                service, rpc, caller, lambda now, record: read(now, record, True)
            )
        return await self._shell.run_waiting(service, rpc, caller, read)

    async def _commit(
        self, rpc: str, service: DatabaseService, caller: Caller, operation: Commit
    ) -> Any:
        return await self._shell.run_waiting(
            service,
            rpc,
            caller,
            lambda now, record, give_up: service.commit(
                operation, caller, now, record, give_up=give_up
            ),
            operation.writes,
        )

    async def _write_document(
        self, rpc: str, service: DatabaseService, caller: Caller, write: Write, request: Any
    ) -> Any:
        mask = wire.mask_from_proto(request, "mask")
        await self._commit(rpc, service, caller, Commit((write,)))
        # Nothing can have come in between: the answer is made in the same turn of the loop as the
        # commit.
        snapshot = service.read_back(write.path, mask)
        out = pb.Document()
        if snapshot is not None:
            wire.document_to_proto(service.name, snapshot, out)
        return out


def _documents_messages(service: DatabaseService, reply: DocumentsReply) -> Iterator[Any]:
    if reply.transaction is not None:
        # Alone in its response: the Node client opens its transaction with it.
        yield pb.BatchGetDocumentsResponse(transaction=reply.transaction)
    documents = reply.documents
    if not service.profile.keeps_order_asked:
        documents = tuple(sorted(documents, key=_is_missing))
    for path, snapshot in documents:
        out = pb.BatchGetDocumentsResponse()
        if snapshot is None:
            out.missing = document_name(service.name, path)
        else:
            wire.document_to_proto(service.name, snapshot, out.found)
        wire.timestamp_to_proto(reply.read_time, out.read_time)
        yield out


def _query_messages(
    name: DatabaseName, reply: QueryReply, is_plan_only: bool, duration_s: float
) -> Iterator[Any]:
    if reply.transaction is not None:
        yield pb.RunQueryResponse(transaction=reply.transaction)
    if is_plan_only and reply.explain is not None:
        out = pb.RunQueryResponse()
        wire.explain_to_proto(reply.explain, duration_s, out.explain_metrics)
        yield out
        return
    documents: Sequence[DocumentSnapshot | None] = reply.documents or (None,)
    for number, snapshot in enumerate(documents, start=1):
        out = pb.RunQueryResponse()
        if snapshot is not None:
            wire.document_to_proto(name, snapshot, out.document)
        wire.timestamp_to_proto(reply.read_time, out.read_time)
        if number == 1:
            out.skipped_results = reply.skipped
        if number == len(documents):
            # Nothing may follow: the Node client stops reading at `done`.
            out.done = True
            if reply.explain is not None:
                wire.explain_to_proto(reply.explain, duration_s, out.explain_metrics)
        yield out


def _is_missing(document: tuple[ResourcePath, DocumentSnapshot | None]) -> bool:
    return document[1] is None
