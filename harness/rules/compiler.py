"""Syntax tree to Python closures: what a node is, is decided once, when its rule is first needed.

A closure takes the `EvaluationContext` and returns a rules value or raises RulesError. `Compiler`
makes the plain ones, which count nothing and take short cuts (constants folded, `&&` chains
flattened, `request.auth.uid` in one step). A subclass that overrides `finish` sees every node and
gets no short cuts: `MeteredCompiler` charges the budget there, and coverage and explanations are
further such compilations. Calls are compiled in `compile_calls.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from harness.rules import cost, limits, nodes, operators, reads, request_values
from harness.rules.compile_calls import CallCompiler
from harness.rules.constraints import SYMBOLIC, symbolic_use, type_shown
from harness.rules.runtime import (
    EvaluationContext,
    EvaluationStopped,
    RulesError,
    bounded,
    located,
    not_bool,
    null_value,
)
from harness.rules.scope import AllowRule, FunctionSymbol, Scope, called_functions
from harness.rules.signatures import unsupported
from harness.rules.values import Placeholder, RulesPath, RulesValue, kind_name
from harness.source import Span

Evaluator: TypeAlias = Callable[[EvaluationContext], RulesValue]


@dataclass(frozen=True, slots=True)
class Names:
    """What code sees: a scope, and in a function its parameters and lets by frame slot."""

    scope: Scope
    slots: dict[str, int] = field(default_factory=dict)
    parameter_count: int = 0


@dataclass(slots=True)
class CompiledFunction:
    """A function's body and lets. `body` is filled in after its callees, which cannot be itself."""

    arity: int
    lets: tuple[Evaluator, ...]
    body: Evaluator


class Compiler(CallCompiler):
    """Compiles the expressions of one service.

    Args:
        service: Decides which document functions exist.
    """

    short_cuts = True

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self._functions: dict[FunctionSymbol, CompiledFunction] = {}
        # Evaluators that give the same value for every request.
        self.constants: dict[Evaluator, RulesValue] = {}
        self._compilers: dict[type, Callable[[Any, Names], Evaluator]] = {
            nodes.NullLiteral: lambda node, names: self.constant(None),
            nodes.BoolLiteral: self._literal,
            nodes.IntLiteral: self._literal,
            nodes.FloatLiteral: self._literal,
            nodes.StringLiteral: self._literal,
            nodes.BytesLiteral: self._literal,
            nodes.ListLiteral: self._list,
            nodes.MapLiteral: self._map,
            nodes.PathLiteral: self._path,
            nodes.Variable: self._variable,
            nodes.Member: self._member,
            nodes.Index: self._index,
            nodes.Slice: self._slice,
            nodes.Call: self.call,
            nodes.MethodCall: self.method_call,
            nodes.Unary: self._unary,
            nodes.Binary: self._binary,
            nodes.TypeTest: self._type_test,
            nodes.Conditional: self._conditional,
        }

    # --- entrances ----------------------------------------------------------------------------

    def rule(self, rule: AllowRule) -> Evaluator:
        """Compile the condition of an allow statement; no condition is `true`."""
        condition = rule.statement.condition
        if condition is None:
            return self.constant(True)
        return self.condition(condition, rule.scope, rule.called)

    def condition(
        self, node: nodes.Expression, scope: Scope, called: Sequence[FunctionSymbol] | None = None
    ) -> Evaluator:
        """Compile a condition, whose `called_functions` may be known."""
        for symbol in called_functions(node, scope) if called is None else called:
            self.compiled_function(symbol)
        return self.expression(node, Names(scope))

    def expression(self, node: nodes.Expression, names: Names) -> Evaluator:
        """Compile any expression."""
        return self.finish(node, self._compilers[type(node)](node, names))

    def finish(self, node: nodes.Expression, evaluate: Evaluator) -> Evaluator:
        """Return the evaluator to use for a node. Other compilations wrap it here."""
        return evaluate

    def constant(self, value: RulesValue) -> Evaluator:
        """Make an evaluator for a value that is known now."""

        def constant(context: EvaluationContext) -> RulesValue:
            return value

        self.constants[constant] = value
        return constant

    def folded(self, evaluate: Evaluator, operands: Sequence[Evaluator]) -> Evaluator:
        """Evaluate a pure expression now if all its operands are constants."""
        if not self.short_cuts:
            return evaluate
        for operand in operands:
            if operand not in self.constants:
                return evaluate
        try:
            return self.constant(evaluate(None))  # type: ignore[arg-type]
        except (RulesError, EvaluationStopped):
            return evaluate

    # --- literals -----------------------------------------------------------------------------

    def _literal(
        self,
        node: nodes.BoolLiteral
        | nodes.IntLiteral
        | nodes.FloatLiteral
        | nodes.StringLiteral
        | nodes.BytesLiteral,
        names: Names,
    ) -> Evaluator:
        return self.constant(node.value)

    def _list(self, node: nodes.ListLiteral, names: Names) -> Evaluator:
        items = tuple(self.expression(item, names) for item in node.items)
        span = node.span

        def list_literal(context: EvaluationContext) -> RulesValue:
            values = [item(context) for item in items]
            for value in values:
                # Hidden in a list, what a query leaves open would compare as if it were a value.
                if type(value) in SYMBOLIC:
                    raise located(symbolic_use(value, "[]"), span)
            if not _CONTAINERS.isdisjoint(map(type, values)):
                return _bounded_at(values, span)
            return values

        return self.folded(list_literal, items)

    def _map(self, node: nodes.MapLiteral, names: Names) -> Evaluator:
        entries = tuple(
            (self.expression(key, names), self.expression(value, names), key.span)
            for key, value in node.entries
        )
        span = node.span

        def map_literal(context: EvaluationContext) -> RulesValue:
            result: dict[str, RulesValue] = {}
            for evaluate_key, evaluate_value, key_span in entries:
                key = evaluate_key(context)
                if type(key) is not str:
                    raise RulesError(
                        f"Type error. Received: [{kind_name(key)}] Expected: [string].", key_span
                    )
                value = evaluate_value(context)
                if type(value) in SYMBOLIC:
                    raise located(symbolic_use(value, "{}"), span)
                result[key] = value
            if not _CONTAINERS.isdisjoint(map(type, result.values())):
                return _bounded_at(result, span)
            return result

        return self.folded(map_literal, [part for entry in entries for part in entry[:2]])

    def _path(self, node: nodes.PathLiteral, names: Names) -> Evaluator:
        # A fixed segment as it is; for `$(...)` its evaluator and where it stands.
        parts: list[str | Placeholder | tuple[Evaluator, Span]] = []
        for segment in node.segments:
            match segment:
                case nodes.LiteralSegment(text=text):
                    parts.append(text)
                case nodes.WildcardSegment(name=name) | nodes.RecursiveWildcard(name=name):
                    parts.append(Placeholder(name))
                case nodes.InterpolatedSegment(expression=expression):
                    parts.append((self.expression(expression, names), expression.span))
        fixed_parts = tuple(parts)
        path_span = node.span

        def path_literal(context: EvaluationContext) -> RulesValue:
            segments: list[str | Placeholder] = []
            for part in fixed_parts:
                if type(part) is tuple:
                    evaluate, span = part
                    value = evaluate(context)
                    if type(value) is str:
                        segments.append(value)
                    elif isinstance(value, RulesPath):
                        segments.extend(value.segments)
                    elif type(value) is int:
                        # Source: inferred from a public app whose own rules tests look a document
                        # up by a number (ikk5515/QuickMemo: quickLoginKeys/$(quickKey)).
                        segments.append(str(value))
                    else:
                        raise _interpolation_error(value, span)
                else:
                    segments.append(part)  # type: ignore[arg-type]
            return _bounded_at(RulesPath(tuple(segments)), path_span)

        return self.folded(path_literal, [part[0] for part in parts if isinstance(part, tuple)])

    # --- names --------------------------------------------------------------------------------

    def _variable(self, node: nodes.Variable, names: Names) -> Evaluator:
        name, span = node.name, node.span
        slot = names.slots.get(name)
        if slot is not None:
            return reads.slot_reader(slot, slot >= names.parameter_count)
        capture = names.scope.find_capture(name)
        if capture is not None:
            return reads.capture_reader(capture, span)
        if name == "request":
            return lambda context: context.request_map()
        if name == "resource":
            return reads.resource_reader(span)

        def unknown(context: EvaluationContext) -> RulesValue:
            raise null_value(span)

        return unknown

    def is_variable(self, name: str, names: Names) -> bool:
        """Say whether code here sees a variable of that name besides `request` and `resource`."""
        return name in names.slots or names.scope.find_capture(name) is not None

    def is_global(self, node: nodes.Expression, name: str, names: Names) -> bool:
        """Say whether an expression is `request` or `resource` itself, not a variable that hides
        it.
        """
        return (
            isinstance(node, nodes.Variable)
            and node.name == name
            and not self.is_variable(name, names)
        )

    # --- members, indexes ---------------------------------------------------------------------

    def _member(self, node: nodes.Member, names: Names) -> Evaluator:
        if self.short_cuts:
            direct = self._direct_member(node, names)
            if direct is not None:
                return direct
        receiver = self.expression(node.receiver, names)
        return reads.member_reader(receiver, node.name, node.receiver.span)

    def _direct_member(self, node: nodes.Member, names: Names) -> Evaluator | None:
        """Compile the members that nearly every rule reads without making maps of `request` and
        `resource`.
        """
        receiver, name, span = node.receiver, node.name, node.receiver.span
        if isinstance(receiver, nodes.Variable):
            if self.is_global(receiver, "request", names):
                read = request_values.MEMBERS.get(name)
                return reads.request_member_reader(name if read is None else read, span)
            if name == "data" and self.is_global(receiver, "resource", names):
                return reads.resource_data_reader(span)
        elif isinstance(receiver, nodes.Member):
            outer = receiver.receiver
            if receiver.name == "data" and self.is_global(outer, "resource", names):
                return reads.resource_field_reader(name, outer.span, span)
            if self.is_global(outer, "request", names):
                if receiver.name == "auth" and name in ("uid", "token"):
                    return reads.auth_member_reader(name, span)
                if receiver.name == "resource" and name == "data":
                    return reads.new_resource_data_reader(span)
        return None

    def _index(self, node: nodes.Index, names: Names) -> Evaluator:
        receiver = self.expression(node.receiver, names)
        index = self.expression(node.index, names)
        span = node.span

        def index_value(context: EvaluationContext) -> RulesValue:
            container = receiver(context)
            position = index(context)
            try:
                return operators.indexed(container, position)
            except RulesError as error:
                located(error, span)
                raise

        return self.folded(index_value, (receiver, index))

    def _slice(self, node: nodes.Slice, names: Names) -> Evaluator:
        receiver = self.expression(node.receiver, names)
        start = self.expression(node.start, names)
        end = self.expression(node.end, names)
        span = node.span

        def slice_value(context: EvaluationContext) -> RulesValue:
            container = receiver(context)
            first, last = start(context), end(context)
            try:
                return operators.sliced(container, first, last)
            except RulesError as error:
                located(error, span)
                raise

        return self.folded(slice_value, (receiver, start, end))

    # --- operators ----------------------------------------------------------------------------

    def _unary(self, node: nodes.Unary, names: Names) -> Evaluator:
        operand = self.expression(node.operand, names)
        span, operand_span = node.span, node.operand.span
        if node.operator == "!":

            def negation(context: EvaluationContext) -> RulesValue:
                value = operand(context)
                if value is True:
                    return False
                if value is False:
                    return True
                raise not_bool(value, operand_span)

            return self.folded(negation, (operand,))

        def minus(context: EvaluationContext) -> RulesValue:
            value = operand(context)
            try:
                return operators.negated_number(value)
            except RulesError as error:
                located(error, span)
                raise

        return self.folded(minus, (operand,))

    def _binary(self, node: nodes.Binary, names: Names) -> Evaluator:
        symbol = node.operator
        if symbol == "&&" or symbol == "||":
            return self._logical(node, names)
        is_equality = symbol == "==" or symbol == "!="
        if is_equality and self.short_cuts and isinstance(node.right, nodes.NullLiteral):
            return self._null_test(node, names)
        left = self.expression(node.left, names)
        right = self.expression(node.right, names)
        if is_equality:
            evaluate = _equality(symbol == "!=", left, right, node.span)
        elif symbol == "in":
            evaluate = _membership_test(left, right, node.span)
        elif symbol in operators.ORDERINGS:
            evaluate = _ordering(symbol, left, right, node.span)
        else:
            evaluate = _arithmetic(symbol, left, right, node.span)
        return self.folded(evaluate, (left, right))

    def _logical(self, node: nodes.Binary, names: Names) -> Evaluator:
        """Compile `&&` and `||`, a whole chain of one of them at once.

        Error absorption is associative: whatever the grouping, one deciding operand wins, else the
        leftmost error does.
        """
        operands = _chain(node, node.operator) if self.short_cuts else [node.left, node.right]
        pairs = [
            (self.logical_operand(i, each, names), each.span) for i, each in enumerate(operands)
        ]
        decisive = node.operator == "||"
        indecisive = not decisive

        def logical(context: EvaluationContext) -> RulesValue:
            failure: RulesError | None = None
            for evaluate, span in pairs:
                try:
                    value = evaluate(context)
                except RulesError as error:
                    if failure is None:
                        failure = error
                    continue
                if value is indecisive:
                    continue
                if value is decisive:
                    return decisive
                if failure is None:
                    failure = not_bool(value, span)
            if failure is None:
                return indecisive
            raise failure

        return logical

    def logical_operand(self, index: int, node: nodes.Expression, names: Names) -> Evaluator:
        """Compile an operand of `&&` or `||`; metering charges for the ones behind the first."""
        return self.expression(node, names)

    def _null_test(self, node: nodes.Binary, names: Names) -> Evaluator:
        """Compile `left == null` and `left != null`."""
        left, negated = node.left, node.operator == "!="
        if (
            isinstance(left, nodes.Member)
            and left.name == "auth"
            and self.is_global(left.receiver, "request", names)
        ):
            return reads.auth_test(negated)
        operand = self.expression(left, names)
        return self.folded(_null_test(operand, negated, node.span), (operand,))

    def _type_test(self, node: nodes.TypeTest, names: Names) -> Evaluator:
        operand = self.expression(node.operand, names)
        name = node.type_name
        accepted = operators.types_named(name) or frozenset()
        span = node.span

        def type_test(context: EvaluationContext) -> RulesValue:
            value = operand(context)
            if type(value) in SYMBOLIC:
                try:
                    return type_shown(value, name, accepted)
                except RulesError as error:
                    located(error, span)
                    raise
            return type(value) in accepted

        return self.folded(type_test, (operand,))

    def _conditional(self, node: nodes.Conditional, names: Names) -> Evaluator:
        condition = self.expression(node.condition, names)
        when_true = self.expression(node.when_true, names)
        when_false = self.false_branch(node.when_false, names)
        span = node.condition.span

        def conditional(context: EvaluationContext) -> RulesValue:
            value = condition(context)
            if value is True:
                return when_true(context)
            if value is False:
                return when_false(context)
            raise not_bool(value, span)

        return conditional

    def false_branch(self, node: nodes.Expression, names: Names) -> Evaluator:
        """Compile the branch behind the colon; metering charges extra for it."""
        return self.expression(node, names)

    # --- functions that the ruleset declares --------------------------------------------------

    def compiled_function(self, symbol: FunctionSymbol) -> CompiledFunction:
        """Compile a declared function, once for all its callers."""
        known = self._functions.get(symbol)
        if known is not None:
            return known
        declaration = symbol.declaration
        slots = {name: index for index, name in enumerate(declaration.parameters)}
        count = len(slots)
        lets: list[Evaluator] = []
        for index, let in enumerate(declaration.lets, count):
            names = Names(symbol.scope, dict(slots), count)
            lets.append(self.let_value(let, names))
            slots[let.name] = index
        body = self.expression(declaration.body, Names(symbol.scope, slots, count))
        made = CompiledFunction(count, tuple(lets), body)
        self._functions[symbol] = made
        return made

    def let_value(self, let: nodes.LetBinding, names: Names) -> Evaluator:
        """Compile the value of a let."""
        return self.expression(let.value, names)


class MeteredCompiler(Compiler):
    """The compilation that counts: each node charges the request's budget when it has been
    evaluated.
    """

    short_cuts = False

    def finish(self, node: nodes.Expression, evaluate: Evaluator) -> Evaluator:
        """Charge the node's own cost."""
        return self._charged(cost.own_cost(node), evaluate, node.span)

    def logical_operand(self, index: int, node: nodes.Expression, names: Names) -> Evaluator:
        """Charge one more for an operand that the first did not make superfluous."""
        evaluate = self.expression(node, names)
        return self._charged(cost.RIGHT_OPERAND, evaluate, node.span) if index else evaluate

    def false_branch(self, node: nodes.Expression, names: Names) -> Evaluator:
        """Charge for the branch behind the colon."""
        return self._charged(cost.FALSE_BRANCH, self.expression(node, names), node.span)

    def let_value(self, let: nodes.LetBinding, names: Names) -> Evaluator:
        """Charge for the let itself."""
        return self._charged(1, self.expression(let.value, names), let.span)

    @staticmethod
    def _charged(price: int, evaluate: Evaluator, span: Span) -> Evaluator:
        def charged(context: EvaluationContext) -> RulesValue:
            try:
                value = evaluate(context)
            except RulesError:
                # A failure costs as much as a value (measured).
                charge(context)
                raise
            charge(context)
            return value

        def charge(context: EvaluationContext) -> None:
            context.remaining -= price
            if context.remaining < 0:
                raise EvaluationStopped(limits.BUDGET_TEXT, span)

        return charged


# --- closures that need no compiler -----------------------------------------------------------


_CONTAINERS = frozenset({list, tuple, dict})


def _bounded_at(value: RulesValue, span: Span) -> RulesValue:
    try:
        return bounded(value)
    except EvaluationStopped as stopped:
        raise EvaluationStopped(stopped.text, span) from None


def _chain(node: nodes.Expression, symbol: str) -> list[nodes.Expression]:
    """Return the operands of nested uses of one operator, from left to right."""
    if isinstance(node, nodes.Binary) and node.operator == symbol:
        return [*_chain(node.left, symbol), *_chain(node.right, symbol)]
    return [node]


def _interpolation_error(value: RulesValue, span: Span) -> RulesError:
    if type(value) in SYMBOLIC:
        return located(symbolic_use(value, "$()"), span)
    error = unsupported(f"path.$({kind_name(value)})", "path.$(string), path.$(path)")
    return located(error, span)


def _null_test(operand: Evaluator, negated: bool, span: Span) -> Evaluator:
    def null_test(context: EvaluationContext) -> RulesValue:
        value = operand(context)
        if value is None:
            return not negated
        if type(value) in SYMBOLIC:
            try:
                return (operators.unequal if negated else operators.equal)(value, None)
            except RulesError as error:
                located(error, span)
                raise
        return negated

    return null_test


def _equality(negated: bool, left: Evaluator, right: Evaluator, span: Span) -> Evaluator:
    def equality(context: EvaluationContext) -> RulesValue:
        one = left(context)
        other = right(context)
        if type(one) is str is type(other):
            return one == other
        try:
            return operators.equal(one, other)
        except RulesError as error:
            located(error, span)
            raise

    def inequality(context: EvaluationContext) -> RulesValue:
        one = left(context)
        other = right(context)
        try:
            return operators.unequal(one, other)
        except RulesError as error:
            located(error, span)
            raise

    return inequality if negated else equality


def _membership_test(item: Evaluator, container: Evaluator, span: Span) -> Evaluator:
    def membership_test(context: EvaluationContext) -> RulesValue:
        # The container first: of two errors, its is the one reported (measured).
        whole = container(context)
        value = item(context)
        try:
            return operators.contained(value, whole)
        except RulesError as error:
            located(error, span)
            raise

    return membership_test


def _ordering(symbol: str, left: Evaluator, right: Evaluator, span: Span) -> Evaluator:
    compare = operators.ORDERINGS[symbol]

    def ordering(context: EvaluationContext) -> RulesValue:
        one = left(context)
        other = right(context)
        if type(one) is int is type(other):
            return compare(one, other)
        try:
            return operators.ordered(symbol, one, other)
        except RulesError as error:
            located(error, span)
            raise

    return ordering


def _arithmetic(symbol: str, left: Evaluator, right: Evaluator, span: Span) -> Evaluator:
    table = operators.ARITHMETIC[symbol]

    def arithmetic(context: EvaluationContext) -> RulesValue:
        one = left(context)
        other = right(context)
        operation = table.get((type(one), type(other)))
        try:
            if operation is None:
                return operators.computed(symbol, one, other)
            return operation(one, other)
        except RulesError as error:
            located(error, span)
            raise

    return arithmetic
