"""Which function a connection comes from: told by the environment of the process that opened it.

The Functions emulator runs each function in a process of its own, with the function's name in its
environment, and is started by the same process as this server. Only the meter asks.

Source: firebase-tools 15.34, emulator/functionsEmulator.ts, `getSystemEnvs`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

_NAMES = ("K_SERVICE", "FUNCTION_TARGET")


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
        import psutil  # where there are no functions, the server starts without

        for process, name in self._workers():
            try:
                connections = process.net_connections("tcp")
            except psutil.Error:
                continue
            if any(found.laddr and found.laddr.port == port for found in connections):
                return name
        return None

    def _workers(self) -> Iterator[tuple[psutil.Process, str]]:
        import psutil

        try:
            processes = psutil.Process(self._root).children(recursive=True)
        except psutil.Error:
            return
        for process in processes:
            try:
                environment = process.environ()
            except (psutil.Error, OSError):
                continue
            name = next((environment[key] for key in _NAMES if environment.get(key)), None)
            if name is not None:
                yield process, name
