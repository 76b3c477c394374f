"""How many databases and projects there are, and which of them are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from harness.backend import databases as databases_module
from harness.backend.auth import ADMIN
from harness.backend.databases import Backend
from harness.backend.metering import KeptRecords, RequestLog, RequestRecord
from harness.backend.recording import Recording
from harness.backend.requests import Commit, TransactionOptions
from harness.backend.service import DatabaseService
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Timestamp
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText

NOW = Timestamp(1_700_000_000_000_000)
MOST = 10


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setattr(databases_module, "MAX_DATABASES", MOST)
    return Backend(IndexDefinitions())


@pytest.fixture
def names() -> Iterator[DatabaseName]:
    return (DatabaseName(f"demo-{number}") for number in count())


def asked(backend: Backend, name: DatabaseName) -> DatabaseService:
    """Ask for a database as the server does."""
    service = backend.databases.get(name)
    if service is None:
        backend.make_room(lambda _: False)
        service = backend.database(name)
    service.last_used = float(service.serial)
    return service


def put(service: DatabaseService) -> None:
    write = Write(WriteKind.UPDATE, ResourcePath("c/a"), {})
    service.commit(Commit((write,)), ADMIN, NOW, RequestRecord("Commit", ADMIN, NOW.micros))


def refused(backend: Backend, name: DatabaseName) -> str:
    with pytest.raises(StatusError) as refusal:
        asked(backend, name)
    assert refusal.value.code is StatusCode.RESOURCE_EXHAUSTED
    return refusal.value.message


def test_databases_that_hold_nothing_are_forgotten_longest_unused_first(
    backend: Backend, names: Iterator[DatabaseName]
) -> None:
    first, second = asked(backend, next(names)), asked(backend, next(names))
    for _ in range(MOST - 2):
        asked(backend, next(names))
    first.last_used = 1_000.0
    asked(backend, next(names))
    assert first.name in backend.databases
    assert second.name not in backend.databases
    for _ in range(10 * MOST):
        asked(backend, next(names))
    assert len(backend.databases) <= MOST
    assert len(backend.projects) <= MOST


USES = {
    "documents": put,
    "a snapshot": lambda service: service.snapshots.update(kept={}),
    "a listener": lambda service: setattr(service, "users", 1),
    "an open transaction": lambda service: service.begin_transaction(TransactionOptions(), NOW),
    "a recording": lambda service: setattr(service.project, "recording", Recording()),
}


@pytest.mark.parametrize("use", USES)
def test_databases_that_hold_something_stay(
    backend: Backend, names: Iterator[DatabaseName], use: str
) -> None:
    kept = asked(backend, next(names))
    USES[use](kept)
    for _ in range(3 * MOST):
        asked(backend, next(names))
    assert backend.databases[kept.name] is kept


def test_where_all_hold_something_another_is_refused(
    backend: Backend, names: Iterator[DatabaseName]
) -> None:
    services = [asked(backend, next(names)) for _ in range(MOST)]
    for service in services:
        put(service)
    another = next(names)
    assert f"This server holds {MOST} databases" in refused(backend, another)
    assert asked(backend, services[0].name) is services[0]
    services[3].store.clear(NOW)
    asked(backend, another)
    assert services[3].name not in backend.databases


def test_one_that_is_needed_stays(backend: Backend, names: Iterator[DatabaseName]) -> None:
    needed = asked(backend, next(names))
    for _ in range(3 * MOST):
        backend.make_room(lambda service: service is needed)
        backend.database(next(names))
    assert backend.databases[needed.name] is needed


def test_one_that_is_made_anew_is_another(backend: Backend, names: Iterator[DatabaseName]) -> None:
    first = asked(backend, next(names))
    for _ in range(MOST):
        asked(backend, next(names))
    assert asked(backend, first.name).serial != first.serial


def test_projects_with_rules_of_their_own_are_not_forgotten(
    backend: Backend, names: Iterator[DatabaseName]
) -> None:
    rules = load_ruleset(SourceText("r", "service cloud.firestore { }")).ruleset
    for _ in range(MOST):
        backend.set_rules(next(names).project, rules)
    with pytest.raises(StatusError, match="projects with databases or rules of their own"):
        backend.project("demo-another")


def test_logs_of_many_databases_keep_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backend.metering.MAX_RECORDS_KEPT", 500)
    kept = KeptRecords()
    logs = [RequestLog(kept=kept) for _ in range(10)]
    for _ in range(300):
        for log in logs:
            log.append(RequestRecord("GetDocument", ADMIN, NOW.micros))
    lengths = [len(log.since(0)) for log in logs]
    assert all(length >= 100 for length in lengths)
    assert kept.count == sum(lengths) <= 500 + 10 * 100
    assert not logs[0].reaches(0)
    assert logs[0].cost_since(0)["callers"][0]["requests"] == 300
    for log in logs:
        log.close()
    assert kept.count == 0


def test_costs_of_callers_without_end_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.backend.metering.MAX_CALLERS", 3)
    log = RequestLog()
    for number in range(10):
        record = RequestRecord("GetDocument", ADMIN, NOW.micros)
        record.caller = type(ADMIN)(ADMIN.kind, label=f"client {number}")
        record.tally.reads = 1
        log.append(record)
    cost = log.cost_since(0)
    assert cost["billed"]["reads"] == 10
    found = {(each["caller"], each.get("label")): each["requests"] for each in cost["callers"]}
    assert found["others", None] == 7
    assert len(found) == 4
