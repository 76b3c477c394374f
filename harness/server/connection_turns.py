"""Turns on the few connections that a browser has to a host.

A browser keeps at most six connections of HTTP/1.1 to one host, all its tabs together; OkHttp, and
so React Native on Android, keeps five. An answer that stays open holds one of them for as long as
it does, and where all are held, whatever else the client asks waits in its own queue, unseen by the
server: with three tabs that listen and write, nothing moves. So where a client holds many, the one
held longest is to be given up, again and again; who held it asks again, behind those that wait.

Source: RFC 9112, section 9.4; Chromium, net/socket/client_socket_pool_manager.cc; OkHttp,
    Dispatcher.maxRequestsPerHost. The symptom with Google's emulator: firebase-tools, issue 2990.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

MANY: Final = 5
"""Connections held by one client that may be all it has."""
TURN_S: Final = 0.2
"""How long until all that waits has had its turn, while a client asks for nothing."""
_BUSY_TURN_S: Final = 0.05
"""The same while it does: who has asked will mostly ask again."""
_BUSY_S: Final = 1.0
_LEAST_TURN_S: Final = 0.01


@dataclass(slots=True)
class _Client:
    members: int = 0
    busy_until: float = 0.0
    # What gives each up; the longest held first.
    held: dict[object, Callable[[], None]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def turn_s(self, now: float) -> float:
        """How long until the next is given up: the sooner, the more members hold none."""
        waiting = self.members - len(self.held)
        everybody_s = _BUSY_TURN_S if now < self.busy_until else TURN_S
        return max(everybody_s / max(waiting, 1), _LEAST_TURN_S)


class ConnectionTurns:
    """Who holds connections, by client. A client is forgotten when its last member has left."""

    def __init__(self) -> None:
        self._clients: dict[Hashable, _Client] = {}

    def join(self, client: Hashable) -> None:
        """Count one more that will hold connections of a client, one at a time."""
        self._clients.setdefault(client, _Client()).members += 1

    def leave(self, client: Hashable) -> None:
        """Count one less."""
        known = self._clients[client]
        known.members -= 1
        if known.members <= 0:
            del self._clients[client]
            if known.timer is not None:
                known.timer.cancel()

    def asked(self, client: Hashable) -> None:
        """Note that a client has asked for something, by a connection that it does not hold."""
        known = self._clients.get(client)
        if known is None:
            return
        now = asyncio.get_running_loop().time()
        was_busy = now < known.busy_until
        known.busy_until = now + _BUSY_S
        if known.timer is not None and not was_busy:
            known.timer.cancel()
            known.timer = None
            self._go_on(known)

    def hold(self, client: Hashable, holder: object, give_up: Callable[[], None]) -> None:
        """Note that a connection is held.

        Args:
            holder: Tells it from others when it is let go.
            give_up: Called once when others shall have their turn.
        """
        known = self._clients.get(client)
        if known is not None:
            known.held[holder] = give_up
            self._go_on(known)

    def let_go(self, client: Hashable, holder: object) -> None:
        """Note that a connection is no longer held, for whatever reason."""
        known = self._clients.get(client)
        if known is not None:
            known.held.pop(holder, None)

    def _go_on(self, known: _Client) -> None:
        if known.timer is None and len(known.held) >= MANY:
            loop = asyncio.get_running_loop()
            known.timer = loop.call_later(known.turn_s(loop.time()), self._turn, known)

    def _turn(self, known: _Client) -> None:
        known.timer = None
        if len(known.held) >= MANY:
            known.held.pop(next(iter(known.held)))()
        self._go_on(known)
