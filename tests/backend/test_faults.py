"""Which requests a fault is about, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.backend.auth import ADMIN, ANONYMOUS, Caller, CallerKind
from harness.backend.faults import (
    ANY_ID,
    MAX_RULES,
    AskedRequest,
    FaultPlan,
    FaultRule,
    Touched,
    rule_from_json,
)
from harness.errors import StatusCode, StatusError

TABLE: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus" / "faults" / "rules.yaml").read_text("utf-8")
)


def touched(text: str) -> Touched:
    segments = tuple(ANY_ID if part == "?" else part for part in text.split("/"))
    return Touched(segments[1:], is_group=True) if segments[0] == "**" else Touched(segments)


def caller(name: str, label: str | None) -> Caller:
    known = {"admin": ADMIN, "anonymous": ANONYMOUS}.get(name)
    kind, uid = (known.kind, None) if known else (CallerKind.USER, name.removeprefix("user:"))
    return Caller(kind, uid, {}, label)


def request_of(row: dict[str, Any]) -> AskedRequest:
    by = caller(row.get("caller", "admin"), row.get("label"))
    return AskedRequest(row["rpc"], by, tuple(map(touched, row["names"])))


def asked(rpc: str = "Commit", *names: str) -> AskedRequest:
    return AskedRequest(rpc, ADMIN, tuple(map(touched, names)))


@pytest.mark.parametrize("case", TABLE["matches"], ids=lambda case: case["name"])
def test_a_rule_is_about_the_requests_that_the_table_says(case: dict[str, Any]) -> None:
    rule = rule_from_json(case["rule"])
    assert [row for row in case["yes"] if not rule.matches(request_of(row))] == []
    assert [row for row in case.get("no", ()) if rule.matches(request_of(row))] == []


@pytest.mark.parametrize("case", TABLE["strikes"], ids=lambda case: case["name"])
def test_of_the_requests_that_match_those_are_struck_that_the_table_says(
    case: dict[str, Any],
) -> None:
    plan = FaultPlan()
    counted = plan.add(rule_from_json(case["rule"]))
    struck = [number for number in range(1, 13) if plan.decide(asked()) is not None]
    assert struck == case["struck"]
    assert (counted.matched, counted.fired) == (12, len(struck))


@pytest.mark.parametrize("case", TABLE["refused"], ids=lambda case: str(case["rule"]))
def test_a_rule_that_is_none_is_refused_with_what_is_wrong(case: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as error:
        rule_from_json(case["rule"])
    assert error.value.code is StatusCode.INVALID_ARGUMENT
    assert error.value.message.startswith("this is no fault: ")
    assert case["says"] in error.value.message


@pytest.mark.parametrize("case", TABLE["words"], ids=lambda case: case["says"])
def test_a_rule_is_said_in_words_and_its_json_means_the_same(case: dict[str, Any]) -> None:
    rule = rule_from_json(case["rule"])
    assert str(rule) == case["says"]
    assert rule_from_json(rule.to_json()) == rule


def test_delays_add_up_until_the_first_rule_that_fails_the_request() -> None:
    plan = FaultPlan()
    for rule in (
        {"delayMs": 10, "times": None},
        {"rpc": "Commit", "delayMs": 5, "status": "ABORTED", "message": "Too much contention."},
        {"delayMs": 100, "times": None},
    ):
        plan.add(rule_from_json(rule))
    first = plan.decide(asked())
    assert first is not None
    assert first.error is not None
    assert (first.delay_ms, first.error.code, first.error.message) == (
        15,
        StatusCode.ABORTED,
        "Too much contention.",
    )
    assert [rule.matched for rule in plan.rules] == [1, 1, 0]
    second = plan.decide(asked())
    assert second is not None
    assert (second.delay_ms, second.error) == (110, None)


def test_a_status_without_words_says_that_it_was_injected() -> None:
    plan = FaultPlan()
    plan.add(FaultRule(code=StatusCode.INTERNAL))
    strike = plan.decide(asked())
    assert strike is not None
    assert str(strike.error) == ("INTERNAL: fault injected: any request: refused with INTERNAL")


def test_rules_are_removed_by_their_ids_and_limited_in_number() -> None:
    plan = FaultPlan()
    first = plan.add(FaultRule(code=StatusCode.INTERNAL))
    second = plan.add(FaultRule(code=StatusCode.ABORTED))
    assert plan.remove(first.id)
    assert not plan.remove(first.id)
    assert plan.rules == [second]
    for _ in range(MAX_RULES - 1):
        plan.add(FaultRule(code=StatusCode.INTERNAL))
    with pytest.raises(StatusError, match="at most 100 faults"):
        plan.add(FaultRule(code=StatusCode.INTERNAL))


_SEGMENT = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(_SEGMENT, min_size=1, max_size=6), st.lists(_SEGMENT | st.sampled_from(["*", "**"]))
)
def test_patterns_match_as_the_obvious_recursion_does(path: list[str], parts: list[str]) -> None:
    def fits(parts: list[str], path: list[str]) -> bool:
        if not parts:
            return not path
        if parts[0] == "**":
            return fits(parts[1:], path) or (bool(path) and fits(parts, path[1:]))
        return bool(path) and parts[0] in ("*", path[0]) and fits(parts[1:], path[1:])

    rule = FaultRule(collection="/".join(parts) or "none", code=StatusCode.INTERNAL)
    is_document = len(path) % 2 == 0
    expected = fits(parts, path) or (is_document and fits(parts, path[:-1]))
    assert rule.matches(asked("Commit", "/".join(path))) == (expected and bool(parts))


def test_a_pattern_made_to_hurt_is_matched_at_once() -> None:
    rule = FaultRule(collection="/".join(["**", "a"] * 200), code=StatusCode.INTERNAL)
    assert not rule.matches(asked("Commit", "/".join(["a"] * 398 + ["b", "b"])))
