"""Evaluates a syntax tree by walking it: slow, plain, and independent of how the compiler does it.

Operators and built-ins on single values, and the words of their errors, are the engine's own
tables. Everything around them is done again here: names and scopes, order of evaluation, absorption
of errors, calls and lets, document functions with their limits, the budget. Whole rulesets and
requests are walked in `ruleset_walker.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from harness.rules import cost, limits, nodes, operators, stdlib
from harness.rules.constraints import (
    SYMBOLIC,
    for_each_candidate,
    method_shown,
    symbolic_use,
    type_shown,
)
from harness.rules.request import FIRESTORE, STORAGE
from harness.rules.runtime import (
    NO_DOCUMENTS,
    DocumentSource,
    EvaluationStopped,
    RulesError,
    bounded,
    located,
    not_bool,
    null_value,
)
from harness.rules.signatures import not_found, unsupported, wrong_count, wrong_kinds
from harness.rules.values import Placeholder, RulesPath, RulesValue, kind_name
from harness.source import Span


@dataclass(frozen=True)
class Level:
    """A file, a service or a match block: what it declares. A capture that is not known is None."""

    functions: Mapping[str, nodes.FunctionDeclaration] = field(default_factory=dict)
    captures: Mapping[str, RulesValue] = field(default_factory=dict)


@dataclass
class World:
    """What all rules of one decision share: the documents, the accesses to them, the budget."""

    service: str = FIRESTORE
    documents: DocumentSource = NO_DOCUMENTS
    # Documents asked for by this decision, and by all decisions of the same commit.
    accesses: dict[tuple[bool, tuple[str, ...]], None] = field(default_factory=dict)
    shared: dict[tuple[bool, tuple[str, ...]], None] = field(default_factory=dict)
    shared_limit: int | None = None
    remaining: int | None = None

    def charge(self, price: int, span: Span) -> None:
        if self.remaining is not None:
            self.remaining -= price
            if self.remaining < 0:
                raise EvaluationStopped(limits.BUDGET_TEXT, span)

    def look_up(self, path: tuple[str, ...], *, after: bool) -> Mapping[str, RulesValue] | None:
        own = 2 if self.service == STORAGE else 10
        for seen, limit in ((self.accesses, own), (self.shared, self.shared_limit or own)):
            if (after, path) not in seen:
                if len(seen) == limit:
                    raise EvaluationStopped(limits.access_text(limit))
                seen[after, path] = None
        return self.documents.get_after(path) if after else self.documents.get(path)


@dataclass(frozen=True)
class Walker:
    """Walks expressions.

    Args:
        variables: `request` and `resource`. A RulesError in place of a value is raised when it is
            read.
        levels: Where the code stands, the file first.
        local: Parameters and lets of the function that the code is in.
        world: What is shared.
    """

    variables: Mapping[str, RulesValue | RulesError]
    levels: tuple[Level, ...] = (Level(),)
    local: Mapping[str, RulesValue | RulesError] = field(default_factory=dict)
    world: World = field(default_factory=World)

    def value(self, node: nodes.Expression) -> RulesValue:
        """Return an expression's value, or raise the RulesError that it has instead."""
        with self.charging(cost.own_cost(node), node.span):
            return self._value(node)

    @contextmanager
    def charging(self, price: int, span: Span) -> Iterator[None]:
        """Charge for what is evaluated inside, when it is done, whether or not it has a value."""
        try:
            yield
        except RulesError:
            self.world.charge(price, span)
            raise
        self.world.charge(price, span)

    def _value(self, node: nodes.Expression) -> RulesValue:
        match node:
            case nodes.NullLiteral():
                return None
            case (
                nodes.BoolLiteral(value=value)
                | nodes.IntLiteral(value=value)
                | nodes.FloatLiteral(value=value)
                | nodes.StringLiteral(value=value)
                | nodes.BytesLiteral(value=value)
            ):
                return value
            case nodes.ListLiteral(items=items):
                values = [self.value(item) for item in items]
                for value in values:
                    self.refuse_symbolic(value, "[]", node.span)
                return bounded(values)
            case nodes.MapLiteral():
                return self.map(node)
            case nodes.PathLiteral(segments=segments):
                parts = [part for segment in segments for part in self.path_parts(segment)]
                return bounded(RulesPath(tuple(parts)))
            case nodes.Variable():
                return self.variable(node)
            case nodes.TypeTest(operand=operand, type_name=name):
                return self.type_test(self.value(operand), name, node.span)
            case nodes.Conditional(condition=condition, when_true=yes, when_false=no):
                if self.boolean(condition):
                    return self.value(yes)
                return self.charged(cost.FALSE_BRANCH, no)
            case nodes.Unary(operator="!", operand=operand):
                return not self.boolean(operand)
            case nodes.Binary(operator="&&" | "||"):
                return self.logical(node)
            case nodes.Call(name=name, arguments=arguments):
                return self.call(name, arguments, node.span)
            case nodes.MethodCall():
                return self.method_call(node)
        at = node.receiver.span if isinstance(node, nodes.Member) else node.span
        operands = self.operands(node)
        try:
            return self.operation(node, operands)
        except RulesError as error:
            raise located(error, at) from None

    # --- names --------------------------------------------------------------------------------

    def variable(self, node: nodes.Variable) -> RulesValue:
        name = node.name
        if name in self.local:
            value = self.local[name]
        elif self.captured(name):
            value = next(
                level.captures[name] for level in reversed(self.levels) if name in level.captures
            )
            if value is None:
                raise null_value(node.span)
        elif name in self.variables:
            value = self.variables[name]
        else:
            raise null_value(node.span)
        if isinstance(value, RulesError):
            raise value
        return value

    def captured(self, name: str) -> bool:
        return any(name in level.captures for level in self.levels)

    def is_namespace(self, node: nodes.Expression) -> bool:
        return (
            isinstance(node, nodes.Variable)
            and node.name in stdlib.NAMESPACES
            and node.name not in self.local
            and not self.captured(node.name)
        )

    # --- operators ----------------------------------------------------------------------------

    def operands(self, node: nodes.Expression) -> list[RulesValue]:
        """Evaluate all operands, from left to right; of `in` the container first."""
        parts = list(nodes.children(node))
        if isinstance(node, nodes.Binary) and node.operator == "in":
            container = self.value(node.right)
            return [self.value(node.left), container]
        return [self.value(part) for part in parts]

    @staticmethod
    def operation(node: nodes.Expression, values: list[RulesValue]) -> RulesValue:
        match node:
            case nodes.Member(name=name):
                return operators.member(values[0], name)
            case nodes.Index():
                return operators.indexed(*values)
            case nodes.Slice():
                return operators.sliced(*values)
            case nodes.Unary():
                return operators.negated_number(values[0])
            case nodes.Binary(operator="=="):
                return operators.equal(*values)
            case nodes.Binary(operator="!="):
                return operators.unequal(*values)
            case nodes.Binary(operator="in"):
                return operators.contained(*values)
            case nodes.Binary(operator="<" | "<=" | ">" | ">=" as symbol):
                return operators.ordered(symbol, *values)
            case nodes.Binary(operator=symbol):
                return operators.computed(symbol, *values)
        raise TypeError(type(node).__name__)

    @staticmethod
    def type_test(value: RulesValue, name: str, span: Span) -> bool:
        accepted = operators.types_named(name) or frozenset()
        if type(value) not in SYMBOLIC:
            return type(value) in accepted
        try:
            return type_shown(value, name, accepted)
        except RulesError as error:
            raise located(error, span) from None

    def boolean(self, node: nodes.Expression) -> bool:
        value = self.value(node)
        if isinstance(value, bool):
            return value
        raise not_bool(value, node.span)

    def logical(self, node: nodes.Binary) -> bool:
        """Do `&&` and `||`: what decides wins over an error, else the left error does."""
        decisive = node.operator == "||"
        failure: RulesError | None = None
        try:
            if self.boolean(node.left) is decisive:
                return decisive
        except RulesError as error:
            failure = error
        try:
            right = self.charged(cost.RIGHT_OPERAND, node.right)
            if right is decisive:
                return decisive
            if not isinstance(right, bool):
                raise not_bool(right, node.right.span)
        except RulesError as error:
            failure = failure or error
        if failure is not None:
            raise failure
        return not decisive

    def charged(self, extra: int, node: nodes.Expression) -> RulesValue:
        """Evaluate something that costs more in its place than by itself."""
        with self.charging(extra, node.span):
            return self.value(node)

    # --- literals -----------------------------------------------------------------------------

    def map(self, node: nodes.MapLiteral) -> RulesValue:
        result: dict[str, RulesValue] = {}
        for key_node, value_node in node.entries:
            key = self.value(key_node)
            if not isinstance(key, str):
                text = f"Type error. Received: [{kind_name(key)}] Expected: [string]."
                raise RulesError(text, key_node.span)
            result[key] = self.value(value_node)
            self.refuse_symbolic(result[key], "{}", node.span)
        return bounded(result)

    def path_parts(self, segment: object) -> Sequence[str | Placeholder]:
        match segment:
            case nodes.LiteralSegment(text=text):
                return [text]
            case nodes.WildcardSegment(name=name) | nodes.RecursiveWildcard(name=name):
                return [Placeholder(name)]
            case nodes.InterpolatedSegment(expression=expression):
                value = self.value(expression)
                if isinstance(value, RulesPath):
                    return value.segments
                if isinstance(value, str) or type(value) is int:
                    return [str(value)]
                self.refuse_symbolic(value, "$()", expression.span)
                received = f"path.$({kind_name(value)})"
                error = unsupported(received, "path.$(string), path.$(path)")
                raise located(error, expression.span)
        raise TypeError(type(segment).__name__)

    @staticmethod
    def refuse_symbolic(value: RulesValue, use: str, span: Span) -> None:
        if type(value) in SYMBOLIC:
            raise located(symbolic_use(value, use), span)

    # --- calls --------------------------------------------------------------------------------

    def call(self, name: str, arguments: Sequence[nodes.Expression], span: Span) -> RulesValue:
        values = [self.value(argument) for argument in arguments]
        for height in range(len(self.levels), 0, -1):
            declaration = self.levels[height - 1].functions.get(name)
            if declaration is not None:
                # The function's code sees what is visible where it stands, not where it is called.
                seen = replace(self, levels=self.levels[:height], local={})
                return seen.declared_call(declaration, values, span)
        try:
            return self.builtin_call(name, values)
        except RulesError as error:
            raise located(error, span) from None

    def declared_call(
        self, declaration: nodes.FunctionDeclaration, arguments: list[RulesValue], span: Span
    ) -> RulesValue:
        names = declaration.parameters
        if len(arguments) != len(names):
            expected = f"{declaration.name}({', '.join('any' for _ in names)})"
            received = f"Received: {len(arguments)}. Expected: {expected}."
            raise RulesError(f"Incorrect number of arguments. {received}", span)
        local: dict[str, RulesValue | RulesError] = dict(zip(names, arguments, strict=True))
        for let in declaration.lets:
            try:
                local[let.name] = self.let_value(let, local)
            except RulesError as error:
                local[let.name] = error
        return replace(self, local=local).value(declaration.body)

    def let_value(
        self, let: nodes.LetBinding, local: Mapping[str, RulesValue | RulesError]
    ) -> RulesValue:
        with self.charging(1, let.span):
            return replace(self, local=dict(local)).value(let.value)

    def builtin_call(self, name: str, arguments: list[RulesValue]) -> RulesValue:
        if name in stdlib.DOCUMENT_FUNCTIONS[self.world.service]:
            return self.document_call(name, arguments)
        overloads = stdlib.FUNCTIONS.get(name)
        if overloads is None:
            raise not_found(name)
        fitting = [each for each in overloads if len(each.accepted) == len(arguments)]
        if not fitting:
            raise wrong_count(len(arguments), overloads)

        def function(*values: RulesValue) -> RulesValue:
            for overload in fitting:
                if all(map(lambda value, kinds: type(value) in kinds, values, overload.accepted)):
                    return overload.run(*values)
            if any(type(value) in SYMBOLIC for value in values):
                return for_each_candidate(values, function, f"{name}()")
            raise wrong_kinds(name, values, overloads)

        return function(*arguments)

    def document_call(self, name: str, arguments: list[RulesValue]) -> RulesValue:
        if len(arguments) != 1:
            received = f"Received: {len(arguments)}. Expected: {name}(path)."
            raise RulesError(f"Incorrect number of arguments. {received}")
        (path,) = arguments
        if type(path) in SYMBOLIC:
            raise symbolic_use(path, f"{name}()")
        if not isinstance(path, RulesPath):
            raise unsupported(f"{name}({kind_name(path)})", f"{name}(path)")
        word = name.removeprefix("firestore.")
        is_document = (
            len(path.segments) >= 5
            and len(path.segments) % 2 == 1
            and (path.segments[0], path.segments[2]) == ("databases", "documents")
            and all(isinstance(each, str) and each and "/" not in each for each in path.segments)
        )
        if is_document:
            segments = tuple(str(segment) for segment in path.segments)
            found = self.world.look_up(segments, after=word.endswith("After"))
            if word.startswith("exists"):
                return found is not None
            if found is not None:
                return {"data": dict(found), "id": segments[-1], "__name__": path}
        text = " ".join(f'segments {{ simple: "{segment}" }}' for segment in path.segments)
        raise RulesError(
            f"Service call error. Function: [{word}], Argument: [path_value {{ {text} }}]."
        )

    def method_call(self, node: nodes.MethodCall) -> RulesValue:
        receiver_node = node.receiver
        if self.is_namespace(receiver_node):
            assert isinstance(receiver_node, nodes.Variable)
            values = [self.value(argument) for argument in node.arguments]
            try:
                return self.builtin_call(f"{receiver_node.name}.{node.name}", values)
            except RulesError as error:
                raise located(error, node.span) from None
        receiver = self.value(receiver_node)
        arguments = [self.value(argument) for argument in node.arguments]
        try:
            return self.method(node.name, receiver, *arguments)
        except RulesError as error:
            raise located(error, node.span) from None

    @classmethod
    def method(cls, name: str, receiver: RulesValue, *arguments: RulesValue) -> RulesValue:
        overload = stdlib.METHODS.get(name, {}).get(type(receiver))
        count_fits = overload is not None and len(overload.accepted) == len(arguments)
        if (
            overload is not None
            and count_fits
            and all(map(lambda value, kinds: type(value) in kinds, arguments, overload.accepted))
        ):
            return overload.run(receiver, *arguments)
        if any(type(value) in SYMBOLIC for value in (receiver, *arguments)):
            return method_shown(
                name, receiver, arguments, lambda *values: cls.method(name, *values)
            )
        if receiver is None:
            raise null_value()
        if overload is None:
            raise not_found(name)
        if not count_fits:
            raise wrong_count(len(arguments), (overload,))
        received = f"{kind_name(receiver)}.{name}({', '.join(map(kind_name, arguments))})"
        raise unsupported(received, ", ".join(overload.texts))
