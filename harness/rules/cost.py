"""What evaluating an expression may cost of the request's budget of 1000.

The language has no loops and no recursion, so the most that a condition can cost is known when it
is loaded. A request whose candidate rules cannot exceed the budget together is evaluated without
counting; only the others use the metered compilation. Weights: every node 1, with the exceptions
below, which predict the cut-off measured in production; exact parity cannot be tested from outside.
"""

from __future__ import annotations

from harness.rules import nodes, stdlib
from harness.rules.scope import FunctionSymbol, Scope, called_functions

TYPE_TEST = 2
RIGHT_OPERAND = 1  # of && and ||, when it is evaluated
CONDITIONAL = 3
FALSE_BRANCH = 2
NAMESPACE_CALL = 2


def own_cost(node: nodes.Expression) -> int:
    """Return what a node costs itself when it is evaluated, without its sub-expressions and
    branches.
    """
    match node:
        case nodes.TypeTest():
            return TYPE_TEST
        case nodes.Conditional():
            return CONDITIONAL
        case nodes.PathLiteral(segments=segments):
            return 1 + len(segments)
        case nodes.MethodCall(receiver=nodes.Variable(name=name)) if name in stdlib.NAMESPACES:
            return NAMESPACE_CALL
        case _:
            return 1


class CostBook:
    """The most that expressions can cost, worked out once for each function."""

    def __init__(self) -> None:
        self._functions: dict[FunctionSymbol, int] = {}

    def most(self, node: nodes.Expression, scope: Scope) -> int:
        """Return the most that evaluating an expression can cost."""
        for symbol in called_functions(node, scope):
            self._of_function(symbol)
        return self._most(node, scope)

    def _most(self, node: nodes.Expression, scope: Scope) -> int:
        match node:
            case nodes.Conditional(condition=condition, when_true=when_true, when_false=when_false):
                branch = max(
                    self._most(when_true, scope), FALSE_BRANCH + self._most(when_false, scope)
                )
                return CONDITIONAL + self._most(condition, scope) + branch
            case nodes.Binary(operator="&&" | "||", left=left, right=right):
                return 1 + RIGHT_OPERAND + self._most(left, scope) + self._most(right, scope)
            case nodes.Call(name=name):
                symbol = scope.find_function(name)
                body = 0 if symbol is None else self._of_function(symbol)
            case _:
                body = 0
        return (
            own_cost(node) + body + sum(self._most(child, scope) for child in nodes.children(node))
        )

    def _of_function(self, symbol: FunctionSymbol) -> int:
        known = self._functions.get(symbol)
        if known is None:
            declaration = symbol.declaration
            known = self._most(declaration.body, symbol.scope) + sum(
                1 + self._most(let.value, symbol.scope) for let in declaration.lets
            )
            self._functions[symbol] = known
        return known


def reads_resource(node: nodes.Expression, scope: Scope) -> bool:
    """Say whether an expression, or a function that it calls, mentions `resource`."""
    if _mentions_resource(node):
        return True
    for symbol in called_functions(node, scope):
        declaration = symbol.declaration
        if any(
            map(_mentions_resource, (declaration.body, *(let.value for let in declaration.lets)))
        ):
            return True
    return False


def _mentions_resource(node: nodes.Expression) -> bool:
    if isinstance(node, nodes.Variable):
        return node.name == "resource"
    return any(map(_mentions_resource, nodes.children(node)))
