"""Splits a run over several machines: the same checks give the same shards everywhere.

What verifies an item stays together, since evidence is of a whole item. A check that looks at what
all others did makes its shard run everything, and the other shards share the rest. Must not live
here: running anything, joining the evidence (`merge.py`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shard:
    """One machine's share.

    Attributes:
        checks: Names of the checks that it runs.
        items: The items that it verifies.
    """

    checks: frozenset[str]
    items: frozenset[str]


def parse_shard(text: str) -> tuple[int, int]:
    """Read which of how many: `2/3`.

    Raises:
        ValueError: It is not I/N with I from 1 to N.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"{text!r} is not I/N with I from 1 to N")
    return int(number), int(count)


@dataclass(slots=True)
class _Group:
    """Checks that cannot be separated, and the items that they verify."""

    checks: list[str]
    items: set[str]


def split_checks(
    checks: Mapping[str, Sequence[str]], count: int, *, whole_run: Collection[str] = ()
) -> tuple[Shard, ...]:
    """Split checks into shards of about the same number of checks.

    Args:
        checks: Name -> the items that it verifies, in the order of collection.
        count: How many shards; at least 1.
        whole_run: Names of those that look at what all others did.
    """
    groups = _groups(checks)
    whole = [group for group in groups if {*group.checks} & {*whole_run}]
    rest = [group for group in groups if group not in whole]
    shares: list[list[_Group]] = [[] for _ in range(count)]
    shares[0] += whole
    open_to_all = range(1 if whole and count > 1 else 0, count)
    for group in sorted(rest, key=lambda group: -len(group.checks)):  # stable: order decides ties
        smallest = min(open_to_all, key=lambda at: _size(shares[at]))
        shares[smallest].append(group)
    shards = [
        Shard(
            frozenset(check for group in share for check in group.checks),
            frozenset(item for group in share for item in group.items),
        )
        for share in shares
    ]
    if whole:
        shards[0] = Shard(frozenset(checks), shards[0].items)
    return tuple(shards)


def _size(share: Sequence[_Group]) -> int:
    return sum(len(group.checks) for group in share)


def _groups(checks: Mapping[str, Sequence[str]]) -> list[_Group]:
    """Join checks that share an item; those without items by their files."""
    by_key: dict[str, _Group] = {}
    for check, items in checks.items():
        keys = list(items) or [f"\0{check.partition('::')[0]}"]
        joined = _Group([], set())
        for group in {id(by_key[key]): by_key[key] for key in keys if key in by_key}.values():
            joined.checks += group.checks
            joined.items |= group.items
            for key, of in by_key.items():
                if of is group:
                    by_key[key] = joined
        joined.checks.append(check)
        joined.items |= set(items)
        by_key |= dict.fromkeys(keys, joined)
    return list({id(group): group for group in by_key.values()}.values())
