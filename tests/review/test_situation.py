"""Which requests speak for each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.review.situation import Situation, situation_of
from harness.review.vocabulary import vocabulary
from harness.rules.recorded import RecordedDecision
from harness.rules.request import RulesAuth
from tests.review.requests_from_yaml import recorded_request, ruleset
from tests.rules.corpus import ROOT

WORDS = vocabulary(
    ruleset(
        """
        match /notes/{id} {
          allow read: if request.auth.token.level > 2 && request.auth.token.email_verified
              && request.auth.token.email in ['boss@example.com']
              && request.auth.token.firebase.sign_in_provider != 'anonymous'
              && resource.data.owner == request.auth.uid
              && get(/databases/$(db)/documents/members/$(request.auth.uid)).data.role == 'owner';
        }
        match /notes/public { allow read; }
        """
    )
)
CLAIMS: dict[str, Any] = {
    "level": 3,
    "email_verified": True,
    "email": "ann@example.com",
    "iat": 1,
    "firebase": {"sign_in_provider": "password", "identities": {"email": ["ann@example.com"]}},
}


def situation(
    row: dict[str, Any], uid: str | None = "ann", role: str = "owner", **claims: Any
) -> Situation:
    auth = RulesAuth(uid, {**CLAIMS, **claims}) if uid is not None else None
    documents = {f"members/{uid}": {"role": role, "since": uid}}
    recorded = recorded_request(row, documents)
    request = replace(recorded.decisions[0].request, auth=auth)
    recorded = replace(recorded, decisions=(RecordedDecision(request, False),))
    return situation_of(recorded, 0, [(*ROOT, "members", uid or "")], WORDS)


GET = {"get": "notes/a", "before": {"owner": "ann", "text": "x"}}
BASE = situation(GET)


@pytest.mark.parametrize(
    "other",
    [
        situation({"get": "notes/b", "before": {"owner": "ann"}}),
        situation({"get": "notes/a", "before": {"owner": "bob"}}, "bob"),
        situation(GET, email="eve@example.com", iat=2),
        situation(GET, firebase={"sign_in_provider": "password", "identities": {}}),
        situation(GET, unread="x"),
    ],
    ids=["another id", "another owner", "another address", "other identities", "an unread claim"],
)
def test_what_does_not_matter_is_the_same_situation(other: Situation) -> None:
    assert other == BASE


@pytest.mark.parametrize(
    "other",
    [
        situation(GET, None),
        situation(GET, "bob"),
        situation({**GET, "before": {"owner": "bob"}}),
        situation({"get": "notes/public", "before": {"owner": "ann"}}),
        situation({"get": "notes/ann", "before": {"owner": "ann"}}),
        situation({"get": "tags/a", "before": {"owner": "ann"}}),
        situation({"delete": "notes/a", "before": {"owner": "ann"}}),
        situation(GET, role="member"),
        situation(GET, level=1),
        situation(GET, email_verified=False),
        situation(GET, email="ann@elsewhere.example"),
        situation(GET, email="boss@example.com"),
        situation(GET, firebase={"sign_in_provider": "anonymous", "identities": {}}),
    ],
    ids=[
        "nobody", "somebody else", "not the owner", "an id that rules name", "the own id",
        "another collection", "another method", "another role", "another level", "not verified",
        "another domain", "an address that rules name", "another way of signing in",
    ],
)  # fmt: skip
def test_what_matters_is_another_situation(other: Situation) -> None:
    assert other != BASE


def test_a_query_by_ones_own_uid_is_another_situation_than_by_somebody_elses() -> None:
    def query(value: str, **more: Any) -> Situation:
        return situation({"list": "notes", "query": {"where": [["owner", "EQ", value]], **more}})

    assert query("ann") != query("bob")
    assert query("ann", limit=5) == query("ann", limit=6) != query("ann")
