"""Runs a coroutine at once, as far as it gets without waiting: nearly all requests wait for
nothing, and then need no task, nor a turn of the loop of their own.

What does wait goes on as a task, in the context in which it was begun. Until then there is no
current task, so what is run here must not need one: `asyncio.wait` does not, `asyncio.timeout`
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any


def run_at_once(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run a coroutine until it waits, and return the task that is to do the rest; None: it is done.

    Whatever it raises before it waits comes out here.
    """
    context = copy_context()
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration:
        return None
    rest = _Rest(coroutine, awaited)
    return asyncio.get_running_loop().create_task(rest, context=context)


class _Rest(Coroutine[Any, Any, None]):
    """A coroutine that has been begun, and waits: its task hears first what it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._is_heard = False

    def send(self, value: Any) -> Any:
        """Go on."""
        if self._is_heard:
            return self._coroutine.send(value)
        self._is_heard = True
        return self._awaited

    def throw(self, *error: Any) -> Any:
        """Have it raise an error where it waits: a task that is cancelled may not have heard yet
        what for.
        """
        self._is_heard = True
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End it where it waits."""
        self._coroutine.close()

    def __await__(self) -> Any:
        raise TypeError("only a task can go on with what has been begun")
