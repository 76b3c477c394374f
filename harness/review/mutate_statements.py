"""Mutation operators for what holds expressions: versions, match patterns, methods, allow
statements, functions; and which code there is to mutate, with what depends on it.

A function is mutated once, at its declaration, not once for each caller. What no allow statement
reaches is not mutated: it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from harness.review.mutate_expressions import (
    Code,
    ExpressionMutator,
    child_direction,
    is_boolean,
    parameter_uses,
    string_lists,
)
from harness.review.never import Situation, never_true
from harness.review.proposals import Proposal, RulesText, TextEdit
from harness.rules import lexer, nodes
from harness.rules.request import STORAGE, Method
from harness.rules.ruleset import CompiledRuleset
from harness.rules.scope import AllowRule, FunctionSymbol, MatchScope, Scope, called_functions
from harness.source import Span

ALL_METHODS = frozenset(Method)
_WRITES = frozenset({Method.CREATE, Method.UPDATE, Method.DELETE})
# `/databases/{database}/documents` and `/b/{bucket}/o`: every path begins so, whatever the rules
# say, and to change it closes or opens nothing in particular.
_PREFIX_LENGTH = 3


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose decisions a mutant can change.

    Args:
        statements: Requests that come to one of these allow statements; offsets of their `allow`.
        methods: And all requests of these methods.
    """

    statements: frozenset[int] = frozenset()
    methods: frozenset[Method] = frozenset()


@dataclass(frozen=True, slots=True)
class Placed:
    """A proposal and where it stands.

    Args:
        declaration: The allow statement or function that it changes, if it changes nothing else.
        context: The blocks and statements around it, in words; the same after edits elsewhere.
    """

    proposal: Proposal
    reach: Reach
    declaration: Span | None
    context: str


def placed_proposals(ruleset: CompiledRuleset) -> Iterator[Placed]:
    """Yield everything that operators propose for a ruleset."""
    return _Survey(ruleset).proposals()


@dataclass(slots=True)
class _Function:
    """What is known of a function.

    Args:
        symbol: It.
        context: Where it is declared, in words.
        rules: The allow statements that reach it.
        directions: The direction of each of its calls.
    """

    symbol: FunctionSymbol
    context: str
    rules: list[AllowRule] = field(default_factory=list)
    directions: set[int] = field(default_factory=set)

    @property
    def direction(self) -> int:
        return self.directions.copy().pop() if len(self.directions) == 1 else 0


class _Survey:
    def __init__(self, ruleset: CompiledRuleset) -> None:
        self._ruleset = ruleset
        self._resolved = ruleset.resolved
        self._text = RulesText(ruleset.source)
        self._rules = [rule for rules in self._resolved.rules.values() for rule in rules]
        self._service_of = {
            rule: service for service, rules in self._resolved.rules.items() for rule in rules
        }
        self._matches = [each for found in self._resolved.matches.values() for each in found]
        self._blocks = {id(match.scope): match for match in self._matches}
        self._functions = {
            symbol: _Function(symbol, self._context_of(symbol.scope))
            for symbol in self._resolved.functions
        }
        self._follow_calls()
        self._lists = self._lists_by_scope()
        uses = {symbol: parameter_uses(symbol) for symbol in self._resolved.functions}
        self._expressions = ExpressionMutator(self._text, uses)

    def proposals(self) -> Iterator[Placed]:
        yield from self._of_version()
        for match in self._matches:
            yield from self._of_pattern(match)
        for rule in self._rules:
            yield from self._of_statement(rule)
        for function in self._functions.values():
            if function.rules:
                yield from self._of_function(function)

    # --- who depends on what ------------------------------------------------------------------

    def _follow_calls(self) -> None:
        """Note for each function which statements reach it, and in which direction."""
        for rule in self._rules:
            condition = rule.statement.condition
            if condition is None:
                continue
            for symbol in called_functions(condition, rule.scope):
                self._functions[symbol].rules.append(rule)
            self._follow_directions(condition, rule.scope, 1)

    def _follow_directions(self, node: nodes.Expression, scope: Scope, direction: int) -> None:
        if isinstance(node, nodes.Call):
            symbol = scope.find_function(node.name)
            if symbol is not None:
                function = self._functions[symbol]
                if direction not in function.directions:
                    # What is called in both ways has no direction; twice through it is enough.
                    function.directions.add(direction)
                    declaration = symbol.declaration
                    self._follow_directions(declaration.body, symbol.scope, direction)
                    for let in declaration.lets:
                        of_let = direction * _direction_of_name(declaration, let.name)
                        self._follow_directions(let.value, symbol.scope, of_let)
        for child in nodes.children(node):
            self._follow_directions(child, scope, direction * child_direction(node, child))

    def _lists_by_scope(self) -> dict[int, list[tuple[str, ...]]]:
        found: dict[int, list[tuple[str, ...]]] = {}
        for rule in self._rules:
            if rule.statement.condition is not None:
                found.setdefault(id(rule.scope), []).extend(string_lists(rule.statement.condition))
        for symbol in self._resolved.functions:
            declaration = symbol.declaration
            for part in (declaration.body, *(let.value for let in declaration.lets)):
                found.setdefault(id(symbol.scope), []).extend(string_lists(part))
        return found

    def _context_of(self, scope: Scope) -> str:
        match = self._blocks.get(id(scope))
        if match is None:
            return ""
        return "".join(self._text.of(segment.span) for segment in match.pattern)

    # --- the file -----------------------------------------------------------------------------

    def _of_version(self) -> Iterator[Placed]:
        """Say the other version: recursive wildcards and lists in Storage differ."""
        version = self._ruleset.tree.version
        recursive = any(
            isinstance(segment, nodes.RecursiveWildcard)
            for match in self._matches
            for segment in match.pattern
        )
        lists_in_storage = any(
            Method.LIST in rule.granted for rule in self._resolved.rules.get(STORAGE, ())
        )
        if version is None or not (recursive or lists_in_storage):
            return
        token = next(token for token in self._text.tokens if token.kind == lexer.STRING)
        new = "1" if version == "2" else "2"
        quote = token.text[0]
        yield Placed(
            Proposal(
                "rules version",
                token.start,
                (TextEdit(token.start, token.end, f"{quote}{new}{quote}"),),
                f"rules_version {version} to {new}",
            ),
            Reach(methods=ALL_METHODS),
            None,
            "",
        )

    # --- match blocks -------------------------------------------------------------------------

    def _of_pattern(self, match: MatchScope) -> Iterator[Placed]:
        own = match.block.pattern.segments
        inherited = len(match.pattern) - len(own)
        below = [rule for rule in self._rules if _is_inside(rule.scope, match.scope)]
        methods = frozenset(method for rule in below for method in rule.granted)
        if not methods:
            return
        names = _names_in(match.block)
        for index, segment in enumerate(own):
            if inherited + index >= _PREFIX_LENGTH:
                for proposal in self._of_segment(segment, names, is_only=len(own) == 1):
                    yield Placed(
                        proposal,
                        Reach(methods=methods),
                        None,
                        "".join(self._text.of(each.span) for each in match.pattern),
                    )

    def _of_segment(
        self,
        segment: nodes.LiteralSegment | nodes.WildcardSegment | nodes.RecursiveWildcard,
        names: frozenset[str],
        *,
        is_only: bool,
    ) -> Iterator[Proposal]:
        span = segment.span
        match segment:
            case nodes.LiteralSegment():
                # Any name that nothing below reads.
                new = next(
                    name
                    for name in (f"any{'_' * count}" for count in range(99))
                    if name not in names
                )
                yield self._segment("literal to wildcard", span, f"/{{{new}}}", 1)
            case nodes.WildcardSegment(name=name):
                # Read, it would be a path instead of a string.
                direction = 0 if name in names else 1
                yield self._segment("wildcard to recursive", span, f"/{{{name}=**}}", direction)
            case nodes.RecursiveWildcard(name=name):
                direction = 0 if name in names else -1
                yield self._segment("recursive to wildcard", span, f"/{{{name}}}", direction)
        if not is_only:
            yield Proposal(
                "drop segment",
                span.start,
                (TextEdit(span.start, span.end, ""),),
                f"leave {self._text.shown(span)} out of the pattern",
            )

    def _segment(self, operator: str, span: Span, new: str, direction: int) -> Proposal:
        return Proposal(
            operator,
            span.start,
            (TextEdit(span.start, span.end, new),),
            f"{self._text.shown(span)} to `{new}`",
            direction,
        )

    # --- allow statements ---------------------------------------------------------------------

    def _of_statement(self, rule: AllowRule) -> Iterator[Placed]:
        statement = rule.statement
        never = isinstance(statement.condition, nodes.BoolLiteral) and not statement.condition.value
        context = f"{self._context_of(rule.scope)} allow {', '.join(statement.methods)}"
        here = Reach(statements=frozenset({statement.span.start}))
        if not never:
            yield Placed(self._without(statement), here, statement.span, context)
            for proposal, added in self._of_methods(rule):
                reach = replace(here, methods=added)
                yield Placed(proposal, reach, statement.span, context)
        if statement.condition is not None:
            code = Code(
                statement.condition,
                statement.span,
                rule.scope,
                direction=1,
                is_condition=True,
                in_write=bool(rule.granted & _WRITES),
                shadowed=frozenset(),
                service=self._service_of[rule],
                lists=self._lists.get(id(rule.scope), ()),
            )
            for proposal in self._expressions.proposals(code):
                yield Placed(proposal, here, statement.span, context)

    def _without(self, statement: nodes.AllowStatement) -> Proposal:
        """Leave the statement out, with its lines if nothing else is on them."""
        span, text = statement.span, self._text.text
        line_start = text.rfind("\n", 0, span.start) + 1
        line_end = text.find("\n", span.end)
        start, end = span.start, span.end
        if line_end >= 0 and not (
            text[line_start : span.start].strip() or text[span.end : line_end].strip()
        ):
            start, end = line_start, line_end + 1
        return Proposal(
            "drop allow",
            span.start,
            (TextEdit(start, end, ""),),
            f"leave out {self._text.shown(span)}",
            -1,
        )

    def _of_methods(self, rule: AllowRule) -> Iterator[tuple[Proposal, frozenset[Method]]]:
        """Grant one method more, or one less."""
        statement = rule.statement
        tokens = self._text.between(statement.span.start, statement.span.end)[1:]
        words = tokens[: 2 * len(statement.methods) - 1]
        span = Span(words[0].start, words[-1].end)
        for method in Method:
            adds = method not in rule.granted
            granted = rule.granted ^ {method}
            if not granted:
                continue  # that is to leave the statement out
            if adds and not self._can_grant(rule, method):
                continue
            new = _method_list(granted)
            proposal = Proposal(
                "add method" if adds else "drop method",
                span.start,
                (TextEdit(span.start, span.end, new),),
                f"{self._text.shown(span)} to `{new}`",
                1 if adds else -1,
            )
            yield proposal, frozenset({method} if adds else ())

    def _can_grant(self, rule: AllowRule, method: Method) -> bool:
        service = self._service_of[rule]
        if service == STORAGE and method is Method.LIST and self._ruleset.version < 2:
            return False
        situation = Situation(rule.scope, service=service, method=method)
        condition = rule.statement.condition
        return condition is None or not never_true(condition, situation)

    # --- functions ----------------------------------------------------------------------------

    def _of_function(self, function: _Function) -> Iterator[Placed]:
        symbol = function.symbol
        declaration = symbol.declaration
        reach = Reach(statements=frozenset(rule.statement.span.start for rule in function.rules))
        services = {self._service_of[rule] for rule in function.rules}
        code = Code(
            declaration.body,
            declaration.span,
            symbol.scope,
            direction=function.direction,
            is_condition=is_boolean(declaration.body, symbol.scope),
            in_write=any(rule.granted & _WRITES for rule in function.rules),
            shadowed=frozenset((*declaration.parameters, *(let.name for let in declaration.lets))),
            service=services.pop() if len(services) == 1 else None,
            lists=self._lists.get(id(symbol.scope), ()),
        )
        context = f"{function.context} function {declaration.name}"
        for let in declaration.lets:
            of_let = replace(
                code,
                expression=let.value,
                within=let.span,
                direction=function.direction * _direction_of_name(declaration, let.name),
                is_condition=is_boolean(let.value, symbol.scope),
            )
            for proposal in self._expressions.proposals(of_let):
                yield Placed(proposal, reach, declaration.span, f"{context} let {let.name}")
        for proposal in self._expressions.proposals(code):
            yield Placed(proposal, reach, declaration.span, context)


def _direction_of_name(declaration: nodes.FunctionDeclaration, name: str) -> int:
    """Return in which direction a function follows one of its lets."""
    found: set[int] = set()

    def visit(node: nodes.Expression, direction: int) -> None:
        if isinstance(node, nodes.Variable) and node.name == name:
            found.add(direction)
        for child in nodes.children(node):
            visit(child, direction * child_direction(node, child))

    visit(declaration.body, 1)
    for let in declaration.lets:
        if let.name != name:
            visit(let.value, 0)  # another let: too far to follow
    return found.pop() if len(found) == 1 else 0


def _is_inside(scope: Scope, outer: Scope) -> bool:
    here: Scope | None = scope
    while here is not None and here is not outer:
        here = here.parent
    return here is outer


def _names_in(block: nodes.MatchBlock) -> frozenset[str]:
    """Return the variables that code in a block reads, and the names that it binds."""
    names: set[str] = set()

    def visit(node: nodes.Expression) -> None:
        if isinstance(node, nodes.Variable):
            names.add(node.name)
        for child in nodes.children(node):
            visit(child)

    for item in block.body:
        match item:
            case nodes.AllowStatement(condition=condition) if condition is not None:
                visit(condition)
            case nodes.FunctionDeclaration(lets=lets, body=body):
                for part in (body, *(let.value for let in lets)):
                    visit(part)
            case nodes.MatchBlock(pattern=pattern):
                names.update(
                    segment.name
                    for segment in pattern.segments
                    if not isinstance(segment, nodes.LiteralSegment)
                )
                names |= _names_in(item)
            case _:
                pass
    return frozenset(names)


def _method_list(granted: frozenset[Method]) -> str:
    """Write a set of methods as people do: `read, create`."""
    words: list[str] = []
    for group in ("read", "write"):
        members = nodes.METHOD_GROUPS[group]
        if granted.issuperset(members):
            words.append(group)
        else:
            words += [member.value for member in members if member in granted]
    return ", ".join(words)
