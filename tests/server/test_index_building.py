"""Who is the first to want an index over many documents keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from harness.backend.databases import Backend
from harness.backend.service import DatabaseService
from harness.firestore import index_building
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from harness.server.listen import listen_stream
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import RequestHeaders, Shell
from harness.server.wire import pb

NAME = DatabaseName("demo-large")
OWNER = RequestHeaders("Bearer owner")
SIZE = 20_000
TURNS = 20
"""The least that others get while an index of so many documents is built."""


class Others:
    """Who else is served: counts its turns, and writes in one of them."""

    def __init__(self, service: DatabaseService) -> None:
        self.turns = 0
        self._service = service

    async def go_on(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1
            if self.turns == TURNS // 2:
                new = {ResourcePath("c/new"): {"n": SIZE}}
                self._service.store.load(new, Timestamp(2))


def served(ask: Callable[[Shell], Awaitable[Any]]) -> tuple[Any, int]:
    """Return what a request gets, and how many turns others had meanwhile."""

    async def main() -> tuple[Any, int]:
        shell = Shell(Backend(IndexDefinitions()))
        service = shell.database(NAME)
        documents = {ResourcePath(f"c/{n}"): {"n": n} for n in range(SIZE)}
        service.store.load(documents, Timestamp(1))
        others = Others(service)
        task = asyncio.create_task(others.go_on())
        try:
            return await asyncio.wait_for(ask(shell), 20), others.turns
        finally:
            task.cancel()

    return asyncio.run(main())


def a_query(last: int) -> Any:
    request = pb.RunQueryRequest(parent=f"{NAME}/documents")
    query = request.structured_query
    getattr(query, "from").add(collection_id="c")
    query.order_by.add(direction="DESCENDING").field.field_path = "n"
    query.limit.value = last
    return request


def numbers(messages: Any) -> list[int]:
    return [each.document.fields["n"].integer_value for each in messages]


async def ask_query(shell: Shell) -> list[int]:
    return numbers(await FirestoreRpcs(shell).run_query(a_query(2), OWNER))


async def ask_sum(shell: Shell) -> list[int]:
    request = pb.RunAggregationQueryRequest(parent=f"{NAME}/documents")
    asked = request.structured_aggregation_query
    getattr(asked.structured_query, "from").add(collection_id="c")
    asked.aggregations.add(alias="total").sum.field.field_path = "n"
    (answer,) = await FirestoreRpcs(shell).run_aggregation_query(request, OWNER)
    return [answer.result.aggregate_fields["total"].integer_value]


async def ask_listener(shell: Shell) -> list[int]:
    async def requests() -> AsyncIterator[Any]:
        request = pb.ListenRequest(database=str(NAME))
        request.add_target.target_id = 2
        request.add_target.query.parent = f"{NAME}/documents"
        request.add_target.query.structured_query.CopyFrom(a_query(2).structured_query)
        yield request
        await asyncio.sleep(60)

    found = []
    async for response in listen_stream(shell, requests(), OWNER):
        if response.HasField("document_change"):
            found.append(response.document_change.document.fields["n"].integer_value)
        if len(found) == 2:
            break
    return found


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (ask_query, [SIZE, SIZE - 1]),
        (ask_sum, [sum(range(SIZE + 1))]),
        (ask_listener, [SIZE, SIZE - 1]),
    ],
)
def test_others_are_served_while_an_index_is_built(
    ask: Callable[[Shell], Awaitable[list[int]]], answer: list[int]
) -> None:
    """What is written meanwhile is in the answer: the snapshot is taken when the index is there."""
    found, turns = served(ask)
    assert sorted(found, reverse=True) == answer
    assert turns >= TURNS


def test_without_steps_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the test above."""
    monkeypatch.setattr(
        "harness.firestore.engine.MANY_DOCUMENTS", index_building.MANY_DOCUMENTS * 9
    )
    found, turns = served(ask_query)
    assert found == [SIZE - 1, SIZE - 2]
    assert turns < TURNS
