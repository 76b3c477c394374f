"""Makes rulesets, requests and documents out of a stream of choices.

`choose` picks one of a sequence: Hypothesis' `draw(sampled_from(...))` where counterexamples should
shrink, `random.Random(seed).choice` where many cases should run fast. The first of every sequence
is the simplest. Most expressions are well-typed; `wild` of them, one in so many, are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, TypeVar

from harness.rules import nodes
from harness.rules.parser import parse_expression
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
from harness.rules.values import RulesLatLng, RulesPath, RulesTimestamp
from tests.rules.corpus import NOW, ROOT
from tests.rules.ruleset_walker import allow_statements

T = TypeVar("T")
Choose = Callable[[Sequence[Any]], Any]

COLLECTIONS = ("notes", "users", "rooms")
IDS = ("ana", "bob", "n1", "(default)", "0")
# Field -> a value of the kind that most documents have there.
FIELDS: Mapping[str, Any] = {
    "owner": "ana",
    "n": 1,
    "f": 1.5,
    "tags": ["a", "b"],
    "m": {"owner": "ana", "n": 2},
    "t": RulesTimestamp(NOW.nanos - 5_000_000_000),
    "flag": True,
    "nul": None,
    "octets": b"\x00a",
    "ref": RulesPath((*ROOT, "users", "ana")),
    "place": RulesLatLng(1.0, 2.0),
}
_OTHER_VALUES = ("bob", 0, -1, 2.0, float("nan"), [], ["a", 1, None], {}, "", False, 2**63 - 1, "ß")
_KINDS: Mapping[str, str] = {
    "owner": "string",
    "n": "int",
    "f": "float",
    "tags": "list",
    "m": "map",
    "t": "timestamp",
    "flag": "bool",
    "nul": "null",
    "octets": "bytes",
    "ref": "path",
    "place": "latlng",
}
KINDS = (
    *("bool", "int", "string", "list", "map", "float", "null", "bytes", "path", "set"),
    *("timestamp", "duration", "latlng", "map_diff"),
)
_PATTERNS = ("a", ".*", "[a-z]+", "^(a|b)$", "(?i)A", "(a)(b)?", "", "a{2,3}", "\\d+", "(")


@dataclass(frozen=True)
class Seen:
    """What an expression may name: variables by kind, and functions with their kinds."""

    variables: tuple[tuple[str, str], ...] = ()
    functions: tuple[tuple[str, tuple[str, ...], str], ...] = ()


@dataclass(frozen=True)
class Words:
    """Names and texts that the conditions of a ruleset ask for."""

    names: tuple[str, ...]
    texts: tuple[str, ...]


def words_of(ruleset: nodes.Ruleset, most: int = 40) -> Words:
    """Return names and texts in a ruleset: what documents need for its conditions to hold."""
    names: dict[str, None] = {}
    texts: dict[str, None] = {}
    pending: list[Any] = [ruleset]
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.Member):
            names[node.name] = None
        elif isinstance(node, nodes.StringLiteral):
            texts[node.value] = None
        if isinstance(node, tuple):
            pending.extend(node)
        elif hasattr(node, "__dataclass_fields__"):
            pending.extend(getattr(node, each.name) for each in fields(node))
    return Words(tuple(names)[:most], tuple(texts)[:most])


@dataclass
class Generator:
    """Makes things by `choose`.

    Args:
        choose: Picks one of a sequence.
        depth: How deep expressions go.
        wild: One in so many expressions is of a kind that does not fit.
        words: Further names of fields, and texts that they may hold; see `words_of`.
    """

    choose: Choose
    depth: int = 3
    wild: int = 25
    words: Words = field(default_factory=lambda: Words((), ()))
    _count: int = field(default=0, init=False)
    _version: str | None = field(default="2", init=False)

    def some(self, make: Callable[[], T], most: int) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.choose(range(most + 1))))

    def chance(self, one_in: int) -> bool:
        return bool(self.choose(range(one_in)) == one_in - 1)

    def name(self, prefix: str) -> str:
        # A name that is used again here and there shadows, or is refused as a duplicate.
        self._count += 1
        return prefix if self.chance(8) else f"{prefix}{self._count}"

    # --- rulesets -----------------------------------------------------------------------------

    def ruleset(self) -> nodes.Ruleset:
        version = self.choose(("2", "2", "1", None))
        self._version = version
        service = self.choose((FIRESTORE, FIRESTORE, STORAGE))
        functions, seen = self.functions(Seen(), 2)
        blocks = [self.service(service, seen)]
        if self.chance(8):
            blocks.append(self.service(self.choose((FIRESTORE, STORAGE)), seen))
        return nodes.Ruleset(version, (*functions, *blocks))

    def service(self, name: str, seen: Seen) -> nodes.ServiceBlock:
        functions, seen = self.functions(seen, 2)
        segments: tuple[Any, ...] = (
            nodes.LiteralSegment("databases"),
            nodes.WildcardSegment("db"),
            nodes.LiteralSegment("documents"),
        )
        if name == STORAGE:
            segments = (
                nodes.LiteralSegment("b"),
                nodes.WildcardSegment("db"),
                nodes.LiteralSegment("o"),
            )
        seen = Seen((*seen.variables, ("db", "string")), seen.functions)
        blocks = [self.match(seen, 3) for _ in range(1 + self.choose(range(3)))]
        root = nodes.MatchBlock(nodes.PathPattern(segments), tuple(blocks))
        return nodes.ServiceBlock(name, (*functions, root))

    def match(self, seen: Seen, depth: int, *, recursive: bool = True) -> nodes.MatchBlock:
        segments: list[Any] = []
        variables = list(seen.variables)
        for _ in range(1 + self.choose(range(2))):
            segments.append(nodes.LiteralSegment(self.choose(COLLECTIONS)))
            if self.chance(6):
                segments.append(nodes.LiteralSegment(self.choose(IDS)))
            else:
                segments.append(nodes.WildcardSegment(self.name("id")))
                variables.append((segments[-1].name, "string"))
        if recursive and self.chance(3):
            segments.insert(
                # In version 1 only the last place is accepted.
                0 if self.chance(3 if self._version == "2" else 30) else len(segments),
                nodes.RecursiveWildcard(self.name("rest")),
            )
            variables.append(("rest", "path"))
            # A second one below it is refused; try that now and then.
            recursive = self.chance(20)
        functions, seen = self.functions(Seen(tuple(variables), seen.functions), 2)
        body: list[Any] = [*functions]
        for _ in range(1 + self.choose(range(3))):
            if depth and self.chance(3):
                body.append(self.match(seen, depth - 1, recursive=recursive))
            else:
                body.append(self.allow(seen))
        return nodes.MatchBlock(nodes.PathPattern(tuple(segments)), tuple(body))

    def allow(self, seen: Seen) -> nodes.AllowStatement:
        methods = self.choose(
            (("read",), ("write",), ("read", "write"), ("get",), ("list",), ("create", "update"))
        )
        condition = None if self.chance(15) else self.expression("bool", seen, self.depth)
        return nodes.AllowStatement(methods, condition)

    def functions(self, seen: Seen, most: int) -> tuple[list[nodes.FunctionDeclaration], Seen]:
        made: list[nodes.FunctionDeclaration] = []
        for _ in range(self.choose(range(most + 1))):
            name = self.name("f")
            names = [f"{letter}{self._count}" for letter in "xyz"[: self.choose(range(3))]]
            kinds = [self.choose(KINDS) for _ in names]
            result = self.choose(("bool", "bool", *KINDS))
            variables = [*seen.variables, *zip(names, kinds, strict=True)]
            functions = seen.functions
            if self.chance(30):
                functions = (*functions, (name, tuple(kinds), result))  # recursion is refused
            lets = []
            for _ in range(self.choose(range(3))):
                kind = self.choose(KINDS)
                value = self.expression(kind, Seen(tuple(variables), functions), self.depth - 1)
                lets.append(nodes.LetBinding(self.name("v"), value))
                variables.append((lets[-1].name, kind))
            body = self.expression(result, Seen(tuple(variables), functions), self.depth - 1)
            made.append(nodes.FunctionDeclaration(name, tuple(names), tuple(lets), body))
            seen = Seen(seen.variables, (*seen.functions, (name, tuple(kinds), result)))
        return made, seen

    # --- expressions --------------------------------------------------------------------------

    def expression(self, kind: str, seen: Seen, depth: int) -> nodes.Expression:
        if self.chance(self.wild):
            kind = self.choose(KINDS)
        if kind == "any":
            kind = self.choose(KINDS)
        if self.chance(4):
            found = self.named(kind, seen, depth)
            if found is not None:
                return found
        if depth <= 0:
            return self.leaf(kind)
        return self.compound(kind, seen, depth - 1)

    def named(self, kind: str, seen: Seen, depth: int) -> nodes.Expression | None:
        """Make a use of a variable or function of that kind, if there is one."""
        names = [name for name, its_kind in seen.variables if its_kind == kind]
        calls = [each for each in seen.functions if each[2] == kind]
        if names and (not calls or depth <= 0 or self.choose((True, False))):
            return nodes.Variable(self.choose(names))
        if calls and depth > 0:
            name, parameters, _ = self.choose(calls)
            if self.chance(20):
                parameters = parameters[1:]
            arguments = [self.expression(each, seen, depth - 1) for each in parameters]
            return nodes.Call(name, tuple(arguments))
        if self.chance(10):
            return nodes.Variable(self.choose(("nobody", "math", "id", "rest")))
        return None

    def leaf(self, kind: str) -> nodes.Expression:
        """Make a literal or something that the request has."""
        made = self.choose((True, False)) and self.field(kind)
        return made or self.literal(kind)

    def field(self, kind: str) -> nodes.Expression | None:
        names = [name for name, its_kind in _KINDS.items() if its_kind == kind]
        texts = ["resource.data", "request.resource.data", "resource.data.m"]
        known = {
            "bool": ("request.auth != null",),
            "string": ("request.auth.uid", "request.method", "resource.id"),
            "map": (*texts, "request.auth.token", "resource", "request", "request.auth"),
            "timestamp": ("request.time",),
            "int": ("request.query.limit", "request.query.offset", "request.resource.size"),
            "path": ("request.path", "resource.__name__"),
        }.get(kind, ())
        if known and (not names or self.choose((True, False))):
            return _parsed(self.choose(known))
        if names:
            return _parsed(f"{self.choose(texts)}.{self.choose(names)}")
        return None

    def literal(self, kind: str) -> nodes.Expression:
        match kind:
            case "bool":
                return nodes.BoolLiteral(self.choose((True, False)))
            case "int":
                return nodes.IntLiteral(self.choose((0, 1, 2, 3, 7, 2**53 + 1, 2**63 - 1)))
            case "float":
                return nodes.FloatLiteral(self.choose((0.0, 1.0, 1.5, 1e7, 5e-324, 1e300)))
            case "string":
                return nodes.StringLiteral(
                    self.choose(("", "a", "b", "ana", "owner", "ab,c", "12", "é😀", "\n'\"\\$1"))
                )
            case "bytes":
                return nodes.BytesLiteral(self.choose((b"", b"a", b"\xff\x00")))
            case "list":
                return _parsed(self.choose(("[]", "['a']", "['owner', 'n']", "[1, 1.0, null]")))
            case "map":
                return _parsed(self.choose(("{}", "{'n': 1}", "{'owner': 'ana', 'm': {'n': []}}")))
            case "path":
                return _parsed(self.choose(("/a/b", "/databases/(default)/documents/users/ana")))
            case "null":
                return nodes.NullLiteral()
            case _:
                return _parsed(_MADE[kind])

    def compound(self, kind: str, seen: Seen, depth: int) -> nodes.Expression:
        """Make an operator, a method or a built-in that gives that kind."""
        form, needs = _form(self.choose((*_FORMS.get(kind, ()), *_FORMS["any"])))
        parts = [self.slot(kind if needed == "same" else needed, seen, depth) for needed in needs]
        return _filled(form, parts)

    def slot(self, needed: str, seen: Seen, depth: int) -> nodes.Expression:
        if needed == "pattern" and not self.chance(4):
            return nodes.StringLiteral(self.choose(_PATTERNS))
        if needed == "key":
            return nodes.StringLiteral(self.choose(tuple(FIELDS)))
        if needed == "document":
            return self.document_path(seen)
        return self.expression({"pattern": "string"}.get(needed, needed), seen, depth)

    def document_path(self, seen: Seen) -> nodes.Expression:
        segment: Any = nodes.LiteralSegment(self.choose(IDS))
        if self.chance(2):
            segment = nodes.InterpolatedSegment(self.expression("string", seen, 0))
        fixed = [nodes.LiteralSegment(text) for text in (*ROOT, self.choose(COLLECTIONS))]
        return nodes.PathLiteral((*fixed, segment))

    # --- requests and documents ---------------------------------------------------------------

    def data(self) -> dict[str, Any]:
        made = {}
        for name, value in FIELDS.items():
            if not self.chance(8):
                made[name] = self.choose(_OTHER_VALUES) if self.chance(8) else value
        for name in self.words.names:
            if self.chance(2):
                made[name] = self.choose((*FIELDS.values(), *_OTHER_VALUES))
                if self.words.texts and self.chance(2):
                    made[name] = self.choose(self.words.texts)
        return made

    def documents(self) -> Documents:
        before, after = {}, {}
        for collection in COLLECTIONS:
            for name in IDS[:2]:
                if self.choose((True, False)):
                    path = (*ROOT, collection, name)
                    before[path] = self.data()
                    after[path] = self.data() if self.chance(3) else before[path]
        return Documents(before, after)

    def request(self, ruleset: nodes.Ruleset) -> RulesRequest:
        """Make a request that some pattern of the ruleset tends to match."""
        places = [*allow_statements(ruleset)]
        place = self.choose(places) if places else None
        service = FIRESTORE if place is None else place.service.name
        path = self.path(() if place is None else place.pattern, service)
        granted = () if place is None else sorted(place.statement.granted)
        method = self.choose(tuple(Method) if place is None or self.chance(10) else granted)
        auth = self.choose(
            (
                RulesAuth("ana", {"sub": "ana", "admin": True, "firebase": {"identities": {}}}),
                RulesAuth("bob", {"n": 1}),
                None,
            )
        )
        if service == STORAGE:
            return self.storage_request(method, path, auth)
        new = None
        resource = None if method is Method.CREATE or self.chance(5) else self.data()
        if method in (Method.CREATE, Method.UPDATE):
            new = {**(resource or {}), **self.data()} if self.chance(2) else self.data()
        query = None
        if method is Method.LIST:
            resource = None
            # The collection that the pattern is in.
            path = path[:-1] if len(path) % 2 else path
            query = self.query(path)
        return RulesRequest(
            FIRESTORE,
            method,
            path,
            auth,
            NOW,
            None if resource is None else RulesResource(resource, RulesPath(path)),
            None if new is None else RulesResource(new, RulesPath(path)),
            query,
        )

    def path(self, pattern: Sequence[Any], service: str) -> tuple[str, ...]:
        path: list[str] = []
        for segment in pattern:
            if isinstance(segment, nodes.LiteralSegment) and not self.chance(25):
                path.append(segment.text)
            elif isinstance(segment, nodes.RecursiveWildcard):
                path.extend(
                    self.choose((*COLLECTIONS, *IDS)) for _ in range(self.choose((2, 0, 2, 1, 3)))
                )
            else:
                path.append(self.choose(IDS))
        if self.chance(10):
            path.append(self.choose(COLLECTIONS))
        if service == FIRESTORE:
            # No document is anywhere else.
            path[3:] = path[3:] or [self.choose(COLLECTIONS)]
            path[:3] = ROOT
            if len(path) % 2 == 0:
                path.append(self.choose(IDS))
        return tuple(path)

    def storage_request(
        self, method: Method, path: tuple[str, ...], auth: RulesAuth | None
    ) -> RulesRequest:
        def stored() -> dict[str, Any] | None:
            if self.chance(4):
                return None
            return {"size": self.choose((0, 10)), "contentType": "image/png", "data": self.data()}

        delimiter = self.choose((None, "/")) if method is Method.LIST else None
        path = path[:-1] if method is Method.LIST else path
        return RulesRequest(
            STORAGE, method, path, auth, NOW, stored(), stored(), delimiter=delimiter
        )

    def query(self, path: tuple[str, ...]) -> RulesQuery | None:
        if self.chance(5):
            return None
        names = ("owner", "n", "f", "tags", "flag", "nul")

        def constraint() -> QueryConstraint:
            name = self.choose(names)
            comparator = self.choose(tuple(Comparator))
            value = FIELDS[name] if self.choose((True, False)) else self.choose(_OTHER_VALUES)
            if comparator in (Comparator.IN, Comparator.NOT_IN, Comparator.LIST_CONTAINS_ANY):
                value = [value, self.choose(_OTHER_VALUES)]
            return QueryConstraint((name,), comparator, value)

        is_group = self.chance(5)
        return RulesQuery(
            parent=path[:3] if is_group else path[:-1],
            collection_id=path[-1],
            all_descendants=is_group,
            limit=self.choose((None, 1, 100)),
            order_by=self.choose(({}, {"n": "ASC"})),
            disjuncts=tuple(self.some(constraint, 2) for _ in range(1 + self.choose(range(2)))),
        )


@dataclass(frozen=True)
class Documents:
    """What is stored, before and after the commit, by full path."""

    before: Mapping[tuple[str, ...], Mapping[str, Any]]
    after: Mapping[tuple[str, ...], Mapping[str, Any]]

    def get(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        return self.before.get(path)

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        return self.after.get(path)


# --- forms: rules text with `$kind` in the place of expressions -----------------------------------

_MADE = {
    "set": "['a', 'n'].toSet()",
    "timestamp": "timestamp.date(2020, 1, 2)",
    "duration": "duration.value(1, 'h')",
    "latlng": "latlng.value(10, 20.5)",
    "map_diff": "{'n': 1}.diff({'n': 2})",
}
_FORMS: Mapping[str, tuple[str, ...]] = {
    "any": (
        "$bool ? $same : $same",
        "debug($same)",
        "$map.get($key, $same)",
        "$map[$key]",
        "$list[$int]",
        "get($document).data.owner",
    ),
    "bool": (
        *("$bool && $bool", "$bool || $bool", "$any == $any", "!$bool", "$any != null"),
        *("$string == $string", "$int < $int", "$string >= $string", "$float > $int"),
        *("$timestamp <= $timestamp", "$duration < $duration", "$bytes < $bytes", "$any != $any"),
        *("$any in $list", "$key in $map", "$any in $set", "$any is string", "$any is number"),
        *("$any is list", "$any is map", "$any is timestamp", "$any is path", "$any is set"),
        *("$string.matches($pattern)", "$list.hasAny($list)", "$list.hasAll($list)"),
        *("$list.hasOnly($list)", "$set.hasAny($set)", "$set.hasOnly($list)", "$set.hasAll($set)"),
        *("exists($document)", "existsAfter($document)", "math.isNaN($float)"),
        *("firestore.exists($document)", "$map.keys().hasOnly(['owner', 'n'])", "$int == $float"),
        "$map_diff.affectedKeys().hasOnly(['n'])",
    ),
    "int": (
        *("$int + $int", "$int - $int", "$int * $int", "$int / $int", "$int % $int", "-$int"),
        *("$string.size()", "$list.size()", "$map.size()", "$set.size()", "$bytes.size()"),
        *("int($string)", "int($float)", "math.abs($int)", "math.round($float)"),
        *("$timestamp.year()", "$timestamp.month()", "$timestamp.day()", "$timestamp.hours()"),
        *("$timestamp.dayOfWeek()", "$timestamp.dayOfYear()", "$timestamp.toMillis()"),
        *("$duration.seconds()", "$duration.nanos()"),
    ),
    "float": (
        *("$float + $float", "$int - $float", "$float * $int", "$float / $float", "$float % $int"),
        *("-$float", "float($int)", "float($string)", "math.sqrt($int)", "math.pow($float, $int)"),
        *("math.ceil($float)", "math.floor($float)", "math.abs($float)", "$latlng.latitude()"),
        *("$latlng.longitude()", "$latlng.distance($latlng)"),
    ),
    "string": (
        *("$string + $string", "$string.lower()", "$string.upper()", "$string.trim()"),
        *("$string.replace($pattern, $string)", "$list.join($string)", "string($any)"),
        *("$string[$int]", "$string[$int:$int]", "$path[$int]", "$bytes.toBase64()"),
        "$bytes.toHexString()",
    ),
    "bytes": (
        *("$string.toUtf8()", "hashing.md5($string)", "hashing.sha256($bytes)"),
        *("hashing.crc32($string)", "hashing.crc32c($bytes)"),
    ),
    "list": (
        *("[$any]", "[$any, $any]", "$map.keys()", "$map.values()", "$string.split($pattern)"),
        *("$list.concat($list)", "$list.removeAll($list)", "$list[$int:$int]"),
    ),
    "map": (
        *("{$key : $any}", "{$string : $any, $key : $any}", "get($document).data"),
        *("getAfter($document).data", "firestore.get($document)", "get($document)"),
    ),
    "set": (
        *("$list.toSet()", "$set.union($set)", "$set.intersection($set)", "$set.difference($set)"),
        *("$map_diff.addedKeys()", "$map_diff.removedKeys()", "$map_diff.changedKeys()"),
        *("$map_diff.unchangedKeys()", "$map_diff.affectedKeys()"),
    ),
    "path": (
        *("/notes/$($string)", "/$($path)/x", "path($string)", "/a/{w}.bind({'w': $string})"),
        "/n/$($int)/{w}",
    ),
    "timestamp": (
        *("$timestamp + $duration", "$timestamp - $duration", "$timestamp.date()"),
        *("timestamp.value($int)", "timestamp.date($int, $int, $int)", "$duration + $timestamp"),
    ),
    "duration": (
        *("duration.value($int, 's')", "duration.value($int, $string)", "$timestamp.time()"),
        *("$timestamp - $timestamp", "$duration + $duration", "$duration - $duration"),
        *("duration.abs($duration)", "duration.time($int, $int, $int, $int)"),
    ),
    "latlng": ("latlng.value($float, $float)", "latlng.value($int, $int)"),
    "map_diff": ("$map.diff($map)",),
}


@cache
def _parsed(text: str) -> nodes.Expression:
    return parse_expression(text)


@cache
def _form(text: str) -> tuple[nodes.Expression, tuple[str, ...]]:
    """Return a form's tree, its slots as variables `slot0`, `slot1`, ..., and their kinds."""
    kinds: list[str] = []

    def slot(match: re.Match[str]) -> str:
        kinds.append(match[1])
        return f"slot{len(kinds) - 1}"

    tree = parse_expression(re.sub(r"\$([a-z_]+)", slot, text))
    return tree, tuple(kinds)


def _filled(node: Any, parts: Sequence[nodes.Expression]) -> Any:
    """Return a tree with its slots filled."""
    if isinstance(node, nodes.Variable) and node.name.startswith("slot"):
        return parts[int(node.name.removeprefix("slot"))]
    if isinstance(node, tuple):
        return tuple(_filled(item, parts) for item in node)
    if not hasattr(node, "__dataclass_fields__"):
        return node
    changes = {each.name: _filled(getattr(node, each.name), parts) for each in fields(node)}
    return replace(node, **changes)
