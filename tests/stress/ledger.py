"""Many clients of one Firestore that keeps failing them, and the books that they keep.

Each operation has an id of its own, and what it does shows in the database under that id, so that
"lost" and "twice" can be told:

- `create` makes a document that must not exist. One that the client is told exists is its own: the
  answer was lost, and the library sent the commit again.
- `transfer` adds to an account in a transaction, and makes an entry in the ledger in the same
  commit; it does nothing if the entry is there. An account holds the sum of its entries, or
  something was applied twice, or by half.
- `pair` writes two documents in one batch: both, or none.
- `step` writes its client's next number into a document that only this client writes, and reads it:
  what was acknowledged is there at once.
- `delete` deletes what a `create` of the same client made.
- `increment` is what nothing guards: an answer that is lost makes the library count it again, as it
  does in production. The books say how often it may have.

An operation that fails for good is *open*: it may have happened, once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Set
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from google.api_core import exceptions
from google.cloud import firestore

ACCOUNTS = 16
# What the published client gives up with: of the call, of its retries, of a transaction's attempts.
FAILURES = (exceptions.GoogleAPIError, ValueError)

Faults: TypeAlias = list[dict[str, Any]]


def faults() -> Faults:
    """Return what is to go wrong, as the control route takes it."""
    return [
        {"rpc": "Commit", "status": "UNAVAILABLE", "every": 19},
        {"rpc": "Commit", "status": "ABORTED", "every": 31},
        {"rpc": "Commit", "cutAfter": 0, "every": 23},
        {"rpc": "BeginTransaction", "status": "UNAVAILABLE", "every": 29},
        {"rpc": "BatchGetDocuments", "status": "UNAVAILABLE", "every": 37},
        {"rpc": "BatchGetDocuments", "status": "INTERNAL", "every": 41},
        {"rpc": "RunAggregationQuery", "status": "UNAVAILABLE", "every": 7},
        {"rpc": "Listen", "cutAfter": 50},
        {"delayMs": 3, "every": 11},
    ]


def with_times(rules: Faults) -> Faults:
    """Return faults that strike without end."""
    return [{"times": None, **rule} for rule in rules]


@dataclass
class Books:
    """What clients know of their operations, by id: True: acknowledged; False: open."""

    created: dict[str, bool] = field(default_factory=dict)
    deleted: dict[str, bool] = field(default_factory=dict)
    entered: dict[str, bool] = field(default_factory=dict)
    paired: dict[str, bool] = field(default_factory=dict)
    steps: dict[str, list[int]] = field(default_factory=dict)
    increments: Counter[bool] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class BusyClient:
    """One client, which does one operation after another."""

    def __init__(self, client: Any, name: str, books: Books) -> None:
        self.client, self.name, self.books = client, name, books
        self.random = Random(name)
        self.made: list[str] = []
        self.number = 0
        books.steps[name] = [0]

    async def work(self, operations: int) -> None:
        """Do a number of operations, each of a kind drawn by lot."""
        kinds: list[tuple[Callable[[str], Coroutine[Any, Any, None]], int]] = [
            (self.create, 4),
            (self.transfer, 4),
            (self.pair, 2),
            (self.step, 3),
            (self.delete, 1),
            (self.increment, 1),
            (self.count, 1),
        ]
        chosen = self.random.choices(
            [kind for kind, _ in kinds], [weight for _, weight in kinds], k=operations
        )
        for number, kind in enumerate(chosen):
            try:
                await kind(f"{self.name}-{number}")
                self.books.done[kind.__name__] += 1
            except FAILURES:
                self.books.failed[kind.__name__] += 1

    async def create(self, id_: str) -> None:
        self.books.created[id_] = False
        with suppress(exceptions.AlreadyExists):  # only this operation uses this id
            await self.client.document(f"made/{id_}").create({"by": self.name})
        self.books.created[id_] = True
        self.made.append(id_)

    async def delete(self, id_: str) -> None:
        if not self.made:
            return
        id_ = self.made.pop()
        self.books.deleted[id_] = False
        await self.client.document(f"made/{id_}").delete()
        self.books.deleted[id_] = True

    async def transfer(self, id_: str) -> None:
        account = self.client.document(f"accounts/{self.random.randrange(ACCOUNTS)}")
        entry = self.client.document(f"ledger/{id_}")
        amount = self.random.randrange(1, 100)
        self.books.entered[id_] = False

        @firestore.async_transactional
        async def run(transaction: Any) -> None:
            if (await entry.get(transaction=transaction)).exists:
                return
            found = await account.get(transaction=transaction)
            balance = found.get("balance") if found.exists else 0
            transaction.set(account, {"balance": balance + amount})
            transaction.create(entry, {"account": account.id, "amount": amount})

        await run(self.client.transaction())
        self.books.entered[id_] = True

    async def pair(self, id_: str) -> None:
        self.books.paired[id_] = False
        batch = self.client.batch()
        for side in ("left", "right"):
            batch.set(self.client.document(f"pairs/{id_}/sides/{side}"), {"by": self.name})
        await batch.commit()
        self.books.paired[id_] = True

    async def step(self, id_: str) -> None:
        document = self.client.document(f"steps/{self.name}")
        self.number += 1
        possible = self.books.steps[self.name]
        possible.append(self.number)
        await document.set({"n": self.number})
        possible[:] = [self.number]
        assert (await document.get()).get("n") == self.number, "an acknowledged write was not there"

    async def increment(self, id_: str) -> None:
        self.books.increments[False] += 1
        await self.client.document("counters/one").set({"n": firestore.Increment(1)}, merge=True)
        self.books.increments[False] -= 1
        self.books.increments[True] += 1

    async def count(self, id_: str) -> None:
        query = self.client.collection_group("sides").count()
        ((found,),) = await query.get()
        assert found.value % 2 == 0, "half a batch was seen"


async def work_all(connect: Callable[[], Any], clients: int, operations: int) -> Books:
    """Have many clients do operations at the same time, so many in all."""
    books = Books()
    connections = [connect() for _ in range(clients)]
    busy = [BusyClient(each, f"c{number}", books) for number, each in enumerate(connections)]
    try:
        await asyncio.gather(*(each.work(operations // clients) for each in busy))
    finally:
        for each in connections:
            each.close()
    return books


def audit(db: Any, books: Books, lost_answers: int) -> None:
    """Compare the database with the books.

    Args:
        lost_answers: How many answers of commits were lost in all.
    """
    made = {each.id for each in db.collection("made").stream()}
    deleted = {id_ for id_, is_known in books.deleted.items() if is_known}
    _compare(made, books.created, gone=deleted, perhaps_gone=set(books.deleted))

    ledger = {each.id: each.to_dict() for each in db.collection("ledger").stream()}
    _compare(set(ledger), books.entered)
    balances: Counter[str] = Counter()
    for entry in ledger.values():
        balances[entry["account"]] += entry["amount"]
    accounts = {each.id: each.get("balance") for each in db.collection("accounts").stream()}
    assert accounts == dict(balances), "an entry was applied twice, or by half"

    sides: Counter[str] = Counter(
        each.reference.parent.parent.id for each in db.collection_group("sides").stream()
    )
    assert set(sides.values()) <= {2}
    _compare(set(sides), books.paired)

    for name, possible in books.steps.items():
        found = db.document(f"steps/{name}").get()
        assert (found.get("n") if found.exists else 0) in possible

    counter = db.document("counters/one").get()
    counted = counter.get("n") if counter.exists else 0
    known, open_ = books.increments[True], books.increments[False]
    assert known <= counted <= known + open_ + lost_answers


def _compare(
    found: set[str],
    known: dict[str, bool],
    gone: Set[str] = frozenset(),
    perhaps_gone: Set[str] = frozenset(),
) -> None:
    acknowledged = {id_ for id_, is_known in known.items() if is_known}
    assert acknowledged - perhaps_gone <= found, "what was acknowledged is lost"
    assert found <= known.keys(), "nobody wrote this"
    assert not found & gone, "what was deleted is there"
