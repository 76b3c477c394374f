"""What can be wrong with a ruleset without running it: names, constant patterns, limits, recursion.

Errors keep it from loading, warnings do not, exactly as the official compiler has them: an unknown
name is only a warning there, and an error when it is evaluated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Set

from harness.records import record
from harness.rules import limits, nodes, patterns, stdlib
from harness.rules.issues import Issue, Severity
from harness.rules.operators import ORDERINGS
from harness.rules.scope import FunctionSymbol, Outline, ResolvedRuleset, Scope
from harness.source import SourceText, Span

_GLOBALS = frozenset({"request", "resource"})
_DOCUMENT_FUNCTIONS = frozenset().union(*stdlib.DOCUMENT_FUNCTIONS.values())
_LITERAL_KINDS: dict[type, str] = {
    nodes.NullLiteral: "null",
    nodes.BoolLiteral: "bool",
    nodes.IntLiteral: "number",
    nodes.FloatLiteral: "number",
    nodes.StringLiteral: "string",
    nodes.BytesLiteral: "bytes",
    nodes.ListLiteral: "list",
    nodes.MapLiteral: "map",
    nodes.PathLiteral: "path",
}


def check_ruleset(
    source: SourceText, tree: nodes.Ruleset, resolved: ResolvedRuleset
) -> tuple[Issue, ...]:
    """Return all issues of a ruleset that parses: errors first, each kind in source order."""
    checker = _Checker(source, resolved)
    checker.check_patterns()
    checker.check_functions()
    checker.check_expressions()
    checker.check_calls()
    issues = checker.issues
    # Errors first: a reader of the first issue should see why the ruleset did not load.
    issues.sort(key=lambda issue: (issue.severity is not Severity.ERROR, issue.span))
    return tuple(issues)


@record()
class _Code:
    """A condition, a let's value or a function's body: what it sees, and what is noted about it.

    Args:
        expression: The code.
        scope: Its functions and captures.
        variables: Its other variables.
        callees: Collects the declared functions that it calls.
        requests: Collects where it reads what only a request to a service has.
    """

    expression: nodes.Expression
    scope: Scope
    variables: Set[str]
    callees: list[FunctionSymbol]
    requests: list[_RequestName]


@record()
class _RequestName:
    """`request`, `resource` or a function that looks at documents, where code reads it."""

    name: str
    span: Span

    def is_known(self, services: Collection[str]) -> bool:
        """Say whether code that these services' rules reach knows the name."""
        if self.name in _GLOBALS:
            return bool(services)
        return any(self.name in stdlib.DOCUMENT_FUNCTIONS[service] for service in services)

    @property
    def warning(self) -> str:
        """Return what the compiler says where it is not known."""
        kind = "variable" if self.name in _GLOBALS else "function"
        return f"Invalid {kind} name: {self.name}."


def _parts(
    declaration: nodes.FunctionDeclaration,
) -> Iterator[tuple[nodes.Expression, Set[str]]]:
    """Yield the expressions of a function, each with the parameters and lets that it sees. The set
    grows: it is good until the next is asked for.
    """
    variables = set(declaration.parameters)
    for let in declaration.lets:
        yield let.value, variables
        variables.add(let.name)
    yield declaration.body, variables


class _Checker:
    def __init__(self, source: SourceText, resolved: ResolvedRuleset) -> None:
        self.source = source
        self.resolved = resolved
        self.issues: list[Issue] = []
        self.calls: dict[FunctionSymbol, list[FunctionSymbol]] = {}

    def error(self, span: Span, description: str) -> None:
        self.issues.append(Issue.at(self.source, span, Severity.ERROR, description))

    def warning(self, span: Span, description: str) -> None:
        self.issues.append(Issue.at(self.source, span, Severity.WARNING, description))

    # --- match patterns -----------------------------------------------------------------------

    def check_patterns(self) -> None:
        for matches in self.resolved.matches.values():
            for match in matches:
                own = match.block.pattern
                span = own.span
                if len(match.pattern) > limits.PATH_SEGMENTS:
                    self.error(span, limits.SEGMENTS_TEXT)
                captures = [
                    each for each in match.pattern if not isinstance(each, nodes.LiteralSegment)
                ]
                if len(captures) > limits.PATH_CAPTURES:
                    self.error(
                        span, f"Maximum of {limits.PATH_CAPTURES} path captures is exceeded."
                    )
                self.check_recursive_wildcards(own, match.pattern)
                names = [
                    each.name for each in own.segments if not isinstance(each, nodes.LiteralSegment)
                ]
                for name in _repeated(names):
                    self.error(span, f"Duplicate path capture: {name}.")

    def check_recursive_wildcards(self, own: nodes.PathPattern, whole: tuple[object, ...]) -> None:
        recursive = [each for each in own.segments if isinstance(each, nodes.RecursiveWildcard)]
        if not recursive:
            return
        if len(recursive) > 1:
            self.error(
                recursive[1].span, "Only one recursive wildcard is allowed in a match statement."
            )
        elif sum(isinstance(each, nodes.RecursiveWildcard) for each in whole) > 1:
            # Which of several ways to split a path such rules would see is not known; so we do not
            # guess.
            self.error(
                recursive[0].span,
                "A recursive wildcard below another one is not supported by this engine.",
            )
        if self.resolved.version == 1 and own.segments[-1] is not recursive[0]:
            self.error(
                recursive[0].span,
                "A recursive wildcard must be the last segment in rules_version '1'.",
            )

    # --- functions ----------------------------------------------------------------------------

    def check_functions(self) -> None:
        for symbol in self.resolved.functions:
            declaration = symbol.declaration
            if symbol.scope.functions[declaration.name] is not symbol:
                self.error(declaration.name_span, f"Duplicate function name: {declaration.name}.")
            if len(declaration.parameters) > limits.FUNCTION_ARGUMENTS:
                self.error(
                    declaration.name_span,
                    f"Maximum allowed argument count of {limits.FUNCTION_ARGUMENTS} for a given "
                    "function has been reached.",
                )
            if len(declaration.lets) > limits.LET_BINDINGS:
                # The number in the text is the documented one, which production's message has too.
                self.error(
                    declaration.lets[limits.LET_BINDINGS].span,
                    "Maximum allowed variable count of 10 for a given function has been reached.",
                )
            names = [*declaration.parameters, *(let.name for let in declaration.lets)]
            for name in _repeated(names):
                self.error(declaration.name_span, f"Duplicate variable name: {name}.")

    # --- expressions ------------------------------------------------------------------------------

    def check_expressions(self) -> None:
        reached: dict[FunctionSymbol, set[str]] = {}
        for service, rules in self.resolved.rules.items():
            for rule in rules:
                condition = rule.statement.condition
                if condition is not None:
                    code = _Code(condition, rule.scope, frozenset(), [], [])
                    size = self.check_expression(code)
                    rule.outline = Outline(tuple(code.callees), size)
                    self.check_request_names(code.requests, {service})
                    for symbol in code.callees:
                        reached.setdefault(symbol, set()).add(service)
        called = set(reached)
        requests: dict[FunctionSymbol, list[_RequestName]] = {}
        for symbol in self.resolved.functions:
            callees: list[FunctionSymbol] = []
            requests[symbol] = []
            size = len(symbol.declaration.lets)
            for expression, variables in _parts(symbol.declaration):
                code = _Code(expression, symbol.scope, variables, callees, requests[symbol])
                size += self.check_expression(code)
            symbol.outline = Outline(tuple(callees), size)
            self.calls[symbol] = list(dict.fromkeys(callees))
            called.update(callees)
        pending = list(reached)
        while pending:
            symbol = pending.pop()
            for callee in self.calls[symbol]:
                known = reached.setdefault(callee, set())
                if not known >= reached[symbol]:
                    known |= reached[symbol]
                    pending.append(callee)
        for symbol in self.resolved.functions:
            name = symbol.declaration.name
            if symbol not in called:
                # Source: prescottprue/generator-react-firebase#185. A function that only an unused
                # one calls is not said to be unused: ecronix/react-most-wanted#378.
                self.warning(symbol.declaration.name_span, f"Unused function: {name}.")
            self.check_parameters(symbol.declaration)
            self.check_request_names(requests[symbol], reached.get(symbol, ()))

    def check_request_names(self, requests: list[_RequestName], services: Collection[str]) -> None:
        """Warn of what no request brings to this code: that of another service, or of none.

        Source: ecronix/react-most-wanted#378, where no rule reaches `exists`, `get` and `request`.
        """
        for each in requests:
            if not each.is_known(services):
                self.warning(each.span, each.warning)

    def check_parameters(self, declaration: nodes.FunctionDeclaration) -> None:
        """Warn of parameters that the function does not read.

        Source: google/ground-platform#1849; bijoutrouvaille/fireward#44 (it is called).
        """
        if not declaration.parameters:
            return
        read: set[str] = set()
        pending = [declaration.body, *(let.value for let in declaration.lets)]
        while pending:
            node = pending.pop()
            if isinstance(node, nodes.Variable):
                read.add(node.name)
            pending.extend(nodes.children(node))
        for name, span in zip(declaration.parameters, declaration.parameter_spans, strict=False):
            if name not in read:
                self.warning(span, f"Unused variable: {name}.")

    def check_expression(self, code: _Code) -> int:
        """Check each node of an expression, in the order of the text; return its size as an
        `Outline` has it.
        """
        size = 0
        pending = [code.expression]
        while pending:
            node = pending.pop()
            size += 1
            # By class, the frequent ones first: a large ruleset has 12,000 nodes.
            if type(node) is nodes.Member:
                pending.append(node.receiver)
            elif type(node) is nodes.Variable:
                self.check_variable(node, code)
            elif type(node) is nodes.Binary:
                self.check_comparison(node)
                pending += (node.right, node.left)
            elif type(node) is nodes.MethodCall and self.check_method_call(node, code):
                size += 1
                pending.extend(reversed(node.arguments))
            else:
                if type(node) is nodes.Call:
                    self.check_call(node, code)
                elif type(node) is nodes.PathLiteral:
                    size += len(node.segments)
                elif type(node) is nodes.TypeTest and node.type_name not in nodes.TYPE_NAMES:
                    self.error(node.name_span, f"Invalid type name: {node.type_name}.")
                pending.extend(reversed(nodes.children(node)))
        return size

    def check_variable(self, node: nodes.Variable, code: _Code) -> None:
        name = node.name
        if name in code.variables or code.scope.find_capture(name) is not None:
            return
        if name in _GLOBALS:
            code.requests.append(_RequestName(name, node.span))
        else:
            self.warning(node.span, f"Invalid variable name: {name}.")

    def check_call(self, node: nodes.Call, code: _Code) -> None:
        symbol = code.scope.find_function(node.name)
        if symbol is not None:
            code.callees.append(symbol)
        else:
            span = Span(node.span.start, node.span.start + len(node.name))
            self.check_builtin(node.name, span, code)

    def check_builtin(self, name: str, span: Span, code: _Code) -> None:
        if name in _DOCUMENT_FUNCTIONS:
            code.requests.append(_RequestName(name, span))
        elif name not in stdlib.FUNCTIONS:
            self.warning(span, _unknown(name))

    def check_method_call(self, node: nodes.MethodCall, code: _Code) -> bool:
        """Check a call's name and constant pattern; say whether its receiver is a namespace."""
        receiver = node.receiver
        if (
            isinstance(receiver, nodes.Variable)
            and receiver.name in stdlib.NAMESPACES
            and receiver.name not in code.variables
            and code.scope.find_capture(receiver.name) is None
        ):
            self.check_builtin(f"{receiver.name}.{node.name}", node.name_span, code)
            return True
        if node.name not in stdlib.METHODS:
            self.warning(node.name_span, _unknown(node.name))
        elif node.name in ("matches", "replace", "split") and node.arguments:
            pattern = node.arguments[0]
            if isinstance(pattern, nodes.StringLiteral):
                try:
                    patterns.compile_pattern(pattern.value)
                except patterns.BadPattern as error:
                    self.error(pattern.span, str(error))
        return False

    def check_comparison(self, node: nodes.Binary) -> None:
        left, right = _LITERAL_KINDS.get(type(node.left)), _LITERAL_KINDS.get(type(node.right))
        if left is None or right is None or left == right or node.operator in ORDERINGS:
            return
        if node.operator in ("==", "!=") and "null" not in (left, right):
            result = "false" if node.operator == "==" else "true"
            self.warning(
                node.span,
                "The sub-expressions are not comparable, so this comparison will always return "
                f"{result}.",
            )

    # --- calls --------------------------------------------------------------------------------

    def check_calls(self) -> None:
        """Refuse recursion, and call chains that are too deep even if nothing calls the first of
        them.
        """
        # How many functions are on the longest chain from each function down, and the next on it.
        lengths: dict[FunctionSymbol, int] = {}
        following: dict[FunctionSymbol, FunctionSymbol] = {}
        for start in self.resolved.functions:
            if start in lengths:
                continue
            # Depth-first without Python recursion: a chain may be as long as the file has
            # functions.
            path: list[FunctionSymbol] = [start]
            on_path = {start}
            todo = [iter(self.calls[start])]
            while path:
                callee = next(todo[-1], None)
                if callee is None:
                    done = path.pop()
                    on_path.discard(done)
                    todo.pop()
                    callees = self.calls[done]
                    if callees:
                        following[done] = max(callees, key=lengths.__getitem__)
                    lengths[done] = 1 + (lengths[following[done]] if callees else 0)
                elif callee in on_path:
                    names = [each.declaration.name for each in path[path.index(callee) :]]
                    cycle = _chain([*names, callee.declaration.name])
                    self.error(
                        callee.declaration.name_span, f"Recursive call is not allowed: [{cycle}]."
                    )
                    return
                elif callee not in lengths:
                    path.append(callee)
                    on_path.add(callee)
                    todo.append(iter(self.calls[callee]))
        called = {callee for callees in self.calls.values() for callee in callees}
        for symbol, length in lengths.items():
            if length > limits.CALL_DEPTH and symbol not in called:
                names = [symbol.declaration.name]
                below = symbol
                while below in following:
                    below = following[below]
                    names.append(below.declaration.name)
                self.error(
                    symbol.declaration.name_span,
                    f"Maximum allowed call depth of 20 is reached for [{_chain(names)}] call "
                    "stack.",
                )


# A message names this many functions of a chain, which may be as long as the file.
_NAMED = 100


def _chain(names: list[str]) -> str:
    if len(names) > _NAMED:
        names = [*names[: _NAMED - 1], "...", names[-1]]
    return "->".join(names)


def _unknown(name: str) -> str:
    return f"Invalid function name: {name}."


def _repeated(names: list[str]) -> list[str]:
    if len(set(names)) == len(names):
        return []
    return sorted(name for name, count in Counter(names).items() if count > 1)
