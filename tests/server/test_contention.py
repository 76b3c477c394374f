"""Contention over real sockets: the published clients get through, and what they read fits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from random import Random
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from harness.emulators.firestore_client import async_firestore_client
from harness.firestore.transactions import CONTENTION
from tests.histories.checker import Observation, Read, Scan, Transaction, serial_order
from tests.histories.interleaving import at_least
from tests.server.running import Project

LIMIT_S = 60.0
PAUSE_S = 0.005
CLIENTS = 8
KEYS = ["c/1", "c/2", "c/3", "d/1"]


def commits(project: Project) -> list[str]:
    return [each["status"] for each in project.requests() if each["rpc"] == "Commit"]


# --- counters -------------------------------------------------------------------------------------


def test_threads_that_read_and_then_write_a_counter_lose_no_increment(
    project: Project, db: Any
) -> None:
    """Each of them, and within the five attempts that the published client makes.

    Each thread decorates its own function: the decorator keeps the attempts of one call in itself.
    """
    db.document("c/1").set({"n": 0})
    rounds = 6

    def work(_: int) -> None:
        @firestore.transactional
        def increment(transaction: Any) -> None:
            value = db.document("c/1").get(transaction=transaction).get("n")
            transaction.update(db.document("c/1"), {"n": value + 1})

        for _ in range(rounds):
            increment(db.transaction())

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS), timeout=LIMIT_S))
    assert db.document("c/1").get().get("n") == CLIENTS * rounds
    assert "ABORTED" in commits(project), "there was no contention"


def test_tasks_that_read_and_then_write_a_counter_lose_no_increment(
    project: Project, db: Any
) -> None:
    db.document("c/1").set({"n": 0})

    async def increment(transaction: Any, document: Any) -> None:
        @firestore.async_transactional
        async def run(transaction: Any) -> None:
            snapshot = await document.get(transaction=transaction)
            transaction.update(document, {"n": snapshot.get("n") + 1})

        await run(transaction)

    async def run() -> None:
        client = async_firestore_client(project.server.host, project.id)
        document = client.document("c/1")
        try:
            await asyncio.wait_for(
                asyncio.gather(*(increment(client.transaction(), document) for _ in range(40))),
                LIMIT_S,
            )
        finally:
            client.close()

    asyncio.run(run())
    assert db.document("c/1").get().get("n") == 40
    assert "ABORTED" in commits(project), "there was no contention"


def test_transfers_between_accounts_lose_no_cent(project: Project, db: Any) -> None:
    """Two documents, in either order: where locks are waited for in a circle, this stands still."""
    for name in "ab":
        db.document(f"accounts/{name}").set({"cents": 100})

    def work(number: int) -> None:
        source, target = (db.document(f"accounts/{name}") for name in ("ab", "ba")[number % 2])

        @firestore.transactional
        def transfer(transaction: Any) -> None:
            cents = [next(iter(transaction.get(each))).get("cents") for each in (source, target)]
            transaction.update(source, {"cents": cents[0] - 1})
            transaction.update(target, {"cents": cents[1] + 1})

        for _ in range(5):
            transfer(db.transaction())

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS), timeout=LIMIT_S))
    assert [each.get("cents") for each in db.collection("accounts").get()] == [100, 100]


# --- who waits, and who does not ------------------------------------------------------------------


class Begun:
    """A transaction of the published client that is committed by hand."""

    def __init__(self, db: Any, options: Any = None) -> None:
        self.db = db
        self.transaction = db.transaction()
        if options is not None:
            self.transaction._options_protobuf = lambda retry_id: options
        self.transaction._begin()

    def get(self, path: str) -> Any:
        return self.db.document(path).get(transaction=self.transaction).to_dict()

    def set(self, path: str, **fields: Any) -> None:
        self.transaction.set(self.db.document(path), fields)
        self.transaction._commit()


@pytest.fixture
def waits(project: Project) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Call something elsewhere, and return once it waits: what it returns is told by `result`."""
    with ThreadPoolExecutor(4) as pool:

        def start(call: Callable[[], Any]) -> Any:
            shell = project.server.running.shell
            services = [
                service
                for name, service in shell.backend.databases.items()
                if name.project == project.id
            ]
            before = sum(service.transactions.waiting_count for service in services)
            future = pool.submit(call)
            pause = threading.Event()
            for _ in range(int(LIMIT_S / PAUSE_S)):
                if sum(each.transactions.waiting_count for each in services) > before:
                    return future
                assert not future.done(), future.result()
                pause.wait(PAUSE_S)
            raise AssertionError("it neither waits nor ends")

        yield start


def test_a_write_waits_for_who_has_read_the_document(db: Any, waits: Any) -> None:
    db.document("c/1").set({"n": 1})
    reader = Begun(db)
    reader.get("c/1")
    write = waits(lambda: db.document("c/1").set({"n": 3}))
    reader.set("c/1", n=2)
    write.result(LIMIT_S)
    assert db.document("c/1").get().to_dict() == {"n": 3}


def test_a_create_waits_for_who_has_found_the_document_missing(db: Any, waits: Any) -> None:
    reader = Begun(db)
    assert reader.get("c/1") is None
    create = waits(lambda: db.document("c/1").create({"n": 2}))
    reader.set("c/1", n=1)
    with pytest.raises(exceptions.AlreadyExists):
        create.result(LIMIT_S)


def test_the_older_of_two_that_read_a_document_writes_it(db: Any, waits: Any) -> None:
    """Source: production, "reading the same doc from different txns, try to write in both txns"."""
    older, younger = Begun(db), Begun(db)
    for each in (older, younger):
        each.get("c/1")
    late = waits(lambda: younger.set("c/1", n=2))
    older.set("c/1", n=1)
    with pytest.raises(exceptions.Aborted, match=CONTENTION):
        late.result(LIMIT_S)
    assert db.document("c/1").get().to_dict() == {"n": 1}


def test_a_transaction_that_has_lost_reads_what_fits_together(db: Any) -> None:
    for key in ("c/1", "c/2"):
        db.document(key).set({"n": 1})
    older, younger = Begun(db), Begun(db)
    older.get("c/1")
    assert younger.get("c/1") == {"n": 1}
    older.transaction.set(db.document("c/2"), {"n": 2})
    older.set("c/1", n=2)
    assert younger.get("c/2") == {"n": 1}
    with pytest.raises(exceptions.Aborted, match=CONTENTION):
        younger.set("c/3", n=1)


def test_a_reader_in_a_transaction_lets_a_waiting_write_go_first(db: Any, waits: Any) -> None:
    """Source: production, "read waiting on write-lock that is waiting on a read-lock"."""
    db.document("c/1").set({"n": 1})
    holder = Begun(db)
    holder.get("c/1")
    write = waits(lambda: db.document("c/1").set({"n": 2}))
    late = Begun(db)
    read = waits(lambda: late.get("c/1"))
    query = waits(lambda: [each.get("n") for each in db.collection("c").get(transaction=_new(db))])
    assert db.document("c/1").get().to_dict() == {"n": 1}  # outside of transactions at once
    holder.transaction._rollback()
    write.result(LIMIT_S)
    assert read.result(LIMIT_S) == {"n": 2}
    assert query.result(LIMIT_S) == [2]


def _new(db: Any) -> Any:
    return Begun(db).transaction


def test_a_query_keeps_phantoms_out_and_lets_others_in(db: Any, waits: Any) -> None:
    """Source: production, "create after reading a query"."""
    db.document("c/1").set({"open": True})
    reader = Begun(db)
    is_open = db.collection("c").where(filter=FieldFilter("open", "==", True))
    assert len(is_open.get(transaction=reader.transaction)) == 1
    db.document("c/2").set({"open": False})
    phantom = waits(lambda: db.document("c/3").set({"open": True}))
    assert len(is_open.get(transaction=reader.transaction)) == 1
    reader.set("c/1", open=False)
    phantom.result(LIMIT_S)


def test_an_aggregation_keeps_phantoms_out_too(db: Any, waits: Any) -> None:
    reader = Begun(db)
    counting = db.collection("c").count()
    assert counting.get(transaction=reader.transaction)[0][0].value == 0
    phantom = waits(lambda: db.document("c/1").set({"n": 1}))
    assert counting.get(transaction=reader.transaction)[0][0].value == 0
    reader.transaction._rollback()
    phantom.result(LIMIT_S)


def test_who_waits_for_too_long_is_told_of_contention(
    project: Project, db: Any, waits: Any
) -> None:
    reader = Begun(db)
    reader.get("c/1")
    write = waits(lambda: db.document("c/1").set({"n": 1}, retry=None))
    path = f"/harness/v1/projects/{project.id}/clock"
    try:
        project.server.http("POST", f"{path}:advance", json={"seconds": 3})
        with pytest.raises(exceptions.Aborted, match=CONTENTION):
            write.result(LIMIT_S)
        reader.set("c/1", n=2)
    finally:
        project.server.http("DELETE", path)


def test_a_client_that_goes_away_leaves_the_line(project: Project, db: Any, waits: Any) -> None:
    reader = Begun(db)
    reader.get("c/1")
    gone = waits(lambda: db.document("c/1").set({"n": 1}, retry=None, timeout=0.3))
    with pytest.raises(exceptions.DeadlineExceeded):
        gone.result(LIMIT_S)
    late = Begun(db)
    assert late.get("c/1") is None
    for each in (reader, late):
        each.transaction._rollback()
    db.document("c/1").set({"n": 2})
    (service,) = (
        service
        for name, service in project.server.running.shell.backend.databases.items()
        if name.project == project.id
    )
    assert (service.transactions.waiting_count, service.transactions.open_count) == (0, 0)


# --- optimistic transactions ----------------------------------------------------------------------

OPTIMISTIC = firestore.types.TransactionOptions(
    read_write={"concurrency_mode": firestore.types.TransactionOptions.ConcurrencyMode.OPTIMISTIC}
)


def test_an_optimistic_transaction_reads_one_moment_and_loses_to_who_commits_first(
    db: Any,
) -> None:
    """Source: production, databases in optimistic mode."""
    for key in ("c/1", "c/2"):
        db.document(key).set({"n": 0})
    mine = Begun(db, OPTIMISTIC)
    assert mine.get("c/1") == {"n": 0}
    db.document("c/2").set({"n": 1})
    assert mine.get("c/2") == {"n": 0}
    with pytest.raises(exceptions.Aborted, match=CONTENTION):
        mine.set("c/3", n=1)
    assert not db.document("c/3").get().exists


def test_an_optimistic_transaction_that_writes_nothing_loses_to_nobody(db: Any) -> None:
    mine = Begun(db, OPTIMISTIC)
    assert mine.get("c/1") is None
    db.document("c/1").set({"n": 1})
    mine.transaction._commit()


def test_an_optimistic_transaction_without_a_conflict_commits(db: Any) -> None:
    mine, other = Begun(db, OPTIMISTIC), Begun(db, OPTIMISTIC)
    for each, key in ((mine, "c/1"), (other, "c/2")):
        assert each.get(key) is None
    mine.set("c/1", n=1)
    other.set("c/2", n=2)
    assert [each.get("n") for each in db.collection("c").get()] == [1, 2]


# --- random histories -----------------------------------------------------------------------------


def test_what_threads_read_has_a_serial_order(project: Project, db: Any) -> None:
    """Four clients, in transactions of all kinds and outside of them."""
    clock = count()
    history: list[Transaction] = []

    def work(number: int) -> None:
        random = Random(f"{project.id} {number}")
        client = project.client()
        for step in range(12):
            history.append(_one_transaction(client, random, f"{number}.{step}", clock))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4), timeout=LIMIT_S))
    final = {
        each.reference.path: each.get("n") for key in "cd" for each in db.collection(key).get()
    }
    history.append(
        Transaction("last", next(clock), next(clock), tuple(Read(k, final.get(k)) for k in KEYS))
    )
    assert any(each.writes for each in history)
    assert serial_order(history, {}) is not None, history


def _one_transaction(client: Any, random: Random, name: str, clock: Iterator[int]) -> Transaction:
    writes = {random.choice(KEYS): random.choice([None, 1, 2, 3, 4]) for _ in range(2)}
    seen: list[Observation] = []
    began = next(clock)
    kind = random.choice(["plain", "read-only", "read-write", "read-write", "optimistic"])
    if kind == "plain":
        batch = client.batch()
        _put(client, batch, writes)
        batch.commit()
        return Transaction(name, began, next(clock), (), tuple(writes.items()))
    keys, least = random.sample(KEYS, 2), random.choice([None, 1, 2, 3])

    @firestore.transactional
    def run(transaction: Any) -> None:
        del seen[:]
        for key in keys:
            (found,) = transaction.get(client.document(key))
            seen.append(Read(key, found.get("n") if found.exists else None))
        if least is not None:
            query = client.collection("c").where(filter=FieldFilter("n", ">=", least))
            result = {each.reference.path: each.get("n") for each in transaction.get(query)}
            seen.append(Scan(at_least(least), result))
        if kind != "read-only":
            _put(client, transaction, writes)

    transaction = client.transaction(read_only=kind == "read-only", max_attempts=20)
    if kind == "optimistic":
        transaction._options_protobuf = lambda retry_id: OPTIMISTIC
    run(transaction)
    done = () if kind == "read-only" else tuple(writes.items())
    return Transaction(name, began, next(clock), tuple(seen), done)


def _put(client: Any, batch: Any, writes: dict[str, int | None]) -> None:
    for key, value in writes.items():
        if value is None:
            batch.delete(client.document(key))
        else:
            batch.set(client.document(key), {"n": value})


def test_what_tasks_read_has_a_serial_order(project: Project, db: Any) -> None:
    clock = count()
    history: list[Transaction] = []

    async def work(client: Any, number: int) -> None:
        random = Random(f"{project.id} {number}")
        for step in range(8):
            keys = random.sample(KEYS, 2)
            value = random.randrange(100)
            seen: list[Observation] = []

            @firestore.async_transactional
            async def run(
                transaction: Any, keys: Any = keys, value: Any = value, seen: Any = seen
            ) -> None:
                del seen[:]
                async for found in client.get_all(
                    [client.document(key) for key in keys], transaction=transaction
                ):
                    key = found.reference.path
                    seen.append(Read(key, found.get("n") if found.exists else None))
                transaction.set(client.document(keys[0]), {"n": value})

            began = next(clock)
            await run(client.transaction(max_attempts=20))
            history.append(
                Transaction(
                    f"{number}.{step}", began, next(clock), tuple(seen), ((keys[0], value),)
                )
            )

    async def run_all() -> None:
        client = async_firestore_client(project.server.host, project.id)
        try:
            await asyncio.wait_for(
                asyncio.gather(*(work(client, number) for number in range(5))), LIMIT_S
            )
        finally:
            client.close()

    asyncio.run(run_all())
    assert len(history) == 40
    assert serial_order(history, {}) is not None, history
