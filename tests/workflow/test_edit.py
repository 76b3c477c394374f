import pytest

from harness.source import Span
from harness.workflow.edit import TextEdit, apply_edits, set_ticks, tick_edits
from tests.workflow import corpus
from tests.workflow.corpus import parse


def test_a_tick_is_one_edit_of_one_character():
    document = corpus.template()
    item = document.find("Testing/Verify security rules")
    edits = tick_edits(document, {item.item_id: True})
    assert edits == (TextEdit(item.box_span, "x"),)
    after = apply_edits(document.text, edits)
    assert after == document.text.replace(
        "- [ ] Verify security rules", "- [x] Verify security rules"
    )


def test_a_capital_x_is_a_tick_and_stays_as_it_is():
    document = parse("- [X] a\n- [x] b\n- [ ] c\n")
    wanted = dict.fromkeys((item.item_id for item in document.items), True)
    assert set_ticks(document, wanted) == "- [X] a\n- [x] b\n- [x] c\n"


def test_unticking_leaves_a_space():
    document = parse("- [X] a\r\n- [x] b")
    wanted = dict.fromkeys((item.item_id for item in document.items), False)
    assert set_ticks(document, wanted) == "- [ ] a\r\n- [ ] b"


def test_only_boxes_that_differ_are_edited_in_the_documents_order():
    document = parse("- [ ] a\n- [x] b\n- [ ] c\n")
    edits = tick_edits(document, {"c": True, "b": True, "a": True})
    assert [edit.span.start for edit in edits] == [3, 19]


def test_an_unknown_id_is_refused():
    with pytest.raises(KeyError, match="nothing"):
        tick_edits(parse("- [ ] a\n"), {"nothing": True})


@pytest.mark.parametrize(
    "spans", [[(0, 2), (1, 3)], [(0, 9)], [(-1, 1)], [(2, 1)], [(0, 2), (0, 2)]]
)
def test_edits_that_overlap_or_lie_outside_are_refused(spans):
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits("abc", [TextEdit(Span(*span), "x") for span in spans])


def test_edits_may_come_in_any_order_and_touch():
    edits = [TextEdit(Span(2, 3), "C"), TextEdit(Span(0, 2), "")]
    assert apply_edits("abcd", edits) == "Cd"
