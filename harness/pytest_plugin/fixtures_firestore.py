"""Clients and control of the Firestore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from harness.emulators.auth import AuthUser
    from harness.emulators.handover import HandedSuite
    from harness.pytest_plugin.clock import EmulatorClock
    from harness.pytest_plugin.context import CheckContext
    from harness.pytest_plugin.databases import CheckDatabase
    from harness.pytest_plugin.faults import InjectFault
    from harness.pytest_plugin.snapshots import FirestoreSnapshots, KeptSnapshots


@pytest.fixture
def firestore_admin(harness_check: CheckContext) -> Client:
    """A Firestore client that bypasses rules."""
    return harness_check.admin_client


@pytest.fixture
def firestore_reader(harness_check: CheckContext) -> Client:
    """A Firestore client that bypasses rules and can only read: with `--against PROJECT`, of that
    project.
    """
    return harness_check.reading_client()


@pytest.fixture
def firestore_as(harness_check: CheckContext) -> Callable[..., Client]:
    """A function from a uid (or AuthUser) and claims to a Firestore client that rules apply to."""

    def client_of(uid: str | AuthUser, /, **claims: Any) -> Client:
        return harness_check.client(harness_check.token(uid, claims))

    return client_of


@pytest.fixture
def firestore_unauthenticated(harness_check: CheckContext) -> Client:
    """A Firestore client of someone who is not signed in."""
    return harness_check.client(None)


@pytest.fixture
def firestore_database(harness_check: CheckContext) -> Callable[[str], CheckDatabase]:
    """A function from the id of a database to its clients: `.admin`, `.as_(uid, **claims)`,
    `.unauthenticated`. It is empty when the check begins.
    """
    from harness.pytest_plugin.databases import CheckDatabase

    return lambda database: CheckDatabase(harness_check, database)


@pytest.fixture
def seed(request: pytest.FixtureRequest, harness_check: CheckContext) -> Callable[[str], None]:
    """A function that puts what a seed file says into the databases, and its users into the Auth
    emulator: `seed("shop.yaml")`, beside the check or in the project's folder.
    """
    from harness.pytest_plugin.seeds import SeedFixture

    folders = (request.path.parent, request.config.rootpath)
    return SeedFixture(harness_check, folders, keeps_users="auth_user" in request.fixturenames).sow


@pytest.fixture
def clear_firestore(harness_check: CheckContext) -> Callable[[], None]:
    """A function that empties the database in the middle of a check; between checks that is done
    anyway.
    """
    return harness_check.firestore.clear


@pytest.fixture
def without_events(harness_check: CheckContext) -> Callable[[], AbstractContextManager[None]]:
    """A function that gives a context manager: documents written within it call no functions.

    For what must be there before a check begins.
    """
    return harness_check.without_events


@pytest.fixture
def emulator_clock(harness_check: CheckContext) -> Iterator[EmulatorClock]:
    """The Firestore's time: `.freeze(at)`, `.set(at)`, `.advance(seconds)`, `.resume()`, `.now()`.

    Afterwards it is the real one again.
    """
    from harness.pytest_plugin.clock import controlled_clock

    with controlled_clock(harness_check.firestore) as clock:
        harness_check.clock = clock
        yield clock


@pytest.fixture
def expire_documents(harness_check: CheckContext) -> Callable[[], int]:
    """A function that deletes the documents which have expired by a TTL policy of
    firestore.indexes.json, at the time of `emulator_clock`, and returns how many.

    Functions and listeners hear of it. A document that a transaction has locked is left.
    """
    return harness_check.firestore.expire_documents


@pytest.fixture(scope="session")
def harness_snapshots(harness_suite: HandedSuite) -> Iterator[KeptSnapshots]:
    """What this run's checks have taken snapshots of."""
    from harness.pytest_plugin.snapshots import KeptSnapshots

    kept = KeptSnapshots()
    yield kept
    kept.forget()


@pytest.fixture
def firestore_snapshot(
    harness_check: CheckContext, harness_snapshots: KeptSnapshots
) -> FirestoreSnapshots:
    """Named snapshots of the database: `.once(name, fill)` writes the first time and brings back
    afterwards; `.save(name)`, `.restore(name)`.
    """
    from harness.pytest_plugin.snapshots import FirestoreSnapshots

    return FirestoreSnapshots(
        harness_check.firestore,
        harness_check.project_id,
        harness_snapshots,
        harness_check.without_events,
    )


@pytest.fixture
def inject_fault(
    request: pytest.FixtureRequest, harness_check: CheckContext
) -> Iterator[InjectFault]:
    """A function that lets requests go wrong: `inject_fault("Commit", "ABORTED", times=2)`.

    Faults end with the check, which fails if one of them has met no request.
    """
    from harness.pytest_plugin.faults import fault_injector
    from harness.pytest_plugin.recorder import findings_of

    with fault_injector(harness_check.firestore, findings_of(request.node)) as inject:
        yield inject
