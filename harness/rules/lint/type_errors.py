"""What is always an error, or always false, because of the kinds of values that meet."""

from __future__ import annotations

from collections.abc import Iterator

from harness.rules import nodes, stdlib
from harness.rules.lint.kinds import Kinds, can_be_equal, can_be_ordered, is_arithmetic, results
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import Code, Program, walk
from harness.rules.lint.terms import DOCUMENT_FUNCTIONS, Op, Term
from harness.rules.operators import ORDERINGS
from harness.rules.request import FIRESTORE
from harness.rules.values import KIND_NAMES

_REFERENCE = "https://firebase.google.com/docs/reference/rules/rules"

WRONG_TYPES = LintRule(
    "wrong-types",
    Level.ERROR,
    "An operator or function gets values that it does not take",
    "It is an error whenever it is evaluated, and an error grants nothing.",
    "convert one side: int(...), string(...), timestamp.date(...)",
    _REFERENCE,
    "match /posts/{id} { allow get: if request.time < '2030-01-01'; }",
)
NEVER_EQUAL = LintRule(
    "never-equal",
    Level.WARNING,
    "Two things are compared that are never equal",
    "Values of different types are unequal: a number is never equal to a document's name, and "
    "what {rest=**} stands for is a path, not a string.",
    "convert one side: int(id), rest[0]",
    _REFERENCE,
    "match /posts/{id} { allow get: if id == 1; }",
)
WRONG_ARITY = LintRule(
    "wrong-arity",
    Level.ERROR,
    "A function is called with too few or too many arguments",
    "It is an error whenever it is evaluated; the ruleset loads all the same.",
    "give as many arguments as the function has parameters",
    _REFERENCE,
    "match /posts/{id} {\n  function isOwner(uid) { return request.auth.uid == uid; }\n"
    "  allow get: if isOwner();\n}",
)
UNKNOWN_METHOD = LintRule(
    "unknown-method",
    Level.ERROR,
    "Values of this type have no such method",
    "It is an error whenever it is evaluated. `keys()` is a list: `union` and `difference` are for "
    "sets.",
    "convert first: keys().toSet()",
    _REFERENCE,
    "match /posts/{id} { allow create: if request.resource.data.keys().difference(['a'])"
    " == ['b']; }",
)
UNKNOWN_MEMBER = LintRule(
    "unknown-member",
    Level.ERROR,
    "There is no such member",
    "Documents have data, id and __name__; their fields are members of data. request.auth has uid "
    "and token; e-mail address and claims are members of token. Anything else is an error.",
    "write resource.data.FIELD, request.resource.data.FIELD, request.auth.token.CLAIM",
    _REFERENCE + ".firestore.Resource",
    "match /posts/{id} { allow get: if resource.owner == request.auth.uid; }",
)
MISSING_PARENTHESES = LintRule(
    "missing-parentheses",
    Level.ERROR,
    "A method is named and not called",
    "`'abc'.size` without parentheses is no method but a member, which only maps have: an error.",
    "write size()",
    "https://github.com/firebase/firebase-tools/issues/4291",
    "match /posts/{id} { allow create: if request.resource.data.title is string"
    " && request.resource.data.title.size < 100; }",
)
RULES = (
    WRONG_TYPES,
    NEVER_EQUAL,
    WRONG_ARITY,
    UNKNOWN_METHOD,
    UNKNOWN_MEMBER,
    MISSING_PARENTHESES,
)

_RESOURCE_MEMBERS = frozenset({"data", "id", "__name__"})
_AUTH_MEMBERS = frozenset({"uid", "token"})
_REQUEST_MEMBERS = frozenset(
    {"auth", "method", "path", "params", "query", "resource", "time", "writeFields"}
    | {"inTransaction", "fields", "transforms", "readFields"}  # seen in the official emulator
)


def check(program: Program) -> Iterator[Finding]:
    """Find expressions that are always an error."""
    services = frozenset(program.resolved.rules)
    for code in program.codes:
        tested = _tested(program, code)
        for node in walk(code.expression):
            match node:
                case nodes.Binary():
                    yield from _binary(program, code, node)
                case nodes.Call():
                    yield from _call(program, code, node)
                case nodes.MethodCall():
                    yield from _method_call(program, code, node)
                case nodes.Member():
                    yield from _member(program, code, node, services, tested)


def _kinds(program: Program, code: Code, node: nodes.Expression) -> Kinds:
    return program.kinds.of(program.terms.of(node, code.around))


def _shown(kinds: Kinds) -> str:
    return " or ".join(sorted(kinds or ()))


def _binary(program: Program, code: Code, node: nodes.Binary) -> Iterator[Finding]:
    left, right = _kinds(program, code, node.left), _kinds(program, code, node.right)
    if left is None or right is None:
        return
    shown = f"{_shown(left)} {node.operator} {_shown(right)}"
    is_error = (is_arithmetic(node.operator) and not results(node.operator, left, right)) or (
        node.operator in ORDERINGS and not can_be_ordered(left, right)
    )
    if is_error:
        yield WRONG_TYPES.at(node.span, f"{shown} is always an error")
    elif node.operator in ("==", "!=") and not can_be_equal(left, right):
        always = "false" if node.operator == "==" else "true"
        yield NEVER_EQUAL.at(node.span, f"{shown} is always {always}")


def _call(program: Program, code: Code, node: nodes.Call) -> Iterator[Finding]:
    symbol = code.around.scope.find_function(node.name)
    if symbol is not None:
        expected = {len(symbol.declaration.parameters)}
    elif node.name in DOCUMENT_FUNCTIONS:
        expected = {1}
    elif node.name in stdlib.FUNCTIONS:
        expected = {len(overload.parameters) for overload in stdlib.FUNCTIONS[node.name]}
    else:
        return
    yield from _count(node, node.name, expected)


def _count(node: nodes.Call | nodes.MethodCall, name: str, expected: set[int]) -> Iterator[Finding]:
    if len(node.arguments) not in expected:
        wanted = " or ".join(map(str, sorted(expected)))
        yield WRONG_ARITY.at(
            node.span, f"{name}() takes {wanted} arguments and gets {len(node.arguments)}"
        )


def _method_call(program: Program, code: Code, node: nodes.MethodCall) -> Iterator[Finding]:
    term = program.terms.of(node, code.around)
    if term.op is Op.CALL:  # a namespace's function
        name = str(term.value)
        if name in stdlib.FUNCTIONS:
            overloads = stdlib.FUNCTIONS[name]
            yield from _count(node, name, {len(each.parameters) for each in overloads})
        else:
            yield from _count(node, name, {1})
        return
    overloads_by_type = stdlib.METHODS.get(node.name)
    receiver = _kinds(program, code, node.receiver)
    if overloads_by_type is None or term.op is not Op.METHOD:
        return  # a name that does not exist is the compiler's to say
    by_kind = {KIND_NAMES[each]: overload for each, overload in overloads_by_type.items()}
    if receiver is None:
        counts = {len(overload.parameters) for overload in by_kind.values()}
        yield from _count(node, node.name, counts)
        return
    fitting = [by_kind[kind] for kind in receiver if kind in by_kind]
    if not fitting:
        yield UNKNOWN_METHOD.at(node.name_span, f"{_shown(receiver)} has no method {node.name}()")
        return
    yield from _count(node, node.name, {len(overload.parameters) for overload in fitting})
    for index, argument in enumerate(node.arguments):
        kinds = _kinds(program, code, argument)
        accepted = {
            KIND_NAMES[each]
            for overload in fitting
            if index < len(overload.parameters)
            for each in overload.accepted[index]
        }
        if kinds is not None and accepted and not kinds & accepted:
            yield WRONG_TYPES.at(
                argument.span,
                f"{node.name}() takes {_shown(frozenset(accepted))} here, and gets "
                f"{_shown(kinds)}: always an error",
            )


def _tested(program: Program, code: Code) -> dict[Term, str]:
    """Return what the code tests by `is`: what may hold only if a term is of that kind."""
    return {
        program.terms.of(node.operand, code.around): node.type_name
        for node in walk(code.expression)
        if isinstance(node, nodes.TypeTest)
    }


def _member(
    program: Program,
    code: Code,
    node: nodes.Member,
    services: frozenset[str],
    tested: dict[Term, str],
) -> Iterator[Finding]:
    receiver = program.terms.of(node.receiver, code.around)
    kinds = program.kinds.of(receiver)
    if kinds is None and receiver in tested:
        kinds = frozenset({tested[receiver]})
    span = node.span
    if kinds is not None and not kinds & {"map", "path", "null"}:
        overloads = stdlib.METHODS.get(node.name, {})
        if any(KIND_NAMES[each] in kinds for each in overloads):
            yield MISSING_PARENTHESES.at(
                span, f"{_shown(kinds)} has no member {node.name}; {node.name}() is a method"
            )
        else:
            yield UNKNOWN_MEMBER.at(span, f"{_shown(kinds)} has no member {node.name}")
        return
    members: frozenset[str] | None = None
    what = ""
    if receiver.op is Op.REQUEST:
        members, what = _REQUEST_MEMBERS, "request"
    elif receiver.is_auth:
        members, what = _AUTH_MEMBERS, "request.auth"
    elif services == {FIRESTORE}:
        if receiver.op is Op.RESOURCE or receiver.is_incoming:
            members, what = _RESOURCE_MEMBERS, "a document"
        elif receiver.looks_up and "get" in str(receiver.value):
            members, what = _RESOURCE_MEMBERS, "what get() gives"
    if members is not None and node.name not in members:
        shown = ", ".join(sorted(members - {"__name__"} - _HIDDEN))
        yield UNKNOWN_MEMBER.at(span, f"{what} has no member {node.name}; it has {shown}")


_HIDDEN = frozenset({"writeFields", "inTransaction", "fields", "transforms", "readFields"})
