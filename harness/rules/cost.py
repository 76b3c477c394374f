"""What evaluating an expression may cost of the request's budget of 1000.

The language has no loops and no recursion, so the most that a condition can cost is known when it
is loaded. A request whose candidate rules cannot exceed the budget together is evaluated without
counting; only the others use the metered compilation.

Source: production, measured through the Rules Test API by the public project davideast/pyric
(2026-09-27): every node costs 1, literals included, with the exceptions below. The requests that it
measured, and what they cost, are in tests/corpus/rule_costs/measured.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.rules import nodes, stdlib
from harness.rules.scope import (
    AllowRule,
    FunctionSymbol,
    Outline,
    Scope,
    called_functions,
)

TYPE_TEST = 2
RIGHT_OPERAND = 1  # of && and ||, when it is evaluated
CONDITIONAL = 2
FALSE_BRANCH = 2
NAMESPACE_CALL = 2
FIXED_SEGMENT = 1  # of a path; a segment `$(expression)` costs what its expression does
MOST_OF_ONE_NODE = CONDITIONAL + FALSE_BRANCH


def own_cost(node: nodes.Expression) -> int:
    """Return what a node costs itself when it is evaluated, without its sub-expressions and
    branches.
    """
    if type(node) is nodes.MethodCall:
        receiver = node.receiver
        is_namespace = type(receiver) is nodes.Variable and receiver.name in stdlib.NAMESPACES
        return NAMESPACE_CALL if is_namespace else 1
    if type(node) is nodes.PathLiteral:
        fixed = [each for each in node.segments if type(each) is not nodes.InterpolatedSegment]
        return 1 + FIXED_SEGMENT * len(fixed)
    if type(node) is nodes.TypeTest:
        return TYPE_TEST
    return CONDITIONAL if type(node) is nodes.Conditional else 1


class CostBook:
    """The most that expressions can cost, worked out once for each function."""

    def __init__(self) -> None:
        self._functions: dict[FunctionSymbol, int] = {}
        self._bounds: dict[FunctionSymbol, int] = {}

    def can_exceed(self, rules: Sequence[AllowRule], budget: int) -> bool:
        """Say whether evaluating the conditions of all these rules can cost more than a budget.

        Few can, and most of the others are so small that they need not be walked through.
        """
        if sum(map(self.bound, rules)) <= budget:
            return False
        return budget < sum(
            self.most(rule.statement.condition, rule.scope)
            for rule in rules
            if rule.statement.condition is not None
        )

    def bound(self, rule: AllowRule) -> int:
        """Return what evaluating a rule's condition cannot exceed, by its size alone."""
        for symbol in rule.called:
            if symbol not in self._bounds:
                self._bounds[symbol] = self._bound(symbol.outline)
        return self._bound(rule.outline)

    def _bound(self, outline: Outline) -> int:
        called = sum(map(self._bounds.__getitem__, outline.callees))
        return outline.size * MOST_OF_ONE_NODE + called

    def most(self, node: nodes.Expression, scope: Scope) -> int:
        """Return the most that evaluating an expression can cost."""
        for symbol in called_functions(node, scope):
            self._of_function(symbol)
        return self._most(node, scope)

    def _most(self, node: nodes.Expression, scope: Scope) -> int:
        # By class, and not by `match`: this is half of what a rule's first decision waits for.
        if type(node) is nodes.Member:
            return 1 + self._most(node.receiver, scope)
        if type(node) is nodes.Binary:
            most = 1 + self._most(node.left, scope) + self._most(node.right, scope)
            return most + RIGHT_OPERAND if node.operator in ("&&", "||") else most
        if type(node) is nodes.Conditional:
            when_false = FALSE_BRANCH + self._most(node.when_false, scope)
            branch = max(self._most(node.when_true, scope), when_false)
            return CONDITIONAL + self._most(node.condition, scope) + branch
        most = own_cost(node)
        for child in nodes.children(node):
            most += self._most(child, scope)
        if type(node) is nodes.Call:
            symbol = scope.find_function(node.name)
            if symbol is not None:
                most += self._of_function(symbol)
        return most

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
    return _mentions_resource(node) or any(
        _mentions_resource(part)
        for symbol in called_functions(node, scope)
        for part in symbol.parts
    )


def _mentions_resource(node: nodes.Expression) -> bool:
    if isinstance(node, nodes.Variable):
        return node.name == "resource"
    return any(map(_mentions_resource, nodes.children(node)))
