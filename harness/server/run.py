"""Starts, runs and stops the embedded Firestore: everything is put together here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.backend.service import Backend
from harness.errors import HarnessErrors, RulesSyntaxError, StatusError
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.firestore.paths import DatabaseName
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.server.admin import AdminApi
from harness.server.dispatch import EventDispatcher
from harness.server.exports import Seed, read_seed, write_suite_export
from harness.server.grpc import GrpcService, TwoWayRpc
from harness.server.http import HttpProtocol
from harness.server.http2 import Http2Connection
from harness.server.http2_routes import Http2Request
from harness.server.listen import listen_stream
from harness.server.options import ServerOptions
from harness.server.rest import RestApi
from harness.server.routes import HttpRoutes
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.transport import PortServer
from harness.server.web_channel import WebChannels
from harness.server.wire import pb
from harness.server.write_stream import write_stream

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningServer:
    """A server that accepts connections."""

    shell: Shell
    dispatcher: EventDispatcher
    host: str
    port: int
    stopped: asyncio.Event

    @property
    def address(self) -> str:
        """Return `host:port`, as FIRESTORE_EMULATOR_HOST has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def load_backend(options: ServerOptions) -> Backend:
    """Read the files that the options name.

    Raises:
        HarnessError: A file cannot be read or does not say what it should.
    """
    definitions = IndexDefinitions()
    ruleset: CompiledRuleset | None = None
    if options.indexes is not None:
        definitions = _load_definitions(options.indexes)
    if options.rules is not None:
        ruleset = _load_rules(options.rules)
    return Backend(definitions, ruleset, options.enforce_indexes)


def _load_definitions(path: Path) -> IndexDefinitions:
    from harness.files import read_text_file
    from harness.tolerant_json import parse_json

    return parse_index_file(parse_json(read_text_file(path)).value(), str(path))


def _load_rules(path: Path) -> CompiledRuleset:
    from harness.files import read_text_file

    loaded = load_ruleset(read_text_file(path))
    if loaded.ruleset is None:
        raise HarnessErrors(
            [
                RulesSyntaxError(issue.description, fix="correct the rules", at=issue.position)
                for issue in loaded.issues
                if issue.severity.value == "ERROR"
            ]
        )
    for issue in loaded.issues:
        logger.warning("%s", issue)
    return loaded.ruleset


@contextlib.asynccontextmanager
async def serving(options: ServerOptions, backend: Backend) -> AsyncIterator[RunningServer]:
    """Run a server for the length of the block.

    Raises:
        OSError: The address cannot be had.
    """
    shell = Shell(
        backend,
        expected_project=options.project_id if options.single_project_mode else None,
        seed=Seed() if options.seed is None else read_seed(options.seed),
    )
    dispatcher = EventDispatcher(shell.triggers, options.functions_emulator)
    dispatcher.watch(shell)
    rpcs = FirestoreRpcs(shell)
    stopped = asyncio.Event()
    admin = AdminApi(
        shell,
        dispatcher,
        # A moment later, so that the answer is on its way.
        lambda: _later(stopped.set),
    )
    two_way = [
        TwoWayRpc("Listen", pb.ListenRequest, partial(listen_stream, shell)),
        TwoWayRpc("Write", pb.WriteRequest, partial(write_stream, shell)),
    ]
    channels = WebChannels(two_way)
    routes = HttpRoutes(admin, RestApi(rpcs), channels)
    service = GrpcService(rpcs, two_way, partial(Http2Request, routes))
    server = PortServer(
        partial(HttpProtocol, routes), partial(Http2Connection, service.make_handler)
    )
    try:
        port = await server.start(options.host, options.port)
        yield RunningServer(shell, dispatcher, options.host, port, stopped)
    finally:
        dispatcher.cancel()
        server.close()
        await channels.stop()
        await service.stop()


def _later(callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(0.05, callback)


def run_server(options: ServerOptions) -> int:
    """Run until interrupted, or until somebody posts to `/shutdown`. Returns the exit status.

    Raises:
        HarnessError: A file that the options name cannot be used.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    return _run(_serve_until_stopped(options, load_backend(options)))


def _run(main: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


async def _serve_until_stopped(options: ServerOptions, backend: Backend) -> int:
    try:
        async with serving(options, backend) as server:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError):  # Windows
                    loop.add_signal_handler(number, server.stopped.set)
            _print_banner(server, options)
            await server.stopped.wait()
            if options.export_on_exit is not None and options.project_id is not None:
                return _export(server, options.export_on_exit, options.project_id)
    except OSError as error:
        # firebase-tools looks for the words "address already in use".
        sys.stderr.write(
            f"cannot listen on {options.host}:{options.port}: {error.strerror or error}\n"
        )
        return 1
    return 0


def _export(server: RunningServer, folder: Path, project_id: str) -> int:
    now = server.shell.clock.now
    service = server.shell.database(DatabaseName(project_id))
    try:
        write_suite_export(service, folder, now(), now())
    except StatusError as error:
        logger.error("%s is not written: %s", folder, error.message)
        return 1
    logger.info("%d documents exported to %s", service.store.document_count, folder)
    return 0


def _print_banner(server: RunningServer, options: ServerOptions) -> None:
    if options.rules is None:
        logger.warning("no rules file is given: all reads and writes are allowed")
    # Wrappers wait for "running".
    sys.stdout.write(
        f"API endpoint: http://{server.address}\n"
        "If you are using a library that supports the FIRESTORE_EMULATOR_HOST environment "
        "variable, run:\n\n"
        f"   export FIRESTORE_EMULATOR_HOST={server.address}\n\n"
        "Dev App Server is now running.\n"
    )
    sys.stdout.flush()
