"""Evaluates a syntax tree by walking it: slow, short, and independent of how the compiler does it.

Built-ins and operators on values are the engine's own; names, evaluation order, absorption of
errors, calls and lets are done again here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.rules import nodes, operators, stdlib
from harness.rules.runtime import RulesError
from harness.rules.values import Placeholder, RulesPath, RulesValue


@dataclass
class Walker:
    """Walks expressions that see these variables and functions."""

    variables: Mapping[str, RulesValue]
    functions: Mapping[str, nodes.FunctionDeclaration] = field(default_factory=dict)

    def value(self, node: nodes.Expression) -> RulesValue:
        """Return an expression's value, or raise the RulesError that it has instead."""
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
                return [self.value(item) for item in items]
            case nodes.MapLiteral(entries=entries):
                return self.map(entries)
            case nodes.PathLiteral():
                return self.path(node)
            case nodes.Variable(name=name):
                if name not in self.variables:
                    raise RulesError("Null value error.")
                value = self.variables[name]
                if isinstance(value, RulesError):
                    raise value
                return value
            case nodes.Member(receiver=receiver, name=name):
                return operators.member(self.value(receiver), name)
            case nodes.Index(receiver=receiver, index=index):
                return operators.indexed(self.value(receiver), self.value(index))
            case nodes.Slice(receiver=receiver, start=start, end=end):
                return operators.sliced(self.value(receiver), self.value(start), self.value(end))
            case nodes.Unary(operator="!", operand=operand):
                return not self.boolean(operand)
            case nodes.Unary(operand=operand):
                return operators.negated_number(self.value(operand))
            case nodes.Binary():
                return self.binary(node)
            case nodes.TypeTest(operand=operand, type_name=name):
                return type(self.value(operand)) in (operators.types_named(name) or ())
            case nodes.Conditional(condition=condition, when_true=yes, when_false=no):
                return self.value(yes) if self.boolean(condition) else self.value(no)
            case nodes.Call(name=name, arguments=arguments):
                return self.call(name, [self.value(argument) for argument in arguments])
            case nodes.MethodCall():
                return self.method(node)
        raise TypeError(type(node).__name__)

    def boolean(self, node: nodes.Expression) -> bool:
        value = self.value(node)
        if isinstance(value, bool):
            return value
        raise RulesError("Type error.")

    def binary(self, node: nodes.Binary) -> RulesValue:
        symbol = node.operator
        if symbol in ("&&", "||"):
            decisive = symbol == "||"
            try:
                if self.boolean(node.left) is decisive:
                    return decisive
            except RulesError:
                if self.boolean(node.right) is decisive:
                    return decisive
                raise
            return self.boolean(node.right)
        left, right = self.value(node.left), self.value(node.right)
        if symbol == "==":
            return operators.equal(left, right)
        if symbol == "!=":
            return operators.unequal(left, right)
        if symbol == "in":
            return operators.contained(left, right)
        if symbol in operators.ORDERINGS:
            return operators.ordered(symbol, left, right)
        operation = operators.ARITHMETIC[symbol].get((type(left), type(right)))
        if operation is None:
            raise operators.arithmetic_error(symbol, left, right)
        return operation(left, right)

    def map(self, entries: tuple[tuple[nodes.Expression, nodes.Expression], ...]) -> RulesValue:
        result: dict[str, RulesValue] = {}
        for key_node, value_node in entries:
            key = self.value(key_node)
            if not isinstance(key, str):
                raise RulesError("Type error.")
            result[key] = self.value(value_node)
        return result

    def path(self, node: nodes.PathLiteral) -> RulesValue:
        segments: list[str | Placeholder] = []
        for segment in node.segments:
            match segment:
                case nodes.LiteralSegment(text=text):
                    segments.append(text)
                case nodes.InterpolatedSegment(expression=expression):
                    value = self.value(expression)
                    if isinstance(value, RulesPath):
                        segments.extend(value.segments)
                    elif isinstance(value, str):
                        segments.append(value)
                    elif type(value) is int:
                        segments.append(str(value))
                    else:
                        raise RulesError("Unsupported operation error.")
                case nodes.WildcardSegment(name=name) | nodes.RecursiveWildcard(name=name):
                    segments.append(Placeholder(name))
        return RulesPath(tuple(segments))

    def call(self, name: str, arguments: list[RulesValue]) -> RulesValue:
        declaration = self.functions.get(name)
        if declaration is None:
            return self.builtin(name, arguments)
        if len(arguments) != len(declaration.parameters):
            raise RulesError("Incorrect number of arguments.")
        variables: dict[str, RulesValue] = {
            name: self.variables[name] for name in ("request", "resource") if name in self.variables
        }
        variables.update(zip(declaration.parameters, arguments, strict=True))
        for let in declaration.lets:
            inner = Walker(variables, self.functions)
            try:
                value = inner.value(let.value)
            except RulesError as error:
                value = error  # type: ignore[assignment]
            variables = {**variables, let.name: value}
        return Walker(variables, self.functions).value(declaration.body)

    def builtin(self, name: str, arguments: list[RulesValue]) -> RulesValue:
        for overload in stdlib.FUNCTIONS.get(name, ()):
            accepted = overload.accepted
            if len(accepted) == len(arguments) and all(
                type(argument) in types for argument, types in zip(arguments, accepted, strict=True)
            ):
                return overload.run(*arguments)
        raise RulesError("no such function")

    def method(self, node: nodes.MethodCall) -> RulesValue:
        receiver_node = node.receiver
        if (
            isinstance(receiver_node, nodes.Variable)
            and receiver_node.name in stdlib.NAMESPACES
            and receiver_node.name not in self.variables
        ):
            arguments = [self.value(argument) for argument in node.arguments]
            return self.builtin(f"{receiver_node.name}.{node.name}", arguments)
        receiver = self.value(receiver_node)
        arguments = [self.value(argument) for argument in node.arguments]
        overload = stdlib.METHODS.get(node.name, {}).get(type(receiver))
        if overload is None or len(overload.parameters) != len(arguments):
            raise RulesError("no such method")
        if any(
            type(argument) not in types
            for argument, types in zip(arguments, overload.accepted, strict=True)
        ):
            raise RulesError("Unsupported operation error.")
        return overload.run(receiver, *arguments)
