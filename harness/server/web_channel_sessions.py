"""One session of a WebChannel: what its client has not read, what the stream has not taken, and how
much all sessions hold together. How it is spoken is `web_channel.py`'s.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from harness.errors import StatusError
from harness.server.grpc import TwoWayRpc
from harness.server.shell import RequestHeaders

MAX_HELD_CHARS: Final = 64_000_000
"""Text that one session holds: what its client has not read, and what has not been served. More
ends it."""
MAX_ALL_HELD_CHARS: Final = 256_000_000
"""Text that all sessions hold; more ends the one that holds most."""
MAX_UNTAKEN: Final = 1_000
"""Messages of a client that wait to be served; one more ends its session."""


@dataclass(slots=True)
class HeldText:
    """What all sessions hold together."""

    chars: int = 0


@dataclass(slots=True, eq=False)
class BackChannel:
    """An answer that is open for the server's messages, until a time of the loop."""

    end: float


@dataclass(slots=True, eq=False)
class Session:
    """One stream, and what of it the client has not read.

    Args:
        client: The browser that it comes from: its sessions share few connections.
        all_held: What it holds counts there, too.
    """

    id: str
    rpc: TwoWayRpc
    headers: RequestHeaders
    client: Hashable
    all_held: HeldText
    unread: deque[tuple[int, str]] = field(default_factory=deque)
    held_chars: int = 0
    last_id: int = 0
    last_forward: int = -1
    """The highest `ofs + index` of the client's messages that was taken in: a post that is
    repeated, since its answer was lost, is not taken twice."""
    is_over: bool = False
    """Its stream has ended: nothing that the client says is served any more."""
    back_channel: BackChannel | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    _untaken: asyncio.Queue[tuple[Any, int]] = field(default_factory=asyncio.Queue)

    @property
    def untaken_count(self) -> int:
        """How many messages of the client wait to be served."""
        return self._untaken.qsize()

    def send(self, text: str) -> None:
        """Queue one array for the client."""
        self.last_id += 1
        self.unread.append((self.last_id, text))
        self._hold(len(text))
        self.news.set()

    def acknowledge(self, array_id: int) -> None:
        """Forget what the client has read."""
        while self.unread and self.unread[0][0] <= array_id:
            self._hold(-len(self.unread.popleft()[1]))

    def take_in(self, message: Any, size_chars: int) -> None:
        """Queue a message of the client, or the error that ends its stream."""
        self._untaken.put_nowait((message, size_chars))
        self._hold(size_chars)

    async def requests(self) -> AsyncIterator[Any]:
        """Yield the client's messages, for as long as the session lives.

        Raises:
            StatusError: One was not to be understood.
        """
        while True:
            message, size_chars = await self._untaken.get()
            self._hold(-size_chars)
            if isinstance(message, StatusError):
                raise message
            yield message

    def serve_no_more(self) -> None:
        """Take in nothing more, and let go of what waits."""
        self.is_over = True
        while not self._untaken.empty():
            self._hold(-self._untaken.get_nowait()[1])

    def _hold(self, chars: int) -> None:
        self.held_chars += chars
        self.all_held.chars += chars

    def detach(self) -> None:
        """Count no longer: what is left of it goes with the answer that is still being read."""
        self.all_held.chars -= self.held_chars
        self.all_held = HeldText()
