"""Starts, runs and stops the embedded Firestore: everything is put together here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backend.databases import Backend
from harness.backend.metering import RequestRecord
from harness.backend.request_line import request_line
from harness.errors import HarnessErrors, RulesSyntaxError, StatusError
from harness.firestore.index_definitions import IndexDefinitions, usable_indexes
from harness.firestore.paths import DatabaseName
from harness.server.bounds import Incoming
from harness.server.dispatch import EventDispatcher
from harness.server.emulator_service import EmulatorService
from harness.server.exports import Seed, exported_with, read_seed, write_suite_export
from harness.server.fault_injection import guarded_stream
from harness.server.function_processes import FunctionProcesses
from harness.server.grpc import GrpcService, TwoWay, TwoWayRpc
from harness.server.http2 import Http2Connection
from harness.server.http_entrance import HttpEntrance
from harness.server.listen import listen_stream
from harness.server.options import ServerOptions
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.signals import end_on_signals
from harness.server.transport import PortServer
from harness.server.warm_up import warm_up
from harness.server.watched_files import WatchedFile, watch_files
from harness.server.wire import pb
from harness.server.write_stream import write_stream

if TYPE_CHECKING:
    from harness.rules.ruleset import CompiledRuleset
    from harness.server.request_monitor import RequestMonitor

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningServer:
    """A server that accepts connections."""

    shell: Shell
    dispatcher: EventDispatcher
    host: str
    port: int
    stopped: asyncio.Event
    websocket_port: int | None = None

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
    return Backend(definitions, ruleset, options.enforces_indexes, options.profile)


def _load_definitions(path: Path) -> IndexDefinitions:
    from harness.files import read_text_file
    from harness.tolerant_json import parse_json

    definitions, problems = usable_indexes(parse_json(read_text_file(path)).value(), str(path))
    for problem in problems:
        logger.warning("%s\n  until then it is left out", problem)
    return definitions


def _load_rules(path: Path) -> CompiledRuleset:
    from harness.files import read_text_file
    from harness.rules.ruleset import load_ruleset

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


def _watched(options: ServerOptions, shell: Shell) -> list[WatchedFile]:
    """Return the files whose changes are taken over while the server runs."""
    backend, files = shell.backend, []
    if options.indexes is not None:
        files.append(
            WatchedFile(options.indexes, partial(_reload_indexes, backend, options.indexes))
        )
    if options.rules is not None:
        files.append(WatchedFile(options.rules, partial(_reload_rules, shell, options.rules)))
    return files


def _reload_indexes(backend: Backend, path: Path) -> None:
    backend.definitions = _load_definitions(path)
    for project in tuple(backend.projects):
        backend.set_definitions(project, backend.definitions)


def _reload_rules(shell: Shell, path: Path) -> None:
    ruleset = _load_rules(path)
    shell.backend.ruleset = ruleset
    for project in tuple(shell.backend.projects):
        shell.backend.set_rules(project, ruleset)
        for listener in tuple(shell.rules_listeners):
            listener(project)


def _load_seed(options: ServerOptions) -> Seed:
    seed = Seed() if options.seed is None else read_seed(options.seed)
    if options.seed_file is None:
        return seed
    from harness.files import read_text_file
    from harness.seeds.reader import parse_seed

    file = parse_seed(read_text_file(options.seed_file))
    if file.users:
        logger.warning("%s: users are the Auth emulator's and left out", options.seed_file)
    return replace(seed, file=file)


@contextlib.asynccontextmanager
async def serving(options: ServerOptions, backend: Backend) -> AsyncIterator[RunningServer]:
    """Run a server for the length of the block.

    Raises:
        OSError: The address cannot be had.
    """
    if options.websocket_port is not None and backend.monitor is None:
        from harness.backend.monitor import EvaluationMonitor

        backend.monitor = EvaluationMonitor(secrets.token_hex(6))
    shell = Shell(
        backend,
        request_listener=_print_request if options.log_requests else None,
        expected_project=options.project_id if options.single_project_mode else None,
        seed=_load_seed(options),
    )
    dispatcher = EventDispatcher(
        shell.triggers, options.functions_emulator, retry_delays_s=options.event_retry_delays_s
    )
    dispatcher.watch(shell)
    rpcs = FirestoreRpcs(shell)
    stopped = asyncio.Event()
    two_way = [
        TwoWayRpc("Listen", pb.ListenRequest, _guarded(shell, "Listen", listen_stream)),
        TwoWayRpc("Write", pb.WriteRequest, _guarded(shell, "Write", write_stream)),
    ]
    functions = FunctionProcesses() if options.functions_emulator is not None else None
    incoming = Incoming()
    entrance = HttpEntrance(
        shell,
        dispatcher,
        rpcs,
        two_way,
        functions,
        # A moment later, so that the answer is on its way.
        lambda: _later(stopped.set),
        options.function_manifests,
        incoming,
    )
    service = GrpcService(
        rpcs,
        two_way,
        entrance.request,
        functions,
        incoming,
        backend.profile.max_request_bytes,
        EmulatorService(lambda: entrance.routes().admin).table(),
    )
    server = PortServer(
        entrance.connection,
        partial(Http2Connection, service.make_handler),
        round_s=options.round_s,
    )
    monitor = None
    loop = asyncio.get_running_loop()
    watching = loop.create_task(watch_files(_watched(options, shell)))
    loading = loop.create_task(entrance.load())
    try:
        await warm_up()
        if options.project_id is not None:
            # Its first request finds a database, with what was imported, as every other does.
            shell.database(DatabaseName(options.project_id))
        port = await server.start(options.host, options.port)
        monitor = await _started_monitor(options, backend)
        websocket_port = monitor[1] if monitor is not None else None
        yield RunningServer(shell, dispatcher, options.host, port, stopped, websocket_port)
    finally:
        watching.cancel()
        loading.cancel()
        if monitor is not None:
            monitor[0].close()
        dispatcher.cancel()
        server.close()
        await entrance.close()
        await service.stop()


async def _started_monitor(
    options: ServerOptions, backend: Backend
) -> tuple[RequestMonitor, int] | None:
    """Start the Emulator UI's request view where it is wanted. Without it all else works."""
    if options.websocket_port is None or backend.monitor is None:
        return None
    from harness.server.request_monitor import RequestMonitor  # not needed to start

    monitor = RequestMonitor(backend.monitor)
    try:
        return monitor, await monitor.start(options.host, options.websocket_port)
    except OSError as error:
        monitor.close()
        logger.warning(
            "the Emulator UI's request view cannot listen on %s:%d: %s",
            options.host,
            options.websocket_port,
            error.strerror or error,
        )
        return None


def _print_request(record: RequestRecord) -> None:
    # Whoever has closed our output does not read it.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{request_line(record)}\n")
        sys.stdout.flush()


def _guarded(shell: Shell, rpc: str, stream: Callable[..., AsyncIterator[Any]]) -> TwoWay:
    return guarded_stream(shell, rpc, partial(stream, shell))


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
            end_on_signals(server.stopped.set, has_work_to_do=options.export_on_exit is not None)
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


def is_loopback(host: str) -> bool:
    """Say whether only this machine can connect to an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def _export(server: RunningServer, folder: Path, project_id: str) -> int:
    now = partial(server.shell.clock.now, project_id)
    service = server.shell.database(DatabaseName(project_id), is_bounded=False)
    services = exported_with(server.shell.backend, service.name)
    try:
        write_suite_export(services, folder, now(), now())
    except StatusError as error:
        logger.error("%s is not written: %s", folder, error.message)
        return 1
    count = sum(each.store.document_count for each in services)
    logger.info("%d documents exported to %s", count, folder)
    return 0


def _print_banner(server: RunningServer, options: ServerOptions) -> None:
    if not is_loopback(server.host):
        logger.warning(
            "listening on %s, not on this machine alone: whoever can connect can read and write "
            "everything; give --host 127.0.0.1 (in firebase.json: emulators.firestore.host) "
            "unless others shall",
            server.host,
        )
    if options.rules is None:
        logger.warning("no rules file is given: all reads and writes are allowed")
    view = ""
    if server.websocket_port is not None:
        host = server.address.rpartition(":")[0]
        view = f"Request view: ws://{host}:{server.websocket_port}/requests\n\n"
    # Wrappers wait for "running".
    sys.stdout.write(
        f"API endpoint: http://{server.address}\n"
        "If you are using a library that supports the FIRESTORE_EMULATOR_HOST environment "
        "variable, run:\n\n"
        f"   export FIRESTORE_EMULATOR_HOST={server.address}\n\n"
        f"{view}"
        "Dev App Server is now running.\n"
    )
    sys.stdout.flush()
