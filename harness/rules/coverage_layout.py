"""Which expressions a coverage report has, and where it says they stand. From the text alone.

The report has one tree for each allow condition and one for each function's body, in the order of
the text. A function is counted where it is declared, whoever calls it. What has no node: literals,
and with them conditions and bodies that are nothing else (`if true`). A function with `let` has a
node of its own around its values and its body.

Source: observed: emulator 1.22.0, `:ruleCoverage` before any request, of rulesets with each kind
of expression but conditionals. Positions: the start includes opening parentheses; the end is that
of the last operand, so closing brackets are left out, and a call without arguments ends with its
name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.rules import nodes, stdlib
from harness.rules.scope import FunctionSymbol, ResolvedRuleset, Scope
from harness.source import SourceText, Span

LITERALS = (
    nodes.NullLiteral,
    nodes.BoolLiteral,
    nodes.IntLiteral,
    nodes.FloatLiteral,
    nodes.StringLiteral,
    nodes.BytesLiteral,
)
_BOOLEAN_OPERATORS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "&&", "||", "!"})


@dataclass(frozen=True, slots=True)
class CoverageNode:
    """One expression of the report.

    Args:
        span: The expression as it was read; what it gave is counted under this.
        reported: Where the report says that it stands.
        blamed: Where it says that an error of this arose: of `a.b.c` at `a`.
        children: Its parts that have nodes.
        is_optional: The expression around it may do without it: the right of `&&` and `||`, the
            branches of a conditional.
        is_boolean: It compares, or stands where only true or false will do.
        is_function: It stands for a function with `let`, and is no expression by itself.
    """

    span: Span
    reported: Span
    blamed: Span
    children: tuple[CoverageNode, ...]
    is_optional: bool
    is_boolean: bool
    is_function: bool = False

    def walk(self) -> Iterator[CoverageNode]:
        """Yield the node and all below it, each before its parts."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class CoverageRoot:
    """An allow statement or a function.

    Args:
        span: The statement.
        title: `allow read, write`, or `function isOwner`.
        place: The patterns of the match blocks around an allow, in full; a function's name.
        is_function: Which of the two it is.
        counted: Where its evaluations are counted: the condition or body, or the whole of an allow
            statement that has no condition.
        node: None when there is nothing to evaluate but a literal.
    """

    span: Span
    title: str
    place: str
    is_function: bool
    counted: Span
    node: CoverageNode | None

    def expressions(self) -> Iterator[CoverageNode]:
        """Yield the expressions, each before its parts."""
        if self.node is not None:
            yield from (node for node in self.node.walk() if not node.is_function)


@dataclass(frozen=True, slots=True)
class CoverageLayout:
    """All that a report of one ruleset has, in the order of the text."""

    roots: tuple[CoverageRoot, ...]

    def expressions(self) -> Iterator[CoverageNode]:
        """Yield all expressions: these are what a percentage is of."""
        for root in self.roots:
            yield from root.expressions()

    def literal_spans(self) -> frozenset[Span]:
        """Return where there is only a literal whose evaluations count nevertheless."""
        return frozenset(
            root.counted for root in self.roots if root.node is None or root.node.is_function
        )


def coverage_layout(source: SourceText, resolved: ResolvedRuleset) -> CoverageLayout:
    """Lay out the report of a ruleset."""
    builder = _Builder(source.text, _deciding_functions(resolved))
    roots = [builder.function(symbol) for symbol in resolved.functions]
    for rules in resolved.rules.values():
        for rule in rules:
            condition = rule.statement.condition
            node = None
            if condition is not None:
                node = builder.node(condition, rule.scope, 0, is_boolean=True)
            roots.append(
                CoverageRoot(
                    rule.statement.span,
                    f"allow {', '.join(rule.statement.methods)}",
                    "".join(_segment_text(segment) for segment in rule.pattern),
                    False,
                    rule.statement.span if condition is None else condition.span,
                    node,
                )
            )
    return CoverageLayout(tuple(sorted(roots, key=lambda root: root.span)))


class _Builder:
    def __init__(self, text: str, deciding: frozenset[FunctionSymbol]) -> None:
        self._text = text
        self._deciding = deciding

    def function(self, symbol: FunctionSymbol) -> CoverageRoot:
        declaration, scope = symbol.declaration, symbol.scope
        is_boolean = symbol in self._deciding
        body = self.node(declaration.body, scope, 0, is_boolean=is_boolean)
        node = body
        if declaration.lets:
            values = [self.node(let.value, scope, 0) for let in declaration.lets]
            children = tuple(part for part in (*values, body) if part is not None)
            start = declaration.lets[0].span.start
            reported = Span(start, _reported_end(declaration.body))
            node = CoverageNode(
                declaration.body.span,
                reported,
                reported,
                children,
                is_optional=False,
                is_boolean=False,
                is_function=True,
            )
        return CoverageRoot(
            declaration.span,
            f"function {declaration.name}",
            declaration.name,
            True,
            declaration.body.span,
            node,
        )

    def node(
        self,
        node: nodes.Expression,
        scope: Scope,
        floor: int,
        *,
        is_boolean: bool = False,
        is_optional: bool = False,
    ) -> CoverageNode | None:
        """Lay out an expression; None for a literal.

        Args:
            floor: Where it can begin at the earliest; a parenthesis before that is another's.
        """
        if isinstance(node, LITERALS):
            return None
        children = [
            self.node(
                child,
                scope,
                self._floor_of(node, child),
                is_boolean=index in _boolean_parts(node),
                is_optional=index in _optional_parts(node),
            )
            for index, child in enumerate(_parts(node))
        ]
        found = tuple(child for child in children if child is not None)
        reported = Span(self._with_parentheses(node.span.start, floor), _reported_end(node))
        is_chain = isinstance(node, nodes.Member) and found
        return CoverageNode(
            node.span,
            reported,
            found[0].blamed if is_chain else reported,
            found,
            is_optional,
            is_boolean or isinstance(node, nodes.TypeTest) or _operator(node) in _BOOLEAN_OPERATORS,
        )

    def _with_parentheses(self, start: int, floor: int) -> int:
        """Return where an expression begins, with the parentheses that open right before it."""
        at = start
        while at > floor:
            at -= 1
            if self._text[at] == "(":
                start = at
            elif not self._text[at].isspace():
                break
        return start

    def _floor_of(self, parent: nodes.Expression, child: nodes.Expression) -> int:
        """Return the end of what stands before a part and is not its own."""
        match parent:
            case nodes.Call(name=name):
                return self._text.index("(", parent.span.start + len(name)) + 1
            case nodes.MethodCall(name_span=name_span, receiver=receiver) if child is not receiver:
                return self._text.index("(", name_span.end) + 1
            case nodes.PathLiteral(segments=segments):
                for segment in segments:
                    if (
                        isinstance(segment, nodes.InterpolatedSegment)
                        and segment.expression is child
                    ):
                        return self._text.index("(", segment.span.start) + 1
        return parent.span.start


def _reported_end(node: nodes.Expression) -> int:
    """Return where the report says that an expression ends, exclusive."""
    match node:
        case nodes.ListLiteral(items=items):
            return _reported_end(items[-1]) if items else node.span.start + 1
        case nodes.MapLiteral(entries=entries):
            return _reported_end(entries[-1][1]) if entries else node.span.start + 1
        case nodes.Call(name=name, arguments=arguments):
            return _reported_end(arguments[-1]) if arguments else node.span.start + len(name)
        case nodes.MethodCall(arguments=arguments, name_span=name_span):
            return _reported_end(arguments[-1]) if arguments else name_span.end
        case nodes.Index(index=index):
            return _reported_end(index)
        case nodes.Slice(end=end):
            return _reported_end(end)
        case nodes.Unary(operand=operand):
            return _reported_end(operand)
        case nodes.Binary(right=right):
            return _reported_end(right)
        case nodes.Conditional(when_false=when_false):
            return _reported_end(when_false)
    return node.span.end


def _parts(node: nodes.Expression) -> Sequence[nodes.Expression]:
    if (
        isinstance(node, nodes.MethodCall)
        and isinstance(node.receiver, nodes.Variable)
        and node.receiver.name in stdlib.NAMESPACES
    ):
        # A namespace is no value; the check refuses variables of these names.
        return node.arguments
    return nodes.children(node)


def _boolean_parts(node: nodes.Expression) -> Sequence[int]:
    """Return which parts must be true or false."""
    match node:
        case nodes.Binary(operator="&&" | "||"):
            return (0, 1)
        case nodes.Unary(operator="!") | nodes.Conditional():
            return (0,)
    return ()


def _optional_parts(node: nodes.Expression) -> Sequence[int]:
    match node:
        case nodes.Binary(operator="&&" | "||"):
            return (1,)
        case nodes.Conditional():
            return (1, 2)
    return ()


def _operator(node: nodes.Expression) -> str | None:
    return node.operator if isinstance(node, (nodes.Binary, nodes.Unary)) else None


def _deciding_functions(resolved: ResolvedRuleset) -> frozenset[FunctionSymbol]:
    """Return the functions that are called where only true or false will do."""
    found: set[FunctionSymbol] = set()
    pending: list[tuple[nodes.Expression, Scope, bool]] = [
        (rule.statement.condition, rule.scope, True)
        for rules in resolved.rules.values()
        for rule in rules
        if rule.statement.condition is not None
    ]
    for symbol in resolved.functions:
        declaration = symbol.declaration
        pending += [(let.value, symbol.scope, False) for let in declaration.lets]
        pending.append((declaration.body, symbol.scope, False))
    while pending:
        node, scope, is_boolean = pending.pop()
        if isinstance(node, nodes.Call) and is_boolean:
            called = scope.find_function(node.name)
            if called is not None and called not in found:
                found.add(called)
                pending.append((called.declaration.body, called.scope, True))
        boolean_parts = _boolean_parts(node)
        pending += [
            (part, scope, index in boolean_parts) for index, part in enumerate(_parts(node))
        ]
    return frozenset(found)


def _segment_text(
    segment: nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard,
) -> str:
    match segment:
        case nodes.LiteralSegment(text=text):
            return f"/{text}"
        case nodes.WildcardSegment(name=name):
            return f"/{{{name}}}"
        case nodes.RecursiveWildcard(name=name):
            return f"/{{{name}=**}}"
