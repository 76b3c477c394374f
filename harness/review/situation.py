"""What two requests have in common when a decision about one speaks for the other.

The access matrix says of a few requests that they are meant to be allowed. When rules change, many
requests that differ only in what does not matter (an id, a name, an amount within bounds) become
allowed along with them. `situation_of` keeps what matters: the method, the collection, which claims
that rules read the caller has, and where the caller's uid stands, in the request and in the
documents that the rules looked at. It errs towards telling apart.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeAlias

from harness.review.vocabulary import Vocabulary
from harness.rules.recorded import DocumentPath, RecordedRequest
from harness.rules.request import (
    FIRESTORE,
    Method,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import RulesValue, kind_name

Situation: TypeAlias = tuple[Hashable, ...]

_CALLER = "$uid"
# Where a path's first collection, or an object's name, begins.
_ROOT = 3
# Claims that differ between two sign-ins, and between any two people.
_OF_EACH_TOKEN = frozenset({"auth_time", "exp", "iat"})
_OF_EACH_PERSON = frozenset({"email", "name", "phone_number", "picture", "sub", "uid", "user_id"})


def situation_of(
    recorded: RecordedRequest,
    index: int,
    looked_at: Collection[DocumentPath],
    words: Vocabulary,
) -> Situation:
    """Return what must be the same of a request that speaks for this one.

    Args:
        recorded: The request.
        index: Which of its decisions.
        looked_at: The documents that the rules asked for.
        words: What the rules speak of.
    """
    request = recorded.decisions[index].request
    uid = None if request.auth is None else request.auth.uid
    return (
        request.service,
        request.method,
        _path(request, uid, words),
        _caller(request.auth, words),
        _places_of_uid(request.resource, uid, words),
        _places_of_uid(request.new_resource, uid, words),
        # An upload onto what is there is another thing than a first one.
        request.method is Method.CREATE and request.resource is None,
        _query(request.query, uid),
        request.delimiter,
        frozenset(_document(path, recorded, request.path, uid, words) for path in looked_at),
    )


def _path(request: RulesRequest, uid: str | None, words: Vocabulary) -> tuple[str, ...]:
    """Return a path with ids made alike: the caller's, those that the rules spell out, others."""
    is_firestore = request.service == FIRESTORE
    return tuple(
        each
        if place < _ROOT or (is_firestore and (place - _ROOT) % 2 == 0)
        else _id(each, uid, words)
        for place, each in enumerate(request.path)
    )


def _id(segment: str, uid: str | None, words: Vocabulary) -> str:
    if segment == uid:
        return _CALLER
    return segment if segment in words.ids else "*"


def _caller(auth: RulesAuth | None, words: Vocabulary) -> Hashable:
    if auth is None:
        return None
    return tuple(
        (name, _claim(auth.token[name], name, words) if name in auth.token else "absent")
        for name in words.claims
    )


def _claim(value: RulesValue, name: str, words: Vocabulary) -> Hashable:
    if name in _OF_EACH_TOKEN:
        return kind_name(value)
    if isinstance(value, str) and name in _OF_EACH_PERSON and value not in words.strings:
        # Of an address the domain may matter.
        return value.rpartition("@")[2] if name == "email" else kind_name(value)
    if isinstance(value, dict):
        # `firebase` has the way of signing in, and ids at each provider.
        return tuple(
            (key, _claim(item, key, words))
            for key, item in sorted(value.items())
            if key != "identities"
        )
    return repr(value)


def _places_of_uid(
    resource: RulesResource | Mapping[str, RulesValue] | None,
    uid: str | None,
    words: Vocabulary,
) -> frozenset[str]:
    """Return the fields, of those that rules read, that hold the caller's uid."""
    data = resource.data if isinstance(resource, RulesResource) else resource
    if not data or uid is None:
        return frozenset()
    names = (name for name in data if name in words.fields)
    return frozenset(name for name in names if _holds(data[name], uid))


def _holds(value: RulesValue, uid: str) -> bool:
    if isinstance(value, str):
        return value == uid
    if isinstance(value, dict):
        return uid in value or any(_holds(item, uid) for item in value.values())
    return isinstance(value, (list, tuple)) and uid in value


def _query(query: RulesQuery | None, uid: str | None) -> Hashable:
    if query is None:
        return None
    filters = tuple(
        tuple(
            sorted(
                (each.field, each.comparator.value, uid is not None and _holds(each.value, uid))
                for each in disjunct
            )
        )
        for disjunct in query.disjuncts
    )
    return filters, query.all_descendants, query.limit is None


def _document(
    path: DocumentPath,
    recorded: RecordedRequest,
    asked: DocumentPath,
    uid: str | None,
    words: Vocabulary,
) -> Hashable:
    """Return what matters of a document that rules looked at: which it is seen from the request,
    whether it is there, and the values in it that rules know.
    """
    where = tuple(
        _CALLER if each == uid else f"${asked.index(each)}" if each in asked else each
        for each in path
    )
    documents = recorded.documents
    data = documents.before.get(path)
    known = None if data is None else _known_values(data, uid, words)
    after = documents.after.get(path) if path in documents.after else data
    return where, known, after is None


def _known_values(
    data: Mapping[str, RulesValue], uid: str | None, words: Vocabulary
) -> frozenset[tuple[str, str]]:
    found = set()
    for name in words.fields:
        value = data.get(name)
        if isinstance(value, bool):
            found.add((name, repr(value)))
        elif isinstance(value, str) and value in words.strings and name in words.compared:
            found.add((name, value))
        elif uid is not None and _holds(value, uid):
            found.add((name, _CALLER))
    return frozenset(found)
