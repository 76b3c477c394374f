"""Decides a request by walking the whole ruleset: which matches apply, what they bind, what each
allow statement gives. Nothing is compiled, prepared or remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.rules import limits, nodes
from harness.rules.list_views import TooManyDisjuncts, list_views
from harness.rules.matching import is_in_query
from harness.rules.request import FIRESTORE, STORAGE, Method, RulesQuery, RulesRequest
from harness.rules.runtime import (
    UNKNOWN_SEGMENT,
    DocumentSource,
    EvaluationStopped,
    RulesError,
    not_bool,
)
from harness.rules.values import PartialMap, RulesPath, RulesValue
from harness.source import Span
from tests.rules.tree_walker import Level, Walker, World

_Segment = nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard


@dataclass(frozen=True)
class WalkedReason:
    """What one allow statement gave instead of true: why, and where."""

    statement: Span
    at: int
    cause: str


@dataclass(frozen=True)
class WalkedDecision:
    """As the engine's Decision. `allowed_by` is the start of the allow statement."""

    allowed: bool
    allowed_by: int | None = None
    reasons: tuple[WalkedReason, ...] = ()
    accesses: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Place:
    """An allow statement with the blocks that enclose it, the service's first."""

    statement: nodes.AllowStatement
    service: nodes.ServiceBlock
    matches: tuple[nodes.MatchBlock, ...]

    @property
    def pattern(self) -> tuple[_Segment, ...]:
        return tuple(segment for block in self.matches for segment in block.pattern.segments)


def walk(
    ruleset: nodes.Ruleset,
    request: RulesRequest,
    documents: DocumentSource,
    *,
    shared: World | None = None,
) -> WalkedDecision:
    """Decide a request. `shared` is the world of an earlier decision of the same commit."""
    walk = _Walk(ruleset, request, World(request.service, documents))
    if shared is not None:
        walk.world.shared, walk.world.shared_limit = shared.shared, shared.shared_limit
    if request.method is not Method.LIST:
        return walk.decide([request.path], request.resource)
    paths = list(walk.list_paths())
    if request.service == STORAGE or not paths:
        return walk.decide(paths, request.resource)
    try:
        views = list_views(request.query)
    except TooManyDisjuncts as error:
        return walk.too_many(paths, f"The query has {error}.")
    # Each disjunct of the filter must be granted by some rule.
    granted: list[WalkedDecision] = []
    for view in views:
        is_one = view.name is not None and is_in_query(view.name, request)
        decision = walk.decide([view.name] if is_one else paths, PartialMap(data=view.data))
        if not decision.allowed:
            return decision
        granted.append(decision)
    return WalkedDecision(True, granted[0].allowed_by, (), granted[-1].accesses)


def allow_statements(ruleset: nodes.Ruleset) -> Iterator[Place]:
    """Yield every allow statement in the order of the text."""

    def below(
        service: nodes.ServiceBlock, matches: tuple[nodes.MatchBlock, ...]
    ) -> Iterator[Place]:
        for item in (matches[-1] if matches else service).body:
            if isinstance(item, nodes.AllowStatement):
                yield Place(item, service, matches)
            elif isinstance(item, nodes.MatchBlock):
                yield from below(service, (*matches, item))

    for item in ruleset.body:
        if isinstance(item, nodes.ServiceBlock):
            yield from below(item, ())


def bindings(
    pattern: Sequence[_Segment], path: Sequence[str], version: int
) -> dict[int, RulesValue] | None:
    """Match a path against a whole pattern: what each wildcard stands for, by its place; or None.

    What stands for a segment that a list leaves open is None.
    """
    if not pattern:
        return {} if not path else None
    *before, last = pattern
    place = len(before)
    if isinstance(last, nodes.RecursiveWildcard):
        fewest = 1 if version == 1 else 0
        for start in range(len(path) - fewest, -1, -1):
            bound = bindings(before, path[:start], version)
            if bound is not None:
                rest = tuple(path[start:])
                is_open = any(segment is UNKNOWN_SEGMENT for segment in rest)
                return {**bound, place: None if is_open else RulesPath(rest)}
        return None
    if not path:
        return None
    segment = path[-1]
    if isinstance(last, nodes.LiteralSegment):
        if segment is UNKNOWN_SEGMENT or last.text != segment:
            return None
        return bindings(before, path[:-1], version)
    bound = bindings(before, path[:-1], version)
    if bound is None:
        return None
    return {**bound, place: None if segment is UNKNOWN_SEGMENT else str(segment)}


@dataclass
class _Walk:
    ruleset: nodes.Ruleset
    request: RulesRequest
    world: World

    @property
    def version(self) -> int:
        return 2 if self.ruleset.version == "2" else 1

    def candidates(self, paths: Sequence[tuple[str, ...]]) -> Iterator[Place]:
        """Yield the statements for the request's method that match all the paths."""
        for place in allow_statements(self.ruleset):
            if (
                place.service.name == self.request.service
                and self.request.method.value in _methods(place.statement)
                and paths
                and all(bindings(place.pattern, path, self.version) is not None for path in paths)
            ):
                yield place

    def decide(self, paths: Sequence[tuple[str, ...]], resource: object) -> WalkedDecision:
        """Try the statements in their order. The budget is for all of them together; what their
        wildcards stand for is seen on the last path.
        """
        self.world.remaining = limits.EXPRESSIONS_PER_REQUEST
        variables: dict[str, RulesValue] = {
            "request": self.request_view(),
            "resource": _resource_view(resource),
        }
        reasons: list[WalkedReason] = []
        for place in self.candidates(paths):
            statement, condition = place.statement, place.statement.condition
            walker = Walker(variables, self.levels(place, paths[-1]), {}, self.world)
            at = (statement if condition is None else condition).span
            try:
                value = True if condition is None else walker.value(condition)
                if value is True:
                    return WalkedDecision(True, statement.span.start, (), self.accesses)
                cause = "false" if value is False else not_bool(value).text
            except RulesError as error:
                at, cause = error.span or at, error.text
            except EvaluationStopped as stopped:
                at = stopped.span or at
                reasons.append(WalkedReason(statement.span, at.start, stopped.text))
                break
            reasons.append(WalkedReason(statement.span, at.start, cause))
        return WalkedDecision(False, None, tuple(reasons), self.accesses)

    def too_many(self, paths: Sequence[tuple[str, ...]], cause: str) -> WalkedDecision:
        for place in self.candidates(paths):
            statement = place.statement
            at = (statement if statement.condition is None else statement.condition).span
            reason = WalkedReason(statement.span, at.start, cause)
            return WalkedDecision(False, None, (reason,))
        return WalkedDecision(False)

    @property
    def accesses(self) -> tuple[tuple[str, ...], ...]:
        return tuple(dict.fromkeys(path for _, path in self.world.accesses))

    def levels(self, place: Place, path: tuple[str, ...]) -> tuple[Level, ...]:
        """Return what the file, the service and each enclosing match declare and bind."""
        bound = bindings(place.pattern, path, self.version)
        assert bound is not None
        levels = [Level(_functions(self.ruleset)), Level(_functions(place.service))]
        index = 0
        for block in place.matches:
            captures: dict[str, RulesValue] = {}
            for segment in block.pattern.segments:
                if not isinstance(segment, nodes.LiteralSegment):
                    captures[segment.name] = bound[index]
                index += 1
            levels.append(Level(_functions(block), captures))
        return tuple(levels)

    # --- the request --------------------------------------------------------------------------

    def request_view(self) -> RulesValue:
        """Return `request`."""
        request = self.request
        is_firestore = request.service == FIRESTORE
        view: dict[str, RulesValue] = {"method": request.method.value, "time": request.time}
        auth = request.auth
        view["auth"] = None if auth is None else {"uid": auth.uid, "token": dict(auth.token)}
        if request.query is None or not request.query.all_descendants:
            view["path"] = RulesPath(request.path)
        if not is_firestore or request.method not in (Method.GET, Method.LIST):
            view["resource"] = _resource_view(request.new_resource)
        if is_firestore and request.method is Method.LIST:
            query = request.query or RulesQuery()
            view["query"] = {
                "limit": query.limit,
                "offset": query.offset,
                "orderBy": dict(query.order_by),
            }
        return view

    def list_paths(self) -> Iterator[tuple[str, ...]]:
        """Yield paths that stand for all documents or objects that a list could return, up to one
        level more than any pattern spells; the longest last. None when nothing can grant a list.
        """
        request, query = self.request, self.request.query
        longest = max((len(place.pattern) for place in self.own_statements()), default=0)
        if request.service == STORAGE:
            if self.version == 2:
                for depth in range(1, 2 if request.delimiter else longest + 2):
                    yield (*request.path, *[UNKNOWN_SEGMENT] * depth)
        elif query is not None and query.all_descendants:
            if self.version == 2:
                collection = query.collection_id or UNKNOWN_SEGMENT
                for depth in range(0, longest + 2, 2):
                    between = [UNKNOWN_SEGMENT] * depth
                    yield (*query.parent, *between, collection, UNKNOWN_SEGMENT)
        elif query is not None and query.collection_id is None and len(request.path) % 2 == 1:
            yield (*request.path, UNKNOWN_SEGMENT, UNKNOWN_SEGMENT)
        else:
            yield (*request.path, UNKNOWN_SEGMENT)

    def own_statements(self) -> Iterator[Place]:
        return (
            place
            for place in allow_statements(self.ruleset)
            if place.service.name == self.request.service
        )


def _functions(
    block: nodes.Ruleset | nodes.ServiceBlock | nodes.MatchBlock,
) -> dict[str, nodes.FunctionDeclaration]:
    return {item.name: item for item in block.body if isinstance(item, nodes.FunctionDeclaration)}


def _methods(statement: nodes.AllowStatement) -> set[str]:
    methods = set(statement.methods)
    if "read" in methods:
        methods |= {"get", "list"}
    if "write" in methods:
        methods |= {"create", "update", "delete"}
    return methods


def _resource_view(resource: object) -> RulesValue:
    """Return a document or object as rules see it; a list's partial view stays as it is."""
    if resource is None or isinstance(resource, dict):
        return resource
    if isinstance(resource, Mapping):
        return dict(resource)
    path = resource.path  # type: ignore[attr-defined]
    data = dict(resource.data)  # type: ignore[attr-defined]
    return {"data": data, "id": path.segments[-1], "__name__": path}
