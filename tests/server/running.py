"""A server in a thread of the test process, on a free port, and ways to talk to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import requests

from harness.backend.databases import Backend
from harness.emulators.firestore_client import firestore_client
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.options import ServerOptions
from harness.server.run import RunningServer, serving

START_TIMEOUT_S = 20.0
_projects = count(1)


@dataclass
class ServerUnderTest:
    """A running server; each test works in a project of its own."""

    running: RunningServer
    loop: asyncio.AbstractEventLoop

    @property
    def host(self) -> str:
        return self.running.address

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def http(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url(path), timeout=10, **options)


@contextmanager
def running_server(options: ServerOptions | None = None) -> Iterator[ServerUnderTest]:
    """Run a server for the length of the block."""
    options = options or ServerOptions(host="127.0.0.1", port=0)
    ready: list[ServerUnderTest] = []
    failures: list[BaseException] = []
    is_up = threading.Event()

    async def main() -> None:
        backend = Backend(IndexDefinitions(), None, options.enforces_indexes, options.profile)
        async with serving(options, backend) as running:
            ready.append(ServerUnderTest(running, asyncio.get_running_loop()))
            is_up.set()
            await running.stopped.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            is_up.set()

    thread = threading.Thread(target=run, name="server under test")
    thread.start()
    assert is_up.wait(START_TIMEOUT_S), "the server did not start"
    if failures:
        raise failures[0]
    server = ready[0]
    try:
        yield server
    finally:
        server.loop.call_soon_threadsafe(server.running.stopped.set)
        thread.join(START_TIMEOUT_S)
    if failures:
        raise failures[0]


@dataclass
class Project:
    """A project of its own on a running server."""

    server: ServerUnderTest
    id: str
    add_cleanup: Callable[[Callable[[], None]], Any]

    @property
    def root(self) -> str:
        """The REST path of the documents."""
        return f"/v1/projects/{self.id}/databases/(default)/documents"

    @property
    def emulator(self) -> str:
        return f"/emulator/v1/projects/{self.id}"

    @property
    def own(self) -> str:
        return f"/harness/v1/projects/{self.id}/databases/(default)"

    def client(self, token: str | None = "owner", **options: Any) -> Any:
        client = firestore_client(self.server.host, self.id, token=token, **options)
        self.add_cleanup(client.close)
        return client

    def as_user(self, uid: str, **claims: Any) -> Any:
        return self.client(unsigned_token(uid, **claims))

    def load_rules(self, text: str) -> None:
        response = self.server.http(
            "PUT",
            f"{self.emulator}:securityRules",
            json={"rules": {"files": [{"name": "firestore.rules", "content": text}]}},
        )
        assert response.status_code == 200, response.text

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        answer = self.server.http("GET", f"{self.own}/requests?since={since}").json()
        found: list[dict[str, Any]] = answer["requests"]
        return found

    def cost(self, since: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.server.http("GET", f"{self.own}/cost?since={since}").json()
        return found


def new_project_id() -> str:
    return f"demo-test-{next(_projects)}"


def unsigned_token(uid: str, **claims: Any) -> str:
    import base64
    import json

    def segment(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    return f"{segment({'alg': 'none', 'type': 'JWT'})}.{segment({'sub': uid, **claims})}."
