from datetime import UTC, datetime

import pytest

from tests.clients.judge import (
    compare,
    is_as_expected,
    judge,
    read_outcomes,
    render,
    render_differences,
)
from tests.clients.tables import Fails, Gives, read_table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DENIED = {"fails": {"code": "permission-denied", "message": "No, no"}}


@pytest.mark.parametrize(
    ("expected", "outcome", "holds"),
    [
        (None, {"gives": 3}, True),
        (None, DENIED, False),
        (Gives({"a": 1, "b": 2}), {"gives": {"b": 2.0, "a": 1}}, True),
        (Gives({"a": 1}), {"gives": {"a": 1, "b": 2}}, False),
        (Gives([1, 2]), {"gives": [2, 1]}, False),
        (Gives(1), {"gives": True}, False),
        (Gives(None), {"gives": None}, True),
        (Gives(None), DENIED, False),
        (Gives(None), None, False),
        (Gives({"$now": True}), {"gives": {"$timestamp": "2026-01-01T00:00:03.5Z"}}, True),
        (Gives({"$now": True}), {"gives": {"$timestamp": "2025-01-01T00:00:00Z"}}, False),
        (Gives({"$now": True}), {"gives": "2026-01-01T00:00:03.5Z"}, False),
        (Gives({"$text": "a+"}), {"gives": "aaa"}, True),
        (Gives({"$text": "a+"}), {"gives": "aab"}, False),
        (Fails(("permission-denied",)), DENIED, True),
        (Fails(("not-found", "permission-denied"), "no$"), DENIED, True),
        (Fails(("permission-denied",), "yes"), DENIED, False),
        (Fails(("not-found",)), DENIED, False),
        (Fails(("not-found",)), {"gives": None}, False),
        (Fails(("invalid-argument",)), {"fails": {"code": "HTTP 400", "message": ""}}, True),
        (Fails(("not-found",)), {"fails": {"code": "HTTP 400", "message": ""}}, False),
    ],
)
def test_an_outcome_is_held_against_what_was_expected(expected, outcome, holds):
    assert is_as_expected(expected, outcome, NOW) is holds


(CASE,) = read_table(
    "t",
    "source: s\ncases: [{name: c, steps: [{set: [a/b, {}]}, {get: a/b, gives: 1}, {get: a/b}]}]",
).cases
KEY = ("web", "t", "c")
PLANNED = {KEY: CASE}


def outcomes(*given):
    return {KEY: list(given)}


def test_assertions_are_steps_that_ran_and_were_judged():
    verdict = judge(PLANNED, outcomes({"gives": None}, {"gives": 1}, {"gives": 5}), NOW)
    assert verdict.assertions == {"web": 1}
    assert verdict.failures == ()


def test_a_case_that_was_not_run_is_a_failure():
    verdict = judge(PLANNED, {}, NOW)
    assert verdict.assertions == {}
    assert [failure.step for failure in verdict.failures] == ["1 set", "2 get", "3 get"]
    assert "it did not get so far" in render(verdict, (), {"web": "Web"})


def test_a_step_that_expects_nothing_must_not_fail():
    verdict = judge(PLANNED, outcomes(DENIED, {"gives": 1}, {"gives": 5}), NOW)
    (failure,) = verdict.failures
    assert (failure.step, failure.expected) == ("1 set", "success")


def test_servers_that_agree_have_no_difference():
    ours = outcomes({"gives": None}, {"gives": 2}, {"gives": 5})
    assert compare(PLANNED, ours, ours, NOW) == ()
    assert render_differences((), "peer") == "no difference from peer\n"


def test_a_difference_shows_both_and_what_was_expected():
    ours = outcomes({"gives": None}, {"gives": 1}, {"gives": 5})
    theirs = outcomes({"gives": None}, DENIED)
    (second, third) = compare(PLANNED, ours, theirs, NOW)
    assert (second.clients, second.step) == (("web",), "2 get")
    assert (second.expected, second.ours) == ("1", "1")
    assert second.theirs == "permission-denied: No, no"
    assert third.theirs == "(it did not get so far)"
    assert "  theirs   permission-denied: No, no\n" in render_differences([second], "peer")


def test_messages_may_differ_where_both_are_expected():
    (case,) = read_table(
        "t", "source: s\ncases: [{name: c, steps: [{get: a/b, fails: permission-denied}]}]"
    ).cases
    other = {"fails": {"code": "permission-denied", "message": "Other words"}}
    assert compare({KEY: case}, outcomes(DENIED), outcomes(other), NOW) == ()


def test_outcomes_are_read_from_lines():
    line = '{"client": "web", "table": "t", "case": "c", "outcomes": [{"gives": 1}], "ms": 3}\n'
    assert read_outcomes([line, "\n"]) == {KEY: [{"gives": 1}]}
