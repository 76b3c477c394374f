"""Proof that a condition cannot be true in some situation, whatever the data.

A change that only matters in such a situation makes no mutant: `allow create: if
request.resource.data.a == 1` grants no `get` when `get` is added to it, for `request.resource` has
no value then. Proofs are made of errors: what reads a member of nothing has no value. Where no
proof is found the answer is no, which costs a mutant that nothing can tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from harness.rules import nodes
from harness.rules.request import FIRESTORE, STORAGE, Method
from harness.rules.scope import FunctionSymbol, Scope

_READS = frozenset({Method.GET, Method.LIST})
_MOST_PARTS = 8  # of a guard


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a request while a piece of code runs.

    Args:
        scope: What the code sees.
        shadowed: Names of parameters and lets of the function that it is in.
        service: The only service whose requests come here; None if both may.
        method: The request's method; None: any.
        is_signed_out: Whether `request.auth` is null.
        missing: A document's path, as code of `missing_scope` names it, that does not exist.
    """

    scope: Scope
    shadowed: frozenset[str] = frozenset()
    service: str | None = None
    method: Method | None = None
    is_signed_out: bool = False
    missing: nodes.Expression | None = None
    missing_scope: Scope | None = None


def never_true(node: nodes.Expression, at: Situation) -> bool:
    """Say whether it is proven that an expression is false or an error."""
    match node:
        case nodes.BoolLiteral(value=value):
            return not value
        case nodes.Binary(operator="&&", left=left, right=right):
            return never_true(left, at) or never_true(right, at)
        case nodes.Binary(operator="||", left=left, right=right):
            return never_true(left, at) and never_true(right, at)
        case nodes.Binary() if at.is_signed_out and is_signed_in_test(node, at):
            return True
        case nodes.Conditional(condition=condition, when_true=one, when_false=other):
            return _fails(condition, at) or (never_true(one, at) and never_true(other, at))
        case nodes.Call(name=name) if (below := _inside(name, at)) is not None:
            return any(_fails(each, at) for each in node.arguments) or _never_true_in(*below)
        case _:
            return _fails(node, at)


def is_redundant(term: nodes.Expression, others: list[nodes.Expression], at: Situation) -> bool:
    """Say whether a conjunct decides nothing: whenever it is not true, one of the others is not
    either.

    Found out for `request.auth != null`, `exists(path)`, and functions without parameters that are
    conjunctions of those.
    """
    parts = list(islice(_conjuncts(term, at), _MOST_PARTS + 1))
    return 0 < len(parts) <= _MOST_PARTS and all(
        situation is not None and any(never_true(other, situation) for other in others)
        for situation in parts
    )


def is_signed_in_test(node: nodes.Expression, at: Situation) -> bool:
    """Say whether an expression is `request.auth != null`."""
    return (
        isinstance(node, nodes.Binary)
        and node.operator == "!="
        and any(
            isinstance(null, nodes.NullLiteral) and _is_request(auth, "auth", at)
            for auth, null in ((node.left, node.right), (node.right, node.left))
        )
    )


def _conjuncts(term: nodes.Expression, at: Situation) -> Iterator[Situation | None]:
    """Yield for each part of a guard the situation in which it is not true; None if unknown."""
    match term:
        case nodes.Binary(operator="&&", left=left, right=right):
            yield from _conjuncts(left, at)
            yield from _conjuncts(right, at)
        case nodes.Call(name=name, arguments=()) if (below := _inside(name, at)) is not None:
            symbol, there = below
            # What a part assumes is asked of code where the guard stands.
            for part in _conjuncts(symbol.declaration.body, there):
                yield part and replace(part, scope=at.scope, shadowed=at.shadowed)
        case nodes.Binary() if is_signed_in_test(term, at):
            yield replace(at, is_signed_out=True)
        case (
            nodes.Call(name="exists", arguments=(path,))
            | nodes.MethodCall(
                receiver=nodes.Variable(name="firestore"), name="exists", arguments=(path,)
            )
        ):
            yield replace(at, missing=path, missing_scope=at.scope)
        case _:
            yield None


def _fails(node: nodes.Expression, at: Situation) -> bool:
    """Say whether it is proven that an expression has no value."""
    match node:
        case nodes.Binary(operator="&&" | "||", left=left, right=right):
            return _fails(left, at) and _fails(right, at)
        case nodes.Conditional(condition=condition, when_true=one, when_false=other):
            return _fails(condition, at) or (_fails(one, at) and _fails(other, at))
        case nodes.Member(receiver=receiver) if _is_null(receiver, at):
            return True
        case nodes.Member() if _is_undefined(node, at):
            return True
        case nodes.MethodCall(receiver=receiver) if _is_null(receiver, at):
            return True
        case (
            nodes.Call(name="get", arguments=(path,))
            | nodes.MethodCall(
                receiver=nodes.Variable(name="firestore"), name="get", arguments=(path,)
            )
        ) if _is_missing(path, at):
            return True
        case nodes.Call(name=name) if (below := _inside(name, at)) is not None:
            return any(_fails(each, at) for each in node.arguments) or _fails_in(*below)
        case _:
            return any(_fails(child, at) for child in nodes.children(node))


# Functions call functions: without a memory, each of the many ways down to one would be walked.
@lru_cache(maxsize=4096)
def _never_true_in(symbol: FunctionSymbol, there: Situation) -> bool:
    return never_true(symbol.declaration.body, there)


@lru_cache(maxsize=4096)
def _fails_in(symbol: FunctionSymbol, there: Situation) -> bool:
    return _fails(symbol.declaration.body, there)


def _inside(name: str, at: Situation) -> tuple[FunctionSymbol, Situation] | None:
    """Return a declared function, and the situation in it."""
    symbol = at.scope.find_function(name)
    if symbol is None:
        return None
    declaration = symbol.declaration
    shadowed = frozenset((*declaration.parameters, *(let.name for let in declaration.lets)))
    return symbol, replace(at, scope=symbol.scope, shadowed=shadowed)


def _is_null(node: nodes.Expression, at: Situation) -> bool:
    if at.is_signed_out and _is_request(node, "auth", at):
        return True
    if at.service == STORAGE:
        return at.method in _READS and _is_request(node, "resource", at)
    if at.service is None:
        return False
    if isinstance(node, nodes.Variable) and node.name == "resource":
        return at.method is Method.CREATE and _is_global("resource", at)
    return at.method is Method.DELETE and _is_request(node, "resource", at)


def _is_undefined(node: nodes.Member, at: Situation) -> bool:
    """Say whether a request of this method has no such member."""
    if at.method is None or at.service != FIRESTORE:
        return False
    if at.method in _READS and _is_request(node, "resource", at):
        return True
    return at.method is not Method.LIST and _is_request(node, "query", at)


def _is_request(node: nodes.Expression, member: str, at: Situation) -> bool:
    return (
        isinstance(node, nodes.Member)
        and node.name == member
        and isinstance(node.receiver, nodes.Variable)
        and node.receiver.name == "request"
        and _is_global("request", at)
    )


def _is_global(name: str, at: Situation) -> bool:
    return name not in at.shadowed and at.scope.find_capture(name) is None


def _is_missing(path: nodes.Expression, at: Situation) -> bool:
    """Say whether a path is the missing document's: the same words, which mean the same here."""
    return (
        at.missing is not None
        and at.missing_scope is not None
        and path == at.missing
        and _means_the_same(path, at, at.missing_scope)
    )


def _means_the_same(node: nodes.Expression, at: Situation, other: Scope) -> bool:
    if isinstance(node, nodes.Variable):
        name = node.name
        return name not in at.shadowed and at.scope.find_capture(name) is other.find_capture(name)
    # With arguments that mean the same, the same function gives the same path.
    if isinstance(node, nodes.Call) and (
        at.scope.find_function(node.name) is not other.find_function(node.name)
    ):
        return False
    return all(_means_the_same(child, at, other) for child in nodes.children(node))
