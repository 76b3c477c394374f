"""Mutation operators for the expressions of rules: conditions, bodies of functions, lets.

Each operator is a fault that people make in rules, or a check that they forget. Which statements
and functions there are to mutate is known in `mutate_statements.py`; what a proposal becomes in
`mutants.py`.

An error counts as a third truth value between false and true: `&&` is then the smaller of two, `||`
the larger, `!` turns the order around, and only true allows. So the direction of a change of one
term is the direction of the whole condition, unless an odd number of `!` stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.review.never import Situation, is_redundant
from harness.review.proposals import Proposal, RulesText, TextEdit
from harness.rules import nodes
from harness.rules.scope import FunctionSymbol, Scope
from harness.source import Span

_LOGICAL = ("&&", "||")
_BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_REVERSED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"}
_NEIGHBOUR_TYPE = {
    "int": ("number", 1),
    "float": ("number", 1),
    "number": ("int", -1),
    "bool": ("string", 0),
}
_SET_TESTS = ("hasOnly", "hasAll", "hasAny")
_CHANGED_KEYS = ("affectedKeys", "changedKeys", "addedKeys", "removedKeys", "unchangedKeys")
_AFTER = {"get": "getAfter", "getAfter": "get", "exists": "existsAfter", "existsAfter": "exists"}
_BOOLEAN_METHODS = frozenset({"hasOnly", "hasAll", "hasAny", "matches"})
_BOOLEAN_FUNCTIONS = frozenset({"exists", "existsAfter"})
_POSTFIX = 9  # binds more tightly than every operator, as in `nodes.unparse`
_UNARY = 8

# How a list is used -> the direction of leaving one of its items out.
_LIST_USES = {"in": -1, "hasOnly": -1, "hasAny": -1, "hasAll": 1}


@dataclass(frozen=True, slots=True)
class ListUse:
    """What a list decides: an operator of `_LIST_USES`, and the direction of that place."""

    operator: str
    direction: int


@dataclass(frozen=True, slots=True)
class Code:
    """A condition, a let's value or a function's body.

    Args:
        expression: The code.
        within: The statement that it is in, whose parentheses around the code belong to the code.
        scope: What it sees.
        direction: 1 if only turning it towards true can allow more, -1 if towards false, else 0.
        is_condition: Whether it is there for being true or false.
        in_write: Whether a request that commits something can evaluate it.
        shadowed: Names of its parameters and lets.
        service: The only service whose requests come here; None if both may.
        lists: The lists of strings that are written in the same block of the ruleset.
    """

    expression: nodes.Expression
    within: Span
    scope: Scope
    direction: int
    is_condition: bool
    in_write: bool
    shadowed: frozenset[str]
    service: str | None = None
    lists: Sequence[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an expression stands.

    Args:
        within: Its parent, if parentheses between the two are the expression's own.
        level: How tightly it must bind there, when it has no parentheses.
        direction: As in `Code`.
        is_condition: As in `Code`.
        use: What it decides, if it is a list.
    """

    within: Span | None
    level: int
    direction: int
    is_condition: bool
    use: ListUse | None = None


def parameter_uses(symbol: FunctionSymbol) -> dict[str, ListUse]:
    """Return for each parameter of a function that is looked up as a list: how, if in one way."""
    found: dict[str, ListUse | None] = {}
    parameters = symbol.declaration.parameters

    def visit(node: nodes.Expression, direction: int) -> None:
        listed, use = None, None
        if isinstance(node, nodes.MethodCall) and node.name in _SET_TESTS and node.arguments:
            listed, use = node.arguments[0], ListUse(node.name, direction)
        elif isinstance(node, nodes.Binary) and node.operator == "in":
            listed, use = node.right, ListUse("in", direction)
        if isinstance(listed, nodes.Variable) and listed.name in parameters:
            found[listed.name] = use if found.get(listed.name, use) == use else None
        for child in nodes.children(node):
            visit(child, direction * child_direction(node, child))

    visit(symbol.declaration.body, 1)
    return {name: use for name, use in found.items() if use is not None}


def child_direction(node: nodes.Expression, child: nodes.Expression) -> int:
    """Return 1 if a node follows a child towards true, -1 if it goes the other way, else 0."""
    match node:
        case nodes.Binary(operator="&&" | "||"):
            return 1
        case nodes.Unary(operator="!"):
            return -1
        case nodes.Conditional(condition=condition) if child is not condition:
            return 1
        case _:
            return 0


def is_boolean(node: nodes.Expression, scope: Scope) -> bool:
    """Say whether an expression is plainly one that is true or false."""
    match node:
        case nodes.Binary(operator=operator):
            return operator not in _ARITHMETIC
        case nodes.Unary(operator=operator):
            return operator == "!"
        case nodes.TypeTest() | nodes.BoolLiteral():
            return True
        case nodes.MethodCall(receiver=nodes.Variable(name="firestore"), name=name):
            return name in _BOOLEAN_FUNCTIONS
        case nodes.MethodCall(name=name):
            return name in _BOOLEAN_METHODS
        case nodes.Conditional(when_true=when_true, when_false=when_false):
            return is_boolean(when_true, scope) and is_boolean(when_false, scope)
        case nodes.Call(name=name):
            symbol = scope.find_function(name)
            if symbol is None:
                return name in _BOOLEAN_FUNCTIONS
            # A recursive ruleset does not load, so this ends.
            return is_boolean(symbol.declaration.body, symbol.scope)
        case _:
            return False


def string_lists(node: nodes.Expression) -> Iterator[tuple[str, ...]]:
    """Yield the lists of strings in an expression."""
    if isinstance(node, nodes.ListLiteral):
        texts = tuple(item.value for item in node.items if isinstance(item, nodes.StringLiteral))
        if texts and len(texts) == len(node.items):
            yield texts
    for child in nodes.children(node):
        yield from string_lists(child)


class ExpressionMutator:
    """Proposes mutants of expressions.

    Args:
        text: The ruleset's text.
        uses: For each function, how its parameters are used as lists.
    """

    def __init__(
        self, text: RulesText, uses: Mapping[FunctionSymbol, Mapping[str, ListUse]]
    ) -> None:
        self._text = text
        self._uses = uses
        # Spans of terms that it changes nothing to leave out.
        self._redundant: set[Span] = set()

    def proposals(self, code: Code) -> Iterator[Proposal]:
        """Yield all mutants of a piece of code, in the order of the text as far as it goes."""
        place = _Place(code.within, 0, code.direction, code.is_condition)
        if code.is_condition:
            yield from self._constant(code, place)
        self._redundant = set(_redundant_terms(code.expression, code, code.direction))
        yield from self._visit(code.expression, place, code)

    def _constant(self, code: Code, place: _Place) -> Iterator[Proposal]:
        if isinstance(code.expression, nodes.BoolLiteral):
            return  # to be flipped, which is the same
        for value, direction in (("true", 1), ("false", -1)):
            # Parentheses around it would be noise in the diff.
            span = self._text.with_parentheses(code.expression.span, code.within)
            yield Proposal(
                f"condition to {value}",
                span.start,
                (TextEdit(span.start, span.end, value),),
                f"{self._text.shown(code.expression.span)} to `{value}`",
                direction * place.direction,
            )

    # --- the tree -----------------------------------------------------------------------------

    def _visit(self, node: nodes.Expression, place: _Place, code: Code) -> Iterator[Proposal]:
        yield from self._of_node(node, place, code)
        for child, below in self._children(node, place, code):
            yield from self._visit(child, below, code)

    def _children(
        self, node: nodes.Expression, place: _Place, code: Code
    ) -> Iterator[tuple[nodes.Expression, _Place]]:
        """Yield what is below a node and is mutated by itself."""
        span = node.span
        plain = _Place(None, 0, 0, False)
        match node:
            case nodes.Binary(operator=operator, left=left, right=right):
                own = nodes.PRECEDENCE[operator]
                logical = operator in _LOGICAL
                direction = place.direction if logical else 0
                below = _Place(span, own, direction, logical)
                use = ListUse("in", place.direction) if operator == "in" else None
                # The bound of an ordering has an operator of its own.
                if not (operator in _BOUNDARY and _is_number(left)):
                    yield left, below
                if not (operator in _BOUNDARY and _is_number(right)):
                    yield right, replace(below, level=own + 1, use=use)
            case nodes.Unary(operator="!", operand=operand):
                yield operand, _Place(span, _UNARY, -place.direction, True)
            case nodes.Unary(operand=operand):
                yield operand, _Place(span, _UNARY, 0, False)
            case nodes.TypeTest(operand=operand):
                yield operand, _Place(span, nodes.PRECEDENCE["is"], 0, False)
            case nodes.Conditional(condition=condition, when_true=one, when_false=other):
                yield condition, _Place(span, nodes.PRECEDENCE["||"], 0, True)
                branch = _Place(span, 0, place.direction, place.is_condition)
                yield one, branch
                yield other, branch
            case nodes.Member(receiver=receiver):
                if not (self._is_request_resource(node, code) or self._is_uid(node, code)):
                    yield receiver, _Place(span, _POSTFIX, 0, False)
            case nodes.Index(receiver=receiver, index=index):
                yield receiver, _Place(span, _POSTFIX, 0, False)
                yield index, plain
            case nodes.Slice(receiver=receiver, start=start, end=end):
                yield receiver, _Place(span, _POSTFIX, 0, False)
                yield start, plain
                yield end, plain
            case nodes.MethodCall(receiver=receiver, name=name, arguments=arguments):
                yield receiver, _Place(span, _POSTFIX, 0, False)
                if (
                    name == "matches"
                    and arguments
                    and isinstance(arguments[0], nodes.StringLiteral)
                ):
                    return  # the pattern has an operator of its own
                use = ListUse(name, place.direction) if name in _SET_TESTS else None
                for argument in arguments:
                    yield argument, replace(plain, use=use)
            case nodes.Call(name=name, arguments=arguments):
                for argument, use in zip(
                    arguments, self._argument_uses(node, place, code), strict=True
                ):
                    yield argument, replace(plain, use=use)
            case nodes.ListLiteral(items=items) if all(map(_is_constant, items)):
                return  # items are left out and added, which is more than to change one
            case nodes.MapLiteral(entries=entries):
                for _, value in entries:
                    yield value, plain
            case _:
                for child in nodes.children(node):
                    yield child, plain

    def _argument_uses(
        self, node: nodes.Call, place: _Place, code: Code
    ) -> Sequence[ListUse | None]:
        symbol = code.scope.find_function(node.name)
        if symbol is None or len(symbol.declaration.parameters) != len(node.arguments):
            return [None] * len(node.arguments)
        uses = self._uses.get(symbol, {})
        found = (uses.get(name) for name in symbol.declaration.parameters)
        return [use and replace(use, direction=use.direction * place.direction) for use in found]

    # --- one node -----------------------------------------------------------------------------

    def _of_node(self, node: nodes.Expression, place: _Place, code: Code) -> Iterator[Proposal]:
        match node:
            case nodes.Binary(operator="&&" | "||"):
                yield from self._logical(node, place)
            case nodes.Binary():
                yield from self._binary(node, place)
            case nodes.Unary(operator=operator):
                yield Proposal(
                    "drop negation" if operator == "!" else "drop minus",
                    node.span.start,
                    (TextEdit(node.span.start, node.span.start + 1, ""),),
                    f"{self._text.shown(node.span)} to its operand",
                )
            case nodes.TypeTest(type_name=name, name_span=span):
                new, direction = _NEIGHBOUR_TYPE.get(name, ("bool", 0))
                yield self._swap("type", span, new, direction * place.direction)
            case nodes.Conditional(when_true=one, when_false=other):
                for branch, word in ((one, "first"), (other, "second")):
                    text = self._text.of(self._text.with_parentheses(branch.span, node.span))
                    yield self._replaced(
                        node,
                        place,
                        "drop choice",
                        text,
                        0,
                        f"{self._text.shown(node.span)} to its {word} branch",
                    )
            case nodes.Call(name=name, span=span):
                if code.in_write and name in _AFTER and code.scope.find_function(name) is None:
                    yield self._swap(
                        "state", Span(span.start, span.start + len(name)), _AFTER[name]
                    )
            case nodes.MethodCall():
                yield from self._method_call(node, place)
            case nodes.Member() if self._is_uid(node, code):
                yield self._swap("caller", node.span, "'nobody'")
            case nodes.Member() if self._is_request_resource(node, code):
                yield self._swap("resource", node.span, "resource")
            case nodes.Variable(name="resource") if _is_global("resource", code):
                yield self._swap("resource", node.span, "request.resource")
            case nodes.PathLiteral(segments=segments):
                yield from self._path(segments)
            case _:
                yield from self._literal(node, place, code)
        if place.is_condition and self._is_leaf(node):
            yield self._negated(node, place)

    def _logical(self, node: nodes.Binary, place: _Place) -> Iterator[Proposal]:
        """Leave out a term of a chain; turn `&&` into `||` and back."""
        conjunction = node.operator == "&&"
        direction = (1 if conjunction else -1) * place.direction
        left = self._text.with_parentheses(node.left.span, node.span)
        right = self._text.with_parentheses(node.right.span, node.span)
        name = "drop conjunct" if conjunction else "drop disjunct"
        # A chain is nested; each of its terms is left out where it hangs.
        if not _is_chain(node.left, node.operator) and node.left.span not in self._redundant:
            edit = TextEdit(left.start, right.start, "")
            shown = f"leave out {self._text.shown(node.left.span)}"
            yield Proposal(name, left.start, (edit,), shown, direction)
        if not _is_chain(node.right, node.operator) and node.right.span not in self._redundant:
            edit = TextEdit(left.end, right.end, "")
            shown = f"leave out {self._text.shown(node.right.span)}"
            yield Proposal(name, right.start, (edit,), shown, direction)
        sign = self._operator(left.end, right.start, node.operator)
        new = "||" if conjunction else "&&"
        own = nodes.PRECEDENCE[new]
        edits = [TextEdit(sign.start, sign.end, new)]
        for child, span, level in ((node.left, left, own), (node.right, right, own + 1)):
            if span == child.span and _level(child) < level:
                edits += [TextEdit(span.start, span.start, "("), TextEdit(span.end, span.end, ")")]
        if own < place.level and not self._has_parentheses(node, place):
            edits += [
                TextEdit(node.span.start, node.span.start, "("),
                TextEdit(node.span.end, node.span.end, ")"),
            ]
        yield Proposal(
            "and to or" if conjunction else "or to and",
            sign.start,
            tuple(edits),
            f"`{node.operator}` to `{new}` before {self._text.shown(node.right.span)}",
            direction,
        )

    def _binary(self, node: nodes.Binary, place: _Place) -> Iterator[Proposal]:
        left = self._text.with_parentheses(node.left.span, node.span)
        right = self._text.with_parentheses(node.right.span, node.span)
        sign = self._operator(left.end, right.start, node.operator)
        operator = node.operator
        if operator in ("==", "!="):
            yield self._sign(node, sign, "equality", "!=" if operator == "==" else "==")
        elif operator in _BOUNDARY:
            wider = 1 if operator in ("<", ">") else -1
            new = _BOUNDARY[operator]
            yield self._sign(node, sign, "boundary", new, wider * place.direction)
            yield self._sign(node, sign, "ordering", _REVERSED[operator])
            yield from self._bounds(node, place)
        elif operator in _ARITHMETIC:
            new = _ARITHMETIC[operator]
            # Without a blank behind it, a slash begins a path.
            padded = f" {new} " if new == "/" else new
            yield self._sign(node, sign, "arithmetic", padded)

    def _bounds(self, node: nodes.Binary, place: _Place) -> Iterator[Proposal]:
        """Move a constant bound by one, away from where the boundary's operator moves it."""
        for bound, is_right in ((node.left, False), (node.right, True)):
            if not isinstance(bound, (nodes.IntLiteral, nodes.FloatLiteral)):
                continue
            below = node.operator in ("<", "<=")
            wider = node.operator in ("<=", ">=")
            step = 1 if (below == is_right) == wider else -1
            new = _moved(bound, step)
            direction = (1 if wider else -1) * place.direction
            yield self._swap("bound", bound.span, new, direction)

    def _method_call(self, node: nodes.MethodCall, place: _Place) -> Iterator[Proposal]:
        name, span = node.name, node.name_span
        if name in _SET_TESTS:
            for other in _SET_TESTS:
                if other != name:
                    direction = self._of_set_tests(node, name, other) * place.direction
                    yield self._swap("set test", span, other, direction)
        elif name in _CHANGED_KEYS:
            yield self._swap(
                "changed keys", span, "changedKeys" if name == "affectedKeys" else "affectedKeys"
            )
        elif name == "matches" and node.arguments:
            pattern = node.arguments[0]
            if isinstance(pattern, nodes.StringLiteral):
                yield self._swap("pattern", pattern.span, "'.*'")

    def _of_set_tests(self, node: nodes.MethodCall, name: str, other: str) -> int:
        """Return the direction of another test on the same list. An empty one is special."""
        listed = node.arguments[0] if node.arguments else None
        if not isinstance(listed, nodes.ListLiteral) or not listed.items:
            return 0
        return {("hasAll", "hasAny"): 1, ("hasAny", "hasAll"): -1}.get((name, other), 0)

    def _path(
        self,
        segments: Sequence[
            nodes.LiteralSegment
            | nodes.WildcardSegment
            | nodes.RecursiveWildcard
            | nodes.InterpolatedSegment
        ],
    ) -> Iterator[Proposal]:
        """Look into another collection: change a path's last literal segment."""
        literals = [each for each in segments if isinstance(each, nodes.LiteralSegment)]
        if literals:
            last = literals[-1]
            yield self._swap("path", last.span, f"/other_{last.text.strip('()')}")

    def _literal(self, node: nodes.Expression, place: _Place, code: Code) -> Iterator[Proposal]:
        match node:
            case nodes.BoolLiteral(value=value):
                direction = (-1 if value else 1) * place.direction if place.is_condition else 0
                yield self._swap("literal", node.span, "false" if value else "true", direction)
            case nodes.IntLiteral() | nodes.FloatLiteral():
                new = _moved(node, 1)
                yield self._swap("literal", node.span, new)
            case nodes.StringLiteral():
                quote = self._text.text[node.span.start]
                body = self._text.of(node.span)[1:]
                yield self._swap("literal", node.span, f"{quote}not {body}")
            case nodes.ListLiteral():
                yield from self._list(node, place, code)
            case nodes.MapLiteral(entries=entries):
                parts = [Span(key.span.start, value.span.end) for key, value in entries]
                for index in range(len(parts)):
                    yield self._without("drop entry", node, parts, index, 0)
            case _:
                return

    def _list(self, node: nodes.ListLiteral, place: _Place, code: Code) -> Iterator[Proposal]:
        """Leave out an item; add one of a similar list of the same block."""
        use = place.use
        direction = 0 if use is None else _LIST_USES[use.operator] * use.direction
        spans = [item.span for item in node.items]
        for index in range(len(spans)):
            yield self._without("drop item", node, spans, index, direction)
        own = next((texts for texts in string_lists(node)), ())
        if use is None or not own:
            return
        others = dict.fromkeys(
            text
            for texts in code.lists
            if not set(own).isdisjoint(texts)
            for text in texts
            if text not in own
        )
        end = spans[-1].end
        for text in others:
            yield Proposal(
                "add item",
                node.span.start,
                (TextEdit(end, end, f", {_quoted(text)}"),),
                f"add {_quoted(text)} to {self._text.shown(node.span)}",
                -direction,
            )

    # --- edits --------------------------------------------------------------------------------

    def _without(
        self,
        operator: str,
        node: nodes.Expression,
        parts: Sequence[Span],
        index: int,
        direction: int,
    ) -> Proposal:
        """Leave out one of the parts between brackets, with a comma."""
        if len(parts) == 1:
            inner = Span(node.span.start + 1, node.span.end - 1)
            start, end = inner.start, inner.end
        elif index + 1 < len(parts):
            start, end = parts[index].start, parts[index + 1].start
        else:
            start, end = parts[index - 1].end, parts[index].end
        return Proposal(
            operator,
            parts[index].start,
            (TextEdit(start, end, ""),),
            f"leave {self._text.shown(parts[index])} out of {self._text.shown(node.span)}",
            direction,
        )

    def _swap(self, operator: str, span: Span, new: str, direction: int = 0) -> Proposal:
        return Proposal(
            operator,
            span.start,
            (TextEdit(span.start, span.end, new),),
            f"{self._text.shown(span)} to `{new}`",
            direction,
        )

    def _sign(
        self, node: nodes.Binary, sign: Span, operator: str, new: str, direction: int = 0
    ) -> Proposal:
        return Proposal(
            operator,
            sign.start,
            (TextEdit(sign.start, sign.end, new),),
            f"`{node.operator}` to `{new.strip()}` in {self._text.shown(node.span)}",
            direction,
        )

    def _negated(self, node: nodes.Expression, place: _Place) -> Proposal:
        span = self._text.with_parentheses(node.span, place.within or node.span)
        wraps = span == node.span and _level(node) < _UNARY
        edits = [TextEdit(span.start, span.start, "!(" if wraps else "!")]
        if wraps:
            edits.append(TextEdit(span.end, span.end, ")"))
        return Proposal("negate", span.start, tuple(edits), f"negate {self._text.shown(node.span)}")

    def _replaced(
        self,
        node: nodes.Expression,
        place: _Place,
        operator: str,
        new: str,
        direction: int,
        description: str,
    ) -> Proposal:
        """Put another expression, of unknown binding, in a node's place."""
        if place.level and not self._has_parentheses(node, place):
            new = f"({new})"
        edit = TextEdit(node.span.start, node.span.end, new)
        return Proposal(operator, node.span.start, (edit,), description, direction)

    def _operator(self, start: int, end: int, text: str) -> Span:
        token = next(token for token in self._text.between(start, end) if token.text == text)
        return Span(token.start, token.end)

    # --- questions ----------------------------------------------------------------------------

    def _has_parentheses(self, node: nodes.Expression, place: _Place) -> bool:
        if place.within is None:
            return True  # it stands between brackets or commas of its parent
        return self._text.with_parentheses(node.span, place.within) != node.span

    def _is_leaf(self, node: nodes.Expression) -> bool:
        """Say whether nothing else turns this term around."""
        match node:
            case nodes.Binary(operator=operator):
                return operator == "in"
            case nodes.Unary() | nodes.BoolLiteral() | nodes.Conditional():
                return False
            case _:
                return True

    def _is_uid(self, node: nodes.Member, code: Code) -> bool:
        """`request.auth.uid`."""
        auth = node.receiver
        return (
            node.name == "uid"
            and isinstance(auth, nodes.Member)
            and auth.name == "auth"
            and _is_request(auth.receiver, code)
        )

    def _is_request_resource(self, node: nodes.Member, code: Code) -> bool:
        return node.name == "resource" and _is_request(node.receiver, code)


def _is_request(node: nodes.Expression, code: Code) -> bool:
    return (
        isinstance(node, nodes.Variable) and node.name == "request" and _is_global("request", code)
    )


def _is_global(name: str, code: Code) -> bool:
    return name not in code.shadowed and code.scope.find_capture(name) is None


def _is_chain(node: nodes.Expression, operator: str) -> bool:
    return isinstance(node, nodes.Binary) and node.operator == operator


def _redundant_terms(node: nodes.Expression, code: Code, direction: int) -> Iterator[Span]:
    """Yield the conjuncts without which a condition allows the same."""
    if _is_chain(node, "&&"):
        terms = list(_terms(node))
        situation = Situation(code.scope, code.shadowed, code.service)
        for term in terms if direction > 0 else ():
            if is_redundant(term, [other for other in terms if other is not term], situation):
                yield term.span
        below = [(term, direction) for term in terms]
    else:
        below = [(each, direction * child_direction(node, each)) for each in nodes.children(node)]
    for child, of_child in below:
        yield from _redundant_terms(child, code, of_child)


def _terms(node: nodes.Expression) -> Iterator[nodes.Expression]:
    if isinstance(node, nodes.Binary) and node.operator == "&&":
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def _is_number(node: nodes.Expression) -> bool:
    return isinstance(node, (nodes.IntLiteral, nodes.FloatLiteral))


def _is_constant(node: nodes.Expression) -> bool:
    return isinstance(
        node, (nodes.StringLiteral, nodes.IntLiteral, nodes.FloatLiteral, nodes.NullLiteral)
    )


def _moved(literal: nodes.IntLiteral | nodes.FloatLiteral, step: int) -> str:
    if isinstance(literal, nodes.IntLiteral):
        return str(literal.value + step)
    return nodes.unparse(nodes.FloatLiteral(literal.value + step))


def _level(node: nodes.Expression) -> int:
    """Return how tightly an expression binds."""
    match node:
        case nodes.Binary(operator=operator):
            return nodes.PRECEDENCE[operator]
        case nodes.TypeTest():
            return nodes.PRECEDENCE["is"]
        case nodes.Conditional():
            return 0
        case nodes.Unary():
            return _UNARY
        case _:
            return _POSTFIX


def _quoted(text: str) -> str:
    quoted = nodes.unparse(nodes.StringLiteral(text))
    # Single quotes are what rules are written with.
    return f"'{text}'" if quoted == f'"{text}"' and "'" not in text else quoted
