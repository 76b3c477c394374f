"""The neighbours of a request: the same request but for one thing.

Somebody else asks, a field is missing or of another type, the query lacks its limit, a document
that the rules look at is gone. Where two rulesets differ (or a ruleset and a mutant of it), some
neighbour of a request that people really make is often answered differently, although the request
itself is not.

A neighbour has not been asked yet: each `RecordedDecision.allowed` in it is False and means
nothing. `answered` asks a ruleset and fills the answers in. What is made here is deterministic,
lazy and bounded; values are made in `other_values.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias, TypeVar

from harness.review.other_values import (
    CENTURY,
    SECOND,
    UNKNOWN_FIELD,
    other_values,
    shifted,
)
from harness.review.reshaped import (
    PATH_HEAD,
    Data,
    about,
    data_of,
    differs_in_content,
    list_of_collection,
    moved,
    other_methods,
    rebased,
    resource_like,
    with_document,
    with_own_document,
    without_document,
)
from harness.review.vocabulary import NO_WORDS, Vocabulary
from harness.rules import limits
from harness.rules.display import display_text
from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
    ReplaySource,
)
from harness.rules.request import (
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
)
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog
from harness.rules.values import RulesValue

MAX_NEIGHBOURS = 400
"""Of one request. The likeliest to be answered differently come first."""

STRANGER = RulesAuth(
    "stranger",
    {
        "sub": "stranger",
        "user_id": "stranger",
        "firebase": {"sign_in_provider": "password", "identities": {}},
    },
)
"""Somebody signed in whom no document speaks of."""

ORIGIN = "neighbour of "
"""What the origin of a neighbour begins with."""

_BUT = ", but "

IDENTITY_CLAIMS = frozenset(
    {"aud", "auth_time", "exp", "iat", "iss", "sub", "uid", "user_id", "firebase"}
)
"""Claims that every token has. Source: Firebase Authentication, "Verify ID tokens"."""

# What one request looks at is a handful; a recorded database may be large.
_MOST_DOCUMENTS = 8
_MOST_FIELDS = 40
_MOST_WORDS = 8
_NESTING = 2
# Properties of a Storage object that follow from its path or that no client chooses.
_NOT_CHOSEN = frozenset(
    {"name", "bucket", "generation", "metageneration", "timeCreated", "updated", "md5Hash"}
    | {"crc32c", "etag"}
)

# What was changed, in words; all fields.
_Changed: TypeAlias = tuple[str, Data]
# What was changed, in words; all requests; the documents.
_Variant: TypeAlias = tuple[str, tuple[RulesRequest, ...], RecordedDocuments]


def neighbours(
    recorded: RecordedRequest,
    callers: Sequence[RulesAuth | None],
    words: Vocabulary = NO_WORDS,
    limit: int = MAX_NEIGHBOURS,
) -> Iterator[RecordedRequest]:
    """Yield requests that differ from one in one thing. They have not been asked yet.

    Args:
        recorded: The request.
        callers: Who else could ask: None, and the project's personas. The unauthenticated caller
            and a stranger ask in any case.
        words: What the rules speak of, see `vocabulary`; without it values are guessed by their
            types alone.
        limit: How many at most.
    """
    made = _Neighbourhood(recorded, callers, words)
    for change, requests, documents in islice(made.variants(), limit):
        yield RecordedRequest(
            f"{recorded.title}{_BUT}{change}",
            f"{ORIGIN}{recorded.origin}",
            tuple(RecordedDecision(request, False) for request in requests),
            documents,
            recorded.several,
        )


def change_in(neighbour: RecordedRequest) -> str:
    """Return what was changed to make a neighbour, without the new value: `without name`, `name`.
    Empty for a request that is none.
    """
    if not neighbour.origin.startswith(ORIGIN):
        return ""
    return neighbour.title.rpartition(_BUT)[2].partition(":")[0]


def answered(ruleset: CompiledRuleset, recorded: RecordedRequest) -> RecordedRequest:
    """Return a request with the answers that a ruleset gives to each of its decisions."""
    source = ReplaySource(recorded.documents)
    log = AccessLog(
        limits.BATCH_ACCESS_CALLS if recorded.several else limits.SINGLE_REQUEST_ACCESS_CALLS
    )
    decisions = tuple(
        RecordedDecision(asked.request, ruleset.decide(asked.request, source, log).allowed)
        for asked in recorded.decisions
    )
    return replace(recorded, decisions=decisions)


class _Neighbourhood:
    """What can be changed in one request."""

    def __init__(
        self,
        recorded: RecordedRequest,
        callers: Sequence[RulesAuth | None],
        words: Vocabulary,
    ) -> None:
        self._requests = tuple(decision.request for decision in recorded.decisions)
        self._documents = recorded.documents
        self._words = words
        first = self._requests[0]
        self._auth = first.auth
        self._time = first.time
        self._callers = _distinct([None, *callers, STRANGER], without=first.auth)
        people = [self._auth, *self._callers]
        self._uids = tuple(
            dict.fromkeys(auth.uid for auth in people if auth is not None and auth.uid)
        )

    def variants(self) -> Iterator[_Variant]:
        """Yield all of them: other callers first, then one of each kind of change in turn."""
        yield from self._by_others()
        kinds: list[Iterator[_Variant]] = [self._claims(), self._looked_up(), self._times()]
        for index, request in enumerate(self._requests):
            kinds += (self._methods(index), self._places(index))
            if request.method is Method.LIST:
                kinds.append(self._queries(index))
            else:
                kinds += (self._written(index), self._stored(index))
        yield from _in_turn(kinds)

    # --- who asks, and when -------------------------------------------------------------------

    def _by_others(self) -> Iterator[_Variant]:
        own = self._auth
        for caller in self._callers:
            is_same = caller is not None and own is not None and caller.uid == own.uid
            yield self._asked_by(
                f"as {_name(caller)}{' with other claims' if is_same else ''}", caller
            )
        if own is None or not own.uid:
            return
        # What a caller may do with what is somebody else's is above; this is with one's own.
        for caller in self._callers:
            if caller is None or not caller.uid or caller.uid == own.uid:
                continue
            requests = tuple(
                about(request, own.uid, caller.uid, caller) for request in self._requests
            )
            if any(map(differs_in_content, requests, self._requests)):
                documents = self._documents
                for request in requests:
                    documents = with_own_document(documents, request)
                yield f"by and about {_name(caller)}", requests, documents

    def _asked_by(self, change: str, caller: RulesAuth | None) -> _Variant:
        requests = tuple(replace(request, auth=caller) for request in self._requests)
        return change, requests, self._documents

    def _claims(self) -> Iterator[_Variant]:
        auth = self._auth
        if auth is None:
            return
        token = auth.token
        for name, value in token.items():
            if name in IDENTITY_CLAIMS:
                continue
            kept = {key: each for key, each in token.items() if key != name}
            yield self._asked_by(f"without the claim {name}", RulesAuth(auth.uid, kept))
            if isinstance(value, bool):
                yield self._with_claim(auth, name, not value)
            for other in self._words.compared.get(name, ()):
                if other != value:
                    yield self._with_claim(auth, name, other)
        for name in self._words.claims or ("admin",):
            if name not in token and name not in IDENTITY_CLAIMS:
                for value in (True, *self._words.compared.get(name, ())):
                    yield self._with_claim(auth, name, value)
        if "email_verified" not in token:
            yield self._with_claim(auth, "email_verified", False)
        provider: RulesValue = {"sign_in_provider": "anonymous", "identities": {}}
        if token.get("firebase") != provider:
            yield self._with_claim(auth, "firebase", provider)

    def _with_claim(self, auth: RulesAuth, name: str, value: RulesValue) -> _Variant:
        caller = RulesAuth(auth.uid, {**auth.token, name: value})
        return self._asked_by(f"with the claim {name}: {display_text(value)}", caller)

    def _times(self) -> Iterator[_Variant]:
        for change, nanos in (
            ("a second later", SECOND),
            ("a second earlier", -SECOND),
            ("a century later", CENTURY),
            ("a century earlier", -CENTURY),
        ):
            time = shifted(self._time, nanos)
            requests = tuple(replace(request, time=time) for request in self._requests)
            yield change, requests, self._documents

    # --- what rules look up -------------------------------------------------------------------

    def _looked_up(self) -> Iterator[_Variant]:
        """Yield the request with other documents around it: gone, there, with other fields."""
        documents = self._documents
        own = {request.path for request in self._requests}
        paths = [path for path in documents.before if path not in own]
        known = self._known_ids()
        near = [path for path in paths if known.issuperset(path[PATH_HEAD + 1 :: 2])]
        near, far = near[:_MOST_DOCUMENTS], [path for path in paths if path not in near]
        for path in near:
            yield f"without {_shown(path)}", self._requests, without_document(documents, path)
        yield from _in_turn([self._other_document(path) for path in near])
        for path in sorted(documents.missing - own):
            there: Data = dict.fromkeys(self._words.fields, True)
            yield f"with {_shown(path)}", self._requests, with_document(documents, path, there)
        for path in far[:_MOST_DOCUMENTS]:
            yield f"without {_shown(path)}", self._requests, without_document(documents, path)

    def _other_document(self, path: DocumentPath) -> Iterator[_Variant]:
        for change, data in self._other_data(None, self._documents.before[path]):
            words = f"{change} in {_shown(path)}"
            yield words, self._requests, with_document(self._documents, path, data)

    def _known_ids(self) -> set[str]:
        """Return the ids that rules of this request can put into a path: they stand in the request
        or in the rules.
        """
        known = set(self._words.segments)
        if self._auth is not None and self._auth.uid:
            known.add(self._auth.uid)
        for request in self._requests:
            known.update(request.path)
            for data in (data_of(request.resource), data_of(request.new_resource)):
                if data is not None:
                    known.update(value for value in data.values() if isinstance(value, str))
        return known

    # --- one decision -------------------------------------------------------------------------

    def _one(self, index: int, change: str, request: RulesRequest) -> _Variant:
        """Put another request in the place of one, and its document into the documents."""
        requests = (*self._requests[:index], request, *self._requests[index + 1 :])
        documents, was = self._documents, self._requests[index].path
        if was in documents.after:
            rest = {path: data for path, data in documents.after.items() if path != was}
            documents = replace(documents, after=rest)
        return change, requests, with_own_document(documents, request)

    def _methods(self, index: int) -> Iterator[_Variant]:
        request = self._requests[index]
        for method, before, after in other_methods(request, self._documents):
            if method is Method.LIST:
                other = list_of_collection(request)
            else:
                path = request.path
                if request.method is Method.LIST:
                    path = (*path, UNKNOWN_FIELD)
                other = replace(
                    request,
                    method=method,
                    path=path,
                    resource=resource_like(request, path, before),
                    new_resource=resource_like(request, path, after),
                    query=None,
                    delimiter=None,
                )
            over = " over what is there" if before is not None and method is Method.CREATE else ""
            yield self._one(index, f"as {_ARTICLES[method]}{over}", other)

    def _places(self, index: int) -> Iterator[_Variant]:
        """Yield the request for other paths."""
        request = self._requests[index]
        path = request.path
        if len(path) <= PATH_HEAD:
            return
        is_object = request.service == STORAGE
        places: list[DocumentPath] = []
        named = self._words.ids[:2]
        for position in reversed(range(PATH_HEAD if is_object else PATH_HEAD + 1, len(path))):
            is_id = is_object or (position - PATH_HEAD) % 2 == 1
            if is_id:
                ids = (*self._uids, "other", *named, "x" * 1_000)
                places += [
                    (*path[:position], each, *path[position + 1 :])
                    for each in ids
                    if each != path[position] and "/" not in each and each
                ]
        deeper = ("x",) if is_object else ("x", "y")
        places.append((*path, *deeper))
        shorter = path[: -len(deeper)]
        if len(shorter) > PATH_HEAD:
            places.append(shorter)
        collection = len(path) - (1 if request.method is Method.LIST or is_object else 2)
        if not is_object and request.query is None:
            places.append((*path[:collection], "otherCollection", *path[collection + 1 :]))
        for place in places:
            yield self._one(index, f"at {_shown(place)}", moved(request, place))

    def _written(self, index: int) -> Iterator[_Variant]:
        """Yield the write with another document or object."""
        request = self._requests[index]
        if request.new_resource is None:
            return
        before = data_of(request.resource)
        for change, data in self._other_data(request, data_of(request.new_resource), before):
            after = resource_like(request, request.path, data)
            yield self._one(index, change, replace(request, new_resource=after))

    def _stored(self, index: int) -> Iterator[_Variant]:
        """Yield the request for a document that is missing, or another one than it is.

        What an update leaves as it is, it leaves so in the other document too.
        """
        request = self._requests[index]
        before, after = data_of(request.resource), data_of(request.new_resource)
        if before is None:
            return
        if request.method is not Method.UPDATE:
            yield self._one(index, "while it is missing", replace(request, resource=None))
        for change, data in self._other_data(request, before):
            resource = resource_like(request, request.path, data)
            other = replace(request, resource=resource)
            if after is not None:
                kept = rebased(after, before, data)
                other = replace(other, new_resource=resource_like(request, request.path, kept))
            yield self._one(index, f"{change} as it is", other)

    def _queries(self, index: int) -> Iterator[_Variant]:
        request = self._requests[index]
        if request.service == STORAGE:
            delimiter = None if request.delimiter else "/"
            what = "at every depth" if delimiter is None else "at one level"
            yield self._one(index, what, replace(request, delimiter=delimiter))
            return
        query = request.query or RulesQuery(request.path[:-1], request.path[-1])
        for change, other in self._other_queries(query):
            path = request.path
            if other.all_descendants and not query.all_descendants:
                path = (*other.parent, other.collection_id or path[-1])
            yield self._one(index, change, replace(request, path=path, query=other))

    def _other_queries(self, query: RulesQuery) -> Iterator[tuple[str, RulesQuery]]:
        if query.limit is not None:
            yield "without a limit", replace(query, limit=None)
        for i, disjunct in enumerate(query.disjuncts):
            for j, constraint in enumerate(disjunct):
                dropped = (*disjunct[:j], *disjunct[j + 1 :])
                yield f"without its filter on {_field(constraint)}", _filtered(query, i, dropped)
        if not query.all_descendants and query.collection_id is not None:
            whole = replace(query, all_descendants=True, parent=query.parent[:PATH_HEAD])
            yield "of the collection group", whole
        elif query.all_descendants and query.collection_id is not None:
            yield "of the collection", replace(query, all_descendants=False)
        for number in dict.fromkeys((1_000, 1, *self._words.numbers[:_MOST_WORDS])):
            for limit in (number + 1, number):
                if 0 < limit < 2**31 and limit != query.limit:
                    yield f"with a limit of {limit}", replace(query, limit=limit)
        for i, disjunct in enumerate(query.disjuncts):
            for j, constraint in enumerate(disjunct):
                for change, other in self._other_constraints(constraint):
                    changed = (*disjunct[:j], other, *disjunct[j + 1 :])
                    yield change, _filtered(query, i, changed)
        for field in self._words.fields[:_MOST_WORDS]:
            if self._uids and not any(query.disjuncts):
                own = QueryConstraint((field,), Comparator.EQ, self._uids[0])
                yield f"with the filter {field} == {self._uids[0]}", _filtered(query, 0, (own,))
        if query.order_by:
            yield "without its order", replace(query, order_by={})
        yield "with an offset", replace(query, offset=query.offset + 1)

    def _other_constraints(
        self, constraint: QueryConstraint
    ) -> Iterator[tuple[str, QueryConstraint]]:
        name, comparator, value = _field(constraint), constraint.comparator, constraint.value
        if comparator is Comparator.EQ:
            yield f"{name} != instead of ==", replace(constraint, comparator=Comparator.NEQ)
        wider = _WIDER.get(comparator)
        others = islice(
            other_values(constraint.field[-1], value, self._words, self._uids, self._time),
            _MOST_WORDS,
        )
        for other in others:
            yield f"filtering {name} by {display_text(other)}", replace(constraint, value=other)
            if wider is not None:
                both = QueryConstraint(constraint.field, wider, [value, other])
                yield f"filtering {name} by {display_text(other)} as well", both
                wider = None

    # --- other data ---------------------------------------------------------------------------

    def _other_data(
        self, request: RulesRequest | None, data: Data | None, before: Data | None = None
    ) -> Iterator[_Changed]:
        """Yield a document's fields with one of them other, missing, or too many.

        Args:
            request: The request that the document is of; None for one that rules look up.
            data: The fields.
            before: Those of the document that is written over.
        """
        if data is None:
            return
        extra = self._extra_fields(data) if request is not None else iter(())
        fixed = _NOT_CHOSEN if request is not None and request.service == STORAGE else frozenset()
        chosen = [name for name in data if name not in fixed]
        if before is not None:
            # What the request itself changes says more than what it leaves alone.
            chosen.sort(key=lambda name: name in before and before[name] is data[name])
        ordered = chosen[:_MOST_FIELDS]
        yield from _in_turn([extra, *(self._other_field(data, name) for name in ordered)])

    def _extra_fields(self, data: Data) -> Iterator[_Changed]:
        yield f"with {UNKNOWN_FIELD}", {**data, UNKNOWN_FIELD: True}
        own: tuple[RulesValue, ...] = self._uids[:1]
        for name in self._words.fields:
            if name not in data:
                for value in (True, *own, *self._words.strings[:2]):
                    yield f"with {name}: {display_text(value)}", {**data, name: value}

    def _other_field(self, data: Data, name: str, depth: int = 0) -> Iterator[_Changed]:
        value = data[name]
        yield f"without {name}", {key: each for key, each in data.items() if key != name}
        others = other_values(name, value, self._words, self._uids, self._time)
        # Its parts are as likely to matter as the map itself.
        inner: Iterator[_Changed] = iter(())
        if isinstance(value, dict) and depth < _NESTING:
            inner = _in_turn(
                [self._other_field(value, key, depth + 1) for key in islice(value, _MOST_FIELDS)]
            )
        whole: Iterator[_Changed] = (
            (f"{name}: {display_text(other)}", {**data, name: other}) for other in others
        )
        parts: Iterator[_Changed] = (
            (f"{words} in {name}", {**data, name: dict(part)}) for words, part in inner
        )
        yield from _in_turn((whole, parts))


_ARTICLES = {
    Method.GET: "a get",
    Method.LIST: "a list",
    Method.CREATE: "a create",
    Method.UPDATE: "an update",
    Method.DELETE: "a delete",
}
_WIDER = {Comparator.EQ: Comparator.IN, Comparator.LIST_CONTAINS: Comparator.LIST_CONTAINS_ANY}


_T = TypeVar("_T")


def _in_turn(iterators: Iterable[Iterator[_T]]) -> Iterator[_T]:
    """Yield one of each in turn, until all are empty."""
    waiting = list(iterators)
    while waiting:
        left = []
        for iterator in waiting:
            for item in iterator:
                yield item
                left.append(iterator)
                break
        waiting = left


def _distinct(
    callers: Iterable[RulesAuth | None], *, without: RulesAuth | None
) -> tuple[RulesAuth | None, ...]:
    found: list[RulesAuth | None] = []
    for caller in callers:
        if caller != without and caller not in found:
            found.append(caller)
    return tuple(found)


def _name(caller: RulesAuth | None) -> str:
    return "nobody" if caller is None else caller.uid or "somebody without a uid"


def _shown(path: DocumentPath) -> str:
    return display_text("/".join(path[PATH_HEAD:]))[1:-1]


def _field(constraint: QueryConstraint) -> str:
    return ".".join(constraint.field)


def _filtered(query: RulesQuery, at: int, disjunct: tuple[QueryConstraint, ...]) -> RulesQuery:
    disjuncts = query.disjuncts
    return replace(query, disjuncts=(*disjuncts[:at], disjunct, *disjuncts[at + 1 :]))
