"""Everything that is asked by HTTP and not by gRPC: put together when somebody asks.

A quarter of what the server is made of is only imported here, so that it accepts connections the
sooner. Where nobody asks, it is loaded a moment after the start, module by module, so that the
first who does is not kept waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from harness.server.bounds import Incoming
from harness.server.dispatch import EventDispatcher
from harness.server.function_processes import FunctionProcesses
from harness.server.grpc import TwoWayRpc
from harness.server.http2 import Http2Stream, StreamHandler
from harness.server.http2_headers import Headers
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.transport import Connection

if TYPE_CHECKING:
    from harness.server.routes import HttpRoutes

_MOMENT_S = 1.0
_LATER = (
    "h11",
    "google.protobuf.json_format",
    "harness.server.http",
    "harness.rules.request",
    "harness.rules.nodes",
    "harness.rules.compiler",
    "harness.rules.ruleset",
    "harness.rules.recorded_json",
    "harness.backend.recording",
    "harness.rules.coverage",
    "harness.rules.coverage_report",
    "yaml",
    "harness.server.controls",
    "harness.server.seeding",
    "harness.server.admin",
    "harness.server.routes",
)
"""Such that each takes some milliseconds: requests are answered in between."""


@dataclass(slots=True)
class HttpEntrance:
    """Serves the connections of HTTP/1.1, and requests of HTTP/2 that are no gRPC.

    Args:
        functions: Tells which function a connection comes from; None: there are no functions.
        stop: Ends the server.
        function_manifests: A folder, as `ServerOptions` has it.
        incoming: What requests that are not complete hold.
    """

    shell: Shell
    dispatcher: EventDispatcher
    rpcs: FirestoreRpcs
    two_way: Sequence[TwoWayRpc]
    functions: FunctionProcesses | None
    stop: Callable[[], None]
    function_manifests: Path | None
    incoming: Incoming
    _routes: HttpRoutes | None = None

    def connection(self, on_lost: Callable[[], None]) -> Connection:
        """Return who serves a connection of HTTP/1.1."""
        from harness.server.http import HttpProtocol

        return HttpProtocol(self.routes(), self.incoming, on_lost)

    def request(self, stream: Http2Stream, headers: Headers) -> StreamHandler:
        """Return who serves a request of HTTP/2."""
        from harness.server.http2_routes import Http2Request

        return Http2Request(self.routes(), self.incoming, stream, headers)

    def routes(self) -> HttpRoutes:
        """Return the handler of every request, making it when it is asked for first."""
        if self._routes is None:
            from harness.server.admin import AdminApi
            from harness.server.rest import RestApi
            from harness.server.routes import HttpRoutes
            from harness.server.web_channel import WebChannels

            admin = AdminApi(self.shell, self.dispatcher, self.stop, self.function_manifests)
            self._routes = HttpRoutes(
                admin,
                RestApi(self.rpcs, self.shell.backend.profile.refuses_unknown_names),
                WebChannels(self.two_way),
                self.functions,
                self.shell.backend.profile.max_request_bytes,
            )
        return self._routes

    async def load(self) -> None:
        """Load what the first request would wait for, a moment from now."""
        await asyncio.sleep(_MOMENT_S)
        for module in _LATER:
            import_module(module)
            await asyncio.sleep(0)
        self.routes()

    async def close(self) -> None:
        """End what is open."""
        if self._routes is not None:
            await self._routes.channels.stop()
