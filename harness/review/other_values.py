"""Values that a field could hold instead of the one that it holds: bounds, other types, other
people's ids, what the rules compare with.

The likeliest to change an answer come first. Deterministic: nothing here draws lots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from harness.review.vocabulary import Vocabulary
from harness.rules.values import (
    INT_MAX,
    INT_MIN,
    TIMESTAMP_MAX_NANOS,
    TIMESTAMP_MIN_NANOS,
    RulesTimestamp,
    RulesValue,
    strictly_equal,
)

SECOND = 1_000_000_000
CENTURY = 100 * 365 * 24 * 3600 * SECOND

LONG_TEXT = "x" * 20_001
"""Longer than what rules accept for any text but a whole article."""
LONG_LIST: list[RulesValue] = ["x"] * 1_001
UNKNOWN_FIELD = "unknownField"
"""A field that no rule speaks of."""

_FIRST_WORDS = 3
_MOST_WORDS = 20
_MOST_PEOPLE = 3
# An id shorter than this is found in texts by chance.
_NAMING = 4


def shifted(time: RulesTimestamp, nanos: int) -> RulesTimestamp:
    """Return a moment later or earlier, within what a timestamp can say."""
    return RulesTimestamp(min(max(time.nanos + nanos, TIMESTAMP_MIN_NANOS), TIMESTAMP_MAX_NANOS))


def other_values(
    name: str, value: RulesValue, words: Vocabulary, uids: Sequence[str], now: RulesTimestamp
) -> Iterator[RulesValue]:
    """Yield values that differ from one.

    Args:
        name: The field's.
        value: What the field holds.
        words: What the rules speak of.
        uids: People's ids; a text that is one of them, or holds one, may become another.
        now: The request's time.
    """
    compared = words.compared.get(name, ())
    for other in chain(_compared(value, compared), _others(value, words, uids, now)):
        if not strictly_equal(value, other):
            yield other


def _compared(value: RulesValue, compared: Sequence[str | int]) -> Iterator[RulesValue]:
    """Yield what the rules compare the field with: the value itself, or one of that size."""
    for word in compared:
        if isinstance(word, str):
            yield word if not isinstance(value, (list, tuple)) else [word]
        elif isinstance(value, str):
            # A number and a text: it is the text's size that is compared.
            if 0 <= word < len(LONG_TEXT):
                yield LONG_TEXT[:word]
                yield LONG_TEXT[: word + 1]
        elif isinstance(value, (list, tuple)):
            if 0 <= word < len(LONG_LIST):
                yield LONG_LIST[: word + 1]
        elif _fits(word - 1) and _fits(word + 1):
            yield from (word, word + 1, word - 1)


def _others(
    value: RulesValue, words: Vocabulary, uids: Sequence[str], now: RulesTimestamp
) -> Iterator[RulesValue]:
    if isinstance(value, bool):
        yield from (not value, None, "true")
    elif isinstance(value, str):
        yield from _texts(value, words, uids)
    elif isinstance(value, int):
        yield from _whole_numbers(value, words)
    elif isinstance(value, float):
        yield from (-1.0, 0.0, value + 1.0, 1e15, float("nan"), 1, None, str(value))
    elif isinstance(value, (list, tuple)):
        items = list(value)
        people: list[RulesValue] = []
        people += [uid for uid in uids if uid not in items][:_MOST_PEOPLE]
        for uid in people:
            yield [*items, uid]
        yield people[:1]
        others: list[RulesValue] = [items[1:], [], None, LONG_LIST, [None], "x", {}]
        yield from others
    elif isinstance(value, dict):
        yield from ({**value, UNKNOWN_FIELD: True}, {}, None, [], "x")
        # The empty name is one that a client may choose, and that rules' authors do not think of.
        yield {**value, "": None}
    elif isinstance(value, RulesTimestamp):
        yield from (shifted(now, -SECOND), shifted(now, SECOND), shifted(now, CENTURY))
        yield from (None, 0, "now", now)
    elif value is None:
        yield from ("x", 1, True, {}, [])
    else:
        # Bytes, places, references: rules hardly look into them.
        yield from (None, "x", b"", 0)


def _texts(value: str, words: Vocabulary, uids: Sequence[str]) -> Iterator[RulesValue]:
    people = [uid for uid in uids if mentions(value, uid)]
    if people:
        own = max(people, key=len)
        rest = [uid for uid in uids if uid != own]
        yield from (value.replace(own, other) for other in rest[:_MOST_PEOPLE])
    yield from words.strings[:_FIRST_WORDS]
    others: list[RulesValue] = ["", None, 1, LONG_TEXT, True, [value], "x"]
    yield from others
    if not people:
        yield from uids[:_MOST_PEOPLE]
    yield from words.strings[_FIRST_WORDS:_MOST_WORDS]


def mentions(text: str, uid: str) -> bool:
    """Say whether a text is about a person: it is their id, or holds it."""
    return text == uid or (len(uid) >= _NAMING and uid in text)


def _whole_numbers(value: int, words: Vocabulary) -> Iterator[RulesValue]:
    yield from (-1, 0, value + 1 if value < INT_MAX else value - 1)
    for number in words.numbers[:_FIRST_WORDS]:
        yield from (each for each in (number, number + 1, number - 1) if _fits(each))
    yield from (float(value), str(value), None, 2**53, value - 1 if value > INT_MIN else value)


def _fits(number: int) -> bool:
    return INT_MIN <= number <= INT_MAX
