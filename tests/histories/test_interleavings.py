"""Every interleaving of transactions has a serial order that explains it, and nobody is stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from harness.backend.requests import TransactionOptions
from harness.firestore.read_set import ReadSet
from harness.firestore.transactions import Concurrency, TransactionManager
from tests.histories.checker import serial_order
from tests.histories.interleaving import Client, Interleaving

KEYS = ["c/1", "c/2", "d/1"]
MODES = {
    "pessimistic": TransactionOptions(),
    "optimistic": TransactionOptions(concurrency=Concurrency.OPTIMISTIC),
    "read-only": TransactionOptions(read_only=True),
    "none": None,
}
IMPATIENCE, A_MINUTE = "impatience", "a minute"


@dataclass(frozen=True)
class Script:
    """What one client does: some reads, then a commit, or in the end nothing (`writes` None).

    Without a transaction (mode `none`) it only writes.
    """

    mode: str
    reads: Sequence[tuple[str, Any]]
    writes: Mapping[str, int | None] | None

    def steps(self) -> int:
        return 1 if self.mode == "none" else len(self.reads) + 2


class Player:
    """A client that follows its script, and once tries again when it is aborted."""

    def __init__(self, play: Interleaving, number: int, script: Script) -> None:
        self.play, self.number, self.script = play, number, script
        self.attempt = 0
        self.steps_done = 0
        self.client: Client | None = None

    @property
    def name(self) -> str:
        return f"{self.number}.{self.attempt}"

    @property
    def is_aborted(self) -> bool:
        return self.name in self.play.aborted

    @property
    def may_step(self) -> bool:
        if self.client is not None and self.client.waits:
            return False
        return self.steps_done < self.script.steps() or (self.is_aborted and self.attempt == 0)

    def step(self) -> None:
        if self.is_aborted:
            if self.attempt:
                self.steps_done = self.script.steps()
                return
            self.attempt, self.steps_done = 1, 0
        script, number = self.script, self.steps_done
        self.steps_done += 1
        options = MODES[script.mode]
        if options is None:
            self.play.write(self.name, script.writes or {})
        elif number == 0:
            if self.attempt and self.client is not None and not options.read_only:
                options = TransactionOptions(retry=self.client.id, concurrency=options.concurrency)
            self.client = self.play.begin(self.name, options)
        elif number <= len(script.reads):
            assert self.client is not None
            kind, what = script.reads[number - 1]
            getattr(self.play, kind)(self.client, what)
        elif script.writes is None:
            assert self.client is not None
            self.play.roll_back(self.client)
        else:
            assert self.client is not None
            self.play.commit(self.client, {} if options.read_only else script.writes)


def perform(initial: Mapping[str, int], scripts: Sequence[Script], schedule: Sequence[Any]) -> None:
    """Play scripts in the order of a schedule, then to the end, and check the history."""
    play = Interleaving()
    if initial:
        play.write("initial", initial)
    players = [Player(play, number, script) for number, script in enumerate(scripts)]
    rest = [number for _ in range(12) for number in range(len(players))]
    for event in [*schedule, *rest]:
        if event == A_MINUTE:
            play.let_time_pass(61)
        elif event == IMPATIENCE:
            if play.waiting:
                play.lose_patience(play.waiting[0])
        elif players[event % len(players)].may_step:
            players[event % len(players)].step()
        if play.waiting:
            waiting = [player for player in players if player.client and player.client.waits]
            holders = play.service.transactions.open_count - len(waiting)
            assert holders > 0, "all wait for each other"
    assert not play.waiting, "somebody was forgotten"
    last = play.begin("last", TransactionOptions(read_only=True))
    play.get(last, KEYS)
    play.commit(last, {})
    assert serial_order(play.history, {}) is not None, play.history
    assert play.service.transactions.open_count == 0
    assert play.service.transactions.waiting_count == 0


keys = st.sampled_from(KEYS)
writes = st.dictionaries(keys, st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=2)
reads = st.one_of(
    st.tuples(st.just("get"), st.lists(keys, min_size=1, max_size=2, unique=True)),
    st.tuples(st.sampled_from(["scan", "count"]), st.integers(1, 3)),
)
scripts = st.lists(
    st.builds(
        Script,
        st.sampled_from(["pessimistic", "pessimistic", "optimistic", "read-only", "none"]),
        st.lists(reads, min_size=1, max_size=2),
        st.one_of(writes, writes, writes, st.none()),
    ),
    min_size=2,
    max_size=5,
)
events = st.one_of(
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([0, 1, 2, IMPATIENCE, A_MINUTE]),
)
plays = st.tuples(
    st.dictionaries(keys, st.integers(1, 3)), scripts, st.lists(events, min_size=6, max_size=25)
)
INCREMENT = Script("pessimistic", [("get", ["c/1"])], {"c/1": 2})


@given(plays)
@example(({"c/1": 1}, [INCREMENT] * 5, [0, 1, 2, 3, 4] * 2 + [4, 3, 2, 1, 0] * 6))
def test_what_clients_read_has_a_serial_order(play: tuple[Any, Any, Any]) -> None:
    perform(*play)


# --- controls: a database that is wrong is found out ----------------------------------------------

FAULTS: dict[str, tuple[type, str, Any]] = {
    "a commit makes nobody lose": (TransactionManager, "_committed", lambda *_: None),
    "a query is not kept": (ReadSet, "add_query", lambda *_: None),
    "documents read are not kept": (ReadSet, "add_documents", lambda *_: None),
    "an optimistic commit is not checked": (
        TransactionManager,
        "check_unchanged",
        lambda *_: None,
    ),
    "who has lost reads the latest data": (
        TransactionManager,
        "_lose",
        lambda manager, transaction, _: setattr(transaction, "has_lost", True),
    ),
    "younger ones are waited for": (
        TransactionManager,
        "_age_of_write",
        lambda *_: (True, 1 << 40, 0),
    ),
    "the line is not left": (TransactionManager, "leave", lambda *_: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_database_is_found_out(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, instead = FAULTS[fault]
    monkeypatch.setattr(owner, name, instead)

    @settings(max_examples=3_000, phases=[Phase.generate], derandomize=True, database=None)
    @given(plays)
    def check(play: tuple[Any, Any, Any]) -> None:
        perform(*play)

    with pytest.raises((AssertionError, KeyError)):
        check()
