"""The order in which items come due, gates, and ticks out of order."""

from __future__ import annotations

import pytest
from hypothesis import given

from harness.errors import WorkflowError
from harness.workflow.order import OrderMode, due_order, gate_ids, is_gate, review_order
from harness.workflow.states import ItemState, State
from tests.workflow import corpus
from tests.workflow.corpus import parse
from tests.workflow.markdown_strategies import any_texts

PLAN = """\
# Plan
- [x] first
- [ ] whole
  - [x] part one
  - [ ] part two
- [ ] PAUSE, Check in with user
- [x] after
- [ ] last
"""


def review(text, states=None, mode=OrderMode.WARN, gates=None):
    document = parse(text)
    states = states or {}
    found = {
        item.item_id: ItemState(
            item.item_id,
            states.get(item.text, State.CLAIMED if item.is_ticked else State.OPEN),
            "",
        )
        for item in document.items
    }
    return review_order(document, found, mode, gate_ids(document) if gates is None else gates)


def test_what_is_nested_in_an_item_comes_due_before_it():
    assert [item.text for item in due_order(parse(PLAN))] == [
        "first", "part one", "part two", "whole", "PAUSE, Check in with user", "after", "last",
    ]  # fmt: skip


@given(any_texts)
def test_every_item_comes_due_once_and_after_what_is_nested_in_it(text):
    document = parse(text)
    due = [item.item_id for item in due_order(document)]
    assert sorted(due) == sorted(item.item_id for item in document.items)
    for item in document.items:
        if item.parent_id is not None:
            assert due.index(item.item_id) < due.index(item.parent_id)
    flat = [item.item_id for item in document.items if item.depth == 0]
    assert [item_id for item_id in due if item_id in flat] == flat


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ("PAUSE, Check in with user", True),
        ("Pause: wait for the designers", True),
        ("**PAUSE**", True),
        ("Pause", True),
        ("Check in with the user", True),
        ("check-in with user", True),
        ("PAUSE until the designers are back", True),
        ("User sign-off", False),
        ("Pauses between retries are tested", False),
        ("Pause playback during calls", False),
        ("Guests check in with a code", False),
        ("Handle the pause button", False),
    ],
)
def test_gates_are_known_by_their_words(text, gate):
    assert is_gate(parse(f"- [ ] {text}\n").items[0]) is gate


def test_the_template_has_one_gate():
    document = corpus.template()
    assert gate_ids(document) == {"architecture/pause-check-in-with-user"}


def test_a_project_names_more_gates_and_those_of_other_documents_are_passed_over():
    document = parse("# A\n- [ ] Review\n# B\n- [ ] Ship\n")
    assert gate_ids(document, ["A/Review", "of another document"]) == {"a/review"}
    with pytest.raises(WorkflowError, match="fits 2 items"):
        gate_ids(parse("# A\n- [ ] x\n# B\n- [ ] x\n"), ["x"])


def test_next_is_the_first_that_is_not_done():
    assert review(PLAN).next_id == "whole/part-two" or review(PLAN).next_id.endswith("part-two")
    assert review("- [x] a\n- [x] b\n").next_id is None
    failed = review("- [x] a\n- [ ] b\n", {"a": State.FAILED})
    assert failed.next_id == "a"
    verified = review("- [ ] a\n- [ ] b\n", {"a": State.VERIFIED})
    assert verified.next_id == "b"
    assert review("- [ ]\n- [ ] b\n").next_id == "b"


def test_a_tick_is_out_of_order_while_something_earlier_is_not_done():
    found = review(PLAN)
    (part_two,) = set(found.out_of_order.values())
    assert part_two.endswith("part-two")
    assert [item_id.rpartition("/")[2] for item_id in found.out_of_order] == ["after"]
    assert review(PLAN, mode=OrderMode.OFF).out_of_order == {}
    assert review("- [ ] [Name]\n- [ ]\n- [x] a\n").out_of_order == {}


def test_in_an_enforced_order_everything_after_an_unsigned_gate_is_held():
    gate = "PAUSE, Check in with user"
    for mode in (OrderMode.OFF, OrderMode.WARN):
        assert review(PLAN, mode=mode).held == {}
    held = review(PLAN, mode=OrderMode.ENFORCE).held
    assert [item_id.rpartition("/")[2] for item_id in held] == ["after", "last"]
    assert {gate_id.rpartition("/")[2] for gate_id in held.values()} == {"pause-check-in-with-user"}
    for state in (State.SIGNED, State.VERIFIED):
        assert review(PLAN, {gate: state}, OrderMode.ENFORCE).held == {}
    for state in (State.CLAIMED, State.STALE, State.FAILED, State.NOT_RUN):
        assert len(review(PLAN, {gate: state}, OrderMode.ENFORCE).held) == 2


def test_the_first_closed_gate_holds_what_comes_after_it():
    held = review(
        "- [ ] PAUSE one\n- [ ] a\n- [ ] PAUSE two\n- [ ] b\n", mode=OrderMode.ENFORCE
    ).held
    assert held == {"a": "pause-one", "pause-two": "pause-one", "b": "pause-one"}


def test_a_gate_ticked_by_hand_is_done_unless_the_order_is_enforced():
    text = "- [x] Pause\n- [ ] a\n"
    assert review(text).next_id == "a"
    assert review(text, mode=OrderMode.ENFORCE).next_id == "pause"
