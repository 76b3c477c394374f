"""What a condition wants: reads a condition forward and notes what would make it true.

    request.auth.token.admin == true && resource.data.status in ['open', 'new']
    claims {"admin": True}, document before {"status": "open"}

One pass, no search: of `a || b` one side is taken, as `choices` say, and what is not understood is
passed over. Whether the result is granted, only the engine knows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from harness.review.vocabulary import number_of
from harness.rules import nodes
from harness.rules.patterns import BadPattern, matches
from harness.rules.runtime import RulesError
from harness.rules.scope import AllowRule, FunctionSymbol, Scope
from harness.rules.values import (
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesTimestamp,
    RulesValue,
    strictly_equal,
)

_DAY_NANOS = 24 * 3600 * 1_000_000_000
_MOST_DEPTH = 200

SAMPLES: Final[Mapping[str, RulesValue]] = {
    "bool": True,
    "bytes": b"\x00",
    "duration": RulesDuration(1_000_000_000),
    "float": 1.5,
    "int": 1,
    "latlng": RulesLatLng(52.5, 13.4),
    "list": ["x"],
    "map": {"x": "x"},
    "number": 1,
    "path": RulesPath(("databases", "(default)", "documents", "things", "x")),
    "string": "x",
}
"""A value of each type that `is` knows and that needs no clock."""

# Tried in turn where a text must match a pattern.
_TEXTS = (
    "x", "abc", "1", "123456", "EUR", "en", "en-US", "user@example.com", "https://example.com/x.png",
    "image/png", "image/jpeg", "application/pdf", "video/mp4", "audio/mpeg", "text/plain", "x.png",
    "x.jpg", "2026-01-01", "12:00", "#ff0000", "+4915112345678", "abcdefghijklmnopqrst",
    "a" * 28, "0123456789abcdef0123456789abcdef", "00000000-0000-4000-8000-000000000000", "A1",
)  # fmt: skip


@dataclass(slots=True)
class Wish:
    """What a request and the database must hold.

    Args:
        uid: The caller's.
        now: The request's time.
        captures: What stands in the path for each wildcard.
        claims: Of the caller's token.
        before: Fields of the document, or properties of the object, as it is.
        after: The same, as it is to be.
        documents: What rules look up, by path; and what they look up after the commit.
        limit: Of a query.
    """

    uid: str
    now: RulesTimestamp
    captures: dict[str, str] = field(default_factory=dict)
    claims: dict[str, RulesValue] = field(default_factory=dict)
    before: dict[str, RulesValue] = field(default_factory=dict)
    after: dict[str, RulesValue] = field(default_factory=dict)
    documents: dict[tuple[str, ...], dict[str, RulesValue]] = field(default_factory=dict)
    documents_after: dict[tuple[str, ...], dict[str, RulesValue]] = field(default_factory=dict)
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A value that the text or the caller fixes."""

    value: RulesValue


@dataclass(frozen=True, slots=True)
class _Place:
    """Something that a wish can fill: `request.resource.data.a.b` by its steps."""

    steps: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Measured:
    """`.size()` of a place."""

    place: _Place


@dataclass(frozen=True, slots=True)
class _Keys:
    """`.keys()` of a place, or the keys that a write changes."""

    place: _Place


_Term: TypeAlias = _Known | _Place | _Measured | _Keys | None


@dataclass(frozen=True, slots=True)
class _Names:
    """What names mean in an expression: a function's arguments, with the names of their own
    place.
    """

    scope: Scope
    arguments: Mapping[str, tuple[nodes.Expression, _Names]] = field(default_factory=dict)


def fill(wish: Wish, rule: AllowRule, service: str, choices: int) -> None:
    """Add to a wish what a statement's condition wants.

    Args:
        wish: What is known already.
        rule: The statement.
        service: Whose rules they are: in Storage `resource` itself has the properties.
        choices: Bit by bit, the lowest first, which side of each `||` to take: 0 is the left. A
            negative number goes on with 1 for ever.
    """
    condition = rule.statement.condition
    if condition is not None:
        _Reader(wish, service != "cloud.firestore", choices).want(
            condition, _Names(rule.scope), True, 0
        )


class _Reader:
    def __init__(self, wish: Wish, is_storage: bool, choices: int) -> None:
        self._wish = wish
        self._is_storage = is_storage
        self._choices = choices

    # --- conditions ---------------------------------------------------------------------------

    def want(self, node: nodes.Expression, names: _Names, wanted: bool, depth: int) -> None:
        """Note what makes a condition true, or false."""
        if depth > _MOST_DEPTH:
            return
        below = depth + 1
        match node:
            case nodes.Binary("&&" | "||" as symbol, left, right):
                if (symbol == "&&") is wanted:
                    self.want(left, names, wanted, below)
                    self.want(right, names, wanted, below)
                else:
                    side = right if self._choices & 1 else left
                    self._choices >>= 1
                    self.want(side, names, wanted, below)
            case nodes.Unary("!", operand):
                self.want(operand, names, not wanted, below)
            case nodes.Conditional(condition, when_true, _):
                self.want(condition, names, True, below)
                self.want(when_true, names, wanted, below)
            case nodes.Binary(symbol, left, right):
                self._compare(symbol, left, right, names, wanted, depth)
            case nodes.TypeTest(operand, type_name) if wanted:
                self._typed(self._term(operand, names, below), type_name)
            case nodes.Call(name, arguments):
                self._call(name, arguments, names, wanted, depth)
            case nodes.MethodCall(nodes.Variable("firestore"), "exists", arguments):
                self._exists("exists", arguments, names, wanted, depth)
            case nodes.MethodCall(receiver, name, arguments):
                self._method(receiver, name, arguments, names, wanted, depth)
            case nodes.Variable(name) if name in names.arguments:
                argument, place = names.arguments[name]
                self.want(argument, place, wanted, below)
            case _:
                term = self._term(node, names, below)
                if isinstance(term, _Place):
                    self._put(term, wanted)

    def _call(
        self,
        name: str,
        arguments: tuple[nodes.Expression, ...],
        names: _Names,
        wanted: bool,
        depth: int,
    ) -> None:
        symbol = names.scope.find_function(name)
        if symbol is not None:
            inner = _entered(symbol, arguments, names)
            self.want(symbol.declaration.body, inner, wanted, depth + 1)
        elif name in ("exists", "existsAfter"):
            self._exists(name, arguments, names, wanted, depth)

    def _exists(
        self,
        name: str,
        arguments: tuple[nodes.Expression, ...],
        names: _Names,
        wanted: bool,
        depth: int,
    ) -> None:
        path = self._path(arguments[0], names, depth + 1) if arguments else None
        if path is None:
            return
        documents = self._wish.documents_after if name.endswith("After") else self._wish.documents
        if wanted:
            documents.setdefault(path, {})
        else:
            documents.pop(path, None)

    def _method(
        self,
        receiver: nodes.Expression,
        name: str,
        arguments: tuple[nodes.Expression, ...],
        names: _Names,
        wanted: bool,
        depth: int,
    ) -> None:
        term = self._term(receiver, names, depth + 1)
        values = [self._value(argument, names, depth + 1) for argument in arguments]
        if name == "get":
            whole = self._term(nodes.MethodCall(receiver, name, arguments), names, depth + 1)
            if isinstance(whole, _Place):
                self._put(whole, wanted)
        elif not wanted:
            if name in ("hasAll", "hasAny") and isinstance(term, _Keys) and values:
                for item in values[0] if isinstance(values[0], list) else ():
                    self._clear(_Place((*term.place.steps, item)))
        elif name in ("hasAll", "hasAny") and values and isinstance(values[0], list):
            items = values[0] if name == "hasAll" else values[0][:1]
            if isinstance(term, _Keys):
                for item in items:
                    self._touch(term.place, item)
            elif isinstance(term, _Place):
                self._put(term, list(items))
        elif name == "matches" and isinstance(term, _Place) and values:
            self._matching(term, values[0])

    def _matching(self, place: _Place, pattern: RulesValue) -> None:
        if not isinstance(pattern, str):
            return
        now = self._get(place)
        for text in (now, self._wish.uid, *_TEXTS):
            try:
                if isinstance(text, str) and matches(text, pattern):
                    self._put(place, text)
                    return
            except (BadPattern, RulesError):
                return

    # --- comparisons --------------------------------------------------------------------------

    def _compare(
        self,
        symbol: str,
        left: nodes.Expression,
        right: nodes.Expression,
        names: _Names,
        wanted: bool,
        depth: int,
    ) -> None:
        if not wanted:
            symbol = _NEGATED.get(symbol, "")
        one, other = self._term(left, names, depth + 1), self._term(right, names, depth + 1)
        if symbol == "in":
            self._contained(one, other)
        elif symbol == "==":
            self._equal(one, other)
        elif symbol == "!=":
            self._different(one, other)
        elif symbol in _FLIPPED:
            if isinstance(one, _Known):
                one, other, symbol = other, one, _FLIPPED[symbol]
            if isinstance(other, _Known):
                self._ordered(one, symbol, other.value)

    def _equal(self, one: _Term, other: _Term) -> None:
        if isinstance(one, _Known):
            one, other = other, one
        if isinstance(one, _Measured) and isinstance(other, _Known):
            self._ordered(one, ">=", other.value)
        elif isinstance(one, _Place) and isinstance(other, _Known):
            # A field that is missing has no value, not even null.
            self._put(one, other.value)
        elif isinstance(one, _Place) and isinstance(other, _Place):
            # What stands in the path was said on purpose; a field may hold a sample.
            if other.steps[0] == "capture":
                one, other = other, one
            value = self._get(one)
            if value is None:
                value = self._get(other)
            if value is None:
                value = SAMPLES["string"]
            self._put(one, value)
            self._put(other, value)

    def _different(self, one: _Term, other: _Term) -> None:
        if isinstance(one, _Known):
            one, other = other, one
        if isinstance(one, _Place) and isinstance(other, _Known):
            now = self._get(one)
            if now is None or strictly_equal(now, other.value):
                is_text = isinstance(other.value, str) or other.value is None
                self._put(one, "other" if is_text else SAMPLES["string"])

    def _contained(self, one: _Term, other: _Term) -> None:
        if isinstance(one, _Known) and isinstance(other, _Keys | _Place):
            place = other.place if isinstance(other, _Keys) else other
            if isinstance(other, _Keys) or _is_document(place):
                self._touch(place, one.value)
            elif (now := self._get(place)) is None or not isinstance(now, (list, dict)):
                self._put(place, [one.value])
            elif isinstance(now, list) and one.value not in now:
                self._put(place, [*now, one.value])
        elif isinstance(one, _Place) and isinstance(other, _Place):
            if self._get(one) is None:
                self._put(one, self._wish.uid)
            self._contained(_Known(self._get(one)), other)
        elif isinstance(one, _Place) and isinstance(other, _Known):
            options = other.value
            if isinstance(options, list) and options and self._get(one) not in options:
                self._put(one, options[0])

    def _ordered(self, one: _Term, symbol: str, bound: RulesValue) -> None:
        if isinstance(bound, RulesTimestamp) and isinstance(one, _Place):
            later = symbol.startswith(">")
            nanos = bound.nanos + (_DAY_NANOS if later else -_DAY_NANOS)
            self._put(one, RulesTimestamp(nanos))
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            return
        if isinstance(one, _Place):
            now = self._get(one)
            number = now if isinstance(now, int | float) and not isinstance(now, bool) else None
            if number is None or not _HOLDS[symbol](number, bound):
                self._put(one, bound + _STEP[symbol])
        elif isinstance(one, _Measured):
            content = self._get(one.place)
            size = len(content) if isinstance(content, (str, list, dict)) else None
            if size is None:
                content, size = "x", 1
            if not _HOLDS[symbol](size, bound):
                fitting = min(max(int(bound) + _STEP[symbol], 0), 2_000)
                filled: RulesValue = "x" * fitting
                if isinstance(content, list):
                    filled = [SAMPLES["string"]] * fitting
                self._put(one.place, filled)
            else:
                self._put(one.place, content)

    def _typed(self, term: _Term, type_name: str) -> None:
        if not isinstance(term, _Place):
            return
        sample = self._wish.now if type_name == "timestamp" else SAMPLES.get(type_name)
        now = self._get(term)
        is_number = isinstance(now, int | float) and not isinstance(now, bool)
        if sample is None or (type_name == "number" and is_number):
            return
        if now is None or type(now) is not type(sample):
            self._put(term, sample)

    # --- terms --------------------------------------------------------------------------------

    def _value(self, node: nodes.Expression, names: _Names, depth: int) -> RulesValue:
        term = self._term(node, names, depth)
        if isinstance(term, _Known):
            return term.value
        return self._get(term) if isinstance(term, _Place) else None

    def _term(self, node: nodes.Expression, names: _Names, depth: int) -> _Term:
        """Return what an expression stands for, if a wish can know or fill it."""
        if depth > _MOST_DEPTH:
            return None
        below = depth + 1
        number = number_of(node)
        if number is not None:
            return _Known(number)
        match node:
            case nodes.NullLiteral():
                return _Known(None)
            case (
                nodes.BoolLiteral(value=value)
                | nodes.FloatLiteral(value=value)
                | nodes.StringLiteral(value=value)
                | nodes.BytesLiteral(value=value)
            ):
                return _Known(value)
            case nodes.ListLiteral(items=items):
                return _Known([self._value(item, names, below) for item in items])
            case nodes.PathLiteral():
                path = self._path(node, names, below)
                return None if path is None else _Known(RulesPath(path))
            case nodes.Variable(name) if name in names.arguments:
                argument, place = names.arguments[name]
                return self._term(argument, place, below)
            case nodes.Variable(name):
                if names.scope.find_capture(name) is not None:
                    return _Place(("capture", name))
                return _Place((name,)) if name in ("request", "resource") else None
            case nodes.Member(receiver, name):
                return self._member(self._term(receiver, names, below), name)
            case nodes.Index(receiver, index):
                return self._item(
                    self._term(receiver, names, below), self._value(index, names, below)
                )
            case nodes.MethodCall(receiver, "get", (nodes.StringLiteral(value=name), *_)):
                return self._member(self._term(receiver, names, below), name)
            case nodes.MethodCall(nodes.Variable("firestore"), "get", arguments):
                return self._looked_up("get", arguments, names, below)
            case nodes.MethodCall(receiver, "size", ()):
                term = self._term(receiver, names, below)
                return _Measured(term) if isinstance(term, _Place) else None
            case nodes.MethodCall(receiver, "keys", ()):
                term = self._term(receiver, names, below)
                return _Keys(term) if isinstance(term, _Place) else None
            case nodes.Call(name, arguments):
                symbol = names.scope.find_function(name)
                if symbol is not None:
                    inner = _entered(symbol, arguments, names)
                    return self._term(symbol.declaration.body, inner, below)
                if name == "path" and arguments:
                    return None
                return self._looked_up(name, arguments, names, below)
            case _:
                return None

    def _member(self, term: _Term, name: str) -> _Term:
        if not isinstance(term, _Place):
            return None
        steps = (*term.steps, name)
        if steps == ("request", "auth", "uid"):
            return _Known(self._wish.uid)
        if steps == ("request", "time"):
            return _Known(self._wish.now)
        return _Place(steps)

    def _item(self, term: _Term, index: RulesValue) -> _Term:
        if isinstance(index, str):
            return self._member(term, index)
        items = term.value if isinstance(term, _Known) else None
        if isinstance(items, list) and isinstance(index, int) and 0 <= index < len(items):
            return _Known(items[index])
        return None

    def _looked_up(
        self, name: str, arguments: tuple[nodes.Expression, ...], names: _Names, depth: int
    ) -> _Term:
        if name not in ("get", "getAfter") or not arguments:
            return None
        path = self._path(arguments[0], names, depth)
        kind = "documents_after" if name == "getAfter" else "documents"
        return None if path is None else _Place((kind, path))

    def _path(self, node: nodes.Expression, names: _Names, depth: int) -> tuple[str, ...] | None:
        """Return the path that an expression is; ids that nothing says yet are made up."""
        if depth > _MOST_DEPTH:
            return None
        if not isinstance(node, nodes.PathLiteral):
            # A function or an argument that is a path; a path in a field is not understood.
            if isinstance(node, nodes.Variable) and node.name in names.arguments:
                argument, place = names.arguments[node.name]
                return self._path(argument, place, depth + 1)
            if isinstance(node, nodes.Call):
                symbol = names.scope.find_function(node.name)
                if symbol is not None:
                    inner = _entered(symbol, node.arguments, names)
                    return self._path(symbol.declaration.body, inner, depth + 1)
            return None
        segments: list[str] = []
        for segment in node.segments:
            if isinstance(segment, nodes.LiteralSegment):
                segments.append(segment.text)
            elif isinstance(segment, nodes.InterpolatedSegment):
                term = self._term(segment.expression, names, depth + 1)
                value = term.value if isinstance(term, _Known) else None
                if isinstance(term, _Place):
                    value = self._get(term)
                    if value is None:
                        value = "x"
                        self._put(term, value)
                if not isinstance(value, str):
                    return None
                segments.append(value)
            else:
                return None
        return tuple(segments)

    # --- places -------------------------------------------------------------------------------

    def _held(self, place: _Place) -> tuple[dict[str, RulesValue], tuple[str, ...]] | None:
        """Return the map of the wish that a place is in, and the steps below it."""
        wish, steps = self._wish, place.steps
        data = () if self._is_storage else ("data",)
        for head, held in (
            (("request", "auth", "token"), wish.claims),
            (("request", "resource", *data), wish.after),
            (("resource", *data), wish.before),
        ):
            if steps[: len(head)] == head:
                return held, steps[len(head) :]
        if steps[0] in ("documents", "documents_after") and steps[2:3] == ("data",):
            documents = wish.documents if steps[0] == "documents" else wish.documents_after
            return documents.setdefault(steps[1], {}), steps[3:]
        return None

    def _get(self, place: _Place) -> RulesValue:
        if place.steps[0] == "capture":
            return self._wish.captures.get(place.steps[1])
        found = self._held(place)
        if found is None:
            return None
        value: RulesValue = found[0]
        for step in found[1]:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    def _put(self, place: _Place, value: RulesValue) -> None:
        steps = place.steps
        if isinstance(value, (dict, list)):
            # A map that is also one of its own fields would have no end.
            value = copy.deepcopy(value)
        if steps[0] == "capture":
            if isinstance(value, str) and value and "/" not in value:
                self._wish.captures[steps[1]] = value
        elif steps == ("request", "query", "limit"):
            self._wish.limit = value if isinstance(value, int) else None
        elif steps == ("request", "auth", "token", "uid"):
            return
        else:
            found = self._held(place)
            if found is None or not found[1]:
                return
            target, names = found
            for name in names[:-1]:
                inner = target.get(name)
                if not isinstance(inner, dict):
                    inner = target[name] = {}
                target = inner
            target[names[-1]] = value

    def _touch(self, place: _Place, name: RulesValue) -> None:
        """Make sure that a map has a key."""
        if isinstance(name, str):
            inside = _Place((*place.steps, name))
            if self._get(inside) is None:
                self._put(inside, SAMPLES["string"])

    def _clear(self, place: _Place) -> None:
        found = self._held(place)
        if found is not None and len(found[1]) == 1:
            found[0].pop(found[1][0], None)


def _entered(
    symbol: FunctionSymbol, arguments: tuple[nodes.Expression, ...], names: _Names
) -> _Names:
    """Return what names mean in a function's body."""
    declaration = symbol.declaration
    bound = {
        name: (argument, names)
        for name, argument in zip(declaration.parameters, arguments, strict=False)
    }
    inner = _Names(symbol.scope, bound)
    for let in declaration.lets:
        # Each let sees the ones before it.
        inner = _Names(symbol.scope, {**inner.arguments, let.name: (let.value, inner)})
    return inner


def _is_document(place: _Place) -> bool:
    """Say whether a place is a whole document, or the claims, rather than a field."""
    return place.steps[-1] in ("data", "token")


_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_HOLDS = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_STEP = {"<": -1, "<=": 0, ">": 1, ">=": 0}
