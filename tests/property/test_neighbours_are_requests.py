"""Laws of neighbours, for requests of all kinds.

A neighbour is a request like any other: it can be asked, it is not the request that it was made
from, and its documents are those that its own request says.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.review.neighbours import neighbours
from harness.review.vocabulary import Vocabulary
from harness.rules.recorded import RecordedDecision, RecordedDocuments, RecordedRequest, replay
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import RulesLatLng, RulesPath, RulesTimestamp
from tests.review.requests_from_yaml import ruleset

ROOT = ("databases", "(default)", "documents")
# Reads whole documents, so that whatever is in them is looked at.
RULES = ruleset(
    """
    match /{path=**} {
      allow read: if resource.data == {'a': 1} || resource.data.a in [request.auth.uid];
      allow write: if request.resource.data.diff(resource.data).affectedKeys().hasOnly(['a'])
          || request.resource.data.keys().size() > 3
          || exists(/databases/(default)/documents/b/$(request.auth.uid));
    }
    """
)

names = st.text("abcé$.` ", max_size=3)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text("ab\U0001f600", max_size=4),
    st.binary(max_size=2),
    st.integers(-(10**20), 2 * 10**20).map(RulesTimestamp),
    st.just(RulesLatLng(0.0, 0.0)),
    st.just(RulesPath((*ROOT, "a", "b"))),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)
data = st.dictionaries(names, values, max_size=4)
callers = st.sampled_from([None, RulesAuth("ann", {"sub": "ann", "a": True}), RulesAuth(None, {})])
segments = st.sampled_from(["a", "b", "ann"])
vocabularies = st.builds(
    Vocabulary,
    strings=st.lists(names, max_size=2).map(tuple),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2).map(tuple),
    fields=st.lists(names, max_size=2).map(tuple),
    claims=st.lists(names, max_size=2).map(tuple),
    compared=st.dictionaries(
        names, st.lists(st.one_of(names, st.integers(-5, 5)), max_size=2).map(tuple), max_size=2
    ),
)


@st.composite
def requests(draw: Any) -> RecordedRequest:
    """A request of any method, with documents around it."""
    method = draw(st.sampled_from(list(Method)))
    path = (*ROOT, draw(segments), draw(segments))
    now = RulesTimestamp(draw(st.integers(-(10**18), 10**18)))
    auth = draw(callers)
    before = None if method is Method.CREATE else RulesResource(draw(data), RulesPath(path))
    after = RulesResource(draw(data), RulesPath(path))
    query = None
    if method is Method.LIST:
        path, before = path[:-1], None
        constraint = st.builds(
            QueryConstraint, st.tuples(names), st.sampled_from(list(Comparator)), values
        )
        query = RulesQuery(
            ROOT,
            path[-1],
            limit=draw(st.none() | st.integers(1, 9)),
            disjuncts=tuple(
                tuple(each) for each in draw(st.lists(st.lists(constraint, max_size=2), max_size=2))
            ),
        )
    is_write = method in (Method.CREATE, Method.UPDATE)
    request = RulesRequest(
        FIRESTORE, method, path, auth, now, before, after if is_write else None, query
    )
    around = draw(
        st.dictionaries(
            st.tuples(segments, segments).map(lambda two: (*ROOT, *two)), data, max_size=2
        )
    )
    documents = RecordedDocuments(around, is_complete=draw(st.booleans()))
    return RecordedRequest("x", "y", (RecordedDecision(request, False),), documents)


@given(requests(), vocabularies)
def test_every_neighbour_can_be_asked(recorded: RecordedRequest, words: Vocabulary) -> None:
    for each in neighbours(recorded, [RulesAuth("bob", {})], words, 60):
        replay(RULES, each)


@given(requests(), vocabularies)
def test_no_neighbour_is_the_request_itself(recorded: RecordedRequest, words: Vocabulary) -> None:
    own = recorded.decisions[0].request
    for each in neighbours(recorded, [], words, 60):
        # Compared as texts, since NaN and -0.0 are told apart there.
        there = each.decisions[0].request, each.documents
        assert repr(there) != repr((own, recorded.documents)), each.title


@given(requests())
def test_the_own_document_is_as_the_request_says(recorded: RecordedRequest) -> None:
    own = recorded.decisions[0].request
    for each in neighbours(recorded, [], limit=60):
        request = each.decisions[0].request
        if request.method is Method.LIST or request == own:
            continue
        # Who asks, and when, is changed without a look at documents.
        if (request.path, request.method, request.resource, request.new_resource) == (
            own.path, own.method, own.resource, own.new_resource
        ):  # fmt: skip
            continue
        before = request.resource.data if isinstance(request.resource, RulesResource) else None
        assert repr(each.documents.before.get(request.path)) == repr(before), each.title
