"""What to ask two rulesets, or a ruleset and its mutants: requests that people make, and neighbours
of them.

Checks make thousands of requests, of which most are alike. Neighbours are made of one request of
each kind: the same method, collection, caller and fields.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.review.neighbours import IDENTITY_CLAIMS, MAX_NEIGHBOURS, neighbours
from harness.review.vocabulary import Vocabulary
from harness.rules.recorded import RecordedRequest
from harness.rules.request import RulesAuth, RulesRequest, RulesResource

MAX_QUESTIONS = 200_000
"""Neighbours are cut down so that there are about so many questions: half a minute's work."""

_MOST_CALLERS = 8
# Where the ids of a path begin.
_ROOT = 3


class QuestionKind(StrEnum):
    """Where a request comes from; the words follow a number."""

    RECORDED = "recorded by checks"
    MATRIX = "of the access matrix"
    GENERATED = "generated from the rules"
    NEIGHBOUR = "neighbours of these"


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and where it comes from."""

    kind: QuestionKind
    recorded: RecordedRequest


def with_neighbours(
    asked: Sequence[Question], words: Vocabulary, each: int = MAX_NEIGHBOURS
) -> Iterator[Question]:
    """Yield requests, then neighbours of one request of each kind.

    Args:
        asked: The requests; those that people really make first.
        words: What the rules speak of.
        each: How many neighbours a request may have.
    """
    yield from asked
    callers = callers_of(asked)
    kinds: dict[Hashable, RecordedRequest] = {}
    for question in asked:
        kinds.setdefault(_kind(question.recorded), question.recorded)
    limit = min(each, MAX_QUESTIONS // max(len(kinds), 1))
    for recorded in kinds.values():
        for neighbour in neighbours(recorded, callers, words, limit):
            yield Question(QuestionKind.NEIGHBOUR, neighbour)


def callers_of(asked: Sequence[Question]) -> tuple[RulesAuth | None, ...]:
    """Return who makes the requests, each caller once, the signed-out one first."""
    found: dict[Hashable, RulesAuth] = {}
    for question in asked:
        auth = question.recorded.decisions[0].request.auth
        if auth is not None:
            found.setdefault(_caller(auth), auth)
    return (None, *list(found.values())[:_MOST_CALLERS])


def _caller(auth: RulesAuth | None) -> Hashable:
    if auth is None:
        return None
    # Each sign-in makes another token; what tells tokens of one person apart is custom claims.
    chosen = sorted(
        (name, repr(value)) for name, value in auth.token.items() if name not in IDENTITY_CLAIMS
    )
    return auth.uid, tuple(chosen)


def _kind(recorded: RecordedRequest) -> Hashable:
    requests = [decision.request for decision in recorded.decisions]
    return recorded.allowed, tuple(map(_shape, requests)), _caller(requests[0].auth)


def _shape(request: RulesRequest) -> Hashable:
    query = request.query
    path = request.path
    collections = path[_ROOT::2] if query is None or not query.all_descendants else path[-1:]
    own = request.auth is not None and request.auth.uid in path
    return (
        request.service,
        request.method,
        len(path),
        collections,
        own,
        _fields(request.resource),
        _fields(request.new_resource),
        None
        if query is None
        else (
            query.all_descendants,
            query.limit is None,
            tuple(tuple(each.field for each in disjunct) for disjunct in query.disjuncts),
        ),
    )


def _fields(resource: object) -> Hashable:
    data = resource.data if isinstance(resource, RulesResource) else resource
    return frozenset(data) if isinstance(data, dict) else data is None
