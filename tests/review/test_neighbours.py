"""What the neighbours of a request are."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from harness.review.neighbours import (
    MAX_NEIGHBOURS,
    ORIGIN,
    answered,
    change_in,
    neighbours,
)
from harness.review.vocabulary import vocabulary
from harness.rules.recorded import RecordedDecision, RecordedDocuments, RecordedRequest, replay
from harness.rules.request import STORAGE, Method, RulesAuth, RulesResource
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.review.requests_from_yaml import recorded_request, ruleset
from tests.rules.corpus import ROOT, SIGNED_IN, Case, load_cases

ALICE, BOB = SIGNED_IN["alice"], SIGNED_IN["bob"]
WORDS = vocabulary(
    ruleset(
        """
        match /notes/{id} {
          allow create: if request.resource.data.status in ['open', 'closed']
              && request.resource.data.stars <= 5
              && request.auth.token.level == 'gold'
              && request.resource.data.title.size() < 10;
          allow list: if request.query.limit <= 20;
        }
        """
    )
)
CREATE = {
    "create": "notes/a",
    "auth": "alice",
    "after": {"owner": "alice", "status": "open", "stars": 3, "tags": ["x"], "title": "t"},
}


def changes(row: dict[str, Any], **options: Any) -> list[str]:
    """The words of all neighbours of a request."""
    service = options.pop("service", "cloud.firestore")
    documents = options.pop("documents", None)
    asked = recorded_request(row, documents, service=service)
    made = neighbours(asked, options.pop("callers", [None, ALICE, BOB]), WORDS, 10_000)
    assert not options
    return [each.title.removeprefix(f"{asked.title}, but ") for each in made]


@pytest.mark.parametrize(
    "change",
    [
        "as nobody", "as bob", "as stranger", "by and about bob",
        "without the claim email", "with the claim admin: false", "with the claim level: true",
        "with the claim level: 'gold'", "with the claim email_verified: false",
        "a second later", "a second earlier", "a century later",
        "as a get", "as an update", "as a delete", "as a list",
        "at notes/bob", "at notes/a/x/y", "at otherCollection/a",
        "without owner", "without status", "status: 'closed'", "status: ''", "status: null",
        "status: 1", "owner: 'bob'", "owner: 'stranger'", "stars: 5", "stars: 6", "stars: -1",
        "stars: 0", "stars: 3.0", "stars: '3'", "tags: []", "tags: ['x', 'bob']",
        "with unknownField",
        "title: 'xxxxxxxxxx'", "title: 'xxxxxxxxxxx'",
    ],
)  # fmt: skip
def test_a_create_has_this_neighbour(change: str) -> None:
    assert change in changes(CREATE)


@pytest.mark.parametrize(
    "change",
    [
        "without a limit", "with a limit of 21", "with a limit of 20", "with a limit of 1001",
        "without its filter on owner", "filtering owner by 'bob'",
        "filtering owner by 'bob' as well",
        "owner != instead of ==", "of the collection group", "as a get", "as a delete",
    ],
)  # fmt: skip
def test_a_list_has_this_neighbour(change: str) -> None:
    row = {
        "list": "notes",
        "auth": "alice",
        "query": {"where": [["owner", "EQ", "alice"]], "limit": 5},
    }
    assert change in changes(row)


@pytest.mark.parametrize(
    "change",
    [
        "without owner as it is", "owner: 'bob' as it is", "as a delete", "title: null",
        "with unknownField", "as a create", "with unknownField as it is",
    ],
)  # fmt: skip
def test_an_update_has_this_neighbour(change: str) -> None:
    before, after = {"owner": "alice", "title": "t"}, {"owner": "alice", "title": "u"}
    row = {"update": "notes/a", "auth": "alice", "before": before, "after": after}
    assert change in changes(row)


@pytest.mark.parametrize(
    "change",
    [
        "size: -1", "size: 0", "contentType: null", "without contentType", "at users/bob/a.png",
        "at users/alice/a.png/x", "at users/alice", "as a create over what is there", "as a delete",
        "as a get", "without owner in metadata", "owner: 'bob' in metadata",
    ],
)  # fmt: skip
def test_an_upload_has_this_neighbour(change: str) -> None:
    upload = {"size": 10, "contentType": "image/png", "metadata": {"owner": "alice"}}
    row = {"create": "b/bkt/o/users/alice/a.png", "auth": "alice", "after": upload}
    assert change in changes(row, service=STORAGE)


@pytest.mark.parametrize(
    "change",
    [
        "without members/alice", "without role in members/alice", "role: null in members/alice",
        "without owners/zoe",
    ],
)  # fmt: skip
def test_a_request_has_neighbours_with_other_documents_around_it(change: str) -> None:
    documents = {"members/alice": {"role": "x"}, "owners/zoe": {"since": 1}}
    assert change in changes({"get": "notes/a", "auth": "alice"}, documents=documents)


def test_documents_that_rules_cannot_reach_from_the_request_keep_their_fields() -> None:
    said = changes({"get": "notes/a", "auth": "alice"}, documents={"owners/zoe": {"since": 1}})
    assert not [change for change in said if change.endswith("since in owners/zoe")]


def test_other_callers_come_first() -> None:
    assert changes(CREATE)[:3] == ["as nobody", "as bob", "as stranger"]


def test_a_stranger_and_nobody_ask_whoever_else_is_known() -> None:
    assert changes(CREATE, callers=[])[:2] == ["as nobody", "as stranger"]


def test_neighbours_are_made_one_by_one_and_always_the_same() -> None:
    asked = recorded_request(CREATE)
    first = list(islice(neighbours(asked, [BOB], WORDS), 50))
    again = list(islice(neighbours(asked, [BOB], WORDS), 50))
    assert first == again
    assert len(first) == 50


def test_a_request_has_only_so_many_neighbours() -> None:
    many = {f"field{n}": n for n in range(500)}
    asked = recorded_request({"create": "notes/a", "auth": "alice", "after": many})
    assert len(list(neighbours(asked, [BOB], WORDS))) == MAX_NEIGHBOURS
    assert len(list(neighbours(asked, [BOB], WORDS, 7))) == 7


def test_neighbours_have_not_been_asked_until_they_are() -> None:
    rules = ruleset("match /notes/{id} { allow create: if request.auth != null; }")
    asked = recorded_request(CREATE)
    made = list(islice(neighbours(asked, [BOB]), 2))
    assert [each.allowed for each in made] == [False, False]
    assert [answered(rules, each).allowed for each in made] == [False, True]


def test_a_neighbour_says_what_it_is() -> None:
    asked = recorded_request(CREATE)
    made = {change_in(each): each for each in neighbours(asked, [BOB], WORDS)}
    assert made["without owner"].title == "create notes/a as alice, but without owner"
    assert made["stars"].origin == f"{ORIGIN}a test"
    assert change_in(asked) == ""


def test_the_documents_around_a_neighbour_fit_its_request() -> None:
    asked = recorded_request(CREATE)
    path = asked.decisions[0].request.path
    (decision,) = asked.decisions
    asked = RecordedRequest(
        asked.title, asked.origin, (decision,), RecordedDocuments({}, {path: CREATE["after"]})
    )
    for each in neighbours(asked, [BOB], WORDS, 10_000):
        request = each.decisions[0].request
        if request.method is Method.LIST:
            continue
        resource, new = request.resource, request.new_resource
        before = resource.data if isinstance(resource, RulesResource) else None
        assert each.documents.before.get(request.path) == before
        if request.method in (Method.CREATE, Method.UPDATE, Method.DELETE):
            after = new.data if isinstance(new, RulesResource) else None
            assert each.documents.after[request.path] == after
        if request.path != path:
            assert path not in each.documents.after


def test_who_asks_is_one_for_all_writes_of_a_commit() -> None:
    one, two = recorded_request(CREATE), recorded_request({"delete": "notes/b", "auth": "alice"})
    both = RecordedRequest("a batch", "a test", (*one.decisions, *two.decisions), one.documents)
    for each in neighbours(both, [BOB], WORDS, 10_000):
        callers = {
            decision.request.auth.uid if decision.request.auth else None
            for decision in each.decisions
        }
        assert len(callers) == 1
        assert len(each.decisions) == 2


def test_by_and_about_somebody_else_renames_what_is_written() -> None:
    asked = recorded_request({"create": "users/alice", "auth": "alice", "after": {"uid": "alice"}})
    made = {each.title.partition(", but ")[2]: each for each in neighbours(asked, [BOB])}
    request = made["by and about bob"].decisions[0].request
    assert request.auth == BOB
    assert request.path[-1] == "bob"
    assert isinstance(request.new_resource, RulesResource)
    assert request.new_resource.data == {"uid": "bob"}


CASES = [case for case in load_cases() if case.decision != "REFUSED" and "if: " not in case.id]


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.id)
def test_every_neighbour_of_a_request_of_the_corpus_can_be_asked(case: Case) -> None:
    loaded = load_ruleset(SourceText("case.rules", case.ruleset)).ruleset
    assert loaded is not None
    documents = RecordedDocuments(
        {(*ROOT, *name.split("/")): fields for name, fields in case.documents.items()}
    )
    asked = RecordedRequest("a case", case.id, (RecordedDecision(case.request, False),), documents)
    callers: list[RulesAuth | None] = [None, ALICE, BOB]
    for each in neighbours(asked, callers, vocabulary(loaded), 60):
        replay(loaded, each)
