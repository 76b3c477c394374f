"""What is asked, and of which requests neighbours are made."""

from __future__ import annotations

from harness.review.neighbours import MAX_NEIGHBOURS
from harness.review.questions import Question, QuestionKind, callers_of, with_neighbours
from harness.review.vocabulary import NO_WORDS
from tests.review.requests_from_yaml import recorded_request
from tests.rules.corpus import SIGNED_IN


def recorded(row: dict[str, object]) -> Question:
    return Question(QuestionKind.RECORDED, recorded_request(row))


def test_requests_come_before_their_neighbours() -> None:
    asked = [recorded({"get": "a/1"}), recorded({"delete": "a/1"})]
    made = list(with_neighbours(asked, NO_WORDS, 5))
    assert made[:2] == asked
    assert [each.kind for each in made[2:]] == [QuestionKind.NEIGHBOUR] * 10


def test_requests_that_are_alike_have_neighbours_once() -> None:
    asked = [recorded({"create": f"a/{n}", "after": {"n": n}}) for n in range(50)]
    made = list(with_neighbours(asked, NO_WORDS, 5))
    assert len(made) == 50 + 5


def test_another_field_method_or_caller_is_another_kind() -> None:
    asked = [
        recorded({"create": "a/1", "after": {"n": 1}}),
        recorded({"create": "a/1", "after": {"m": 1}}),
        recorded({"create": "a/1", "auth": "bob", "after": {"n": 1}}),
        recorded({"get": "a/1", "before": {"n": 1}}),
    ]
    assert len(list(with_neighbours(asked, NO_WORDS, 5))) == 4 + 4 * 5


def test_no_neighbours_are_made_if_none_are_wanted() -> None:
    asked = [recorded({"get": "a/1"})]
    assert list(with_neighbours(asked, NO_WORDS, 0)) == asked


def test_very_many_kinds_have_fewer_neighbours_each() -> None:
    asked = [recorded({"create": "a/1", "after": {f"f{n}": 1}}) for n in range(2_000)]
    made = sum(1 for _ in with_neighbours(asked, NO_WORDS))
    assert made <= 2_000 + 200_000 < 2_000 * MAX_NEIGHBOURS


def test_callers_are_everybody_who_asks_each_once() -> None:
    asked = [
        recorded({"get": "a/1", "auth": "alice"}),
        recorded({"get": "a/2", "auth": "alice"}),
        recorded({"get": "a/1", "auth": "bob"}),
    ]
    assert callers_of(asked) == (None, SIGNED_IN["alice"], SIGNED_IN["bob"])
