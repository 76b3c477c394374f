"""What the server does before it accepts connections: no more than gRPC needs, and a warm-up that
leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from harness.backend.databases import Backend
from harness.errors import StatusCode
from harness.server import warm_up
from harness.server.http2 import Http2Connection
from harness.server.http_entrance import _LATER
from harness.server.transport import PortServer

# Each takes milliseconds to import, and is loaded when somebody asks for it.
NOT_AT_THE_START = ("yaml", "h11", "psutil", "harness.rules.nodes", "harness.server.admin")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_a_start_imports_neither_http_nor_rules() -> None:
    loaded = loaded_after("import harness.server.run")
    assert not loaded & set(NOT_AT_THE_START)


def test_all_of_it_is_loaded_a_moment_later() -> None:
    loaded = loaded_after(f"import importlib; list(map(importlib.import_module, {_LATER!r}))")
    assert loaded >= set(NOT_AT_THE_START) - {"psutil"}


def warmed_up(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Run the warm-up and return the back end that it has forgotten."""
    shells: list[warm_up._SilentShell] = []

    class Kept(warm_up._SilentShell):
        def __init__(self, backend: Backend) -> None:
            super().__init__(backend)
            shells.append(self)

    monkeypatch.setattr(warm_up, "_SilentShell", Kept)
    asyncio.run(warm_up.warm_up())
    (shell,) = shells
    return shell.backend


def test_every_request_of_the_warm_up_is_answered_well(monkeypatch: pytest.MonkeyPatch) -> None:
    databases = warmed_up(monkeypatch).databases
    assert len(databases) == warm_up._ROUNDS
    asked = [name for name, _ in warm_up._messages("")]
    for name, service in databases.items():
        assert name.project == "warm-up"
        records = service.log.since(0)
        assert [(record.rpc, record.code) for record in records] == [
            (rpc, StatusCode.OK) for rpc in asked
        ]
        assert all(record.tally.egress_bytes for record in records)


def test_the_warm_up_says_nothing_and_leaves_no_connection_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    servers: list[PortServer] = []

    class Kept(PortServer):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            servers.append(self)

    monkeypatch.setattr(warm_up, "PortServer", Kept)

    async def run() -> None:
        await warm_up.warm_up()
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    assert servers[0].connections == set()
    # Other servers of this process may have something to say.
    assert not [each for each in caplog.records if "warm-up" in each.getMessage()]


def test_a_warm_up_that_gets_no_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm_up, "_LIMIT_S", 0.05)
    monkeypatch.setattr(Http2Connection, "data_received", lambda *_: None)
    asyncio.run(warm_up.warm_up())
