"""Which code sees which functions and captures, and which allow statements a service has with their
full patterns.

    file-level function      file-level functions, no captures
    service-level function   file and service
    in a match block         file, service and all enclosing matches (the innermost wins); their
    captures

Source: Security Rules guide, "Structure"; scopes as measured in production. Whether names exist is
checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.records import record
from harness.rules import nodes
from harness.rules.request import Method

PatternSegment: TypeAlias = nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard


@record()
class Capture:
    """Where a wildcard's value stands in a request's path.

    A recursive wildcard may stand for more or fewer segments than the one it takes in the pattern.
    The context's `shift` is that difference, and every capture behind a recursive wildcard moves by
    it.

    Args:
        index: Place in the full pattern.
        recursive: It is `{name=**}` and binds `path[index : index + 1 + shift]`.
        behind_recursive: It binds `path[index + shift]`, else `path[index]`.
    """

    index: int
    recursive: bool
    behind_recursive: bool


@record()
class Outline:
    """What is known of code without evaluating it.

    Args:
        callees: The declared functions that it calls itself, once for each call.
        size: How many nodes it has; lets and segments of paths count as such.
    """

    callees: tuple[FunctionSymbol, ...]
    size: int


@dataclass(eq=False, slots=True)
class FunctionSymbol:
    """A declared function and the scope that its body sees. Two are never equal."""

    declaration: nodes.FunctionDeclaration
    scope: Scope
    _outline: Outline | None = field(default=None, init=False, repr=False)

    @property
    def parts(self) -> Iterator[nodes.Expression]:
        """Yield the function's expressions: its body and the values of its lets."""
        yield self.declaration.body
        for let in self.declaration.lets:
            yield let.value

    @property
    def outline(self) -> Outline:
        """Return the outline of the function's code. Checking a ruleset sets it, else it is made
        when it is first asked for.
        """
        if self._outline is None:
            self._outline = _outline(self.parts, self.scope)
        return self._outline

    @outline.setter
    def outline(self, outline: Outline) -> None:
        self._outline = outline


@dataclass(eq=False, slots=True)
class Scope:
    """A file, a service or a match block."""

    parent: Scope | None
    functions: dict[str, FunctionSymbol] = field(default_factory=dict)
    captures: dict[str, Capture] = field(default_factory=dict)

    def find_function(self, name: str) -> FunctionSymbol | None:
        """Return the innermost function of that name that code here sees."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.functions:
                return scope.functions[name]
            scope = scope.parent
        return None

    def find_capture(self, name: str) -> Capture | None:
        """Return the innermost capture of that name that code here sees."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.captures:
                return scope.captures[name]
            scope = scope.parent
        return None

    def function_names(self) -> Iterator[str]:
        """Yield the names of all functions that code here sees."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.functions
            scope = scope.parent


@dataclass(eq=False, slots=True)
class AllowRule:
    """An allow statement with its place: the full pattern of its match block, and what it sees."""

    statement: nodes.AllowStatement
    pattern: tuple[PatternSegment, ...]
    scope: Scope
    granted: frozenset[Method]
    _outline: Outline | None = field(default=None, init=False, repr=False)
    _called: Sequence[FunctionSymbol] | None = field(default=None, init=False, repr=False)

    @property
    def called(self) -> Sequence[FunctionSymbol]:
        """Return all functions that the condition can call, as `with_callees` orders them."""
        if self._called is None:
            callees = self.outline.callees
            self._called = with_callees(callees) if callees else ()
        return self._called

    @property
    def outline(self) -> Outline:
        """Return the outline of the condition, which is set or made as a function's is."""
        if self._outline is None:
            condition = self.statement.condition
            self._outline = _outline(() if condition is None else (condition,), self.scope)
        return self._outline

    @outline.setter
    def outline(self, outline: Outline) -> None:
        self._outline = outline


@dataclass(eq=False, slots=True)
class MatchScope:
    """A match block with its full pattern."""

    block: nodes.MatchBlock
    pattern: tuple[PatternSegment, ...]
    scope: Scope


@dataclass(eq=False, slots=True)
class ResolvedRuleset:
    """A ruleset's names, ready for checks and compilation.

    Args:
        functions: All declared functions, in source order.
        matches: All match blocks by service, in source order.
        rules: All allow statements by service, in source order.
    """

    version: int
    functions: list[FunctionSymbol] = field(default_factory=list)
    matches: dict[str, list[MatchScope]] = field(default_factory=dict)
    rules: dict[str, list[AllowRule]] = field(default_factory=dict)


def called_functions(expression: nodes.Expression, scope: Scope) -> list[FunctionSymbol]:
    """Return all declared functions that an expression can call, as `with_callees` orders them."""
    return with_callees(_outline((expression,), scope).callees)


def with_callees(symbols: Iterable[FunctionSymbol]) -> list[FunctionSymbol]:
    """Return functions and all that they can call, each behind the ones that it calls itself.

    Whoever works through them in this order never has to follow a chain of calls by recursion:
    chains are long enough, and functions deep enough, to need more of Python's stack than there is.
    """
    done: dict[FunctionSymbol, None] = {}
    # A symbol comes twice: first to put its callees on top of it, then to be done.
    pending = [(symbol, False) for symbol in symbols]
    while pending:
        symbol, is_ready = pending.pop()
        if symbol in done:
            continue
        if is_ready:
            done[symbol] = None
            continue
        pending.append((symbol, True))
        pending.extend((callee, False) for callee in symbol.outline.callees)
    return list(done)


def _outline(expressions: Iterable[nodes.Expression], scope: Scope) -> Outline:
    callees: list[FunctionSymbol] = []
    pending = list(expressions)
    size = len(pending) - 1  # the lets
    while pending:
        node = pending.pop()
        size += 1
        if isinstance(node, nodes.Call):
            symbol = scope.find_function(node.name)
            if symbol is not None:
                callees.append(symbol)
        elif isinstance(node, nodes.PathLiteral):
            size += len(node.segments)
        pending.extend(nodes.children(node))
    return Outline(tuple(callees), size)


def resolve(ruleset: nodes.Ruleset) -> ResolvedRuleset:
    """Give every function and allow statement its scope."""
    resolved = ResolvedRuleset(2 if ruleset.version == "2" else 1)
    file_scope = Scope(None)
    for item in ruleset.body:
        if isinstance(item, nodes.FunctionDeclaration):
            _declare(item, file_scope, resolved)
    for item in ruleset.body:
        if isinstance(item, nodes.ServiceBlock):
            scope = Scope(file_scope)
            resolved.matches.setdefault(item.name, [])
            resolved.rules.setdefault(item.name, [])
            for inner in item.body:
                if isinstance(inner, nodes.FunctionDeclaration):
                    _declare(inner, scope, resolved)
            for inner in item.body:
                if isinstance(inner, nodes.MatchBlock):
                    _enter_match(inner, (), scope, item.name, resolved)
    return resolved


def _declare(
    declaration: nodes.FunctionDeclaration, scope: Scope, resolved: ResolvedRuleset
) -> None:
    symbol = FunctionSymbol(declaration, scope)
    # The first of two equal names wins; the check refuses the second.
    scope.functions.setdefault(declaration.name, symbol)
    resolved.functions.append(symbol)


def _enter_match(
    block: nodes.MatchBlock,
    prefix: tuple[PatternSegment, ...],
    parent: Scope,
    service: str,
    resolved: ResolvedRuleset,
) -> None:
    pattern = (*prefix, *block.pattern.segments)
    scope = Scope(parent)
    behind_recursive = any(isinstance(segment, nodes.RecursiveWildcard) for segment in prefix)
    for index, segment in enumerate(block.pattern.segments, len(prefix)):
        if isinstance(segment, nodes.RecursiveWildcard):
            scope.captures[segment.name] = Capture(index, recursive=True, behind_recursive=False)
            behind_recursive = True
        elif isinstance(segment, nodes.WildcardSegment):
            scope.captures[segment.name] = Capture(index, False, behind_recursive)
    resolved.matches[service].append(MatchScope(block, pattern, scope))
    for item in block.body:
        if isinstance(item, nodes.FunctionDeclaration):
            _declare(item, scope, resolved)
    for item in block.body:
        if isinstance(item, nodes.AllowStatement):
            resolved.rules[service].append(AllowRule(item, pattern, scope, item.granted))
        elif isinstance(item, nodes.MatchBlock):
            _enter_match(item, pattern, scope, service, resolved)
