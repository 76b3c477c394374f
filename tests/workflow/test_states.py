"""The seven states: the table of docs/workflow.md, every combination, and what a reason says."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.workflow.evidence import CheckResult, Evidence, Outcome
from harness.workflow.sign_off import SignOff
from harness.workflow.states import STATES, State, Support, state_of
from tests.workflow.corpus import FOLDER, parse

DOCS = Path(__file__).parents[2] / "docs" / "workflow.md"
OUTCOMES = {
    "VERIFIED": Outcome.PASSED,
    "REFUTED": Outcome.FAILED,
    "NOT_VERIFIED": Outcome.SKIPPED,
}
SIGN_OFF = SignOff(
    "t/a", "Ana", "2026-11-20T10:00:00+00:00", {"firestore.rules": "1" * 64}, "fine", "1a2b3c4" * 5
)


def evidence(verdict: str) -> Evidence:
    reason = "" if verdict == "VERIFIED" else "why not"
    check = CheckResult("checks/test_a.py::test_a", OUTCOMES[verdict], "t/a", reason)
    return Evidence("t/a", verdict, (check,), {"firestore.rules": "1" * 64})


def support(
    verdict: str | None = None,
    sign_off: str | None = None,
    changed: Any = (),
    unrun: Any = (),
) -> Support:
    record = evidence(verdict) if verdict else SIGN_OFF if sign_off else None
    distrust = "commit 1a2b3c4 has no signature" if sign_off == "distrusted" else ""
    return Support(record, tuple(changed), tuple(unrun), distrust, sign_off == "expiring")


def decided(given: Support, *, ticked: bool) -> tuple[State, str]:
    item = parse(f"# T\n- [{'x' if ticked else ' '}] a\n").items[0]
    found = state_of(item, given)
    assert found.item_id == item.item_id
    assert found.record is given.record
    return found.state, found.reason


def cases() -> list[dict[str, Any]]:
    table = yaml.safe_load((FOLDER / "states.yaml").read_text(encoding="utf-8"))
    assert set(table) == {"source", "cases"}
    known = {"name", "evidence", "sign_off", "changed", "unrun", "ticked", "state"}
    for case in table["cases"]:
        assert {"name", "state"} <= set(case) <= known, case
    return list(table["cases"])


CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_rules_give_the_state_of_the_table(case: dict[str, Any]) -> None:
    given = support(
        case.get("evidence"), case.get("sign_off"), case.get("changed", ()), case.get("unrun", ())
    )
    # Where the table does not speak of the box, it does not matter.
    boxes = [case.get("ticked", False)]
    if case["state"] not in ("OPEN", "CLAIMED"):
        boxes = [False, True]
    for ticked in boxes:
        state, reason = decided(given, ticked=ticked)
        assert state == case["state"]
        assert reason
        assert "\n" not in reason


def test_the_table_has_a_case_for_each_state() -> None:
    assert {case["state"] for case in CASES} == set(State)


def test_nothing_is_supported_but_by_passing_checks_on_these_inputs_or_a_trusted_word() -> None:
    words = (None, "given", "distrusted", "expiring")
    for verdict, sign_off, changed, unrun, ticked in itertools.product(
        (None, *OUTCOMES), words, ((), ("a",)), ((), ("b",)), (False, True)
    ):
        state, _ = decided(support(verdict, sign_off, changed, unrun), ticked=ticked)
        by_checks = verdict == "VERIFIED" and not changed and not unrun
        expired = sign_off == "expiring" and changed
        by_word = sign_off not in (None, "distrusted") and not (verdict or unrun or expired)
        assert state.supports_tick == (by_checks or bool(by_word))
        assert (state is State.CLAIMED) <= ticked
        assert (state is State.OPEN) <= (not ticked)


def test_reasons_say_what_a_person_needs_to_know() -> None:
    changed = support("VERIFIED", changed=["a.rules", "b.rules"])
    assert decided(changed, ticked=True)[1] == "a.rules, b.rules have changed since it was verified"
    many = support("REFUTED", changed=["a", "b", "c", "d", "e"])
    assert decided(many, ticked=True)[1] == "a, b, c and 2 more have changed since it was checked"
    failed = decided(support("REFUTED"), ticked=True)[1]
    assert failed == "test_a failed: why not"
    new = support("VERIFIED", unrun=["checks/test_new.py"])
    assert "checks/test_new.py names this item" in decided(new, ticked=True)[1]
    signed = decided(support(sign_off="given", changed=["a.rules"]), ticked=True)[1]
    assert signed == ("signed off by Ana on 2026-11-20 at 1a2b3c4: fine; a.rules has changed since")
    distrusted = decided(support(sign_off="distrusted"), ticked=True)[1]
    assert distrusted.endswith("which does not count: commit 1a2b3c4 has no signature")


def test_the_docs_have_the_states_as_the_code_has_them() -> None:
    rows = [
        f"| *{state.words}* | {meaning.when} | {'yes' if meaning.supports_tick else 'no'} |"
        for state, meaning in STATES.items()
    ]
    documented = re.findall(r"^\| \*.*$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert documented == rows
    assert set(STATES) == set(State)
