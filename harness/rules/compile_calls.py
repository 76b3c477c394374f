"""Calls to Python closures: built-in methods and functions, document functions, functions that the
ruleset declares.

A mixin of the compiler, apart only for length. What built-ins do is in the `builtins_*` modules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.rules import limits, nodes, patterns, stdlib
from harness.rules.constraints import SYMBOLIC, for_each_candidate, method_shown, symbolic_use
from harness.rules.request import STORAGE
from harness.rules.runtime import (
    EvaluationContext,
    LetFailure,
    RulesError,
    document_resource,
    located,
    null_value,
)
from harness.rules.scope import FunctionSymbol
from harness.rules.signatures import (
    Implementation,
    Overload,
    not_found,
    unsupported,
    wrong_count,
    wrong_kinds,
)
from harness.rules.values import RulesPath, RulesValue, kind_name
from harness.source import Span

if TYPE_CHECKING:
    from harness.rules.compiler import CompiledFunction, Evaluator, Names


class CallCompiler(ABC):
    """The part of the compiler that is about calls."""

    short_cuts: bool
    constants: dict[Evaluator, RulesValue]

    def __init__(self, service: str) -> None:
        self._document_functions = stdlib.DOCUMENT_FUNCTIONS[service]
        self._access_limit = (
            limits.STORAGE_ACCESS_CALLS
            if service == STORAGE
            else limits.SINGLE_REQUEST_ACCESS_CALLS
        )

    @abstractmethod
    def expression(self, node: nodes.Expression, names: Names) -> Evaluator:
        """Compile any expression."""

    @abstractmethod
    def folded(self, evaluate: Evaluator, operands: Sequence[Evaluator]) -> Evaluator:
        """Evaluate a pure expression now if all its operands are constants."""

    @abstractmethod
    def is_variable(self, name: str, names: Names) -> bool:
        """Say whether code here sees a variable of that name."""

    @abstractmethod
    def compiled_function(self, symbol: FunctionSymbol) -> CompiledFunction:
        """Compile a declared function, once for all its callers."""

    # --- functions ----------------------------------------------------------------------------

    def call(self, node: nodes.Call, names: Names) -> Evaluator:
        """Compile `name(arguments)`: a function of the ruleset if there is one, else a built-in."""
        arguments = [self.expression(argument, names) for argument in node.arguments]
        symbol = names.scope.find_function(node.name)
        if symbol is not None:
            return self._declared_call(symbol, arguments, node.span)
        return self._builtin_call(node.name, arguments, node.span)

    def method_call(self, node: nodes.MethodCall, names: Names) -> Evaluator:
        """Compile `receiver.name(arguments)`, which may be a namespace's function."""
        namespace = self._namespace(node.receiver, names)
        if namespace is not None:
            arguments = [self.expression(argument, names) for argument in node.arguments]
            return self._builtin_call(f"{namespace}.{node.name}", arguments, node.span)
        if self.short_cuts:
            short = self._keys_test(node, names)
            if short is not None:
                return short
        receiver = self.expression(node.receiver, names)
        arguments = [self.expression(argument, names) for argument in node.arguments]
        if self.short_cuts and node.name == "matches" and len(arguments) == 1:
            short = self._constant_pattern(receiver, arguments[0], node.span)
            if short is not None:
                return self.folded(short, [receiver])
        call = _method_call(node.name, receiver, arguments, node.span)
        return self.folded(call, [receiver, *arguments])

    def _namespace(self, node: nodes.Expression, names: Names) -> str | None:
        """Return the namespace that an expression names, unless a variable hides it."""
        if (
            isinstance(node, nodes.Variable)
            and node.name in stdlib.NAMESPACES
            and not self.is_variable(node.name, names)
        ):
            return node.name
        return None

    def _builtin_call(self, name: str, arguments: list[Evaluator], span: Span) -> Evaluator:
        document_function = self._document_functions.get(name)
        if document_function is not None:
            return self._document_call(name, *document_function, arguments, span)
        overloads = stdlib.FUNCTIONS.get(name)
        if overloads is None:
            return _evaluating(arguments, lambda: not_found(name), span)
        fitting = [each for each in overloads if len(each.parameters) == len(arguments)]
        if not fitting:
            count = len(arguments)
            return _evaluating(arguments, lambda: wrong_count(count, overloads), span)
        return self.folded(_function_call(name, overloads, fitting, arguments, span), arguments)

    # --- functions that the ruleset declares --------------------------------------------------

    def _declared_call(
        self, symbol: FunctionSymbol, arguments: list[Evaluator], span: Span
    ) -> Evaluator:
        declaration = symbol.declaration
        if len(arguments) != len(declaration.parameters):
            expected = f"{declaration.name}({', '.join('any' for _ in declaration.parameters)})"
            text = (
                f"Incorrect number of arguments. Received: {len(arguments)}. Expected: {expected}."
            )
            return _evaluating(arguments, lambda: RulesError(text), span)
        function = self.compiled_function(symbol)
        lets, body = function.lets, function.body
        if not arguments and not lets:
            # It has no frame, and its callees make their own.
            return body
        fixed = tuple(arguments)

        def declared_call(context: EvaluationContext) -> RulesValue:
            frame: list[Any] = [argument(context) for argument in fixed]
            outer = context.frame
            context.frame = frame
            try:
                for let in lets:
                    try:
                        frame.append(let(context))
                    except RulesError as error:
                        # A let that fails decides nothing until it is read.
                        frame.append(LetFailure(error))
                return body(context)
            finally:
                context.frame = outer

        return declared_call

    # --- documents ----------------------------------------------------------------------------

    def _document_call(
        self, name: str, after: bool, only_existence: bool, arguments: list[Evaluator], span: Span
    ) -> Evaluator:
        if len(arguments) != 1:
            count = len(arguments)
            text = f"Incorrect number of arguments. Received: {count}. Expected: {name}(path)."
            return _evaluating(arguments, lambda: RulesError(text), span)
        argument = arguments[0]
        limit = self._access_limit

        def document_call(context: EvaluationContext) -> RulesValue:
            path = argument(context)
            try:
                segments = _document_path(name, path)
                found = context.look_up(segments, after=after, limit=limit)
                if only_existence:
                    return found is not None
                if found is None:
                    raise _service_error(name, segments)
            except RulesError as error:
                located(error, span)
                raise
            return document_resource(found, RulesPath(segments))

        return document_call

    # --- short cuts ---------------------------------------------------------------------------

    def _constant_pattern(
        self, receiver: Evaluator, pattern: Evaluator, span: Span
    ) -> Evaluator | None:
        """Compile `text.matches('constant')` with the pattern ready."""
        text = self.constants.get(pattern)
        if not isinstance(text, str):
            return None
        try:
            full_match = patterns.compile_pattern(text).fullmatch
        except patterns.BadPattern:
            return None
        general = _method_call("matches", receiver, [pattern], span)

        def matches(context: EvaluationContext) -> RulesValue:
            value = receiver(context)
            if type(value) is str:
                try:
                    return full_match(value) is not None
                except UnicodeEncodeError:
                    return general(context)
            if type(value) in SYMBOLIC:
                return general(context)
            raise located(_no_method("matches", value), span)

        return matches

    def _keys_test(self, node: nodes.MethodCall, names: Names) -> Evaluator | None:
        """Compile `map.keys().hasOnly(['a', 'b'])` and its kin without making the list of keys."""
        inner = node.receiver
        compare = _KEY_TESTS.get(node.name)
        if (
            compare is None
            or len(node.arguments) != 1
            or type(inner) is not nodes.MethodCall
            or inner.name != "keys"
            or inner.arguments
            or self._namespace(inner.receiver, names) is not None
        ):
            return None
        argument = node.arguments[0]
        if type(argument) is not nodes.ListLiteral:
            return None
        texts: list[str] = []
        for item in argument.items:
            if type(item) is not nodes.StringLiteral:
                return None
            texts.append(item.value)
        receiver = self.expression(inner.receiver, names)
        keys = frozenset(texts)
        wanted: list[RulesValue] = [*texts]
        name, span, keys_span = node.name, node.span, inner.span

        def keys_test(context: EvaluationContext) -> RulesValue:
            value = receiver(context)
            if type(value) is dict:
                return compare(value.keys(), keys)
            if type(value) not in SYMBOLIC:
                raise located(_no_method("keys", value), keys_span)
            list_of_keys = _called("keys", keys_span, value)
            return _called(name, span, list_of_keys, wanted)

        return keys_test


_KEY_TESTS: dict[str, Callable[[Any, frozenset[str]], bool]] = {
    "hasOnly": lambda keys, wanted: keys <= wanted,
    "hasAll": lambda keys, wanted: keys >= wanted,
    "hasAny": lambda keys, wanted: not keys.isdisjoint(wanted),
}


def _evaluating(
    arguments: list[Evaluator], error: Callable[[], RulesError], span: Span
) -> Evaluator:
    """Compile a call that cannot succeed: its arguments' errors still come first."""
    fixed = tuple(arguments)

    def failing_call(context: EvaluationContext) -> RulesValue:
        for argument in fixed:
            argument(context)
        raise located(error(), span)

    return failing_call


def _function_call(
    name: str,
    overloads: tuple[Overload, ...],
    fitting: list[Overload],
    arguments: list[Evaluator],
    span: Span,
) -> Evaluator:
    fixed = tuple(arguments)
    accepted = tuple((overload.accepted, overload.run) for overload in fitting)

    def function_of(*values: RulesValue) -> RulesValue:
        for kinds, run in accepted:
            if all(type(value) in kind for value, kind in zip(values, kinds, strict=True)):
                return run(*values)
        if not SYMBOLIC.isdisjoint(map(type, values)):
            return for_each_candidate(values, function_of, f"{name}()")
        raise wrong_kinds(name, values, overloads)

    def function_call(context: EvaluationContext) -> RulesValue:
        values = [argument(context) for argument in fixed]
        try:
            return function_of(*values)
        except RulesError as error:
            located(error, span)
            raise

    return function_call


# Receiver's type -> what each argument may be, and the function.
_MethodTable: TypeAlias = dict[type, tuple[tuple[frozenset[type], ...], Implementation]]


@lru_cache(maxsize=1024)
def _method_table(name: str, count: int) -> _MethodTable:
    """Return the methods of a name that take so many arguments."""
    return {
        kind: (overload.accepted, overload.run)
        for kind, overload in stdlib.METHODS.get(name, {}).items()
        if len(overload.parameters) == count
    }


@lru_cache(maxsize=1024)
def _method_of(name: str, count: int) -> Callable[..., RulesValue]:
    """Return what does a method, for a receiver and so many arguments of any kind."""
    methods = stdlib.METHODS.get(name, {})
    table = _method_table(name, count)

    def method_of(value: RulesValue, *values: RulesValue) -> RulesValue:
        entry = table.get(type(value))
        if entry is not None:
            kinds, run = entry
            for argument_value, kind in zip(values, kinds, strict=True):
                if type(argument_value) not in kind:
                    break
            else:
                return run(value, *values)
        if type(value) in SYMBOLIC or not SYMBOLIC.isdisjoint(map(type, values)):
            return method_shown(name, value, values, method_of)
        if entry is None:
            raise _method_error(name, methods, value, values)
        raise _argument_error(name, methods, value, values)

    return method_of


def _called(name: str, span: Span, receiver: RulesValue, *arguments: RulesValue) -> RulesValue:
    """Call a method of a value."""
    try:
        return _method_of(name, len(arguments))(receiver, *arguments)
    except RulesError as error:
        located(error, span)
        raise


def _method_call(
    name: str, receiver: Evaluator, arguments: list[Evaluator], span: Span
) -> Evaluator:
    fixed = tuple(arguments)
    table = _method_table(name, len(fixed))
    method_of = _method_of(name, len(fixed))

    if not fixed:

        def method_call_0(context: EvaluationContext) -> RulesValue:
            value = receiver(context)
            entry = table.get(type(value))
            try:
                return method_of(value) if entry is None else entry[1](value)
            except RulesError as error:
                located(error, span)
                raise

        return method_call_0

    def method_call(context: EvaluationContext) -> RulesValue:
        value = receiver(context)
        values = [argument(context) for argument in fixed]
        try:
            return method_of(value, *values)
        except RulesError as error:
            located(error, span)
            raise

    return method_call


def _no_method(name: str, receiver: RulesValue) -> RulesError:
    if receiver is None:
        return null_value()
    return not_found(name)


def _method_error(
    name: str,
    methods: Mapping[type, Overload],
    receiver: RulesValue,
    arguments: Sequence[RulesValue],
) -> RulesError:
    overload = methods.get(type(receiver))
    if overload is None:
        return _no_method(name, receiver)
    return wrong_count(len(arguments), (overload,))


def _argument_error(
    name: str,
    methods: Mapping[type, Overload],
    receiver: RulesValue,
    arguments: Sequence[RulesValue],
) -> RulesError:
    overload = methods[type(receiver)]
    received = f"{kind_name(receiver)}.{name}({', '.join(map(kind_name, arguments))})"
    return unsupported(received, ", ".join(overload.texts))


def _document_path(name: str, path: RulesValue) -> tuple[str, ...]:
    """Return a document's segments.

    Raises:
        RulesError: It is no path, not below `/databases/D/documents`, or not a document's.
    """
    if type(path) in SYMBOLIC:
        raise symbolic_use(path, f"{name}()")
    if not isinstance(path, RulesPath):
        raise unsupported(f"{name}({kind_name(path)})", f"{name}(path)")
    segments = path.segments
    if (
        len(segments) < 5
        or len(segments) % 2 == 0
        or segments[0] != "databases"
        or segments[2] != "documents"
        # A segment that came from `$(...)` may hold anything.
        or not all(
            isinstance(segment, str) and segment and "/" not in segment for segment in segments
        )
    ):
        raise _service_error(name, segments)
    return segments  # type: ignore[return-value]


def _service_error(name: str, segments: Sequence[object]) -> RulesError:
    texts = " ".join(f'segments {{ simple: "{segment}" }}' for segment in segments)
    return RulesError(
        f"Service call error. Function: [{name.rpartition('.')[2]}], "
        f"Argument: [path_value {{ {texts} }}]."
    )
