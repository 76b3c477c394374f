"""Conditions with every function call, let and parameter replaced by what it stands for.

A `Term` is such an expression. Two terms that say the same are the same object, so `a == a` and a
condition said twice are found by `is`, and what is known about a term is worked out once. A term
that would be too deep or too many to follow becomes `OPAQUE`, about which nothing is known.

Nothing here judges: what a term can be is in `situations.py`, of what kind in `kinds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from harness.rules import nodes, stdlib
from harness.rules.scope import Capture, FunctionSymbol, Scope

# Python's stack allows about eight times as deep, with what walks over terms.
_DEEPEST = 120
# Functions may call each other with other arguments each time; 2 ** 20 terms could come of that.
_MOST_TERMS = 20_000  # for each condition


class Op(Enum):
    """What a term is made by. In brackets: its value; then its parts."""

    LITERAL = auto()  # [the value, None for null]
    LIST = auto()  # items
    MAP = auto()  # key, value, key, value, ...
    PATH = auto()  # segments
    REQUEST = auto()
    RESOURCE = auto()
    CAPTURE = auto()  # [name and Capture]
    PARAMETER = auto()  # [function and name], in a function that is looked at by itself
    MEMBER = auto()  # [name] receiver
    INDEX = auto()  # receiver, index
    SLICE = auto()  # receiver, start, end
    CALL = auto()  # [built-in's name, with its namespace] arguments
    METHOD = auto()  # [name] receiver, arguments
    NOT = auto()  # operand
    MINUS = auto()  # operand
    BINARY = auto()  # [operator] left, right
    IS = auto()  # [type's name] operand
    CONDITIONAL = auto()  # condition, when true, when false
    UNKNOWN = auto()  # [name] a name that does not exist: always an error
    OPAQUE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """An expression. Equal terms of one `Terms` are identical."""

    op: Op
    value: object = None
    parts: tuple[Term, ...] = ()
    depth: int = 1

    def is_binary(self, *operators: str) -> bool:
        """Say whether this is one of these operators."""
        return self.op is Op.BINARY and self.value in operators

    def is_member(self, name: str) -> bool:
        """Say whether this is `something.name`."""
        return self.op is Op.MEMBER and self.value == name

    @property
    def is_auth(self) -> bool:
        """Say whether this is `request.auth`."""
        return self.is_member("auth") and self.parts[0].op is Op.REQUEST

    @property
    def is_incoming(self) -> bool:
        """Say whether this is `request.resource`."""
        return self.is_member("resource") and self.parts[0].op is Op.REQUEST

    @property
    def is_token(self) -> bool:
        """Say whether this is `request.auth.token`."""
        return self.is_member("token") and self.parts[0].is_auth

    @property
    def is_uid(self) -> bool:
        """Say whether this is `request.auth.uid`, or the claim that holds the same."""
        if self.op is not Op.MEMBER:
            return False
        receiver = self.parts[0]
        return (self.value == "uid" and receiver.is_auth) or (
            self.value in ("sub", "user_id") and receiver.is_token
        )

    @property
    def looks_up(self) -> bool:
        """Say whether this is `get`, `exists` or one of their kin."""
        return self.op is Op.CALL and self.value in DOCUMENT_FUNCTIONS

    def within(self) -> Iterator[Term]:
        """Yield this term and all that it is made of, each once."""
        seen = {self}
        pending = [self]
        while pending:
            term = pending.pop()
            yield term
            for part in term.parts:
                if part not in seen:
                    seen.add(part)
                    pending.append(part)


DOCUMENT_FUNCTIONS = frozenset().union(*stdlib.DOCUMENT_FUNCTIONS.values())

OPAQUE = Term(Op.OPAQUE)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What names mean to an expression: its scope, and the parameters and lets around it."""

    scope: Scope
    variables: Mapping[str, Term]
    # What nodes say here, by their id: the tree outlives the surroundings.
    known: dict[int, Term] = field(default_factory=dict, repr=False, compare=False)


class Terms:
    """Makes terms, and knows all that it has made."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Term] = {}
        self._results: dict[tuple[FunctionSymbol, tuple[Term, ...]], Term] = {}
        self._open = 0
        self._limit = _MOST_TERMS

    def make(self, op: Op, value: object = None, parts: tuple[Term, ...] = ()) -> Term:
        """Return the one term that is made so."""
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > _DEEPEST or (parts and len(self._known) > self._limit):
            return OPAQUE
        # The type is part of the key: to Python, 1, 1.0 and true are equal.
        key = (op, type(value), value, parts)
        term = self._known.get(key)
        if term is None:
            term = self._known[key] = Term(op, value, parts, depth)
        return term

    def of(self, node: nodes.Expression, around: Surroundings) -> Term:
        """Return what an expression says."""
        known = around.known.get(id(node))
        if known is None:
            if self._open > _DEEPEST:
                return OPAQUE
            if not self._open:
                self._limit = len(self._known) + _MOST_TERMS
            self._open += 1
            try:
                known = around.known[id(node)] = self._of(node, around)
            finally:
                self._open -= 1
        return known

    def result(self, symbol: FunctionSymbol, arguments: tuple[Term, ...]) -> Term:
        """Return what a function gives for its arguments."""
        key = (symbol, arguments)
        known = self._results.get(key)
        if known is None:
            # A function that calls itself does not load; should one come here, it ends.
            self._results[key] = OPAQUE
            known = self._results[key] = self.of(
                symbol.declaration.body, self.inside(symbol, arguments)
            )
        return known

    def inside(self, symbol: FunctionSymbol, arguments: tuple[Term, ...]) -> Surroundings:
        """Return what names mean in a function's body."""
        declaration = symbol.declaration
        variables = dict(zip(declaration.parameters, arguments, strict=True))
        for let in declaration.lets:
            variables[let.name] = self.of(let.value, Surroundings(symbol.scope, dict(variables)))
        return Surroundings(symbol.scope, variables)

    def parameters(self, symbol: FunctionSymbol) -> tuple[Term, ...]:
        """Return arguments that stand for anything."""
        return tuple(
            self.make(Op.PARAMETER, (symbol, name)) for name in symbol.declaration.parameters
        )

    def _of(self, node: nodes.Expression, around: Surroundings) -> Term:
        match node:
            case nodes.NullLiteral():
                return self.make(Op.LITERAL)
            case (
                nodes.BoolLiteral(value=value)
                | nodes.IntLiteral(value=value)
                | nodes.FloatLiteral(value=value)
                | nodes.StringLiteral(value=value)
                | nodes.BytesLiteral(value=value)
            ):
                return self.make(Op.LITERAL, value)
            case nodes.Variable(name=name):
                return self._variable(name, around)
            case nodes.Call(name=name):
                return self._call(name, self._parts(node, around), around)
            case nodes.MethodCall(receiver=nodes.Variable(name=namespace), name=name) if (
                namespace in stdlib.NAMESPACES
                and namespace not in around.variables
                and around.scope.find_capture(namespace) is None
            ):
                arguments = tuple(self.of(argument, around) for argument in node.arguments)
                return self._call(f"{namespace}.{name}", arguments, around)
            case nodes.Index(receiver=receiver, index=nodes.StringLiteral(value=name)):
                # Source: Security Rules reference, Map: `map['k']` is `map.k`.
                return self.make(Op.MEMBER, name, (self.of(receiver, around),))
            case nodes.PathLiteral(segments=segments):
                return self.make(
                    Op.PATH, None, tuple(self._segment(segment, around) for segment in segments)
                )
        op, what = _SHAPES[type(node)](node)
        return self.make(op, what, self._parts(node, around))

    def _parts(self, node: nodes.Expression, around: Surroundings) -> tuple[Term, ...]:
        return tuple(self.of(child, around) for child in nodes.children(node))

    def _variable(self, name: str, around: Surroundings) -> Term:
        if name in around.variables:
            return around.variables[name]
        capture = around.scope.find_capture(name)
        if capture is not None:
            return self.make(Op.CAPTURE, (name, capture))
        if name == "request":
            return self.make(Op.REQUEST)
        if name == "resource":
            return self.make(Op.RESOURCE)
        return self.make(Op.UNKNOWN, name)

    def _call(self, name: str, arguments: tuple[Term, ...], around: Surroundings) -> Term:
        symbol = around.scope.find_function(name)
        if symbol is None:
            if name in stdlib.FUNCTIONS or name in DOCUMENT_FUNCTIONS:
                return self.make(Op.CALL, name, arguments)
            return self.make(Op.UNKNOWN, name)
        if len(arguments) != len(symbol.declaration.parameters):
            return self.make(Op.UNKNOWN, name)
        return self.result(symbol, arguments)

    def _segment(
        self,
        segment: nodes.LiteralSegment
        | nodes.WildcardSegment
        | nodes.RecursiveWildcard
        | nodes.InterpolatedSegment,
        around: Surroundings,
    ) -> Term:
        match segment:
            case nodes.LiteralSegment(text=text):
                return self.make(Op.LITERAL, text)
            case nodes.InterpolatedSegment(expression=expression):
                return self.of(expression, around)
            case _:
                return OPAQUE  # a placeholder, which `bind` may fill


_SHAPES: dict[type, Callable[[Any], tuple[Op, str | None]]] = {
    nodes.ListLiteral: lambda node: (Op.LIST, None),
    nodes.MapLiteral: lambda node: (Op.MAP, None),
    nodes.Member: lambda node: (Op.MEMBER, node.name),
    nodes.Index: lambda node: (Op.INDEX, None),
    nodes.Slice: lambda node: (Op.SLICE, None),
    nodes.MethodCall: lambda node: (Op.METHOD, node.name),
    nodes.Unary: lambda node: (Op.NOT if node.operator == "!" else Op.MINUS, None),
    nodes.Binary: lambda node: (Op.BINARY, node.operator),
    nodes.TypeTest: lambda node: (Op.IS, node.type_name),
    nodes.Conditional: lambda node: (Op.CONDITIONAL, None),
}


def capture_of(term: Term) -> Capture | None:
    """Return which wildcard a term is, if it is one."""
    if isinstance(term.value, tuple) and term.op is Op.CAPTURE:
        capture = term.value[1]
        return capture if isinstance(capture, Capture) else None
    return None
