"""Which function a connection comes from: told by the environment of the process that opened it.

The Functions emulator runs each function in a process of its own, with the function's name in its
environment, and is started by the same process as this server. Only the meter asks.

Source: firebase-tools 15.34, emulator/functionsEmulator.ts, `getSystemEnvs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_NAMES = ("K_SERVICE", "FUNCTION_TARGET")
_SOCKET_TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


@dataclass(slots=True)
class Peer:
    """The other end of one connection.

    Attributes:
        port: Its TCP port; None where there is none.
        is_known: Whether `function` has been found out.
        function: The function that runs there; None: it is none.
    """

    port: int | None = None
    is_known: bool = False
    function: str | None = None


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """Return the other end of an open connection."""
    address = transport.get_extra_info("peername")
    return Peer(address[1] if isinstance(address, tuple) else None)


class FunctionProcesses:
    """Finds functions among the processes that this server's parent has started.

    Args:
        root: The id of the process below which the Functions emulator runs its workers; None: this
            process's parent.
    """

    def __init__(self, root: int | None = None) -> None:
        self._root = os.getppid() if root is None else root
        # What a process runs for does not change; one that is no function yet may become one.
        self._known: dict[psutil.Process, str] = {}

    def function_of(self, peer: Peer) -> str | None:
        """Return the name of the function at the other end of a connection, None if it is none.

        It is looked up once for each connection, which takes some milliseconds.
        """
        if not peer.is_known:
            peer.is_known = True
            if peer.port is not None:
                peer.function = self._find(peer.port)
        return peer.function

    def _find(self, port: int) -> str | None:
        workers = self._workers()
        if not workers:
            return None
        sockets = _sockets_of(port)
        for process, name in workers.items():
            if _has_port(process, port) if sockets is None else _has_socket(process, sockets):
                return name
        return None

    def _workers(self) -> dict[psutil.Process, str]:
        import psutil  # where there are no functions, the server starts without

        try:
            processes = psutil.Process(self._root).children(recursive=True)
        except psutil.Error:
            return {}
        known = self._known
        self._known = {}
        for process in processes:
            name = known.get(process) or _function_in(process)
            if name is not None:
                self._known[process] = name
        return self._known


def _function_in(process: psutil.Process) -> str | None:
    import psutil

    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return None
    return next((environment[key] for key in _NAMES if environment.get(key)), None)


def _sockets_of(port: int) -> frozenset[str] | None:
    """Return what the sockets at a local port are called among a process's files; None where only
    psutil knows.

    One look at the kernel's table, where psutil takes one for each process, a line at a time.
    Source: proc(5), /proc/net/tcp and /proc/pid/fd.
    """
    row = re.compile(rb"\d+: [0-9A-F]+:%04X (?:\S+ +){7}(\d+)" % port)
    found: list[bytes] = []
    for table in _SOCKET_TABLES:
        try:
            found += row.findall(Path(table).read_bytes())
        except OSError:
            if table == _SOCKET_TABLES[0]:
                return None  # the other one is missing where there is no IPv6
    return frozenset(f"socket:[{inode.decode()}]" for inode in found)


def _has_socket(process: psutil.Process, sockets: frozenset[str]) -> bool:
    files = f"/proc/{process.pid}/fd"
    try:
        names = os.listdir(files)  # noqa: PTH208  the files' numbers, not their paths
    except OSError:
        return False
    for name in names:
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.readlink(f"{files}/{name}") in sockets:  # noqa: PTH115
                return True
    return False


def _has_port(process: psutil.Process, port: int) -> bool:
    import psutil

    try:
        connections = process.net_connections("tcp")
    except psutil.Error:
        return False
    return any(found.laddr and found.laddr.port == port for found in connections)
