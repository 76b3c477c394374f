"""Clients of one database in one thread, whose requests come in any order: what a server does with
them, without the server.

A request that has to wait is asked again whenever another has been served, in the order in which
they came, as `server/shell.py` does it. Each client has one transaction at a time, and one request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.backend.auth import ADMIN
from harness.backend.databases import Backend
from harness.backend.metering import RequestRecord
from harness.backend.requests import (
    Commit,
    Consistency,
    GetDocuments,
    RunAggregation,
    RunQuery,
    TransactionOptions,
)
from harness.backend.service import DatabaseService, LockWait
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import (
    Aggregation,
    AggregationKind,
    FieldFilter,
    Operator,
    StructuredQuery,
)
from harness.firestore.values import Timestamp
from tests.histories.checker import Count, Observation, Read, Scan, Transaction

START = 1_800_000_000_000_000
FIELD = FieldPath(("n",))


@dataclass
class Client:
    """One transaction of a client. `earlier` is the id of an attempt that was aborted."""

    name: str
    began: int
    id: bytes
    reads: list[Observation] = field(default_factory=list)
    waits: bool = False


@dataclass
class Waiting:
    """A request that has not been served."""

    record: RequestRecord
    serve: Callable[[bool], Any]
    answer: Callable[[Any], None]
    fail: Callable[[StatusError], None]


def at_least(least: int) -> Callable[[str, Any], bool]:
    return lambda key, value: key.startswith("c/") and value >= least


class Interleaving:
    """A database, its clients, and the history of what they did."""

    def __init__(self) -> None:
        self.service: DatabaseService = Backend(IndexDefinitions()).database(DatabaseName("p"))
        self.history: list[Transaction] = []
        self.waiting: list[Waiting] = []
        self.aborted: list[str] = []
        self._moment = 0
        self._micros = START

    def moment(self) -> int:
        """Return a time that is later than all before it."""
        self._moment += 1
        return self._moment

    def now(self) -> Timestamp:
        self._micros += 1
        return Timestamp(self._micros)

    def let_time_pass(self, seconds: float) -> None:
        self._micros += int(seconds * 1_000_000)
        self._look_again()

    # --- what clients do --------------------------------------------------------------------------

    def begin(self, name: str, options: TransactionOptions) -> Client:
        began = self.moment()
        return Client(name, began, self.service.begin_transaction(options, self.now()))

    def get(self, client: Client, keys: list[str]) -> None:
        operation = GetDocuments(
            tuple(map(ResourcePath, keys)), consistency=Consistency(transaction=client.id)
        )

        def answer(reply: Any) -> None:
            for path, document in reply.documents:
                client.reads.append(Read(str(path), document and document.fields["n"]))

        self._in_transaction(client, self.service.get_documents, operation, answer)

    def scan(self, client: Client, least: int) -> None:
        operation = RunQuery(_query(least), Consistency(transaction=client.id))

        def answer(reply: Any) -> None:
            found = {str(each.path): each.fields["n"] for each in reply.documents}
            client.reads.append(Scan(at_least(least), found))

        self._in_transaction(client, self.service.run_query, operation, answer)

    def count(self, client: Client, least: int) -> None:
        operation = RunAggregation(
            _query(least),
            (Aggregation(AggregationKind.COUNT, "n"),),
            Consistency(transaction=client.id),
        )

        def answer(reply: Any) -> None:
            client.reads.append(Count(at_least(least), reply.values["n"]))

        self._in_transaction(client, self.service.run_aggregation, operation, answer)

    def commit(self, client: Client, writes: Mapping[str, int | None]) -> None:
        def answer(_: Any) -> None:
            self._end(client, tuple(writes.items()))

        operation = Commit(_writes(writes), client.id)
        self._in_transaction(client, self.service.commit, operation, answer)

    def roll_back(self, client: Client) -> None:
        self.service.rollback(client.id, self.now())
        self._end(client)
        self._look_again()

    def write(self, name: str, writes: Mapping[str, int | None]) -> None:
        """Write outside of a transaction."""
        began = self.moment()

        def answer(_: Any) -> None:
            done = Transaction(name, began, self.moment(), (), tuple(writes.items()))
            self.history.append(done)

        def fail(error: StatusError) -> None:
            assert error.code is StatusCode.ABORTED, error
            self.aborted.append(name)

        self._ask(self.service.commit, Commit(_writes(writes)), answer, fail)

    def lose_patience(self, waiting: Waiting) -> None:
        """Let the time of a request that waits be up."""
        self.waiting.remove(waiting)
        assert self._serve(waiting, give_up=True)
        self._look_again()

    # --- how they are served ----------------------------------------------------------------------

    def _in_transaction(
        self, client: Client, method: Any, operation: Any, answer: Callable[[Any], None]
    ) -> None:
        assert not client.waits
        client.waits = True

        def answered(reply: Any) -> None:
            client.waits = False
            answer(reply)

        def fail(error: StatusError) -> None:
            assert error.code is StatusCode.ABORTED, error
            client.waits = False
            self.aborted.append(client.name)
            self._end(client)

        self._ask(method, operation, answered, fail)

    def _ask(
        self,
        method: Any,
        operation: Any,
        answer: Callable[[Any], None],
        fail: Callable[[StatusError], None],
    ) -> None:
        record = RequestRecord("", ADMIN, self.now().micros)
        request = Waiting(
            record,
            lambda give_up: method(operation, ADMIN, self.now(), record, give_up=give_up),
            answer,
            fail,
        )
        if not self._serve(request, give_up=False):
            self.waiting.append(request)
        self._look_again()

    def _serve(self, request: Waiting, *, give_up: bool) -> bool:
        try:
            reply = request.serve(give_up)
        except LockWait:
            return False
        except StatusError as error:
            self.service.transactions.leave(request.record)
            request.fail(error)
        else:
            self.service.transactions.leave(request.record)
            request.answer(reply)
        return True

    def _look_again(self) -> None:
        again = True
        while again:
            again = False
            for request in tuple(self.waiting):
                if request in self.waiting and self._serve(request, give_up=False):
                    self.waiting.remove(request)
                    again = True

    def _end(self, client: Client, writes: tuple[tuple[str, Any], ...] = ()) -> None:
        """Put a transaction into the history: also one that failed has read what fits together."""
        done = Transaction(client.name, client.began, self.moment(), tuple(client.reads), writes)
        self.history.append(done)


def _query(least: int) -> StructuredQuery:
    where = FieldFilter(FIELD, Operator.GREATER_THAN_OR_EQUAL, least)
    return StructuredQuery(ROOT, "c", where=where)


def _writes(writes: Mapping[str, int | None]) -> tuple[Write, ...]:
    return tuple(
        Write(WriteKind.DELETE, ResourcePath(key))
        if value is None
        else Write(WriteKind.UPDATE, ResourcePath(key), {"n": value})
        for key, value in writes.items()
    )
