"""The checker itself: it refuses what is known to be wrong, and nothing else."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.firestore.values_from_yaml import case_id, cases, load_corpus
from tests.histories.checker import Read, Scan, Transaction, serial_order

CASES = cases(
    load_corpus("histories/anomalies.yaml", ("cases",)), "cases", ("initial", "history", "order")
)


def transaction(name: str, row: dict[str, Any]) -> Transaction:
    assert row.keys() <= {"at", "reads", "writes", "found"}
    reads: list[Read | Scan] = [Read(key, value) for key, value in row.get("reads", {}).items()]
    if "found" in row:
        least = row["found"].get("from", 0)
        reads.append(
            Scan(lambda key, value: key.startswith("c") and value >= least, row["found"]["values"])
        )
    began, done = row["at"]
    return Transaction(name, began, done, tuple(reads), tuple(row.get("writes", {}).items()))


@pytest.mark.parametrize("row", CASES, ids=case_id)
def test_a_history_has_the_order_that_explains_it_or_none(row: dict[str, Any]) -> None:
    history = [transaction(name, each) for name, each in row["history"].items()]
    assert serial_order(history, row["initial"]) == row["order"]
    assert serial_order(history[::-1], row["initial"]) == row["order"]


KEYS = st.sampled_from("xy")
VALUES = st.sampled_from([None, 0, 1])
small_histories = st.lists(
    st.builds(
        lambda began, length, reads, writes: Transaction(
            "",
            began,
            None if length == 9 else began + length,
            tuple(Read(key, value) for key, value in reads.items()),
            tuple(writes.items()),
        ),
        st.integers(0, 5),
        st.sampled_from([0, 1, 3, 9]),
        st.dictionaries(KEYS, VALUES, max_size=2),
        st.dictionaries(KEYS, VALUES, max_size=1),
    ),
    max_size=4,
)


def explains(order: tuple[Transaction, ...], initial: dict[str, Any]) -> bool:
    """Say whether an order is one, in the words of the definition."""
    for place, first in enumerate(order):
        if any(later.done is not None and later.done < first.began for later in order[place:]):
            return False
    state: Any = {key: value for key, value in initial.items() if value is not None}
    for each in order:
        state = each.after(state)
        if state is None:
            return False
    return True


@given(small_histories, st.dictionaries(KEYS, VALUES, max_size=2))
def test_it_finds_an_order_when_trying_all_of_them_does(
    history: list[Transaction], initial: dict[str, Any]
) -> None:
    known = [each for each in history if each.done is not None]
    possible = any(
        explains(order, initial)
        for length in range(len(known), len(history) + 1)
        for order in permutations(history, length)
        if all(any(each is other for other in order) for each in known)
    )
    assert (serial_order(history, initial) is not None) == possible


def test_a_long_history_is_no_trouble() -> None:
    history = [
        Transaction(str(number), number, number + 3, (Read("x", number),), (("x", number + 1),))
        for number in range(3_000)
    ]
    assert serial_order(history, {"x": 0}) == [str(number) for number in range(3_000)]
    history[2_000] = Transaction("2000", 2_000, 2_003, (Read("x", 1_999),), (("x", 2_001),))
    assert serial_order(history, {"x": 0}) is None
