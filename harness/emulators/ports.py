"""Free loopback ports, chosen together and held until the emulators listen on them.

The Emulator Suite needs its ports in a configuration file seconds before it binds them. Between the
choice and the bind another run could choose the same; so the ports stay bound here, without
listening, in a way that lets a server that sets SO_REUSEADDR (Node and asyncio do) listen on them
all the same, and keeps everyone else off.
"""

from __future__ import annotations

import contextlib
import errno
import random
import socket
import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from harness.errors import EnvironmentLacking

LOOPBACK = "127.0.0.1"

# Below the range from which kernels take ports for outgoing connections (Linux: 32768 and up,
# macOS: 49152 and up), so that no client socket gets in the way; above the ports that people choose
# by hand.
FIRST_PORT = 20_000
LAST_PORT = 32_700
_ATTEMPTS = 2_000

# A socket that is bound and does not listen may share its port with a listener only on Linux;
# elsewhere the hold ends where the suite's start begins.
_CAN_HOLD = sys.platform == "linux"


class HeldPorts:
    """Ports by name, kept from others until `release`.

    Source: socket(7), SO_REUSEADDR: a bind succeeds unless an active listening socket is bound to
    the address.
    """

    def __init__(
        self, sockets: Mapping[str, socket.socket], claims: Iterable[socket.socket] = ()
    ) -> None:
        self._sockets = dict(sockets)
        self._claims = list(claims)
        self.numbers: dict[str, int] = {
            name: held.getsockname()[1] for name, held in sockets.items()
        }

    def hand_over(self) -> None:
        """Let servers that set SO_REUSEADDR listen on the ports; keep off everyone else.

        Where the system cannot do that, the ports are let go.
        """
        if not _CAN_HOLD:
            self.release()
        for held in self._sockets.values():
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def release(self) -> None:
        """Let go of all ports. May be called more than once."""
        for held in (*self._sockets.values(), *self._claims):
            held.close()
        self._sockets.clear()
        self._claims.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def hold_ports(
    names: Iterable[str],
    *,
    fixed: Mapping[str, int] | None = None,
    preferred: Mapping[str, int] | None = None,
) -> HeldPorts:
    """Choose a free loopback port for each name, and hold all of them.

    Args:
        names: What needs a port; each gets its own.
        fixed: Ports that the user asked for, by name. They are taken as they are.
        preferred: Ports to take if nobody has them, by name.
    Raises:
        EnvironmentLacking: A fixed port is taken, or no free port was found.
    """
    wanted, liked = dict(fixed or {}), dict(preferred or {})
    held: dict[str, socket.socket] = {}
    claims: list[socket.socket] = []
    # Not from the module's generator: tests and user code seed it, and two runs would then try the
    # same ports.
    chooser = random.SystemRandom()
    try:
        for name in names:
            if name in wanted:
                held[name] = _hold_fixed(name, wanted[name])
                continue
            found = _hold_if_free(liked[name], claims) if name in liked else None
            held[name] = found or _hold_any(chooser)
    except BaseException:
        HeldPorts(held, claims).release()
        raise
    return HeldPorts(held, claims)


def _hold_if_free(port: int, claims: list[socket.socket]) -> socket.socket | None:
    """Hold a port if nobody has it, not even a run that is about to listen on it; on Linux also
    one with dying connections of the run before this one.
    """
    if not _CAN_HOLD:
        with contextlib.suppress(OSError):
            return _bind(port)
        return None
    # A name among sockets, no file: it goes with the process, however that ends.
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0firebase-workflow-harness-port-{port}")
        held = _bind(port, share=True)
    except OSError:
        claim.close()
        return None
    claims.append(claim)
    return held


def _hold_fixed(name: str, port: int) -> socket.socket:
    try:
        # With SO_REUSEADDR: only a listener is in the way, not the dying connections of the run
        # before this one.
        return _bind(port, share=True)
    except OSError as error:
        reason = (
            "taken by another process" if error.errno == errno.EADDRINUSE else str(error.strerror)
        )
        raise EnvironmentLacking(
            f"port {port}, fixed for the {name} emulator, cannot be used: {reason}",
            fix=f"end what listens on {LOOPBACK}:{port}, or leave the choice of the port open",
        ) from error


def _hold_any(chooser: random.Random) -> socket.socket:
    for _ in range(_ATTEMPTS):
        try:
            return _bind(chooser.randint(FIRST_PORT, LAST_PORT))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise EnvironmentLacking(
                    f"no port can be bound on {LOOPBACK}: {error.strerror}",
                    fix="allow this process to open sockets on the loopback interface",
                ) from error
    raise EnvironmentLacking(
        f"no free port among {FIRST_PORT} to {LAST_PORT} on {LOOPBACK} after {_ATTEMPTS} tries",
        fix="end emulators that other runs have left behind",
    )


def _bind(port: int, *, share: bool = False) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without SO_REUSEADDR the bind fails also where another run holds the port and does not
        # listen yet.
        if share:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
    except BaseException:
        held.close()
        raise
    return held
