"""Requests made from a ruleset alone: for each allow statement some that it is meant to grant.

A project without checks and without an access matrix has no requests to compare rulesets with.
Seeds are guessed from the conditions, see `wishes.py`: a guess is not a proof, so a seed is asked
like any other request, and may well be denied. Their neighbours are what nobody thought of.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.review.neighbours import answered
from harness.review.wishes import Wish, fill
from harness.rules import nodes
from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
)
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import AllowRule
from harness.rules.values import RulesPath, RulesTimestamp, RulesValue

ORIGIN = "generated: "
"""What the origin of a seed begins with; the place of its allow statement follows."""

USER = "user"
"""The uid of the caller of seeds."""

# Ways through the `||` of a condition: left or right at each of the first ones, and left or right
# at all that follow. See `wishes.fill`.
_CHOICES = (0, -1, 1, -2, 2, -3, 3, -4, 4, 5, 6, 7)
_BOUNDED = 10


def seeds(
    ruleset: CompiledRuleset, service: str, now: RulesTimestamp, place: str = "(default)"
) -> tuple[RecordedRequest, ...]:
    """Make requests for each allow statement of a ruleset, with its answers.

    Args:
        ruleset: The ruleset.
        service: `cloud.firestore` or `firebase.storage`.
        now: When they arrive.
        place: The database, or the bucket.
    """
    found: dict[str, RecordedRequest] = {}
    for rule in ruleset.resolved.rules.get(service, ()):
        at = ruleset.source.position(rule.statement.span.start)
        for method in Method:
            if method in rule.granted:
                for number, seed in enumerate(_of_rule(ruleset, rule, service, method, now, place)):
                    found[f"{at} {method} {number}"] = replace(seed, origin=f"{ORIGIN}{at}")
    return tuple(found.values())


def _of_rule(
    ruleset: CompiledRuleset,
    rule: AllowRule,
    service: str,
    method: Method,
    now: RulesTimestamp,
    place: str,
) -> Iterator[RecordedRequest]:
    """Yield one granted request for each way through a condition; else one that is denied."""
    first: RecordedRequest | None = None
    seen: list[tuple[RulesRequest, RecordedDocuments]] = []
    granted = False
    for choices in _CHOICES:
        wish = _wished(rule, service, now, place, choices)
        asked = _recorded(wish, rule, service, method)
        same = (asked.decisions[0].request, asked.documents)
        if same in seen:
            continue
        seen.append(same)
        asked = answered(ruleset, asked)
        if asked.allowed:
            granted = True
            yield asked
        first = first or asked
    if first is not None and not granted:
        yield first


def _wished(rule: AllowRule, service: str, now: RulesTimestamp, place: str, choices: int) -> Wish:
    wish = Wish(USER, now)
    names = [
        segment.name
        for segment in rule.pattern
        if isinstance(segment, nodes.WildcardSegment | nodes.RecursiveWildcard)
    ]
    wish.captures = {name: f"{name}1" for name in names}
    # The first wildcard is the database or the bucket, unless it is written out.
    head = rule.pattern[1] if len(rule.pattern) > 1 else None
    if isinstance(head, nodes.WildcardSegment):
        wish.captures[head.name] = place
    # Twice, since what is said last about a wildcard or a field stands in paths read before.
    fill(wish, rule, service, choices)
    if isinstance(head, nodes.WildcardSegment):
        wish.captures[head.name] = place
    wish.documents, wish.documents_after = {}, {}
    fill(wish, rule, service, choices)
    return wish


def _recorded(wish: Wish, rule: AllowRule, service: str, method: Method) -> RecordedRequest:
    """Make the request that a wish describes."""
    path = _path(rule, wish, service)
    token: dict[str, RulesValue] = {
        "sub": USER,
        "user_id": USER,
        "email": f"{USER}@example.com",
        "email_verified": True,
        "firebase": {"sign_in_provider": "password", "identities": {}},
        **wish.claims,
    }
    auth = RulesAuth(USER, token)
    before, after = copy.deepcopy(wish.before), copy.deepcopy(wish.after)
    if service == STORAGE:
        before, after = _object(before, path), _object(after, path)
    if method is Method.UPDATE:
        # A write that changes as little as the rule lets it.
        before, after = {**after, **before}, {**before, **after}
    request = RulesRequest(service, method, path, auth, wish.now)
    documents = {**wish.documents}
    afterwards: dict[DocumentPath, Mapping[str, RulesValue] | None] = {
        key: fields for key, fields in wish.documents_after.items() if key not in documents
    }
    if method is Method.LIST:
        request = _list(request, rule, wish)
    else:
        old = None if method is Method.CREATE else before
        new = after if method in (Method.CREATE, Method.UPDATE) else None
        request = replace(
            request,
            resource=_resource(service, path, old),
            new_resource=_resource(service, path, new),
        )
        if service == FIRESTORE:
            if old is not None:
                documents[path] = old
            else:
                documents.pop(path, None)
            if method is not Method.GET:
                afterwards[path] = new
    return RecordedRequest(
        title=f"{method.value} {'/'.join(request.path[3:])} as {USER}",
        origin=ORIGIN,
        decisions=(RecordedDecision(request, False),),
        documents=RecordedDocuments(documents, afterwards),
    )


def _path(rule: AllowRule, wish: Wish, service: str) -> DocumentPath:
    """Return a path that a pattern matches; for Firestore that of a document."""
    path: list[str] = []
    for segment in rule.pattern:
        if isinstance(segment, nodes.LiteralSegment):
            path.append(segment.text)
        elif isinstance(segment, nodes.WildcardSegment):
            path.append(wish.captures[segment.name])
        else:
            # Two segments are a document, or keep what follows one.
            path += ["things", wish.captures[segment.name]]
    heads = (
        ("databases", "(default)", "documents") if service == FIRESTORE else ("b", "bucket", "o")
    )
    if tuple(path[:1]) != heads[:1]:
        # `match /{document=**}` right below the service stands for everything.
        path[:0] = heads
    if service == FIRESTORE and len(path) % 2 == 0:
        path.append("x")
    return tuple(path)


def _object(properties: dict[str, RulesValue], path: DocumentPath) -> dict[str, RulesValue]:
    return {
        "name": "/".join(path[3:]),
        "bucket": path[1],
        "size": 1,
        "contentType": "application/octet-stream",
        "metadata": {},
        **properties,
    }


def _resource(
    service: str, path: DocumentPath, data: Mapping[str, RulesValue] | None
) -> RulesResource | Mapping[str, RulesValue] | None:
    if data is None or service == STORAGE:
        return data
    return RulesResource(data, RulesPath(path))


def _list(request: RulesRequest, rule: AllowRule, wish: Wish) -> RulesRequest:
    """Make the query whose filters say what the rule asks of each document."""
    path = request.path[:-1]
    if request.service == STORAGE:
        return replace(request, path=path, delimiter="/")
    is_group = any(isinstance(each, nodes.RecursiveWildcard) for each in rule.pattern[3:-1])
    parent = path[:3] if is_group else path[:-1]
    filters = tuple(
        QueryConstraint((name,), Comparator.LIST_CONTAINS, value[0])
        if isinstance(value, list)
        else QueryConstraint((name,), Comparator.EQ, value)
        for name, value in wish.before.items()
        if value not in ([], {})
    )
    query = RulesQuery(
        parent,
        path[-1],
        all_descendants=is_group,
        limit=wish.limit or _BOUNDED,
        disjuncts=(filters,),
    )
    return replace(request, path=(*parent, path[-1]), query=query)
