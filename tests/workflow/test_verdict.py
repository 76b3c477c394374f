import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workflow.edit import set_ticks
from harness.workflow.evidence import CheckResult, Outcome
from harness.workflow.verdict import VerdictKind, decide, wanted_ticks
from tests.workflow.corpus import parse

DOCUMENT = parse("# T\n- [ ] open\n- [x] ticked\n- [ ] other\n")
OPEN, TICKED, OTHER = (item.item_id for item in DOCUMENT.items)
VERIFIED, REFUTED, NOT_VERIFIED = VerdictKind


def result(outcome, item_id=OPEN, name="test_a", **fields) -> CheckResult:
    return CheckResult(f"checks/test_file.py::{name}", outcome, item_id, **fields)


def verdict(*results, item=OPEN, **arguments):
    found = {v.item_id: v for v in decide(DOCUMENT, results, **arguments)}
    return found[item]


@pytest.mark.parametrize(
    ("outcomes", "kind", "wants_tick"),
    [
        ("PASSED", VERIFIED, True),
        ("PASSED PASSED", VERIFIED, True),
        ("FAILED", REFUTED, False),
        ("XFAILED", REFUTED, False),
        ("PASSED FAILED", REFUTED, False),
        ("PASSED XFAILED", REFUTED, False),
        ("FAILED ERROR SKIPPED", REFUTED, False),
        ("FAILED DESELECTED", REFUTED, False),
        ("ERROR", NOT_VERIFIED, False),
        ("SKIPPED", NOT_VERIFIED, False),
        ("NOT_RUN", NOT_VERIFIED, False),
        ("PASSED SKIPPED", NOT_VERIFIED, False),
        ("PASSED NOT_RUN", NOT_VERIFIED, False),
        ("PASSED ERROR", NOT_VERIFIED, False),
        ("SKIPPED DESELECTED", NOT_VERIFIED, False),
        ("DESELECTED", NOT_VERIFIED, None),
        ("PASSED DESELECTED", NOT_VERIFIED, None),
    ],
)
def test_an_item_is_verified_only_if_all_of_at_least_one_mapped_checks_passed(
    outcomes, kind, wants_tick
):
    results = [result(Outcome(name)) for name in outcomes.split()]
    for order in itertools.permutations(results):
        found = verdict(*order)
        assert (found.kind, found.wants_tick) == (kind, wants_tick)
        assert found.checks == order
        assert found.reason


@given(st.lists(st.sampled_from(Outcome)))
def test_nothing_but_passes_ticks(outcomes):
    found = verdict(*(result(outcome) for outcome in outcomes))
    passed = bool(outcomes) and set(outcomes) == {Outcome.PASSED}
    assert (found.kind is VERIFIED) == passed
    assert (found.wants_tick is True) == passed


def test_an_item_without_checks_stays_as_the_human_left_it():
    assert verdict().reason == "no check is mapped to this item"
    assert verdict().wants_tick is None
    by_hand = verdict(item=TICKED)
    assert by_hand.kind is NOT_VERIFIED
    assert by_hand.wants_tick is None
    assert by_hand.reason.startswith("ticked by hand: nothing supports it")


def test_a_tick_with_evidence_but_without_checks_is_taken_back():
    found = verdict(item=TICKED, with_evidence=[TICKED])
    assert found.wants_tick is False
    assert "any more" in found.reason


def test_items_that_were_not_selected_keep_their_boxes_whatever_happened():
    results = [
        result(Outcome.FAILED, TICKED),
        result(Outcome.PASSED, OTHER),
        result(Outcome.PASSED),
    ]
    verdicts = decide(DOCUMENT, results, selected=[OPEN], with_evidence=[TICKED, OTHER])
    assert wanted_ticks(verdicts) == {OPEN: True}
    assert [v.reason for v in verdicts[1:]] == ["not part of this run"] * 2


def test_selecting_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="has no item 'nothing'"):
        decide(DOCUMENT, [], selected=["nothing"])


def test_results_for_other_documents_are_passed_over():
    assert wanted_ticks(decide(DOCUMENT, [result(Outcome.PASSED, "elsewhere/item")])) == {}


def test_a_file_that_could_not_be_collected_keeps_everything_from_being_verified():
    broken = CheckResult("checks/test_broken.py", Outcome.ERROR, None, "SyntaxError")
    passed = verdict(result(Outcome.PASSED), broken)
    assert (passed.kind, passed.wants_tick) == (NOT_VERIFIED, False)
    assert "checks/test_broken.py could not be collected" in passed.reason
    assert verdict(result(Outcome.FAILED), broken).kind is REFUTED
    unmapped = verdict(broken, item=TICKED)
    assert "test_broken.py" in unmapped.reason
    assert unmapped.wants_tick is None
    assert verdict(broken, item=TICKED, with_evidence=[TICKED]).wants_tick is False


def test_unmapped_checks_that_ran_say_nothing_about_any_item():
    for outcome in set(Outcome) - {Outcome.ERROR}:
        assert verdict(result(Outcome.PASSED), result(outcome, None)).kind is VERIFIED


def test_reasons_say_what_happened_in_one_line():
    assert verdict(result(Outcome.PASSED)).reason == "test_a passed"
    stated = verdict(result(Outcome.PASSED, states="The owner reads their profile"))
    assert stated.reason == "The owner reads their profile"
    assert verdict(*[result(Outcome.PASSED)] * 3).reason == "all 3 checks passed"
    warned = result(Outcome.PASSED, states="It is so", warnings=("barely", "and slowly"))
    assert verdict(warned).reason == "It is so; warning: barely (and 1 more)"
    assert verdict(warned, warned).reason == "all 2 checks passed; warning: barely (and 3 more)"
    failed = result(Outcome.FAILED, reason="expected DENY\nbut it was ALLOW")
    assert verdict(failed).reason == "test_a failed: expected DENY"
    assert verdict(failed, failed).reason == "test_a failed: expected DENY (and 1 more)"
    skipped = result(Outcome.SKIPPED, reason="Node is not installed")
    assert verdict(skipped).reason == "test_a was skipped: Node is not installed"
    left_out = result(Outcome.DESELECTED, name="test_b")
    assert verdict(left_out, skipped).reason.startswith("test_a was skipped")


def test_one_verdict_for_each_item_in_the_documents_order():
    verdicts = decide(DOCUMENT, [result(Outcome.PASSED, OTHER), result(Outcome.PASSED, OPEN)])
    assert [v.item_id for v in verdicts] == [OPEN, TICKED, OTHER]


def test_placeholders_and_empty_items_say_so():
    document = parse("- [ ] [Feature Name]\n- [ ]\n")
    reasons = [v.reason for v in decide(document, [])]
    assert reasons == [
        "still a placeholder, and no check is mapped to this item",
        "nothing is written here",
    ]


def test_a_run_ticks_and_unticks_the_document():
    verdicts = decide(DOCUMENT, [result(Outcome.PASSED), result(Outcome.SKIPPED, TICKED)])
    assert (
        set_ticks(DOCUMENT, wanted_ticks(verdicts))
        == "# T\n- [x] open\n- [ ] ticked\n- [ ] other\n"
    )
