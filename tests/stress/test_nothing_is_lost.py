"""64 clients and a Firestore that keeps failing them: nothing acknowledged is lost, nothing is
applied twice. `make stress` does it with 50,000 operations.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from harness.emulators.firestore_client import async_firestore_client, firestore_client
from tests.stress.ledger import Books, audit, faults, with_times, work_all

PROJECT = "demo-stress"
CLIENTS = 64
OPERATIONS = int(os.environ.get("HARNESS_STRESS_OPERATIONS", "1280"))
LIMIT_S = 60 + OPERATIONS / 10


@pytest.fixture
def address() -> Iterator[str]:
    """A server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "firestore", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        try:
            yield first.removeprefix("API endpoint: http://")
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.wait(30)


def audit_notices_what_is_wrong(db: Any, books: Books, lost: int) -> None:
    """Break what has just been found right, piece by piece, and look again."""
    entry = next(id_ for id_, is_known in books.entered.items() if is_known)
    made = next(id_ for id_, known in books.created.items() if known and id_ not in books.deleted)
    pair = next(id_ for id_, is_known in books.paired.items() if is_known)
    step = next(name for name, possible in books.steps.items() if possible[0])
    for path, fields in [
        (f"ledger/{entry}", None),
        (f"made/{made}", None),
        ("made/nobody", {}),
        ("accounts/0", {"balance": -1}),
        (f"pairs/{pair}/sides/left", None),
        (f"steps/{step}", {"n": -1}),
        ("counters/one", {"n": 1 << 40}),
    ]:
        document = db.document(path)
        before = document.get().to_dict()
        document.delete() if fields is None else document.set(fields)
        with pytest.raises(AssertionError):
            audit(db, books, lost)
        document.delete() if before is None else document.set(before)
    audit(db, books, lost)


def test_nothing_acknowledged_is_lost_and_nothing_is_applied_twice(address: str) -> None:
    control = f"http://{address}/harness/v1/projects/{PROJECT}/faults"
    db = firestore_client(address, PROJECT)
    heard: dict[str, Any] = {}
    news = threading.Condition()

    def hear(documents: Any, changes: Any, read_time: Any) -> None:
        with news:
            heard.clear()
            heard.update({each.id: each.get("n") for each in documents})
            news.notify_all()

    for rule in with_times(faults()):
        requests.post(control, json=rule, timeout=10).raise_for_status()
    watch = db.collection("steps").on_snapshot(hear)
    try:
        books = asyncio.run(
            asyncio.wait_for(
                work_all(lambda: async_firestore_client(address, PROJECT), CLIENTS, OPERATIONS),
                LIMIT_S,
            )
        )
        struck = requests.get(control, timeout=10).json()["faults"]
        requests.delete(control, timeout=10).raise_for_status()
        figures = {rule["says"]: rule["fired"] for rule in struck}
        assert all(figures.values()), figures
        lost = sum(rule["fired"] for rule in struck if rule.get("cutAfter") == 0)
        audit(db, books, lost)
        final = {each.id: each.get("n") for each in db.collection("steps").stream()}
        with news:
            assert news.wait_for(lambda: heard == final, 60), "the listener missed something"
        audit_notices_what_is_wrong(db, books, lost)
    finally:
        watch.unsubscribe()
        db.close()
    assert sum(books.done.values()) > 0.9 * OPERATIONS, books.failed
    print(f"done {dict(books.done)}\nfailed {dict(books.failed)}\nstruck {figures}")  # noqa: T201
