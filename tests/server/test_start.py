"""What the server does before it accepts connections: no more than gRPC needs, and a warm-up that
leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from harness.backend.service import Backend
from harness.server import warm_up
from harness.server.http_entrance import _LATER

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


def test_every_request_of_the_warm_up_is_answered_well(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    shells: list[warm_up._SilentShell] = []

    class Listening(warm_up._Nowhere):
        def write(self, data: bytes) -> None:
            super().write(data)
            sent.append(bytes(data))

    class Kept(warm_up._SilentShell):
        def __init__(self, backend: Backend) -> None:
            super().__init__(backend)
            shells.append(self)

    monkeypatch.setattr(warm_up, "_Nowhere", Listening)
    monkeypatch.setattr(warm_up, "_SilentShell", Kept)
    asyncio.run(warm_up.warm_up())
    answers = [data for data in sent if b"grpc-status" in data]
    assert len(answers) == len(warm_up._messages()) * warm_up._ROUNDS
    assert all(data.endswith(b"\x0bgrpc-status\x010") for data in answers)
    (service,) = shells[0].backend.databases.values()
    assert service.name.project == "warm-up"
    assert {record.rpc for record in service.log.since(0)} == {
        name for name, _ in warm_up._messages()
    }
