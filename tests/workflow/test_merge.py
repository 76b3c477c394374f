"""Evidence of several machines: joined where one made it, refused where two disagree."""

from __future__ import annotations

import itertools

import pytest

from harness.errors import WorkflowError
from harness.source import SourceText
from harness.workflow.evidence import CheckResult, Evidence, Outcome, evidence_to_statement
from harness.workflow.merge import merge_evidence
from harness.workflow.sign_off import SignOff, sign_off_to_statement

OLD, NEW = "1" * 64, "2" * 64


def evidence(item: str = "a", outcome: Outcome = Outcome.PASSED, rules: str = NEW, **fields) -> str:
    check = CheckResult(f"checks/test_{item}.py::test", outcome, item)
    verdict = "VERIFIED" if outcome is Outcome.PASSED else "REFUTED"
    return evidence_to_statement(Evidence(item, verdict, (check,), {"rules": rules}, **fields))


def merge(base: dict[str, str], *sides: dict[str, str]):
    named = {
        str(number): {path: SourceText(f"{number}/{path}", text) for path, text in side.items()}
        for number, side in enumerate(sides)
    }
    return merge_evidence(base, named)


def test_each_machine_brings_what_it_made_and_old_evidence_does_not_stand_against_it():
    base = {"a": evidence("a", rules=OLD), "b": evidence("b", rules=OLD)}
    sides = [
        {"a": evidence("a"), "b": base["b"]},
        {"a": base["a"], "b": evidence("b")},
        {"c": evidence("c")},  # the others were not sent along
    ]
    for order in itertools.permutations(sides):
        merged = merge(base, *order)
        assert merged.conflicts == ()
        assert {path: source.text for path, source in merged.changed.items()} == {
            "a": evidence("a"),
            "b": evidence("b"),
            "c": evidence("c"),
        }


def test_the_same_from_two_machines_is_no_conflict():
    merged = merge({}, {"a": evidence()}, {"a": evidence()})
    assert (merged.conflicts, list(merged.changed)) == ((), ["a"])


SIGNED = sign_off_to_statement(SignOff("a", "Ana", "2026-11-20", {"rules": NEW}))
ALSO_SIGNED = sign_off_to_statement(SignOff("a", "Bob", "2026-11-20", {"rules": NEW}))


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (evidence(rules=OLD), evidence(), "different inputs: rules"),
        (
            evidence(),
            evidence(outcome=Outcome.FAILED),
            "different results: checks/test_a.py::test",
        ),
        (evidence(suite="embedded"), evidence(suite="official"), "in different ways"),
        (evidence(), SIGNED, "one is a sign-off"),
        (SIGNED, ALSO_SIGNED, "two people"),
    ],
)
def test_what_two_machines_made_differently_is_a_conflict_that_names_both(first, second, why):
    merged = merge({"a": evidence("a", rules="3" * 64)}, {"a": first}, {"a": second})
    (conflict,) = merged.conflicts
    assert (conflict.item_id, conflict.first, conflict.second) == ("a", "0/a", "1/a")
    assert why in conflict.why


def test_what_is_no_evidence_is_refused():
    with pytest.raises(WorkflowError, match="not evidence"):
        merge({}, {"a": "{}"})
