"""Is there an order in which these transactions, one after another, would have read what they read?

A history says of each transaction when it began, when its client heard that it was done, what it
read and what it wrote. It is *strictly serializable* if the transactions can be put in an order in
which each reads what those before it have left, and in which none comes before one that was done
when it began. Two histories in one are checked where a client does not know whether its transaction
has happened: with it, and without.

The search is exact: transactions are put in place one by one (Wing and Gong), and a state that has
been reached with the same transactions before is not looked at twice (Lowe). It takes what the
number of transactions at one time makes it take; histories here have few clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

State: TypeAlias = Mapping[str, Any]
"""Values by key; a key that is missing is a document that does not exist."""


@dataclass(frozen=True)
class Read:
    """A document was read; None: it did not exist."""

    key: str
    value: Any

    def fits(self, state: State) -> bool:
        return state.get(self.key) == self.value


@dataclass(frozen=True)
class Scan:
    """A query was run; `found` are the values by key, of all keys for which `belongs` is true."""

    belongs: Callable[[str, Any], bool]
    found: State

    def fits(self, state: State) -> bool:
        result = {key: value for key, value in state.items() if self.belongs(key, value)}
        return result == self.found


@dataclass(frozen=True)
class Count:
    """A query's results were counted."""

    belongs: Callable[[str, Any], bool]
    found: int

    def fits(self, state: State) -> bool:
        return sum(self.belongs(key, value) for key, value in state.items()) == self.found


Observation: TypeAlias = Read | Scan | Count


@dataclass(frozen=True)
class Transaction:
    """What one transaction did.

    Attributes:
        began: When its client sent the first request.
        done: When its client had the last answer; None: it never had one that says whether the
            writes have happened.
        reads: In any order: all of them come before the writes.
        writes: The new values by key; None deletes.
    """

    name: str
    began: int
    done: int | None
    reads: tuple[Observation, ...] = ()
    writes: tuple[tuple[str, Any], ...] = ()

    def after(self, state: State) -> State | None:
        """Return the state that this leaves, or None if it would not have read what it read."""
        if not all(read.fits(state) for read in self.reads):
            return None
        changed = {**state, **dict(self.writes)}
        return {key: value for key, value in changed.items() if value is not None}


def serial_order(history: Iterable[Transaction], initial: State) -> list[str] | None:
    """Return the names of the transactions in an order that explains a history; None: it has none.

    Those of unknown outcome are in it if they have happened.
    """
    transactions = sorted(history, key=lambda each: each.began)
    known = sum(1 << number for number, each in enumerate(transactions) if each.done is not None)
    start = {key: value for key, value in initial.items() if value is not None}
    seen: set[tuple[int, frozenset[tuple[str, Any]]]] = set()
    # Depth first, by hand: a history may be longer than Python's stack is deep.
    pending: list[tuple[int, State, tuple[str, ...] | tuple[Any, ...]]] = [(0, start, ())]
    while pending:
        placed, state, order = pending.pop()
        if placed & known == known:
            return _names(order)
        for number, transaction in reversed(list(_next(transactions, placed))):
            after = transaction.after(state)
            if after is None:
                continue
            reached = (placed | 1 << number, frozenset(after.items()))
            if reached not in seen:
                seen.add(reached)
                pending.append((reached[0], after, (transaction.name, order)))
    return None


def _next(transactions: list[Transaction], placed: int) -> Iterable[tuple[int, Transaction]]:
    """Yield those that may come next: that began before any other that is not placed was done."""
    horizon = None
    first = (~placed & (placed + 1)).bit_length() - 1
    for number in range(first, len(transactions)):
        if placed >> number & 1:
            continue
        each = transactions[number]
        if horizon is not None and each.began > horizon:
            return  # as all that follow did; none of them is done before it began
        if each.done is not None:
            horizon = each.done if horizon is None else min(horizon, each.done)
        yield number, each


def _names(order: tuple[Any, ...]) -> list[str]:
    names = []
    while order:
        name, order = order
        names.append(name)
    return names[::-1]
