"""The syntax tree of a ruleset: one frozen class for each construct, with the span it was read
from.

Two trees are equal when they say the same; spans do not count. `unparse` writes a tree back as
rules text. Parentheses have no node: `unparse` puts them where precedence needs them. Nothing here
evaluates or checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, assert_never

from harness.records import field, record
from harness.rules.request import Method
from harness.source import Span

NO_SPAN = Span(0, 0)

# --- expressions ------------------------------------------------------------------------------


@record()
class NullLiteral:
    """`null`."""

    span: Span = field(default=NO_SPAN, compare=False)


@record()
class BoolLiteral:
    """`true` or `false`."""

    value: bool
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class IntLiteral:
    """Decimal digits. 2**63 occurs only under a unary minus."""

    value: int
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class FloatLiteral:
    """Digits with a decimal point."""

    value: float
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class StringLiteral:
    """A quoted string, unescaped."""

    value: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class BytesLiteral:
    """`b'...'`, unescaped."""

    value: bytes
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class ListLiteral:
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class MapLiteral:
    """`{'k': v}`; a key is an expression."""

    entries: tuple[tuple[Expression, Expression], ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class LiteralSegment:
    """`/users`, in a match or in a path literal."""

    text: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class WildcardSegment:
    """`/{id}`: a capture in a match, a placeholder in a path literal."""

    name: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class RecursiveWildcard:
    """`/{rest=**}`."""

    name: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class InterpolatedSegment:
    """`/$(expression)`, in a path literal only."""

    expression: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class PathLiteral:
    """`/databases/$(db)/documents/users/$(uid)` in an expression."""

    segments: tuple[LiteralSegment | WildcardSegment | RecursiveWildcard | InterpolatedSegment, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Variable:
    """A name that is read."""

    name: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Member:
    """`receiver.name`."""

    receiver: Expression
    name: str
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Index:
    """`receiver[index]`."""

    receiver: Expression
    index: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Slice:
    """`receiver[start:end]`."""

    receiver: Expression
    start: Expression
    end: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Call:
    """`name(arguments)`."""

    name: str
    arguments: tuple[Expression, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class MethodCall:
    """`receiver.name(arguments)`; also a namespace's function, as in `math.abs(1)`."""

    receiver: Expression
    name: str
    arguments: tuple[Expression, ...]
    span: Span = field(default=NO_SPAN, compare=False)
    name_span: Span = field(default=NO_SPAN, compare=False)


@record()
class Unary:
    """`!operand` or `-operand`."""

    operator: str
    operand: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Binary:
    """`left operator right`, for all operators from `*` to `||` and for `in`."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class TypeTest:
    """`operand is type_name`."""

    operand: Expression
    type_name: str
    span: Span = field(default=NO_SPAN, compare=False)
    name_span: Span = field(default=NO_SPAN, compare=False)


@record()
class Conditional:
    """`condition ? when_true : when_false`."""

    condition: Expression
    when_true: Expression
    when_false: Expression
    span: Span = field(default=NO_SPAN, compare=False)


Expression: TypeAlias = (
    NullLiteral
    | BoolLiteral
    | IntLiteral
    | FloatLiteral
    | StringLiteral
    | BytesLiteral
    | ListLiteral
    | MapLiteral
    | PathLiteral
    | Variable
    | Member
    | Index
    | Slice
    | Call
    | MethodCall
    | Unary
    | Binary
    | TypeTest
    | Conditional
)

# --- statements -------------------------------------------------------------------------------


@record()
class PathPattern:
    """What stands after `match`."""

    segments: tuple[LiteralSegment | WildcardSegment | RecursiveWildcard, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class LetBinding:
    """`let name = value;`."""

    name: str
    value: Expression
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class FunctionDeclaration:
    """`function name(parameters) { let ...; return body; }`. `name_span` is the name's,
    `parameter_spans` the parameters'."""

    name: str
    parameters: tuple[str, ...]
    lets: tuple[LetBinding, ...]
    body: Expression
    span: Span = field(default=NO_SPAN, compare=False)
    name_span: Span = field(default=NO_SPAN, compare=False)
    parameter_spans: tuple[Span, ...] = field(default=(), compare=False)


@record()
class AllowStatement:
    """`allow methods: if condition;`. `methods` is as written; `granted` is what it stands for."""

    methods: tuple[str, ...]
    condition: Expression | None
    span: Span = field(default=NO_SPAN, compare=False)

    @property
    def granted(self) -> frozenset[Method]:
        """Return the methods, with `read` and `write` taken apart."""
        return _granted(self.methods)


@record()
class MatchBlock:
    """`match pattern { ... }`."""

    pattern: PathPattern
    body: tuple[MatchBlock | AllowStatement | FunctionDeclaration, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class ServiceBlock:
    """`service cloud.firestore { ... }`."""

    name: str
    body: tuple[MatchBlock | FunctionDeclaration, ...]
    span: Span = field(default=NO_SPAN, compare=False)


@record()
class Ruleset:
    """A whole file. `version` is None when the file does not say, which means '1'."""

    version: str | None
    body: tuple[ServiceBlock | FunctionDeclaration, ...]
    span: Span = field(default=NO_SPAN, compare=False)


METHOD_GROUPS: dict[str, tuple[Method, ...]] = {
    "read": (Method.GET, Method.LIST),
    "write": (Method.CREATE, Method.UPDATE, Method.DELETE),
    **{method.value: (method,) for method in Method},
}


@lru_cache(maxsize=256)
def _granted(methods: tuple[str, ...]) -> frozenset[Method]:
    return frozenset(method for word in methods for method in METHOD_GROUPS[word])


TYPE_NAMES = frozenset(
    [
        "bool",
        "bytes",
        "constraint",
        "duration",
        "float",
        "int",
        "latlng",
        "list",
        "map",
        "map_diff",
        "number",
        "path",
        "set",
        "string",
        "timestamp",
    ]
)

# Binding strength of the binary operators. Source: Security Rules reference, operator precedence.
PRECEDENCE: dict[str, int] = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "in": 4,
    "is": 4,
    "<": 5,
    "<=": 5,
    ">": 5,
    ">=": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "%": 7,
}
_CONDITIONAL_LEVEL, _UNARY_LEVEL, _POSTFIX_LEVEL = 0, 8, 9


def children(node: Expression) -> Sequence[Expression]:
    """Return the direct sub-expressions, in the order in which they stand in the text."""
    find = _CHILDREN.get(type(node))
    return () if find is None else find(node)


# By class, and not by `match`: checks and costs ask this of every node of a ruleset.
_CHILDREN: dict[type, Callable[[Any], Sequence[Expression]]] = {
    Member: lambda node: (node.receiver,),
    Binary: lambda node: (node.left, node.right),
    MethodCall: lambda node: (node.receiver, *node.arguments),
    Call: lambda node: node.arguments,
    Unary: lambda node: (node.operand,),
    TypeTest: lambda node: (node.operand,),
    Index: lambda node: (node.receiver, node.index),
    Slice: lambda node: (node.receiver, node.start, node.end),
    Conditional: lambda node: (node.condition, node.when_true, node.when_false),
    ListLiteral: lambda node: node.items,
    MapLiteral: lambda node: [part for entry in node.entries for part in entry],
    PathLiteral: lambda node: [
        segment.expression for segment in node.segments if isinstance(segment, InterpolatedSegment)
    ],
}


# --- back to text -----------------------------------------------------------------------------


def unparse(node: Ruleset | Expression) -> str:
    """Write a tree as rules text that reads back as an equal tree."""
    if isinstance(node, Ruleset):
        head = [] if node.version is None else [f"rules_version = '{node.version}';"]
        return "\n".join([*head, *(_unparse_statement(item, "") for item in node.body)]) + "\n"
    return _unparse_expression(node, _CONDITIONAL_LEVEL)


def _unparse_statement(
    node: ServiceBlock | MatchBlock | AllowStatement | FunctionDeclaration, indent: str
) -> str:
    inner = indent + "  "
    match node:
        case AllowStatement(methods=methods, condition=condition):
            when = "" if condition is None else f": if {unparse(condition)}"
            return f"{indent}allow {', '.join(methods)}{when};"
        case FunctionDeclaration(name=name, parameters=parameters, lets=lets, body=body):
            lines = [f"{inner}let {let.name} = {unparse(let.value)};" for let in lets]
            lines.append(f"{inner}return {unparse(body)};")
            joined = "\n".join(lines)
            return f"{indent}function {name}({', '.join(parameters)}) {{\n{joined}\n{indent}}}"
        case MatchBlock(pattern=pattern, body=items):
            head = f"match {''.join(map(_unparse_segment, pattern.segments))}"
        case ServiceBlock(name=name, body=items):
            head = f"service {name}"
        case _:
            assert_never(node)
    joined = "".join(f"{_unparse_statement(item, inner)}\n" for item in items)
    return f"{indent}{head} {{\n{joined}{indent}}}"


def _unparse_segment(
    segment: LiteralSegment | WildcardSegment | RecursiveWildcard | InterpolatedSegment,
) -> str:
    match segment:
        case LiteralSegment(text=text):
            return f"/{text}"
        case WildcardSegment(name=name):
            return f"/{{{name}}}"
        case RecursiveWildcard(name=name):
            return f"/{{{name}=**}}"
        case InterpolatedSegment(expression=expression):
            return f"/$({unparse(expression)})"
        case _:
            assert_never(segment)


def _unparse_expression(node: Expression, level: int) -> str:
    """Write an expression, in parentheses when it binds less tightly than `level` asks."""
    match node:
        case Binary(operator=operator, left=left, right=right):
            own = PRECEDENCE[operator]
            # All operators group to the left, so an equal one on the right needs parentheses.
            text = (
                f"{_unparse_expression(left, own)} {operator} {_unparse_expression(right, own + 1)}"
            )
        case TypeTest(operand=operand, type_name=type_name):
            own = PRECEDENCE["is"]
            text = f"{_unparse_expression(operand, own)} is {type_name}"
        case Conditional(condition=condition, when_true=when_true, when_false=when_false):
            own = _CONDITIONAL_LEVEL
            text = (
                f"{_unparse_expression(condition, PRECEDENCE['||'])} ? "
                f"{unparse(when_true)} : {unparse(when_false)}"
            )
        case Unary(operator=operator, operand=operand):
            own = _UNARY_LEVEL
            text = f"{operator}{_unparse_expression(operand, own)}"
        case _:
            own = _POSTFIX_LEVEL
            text = _unparse_postfix(node)
    return f"({text})" if own < level else text


def _unparse_postfix(node: Expression) -> str:
    match node:
        case NullLiteral():
            return "null"
        case BoolLiteral(value=flag):
            return "true" if flag else "false"
        case IntLiteral(value=whole):
            return str(whole)
        case FloatLiteral(value=real):
            return _float_literal(real)
        case StringLiteral(value=text):
            return _string_literal(text)
        case BytesLiteral(value=octets):
            return "b'" + "".join(f"\\x{octet:02x}" for octet in octets) + "'"
        case ListLiteral(items=items):
            return f"[{_unparse_all(items)}]"
        case MapLiteral(entries=entries):
            # A colon right after a path literal would belong to the path.
            pairs = (f"{unparse(key)} : {unparse(value)}" for key, value in entries)
            return "{" + ", ".join(pairs) + "}"
        case PathLiteral(segments=segments):
            return "".join(map(_unparse_segment, segments))
        case Variable(name=name):
            return name
        case Member(receiver=receiver, name=name):
            return f"{_receiver(receiver)}.{name}"
        case Index(receiver=receiver, index=index):
            return f"{_receiver(receiver)}[{unparse(index)}]"
        case Slice(receiver=receiver, start=start, end=end):
            return f"{_receiver(receiver)}[{unparse(start)} : {unparse(end)}]"
        case Call(name=name, arguments=arguments):
            return f"{name}({_unparse_all(arguments)})"
        case MethodCall(receiver=receiver, name=name, arguments=arguments):
            return f"{_receiver(receiver)}.{name}({_unparse_all(arguments)})"
        case _:
            raise TypeError(f"{type(node).__name__} is no postfix expression")


def _receiver(node: Expression) -> str:
    # `/a.b` would be one path segment, and `1.x` reads badly.
    if isinstance(node, (PathLiteral, IntLiteral, FloatLiteral)):
        return f"({unparse(node)})"
    return _unparse_expression(node, _POSTFIX_LEVEL)


def _unparse_all(items: tuple[Expression, ...]) -> str:
    return ", ".join(map(unparse, items))


def _float_literal(value: float) -> str:
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}"


def _string_literal(text: str) -> str:
    # JSON escapes are rules escapes, except that rules want the quotes of our choice and no `\/`.
    return json.dumps(text)
