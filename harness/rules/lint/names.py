"""Names that do not exist, that nothing uses, or that look like another one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from harness.rules import nodes
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import Code, Program, walk
from harness.rules.lint.situations import PROFILE_CLAIMS, STANDARD_CLAIMS

_LANGUAGE = "https://firebase.google.com/docs/rules/rules-language"
_CLAIMS = "https://firebase.google.com/docs/rules/rules-and-auth"

UNKNOWN_NAME = LintRule(
    "unknown-name",
    Level.ERROR,
    "There is no such function, method or variable",
    "The official compiler only warns, and the ruleset is deployed; whenever the name is evaluated "
    "it is an error, which grants nothing. get() and exists() are firestore.get() and "
    "firestore.exists() in Storage.",
    "correct the name, or declare the function in this match or around it",
    _LANGUAGE,
    "match /posts/{id} { allow get: if isOwnr(resource.data); }",
)
UNUSED_FUNCTION = LintRule(
    "unused-function",
    Level.WARNING,
    "A function is never called",
    "What it checks is checked nowhere. The official compiler warns of it too.",
    "call it where it was meant to be called, or take it out",
    _LANGUAGE,
    "match /posts/{id} {\n  function isOpen() { return resource.data.open; }\n"
    "  allow get: if resource.data.public;\n}",
)
UNUSED_PARAMETER = LintRule(
    "unused-parameter",
    Level.NOTE,
    "A parameter is never read",
    "Whatever is given for it makes no difference. The official compiler warns of it too.",
    "read it, or take it out of the function and of its calls",
    _LANGUAGE,
    "match /posts/{id} {\n  function isOwner(uid) { return resource.data.public; }\n"
    "  allow get: if isOwner('a');\n}",
)
UNUSED_LET = LintRule(
    "unused-let",
    Level.WARNING,
    "A let is never read",
    "It is evaluated and paid for at every call, and changes nothing.",
    "read it, or take it out",
    _LANGUAGE,
    "match /posts/{id} {\n  function f() { let owner = resource.data.owner;\n"
    "    return resource.data.public; }\n  allow get: if f();\n}",
)
SHADOWED_NAME = LintRule(
    "shadowed-name",
    Level.NOTE,
    "A name hides another one of the same name",
    "A nested wildcard, parameter or let of the same name takes the place of the outer one: what "
    "looks like the parent's id is the child's.",
    "give the two different names",
    _LANGUAGE,
    "match /posts/{id} { match /comments/{id} { allow get: if resource.data.public; } }",
)
MISSPELLED_CLAIM = LintRule(
    "misspelled-claim",
    Level.WARNING,
    "A claim looks like another one",
    "A claim that a token does not have is an error, which grants nothing. Claims of the project's "
    "own may have any name, so this is a guess.",
    "write the claim as tokens have it: email_verified, phone_number, firebase.sign_in_provider",
    _CLAIMS,
    "match /posts/{id} { allow get: if request.auth.token.emailVerified == true; }",
)
RULES = (
    UNKNOWN_NAME,
    UNUSED_FUNCTION,
    UNUSED_PARAMETER,
    UNUSED_LET,
    SHADOWED_NAME,
    MISSPELLED_CLAIM,
)

# What the compiler's warnings begin with -> the lint rule that says the same.
_OF_THE_COMPILER = {
    "Invalid function name": UNKNOWN_NAME,
    "Invalid variable name": UNKNOWN_NAME,
    "Unused function": UNUSED_FUNCTION,
    "Unused variable": UNUSED_PARAMETER,
}
_CLAIM_NAMES = STANDARD_CLAIMS | PROFILE_CLAIMS
_PLAIN_CLAIMS = {name.replace("_", ""): name for name in _CLAIM_NAMES}
_ALIKE = 0.85


def check(program: Program) -> Iterator[Finding]:
    """Find names that are wrong, or that nothing reads."""
    yield from _compiler_warnings(program)
    for symbol in program.resolved.functions:
        declaration = symbol.declaration
        read = {
            node.name
            for part in (declaration.body, *(let.value for let in declaration.lets))
            for node in walk(part)
            if isinstance(node, nodes.Variable)
        }
        for let in declaration.lets:
            if let.name not in read:
                yield UNUSED_LET.at(let.span, f"nothing reads {let.name}")
    for matches in program.resolved.matches.values():
        for match in matches:
            for segment in match.block.pattern.segments:
                outer = match.scope.parent
                if not isinstance(segment, nodes.LiteralSegment) and (
                    outer is not None and outer.find_capture(segment.name) is not None
                ):
                    yield SHADOWED_NAME.at(
                        segment.span, f"{segment.name} is the name of an outer wildcard too"
                    )
    for code in program.codes:
        yield from _claims(program, code)


def _compiler_warnings(program: Program) -> Iterator[Finding]:
    # In code that no rule reaches, the compiler knows no request either: that says nothing more.
    unreached = [
        symbol.declaration.span
        for symbol in program.resolved.functions
        if symbol not in program.reached
    ]
    for issue in program.issues:
        rule = _OF_THE_COMPILER.get(issue.description.partition(":")[0])
        if rule is None:
            continue
        if rule is UNKNOWN_NAME and any(
            span.start <= issue.span.start < span.end for span in unreached
        ):
            continue
        yield rule.at(issue.span, issue.description.removesuffix("."))


def _claims(program: Program, code: Code) -> Iterator[Finding]:
    for node in walk(code.expression):
        if isinstance(node, nodes.Member):
            if not program.terms.of(node.receiver, code.around).is_token:
                continue
            name = node.name
        elif (
            isinstance(node, nodes.MethodCall)
            and node.name == "get"
            and node.arguments
            and isinstance(node.arguments[0], nodes.StringLiteral)
            and program.terms.of(node.receiver, code.around).is_token
        ):
            name = node.arguments[0].value
        else:
            continue
        meant = _meant(name)
        if meant is not None:
            yield MISSPELLED_CLAIM.at(node.span, f"claim {name}: do you mean {meant}?")


def _meant(name: str) -> str | None:
    """Return the standard claim that a name looks like, and is not."""
    if name in _CLAIM_NAMES:
        return None
    plain = name.replace("_", "").lower()
    if plain in _PLAIN_CLAIMS:
        return _PLAIN_CLAIMS[plain]
    if plain in ("signinprovider", "identities", "tenant"):
        return f"firebase.{'sign_in_provider' if plain == 'signinprovider' else plain}"
    # Short names are alike by chance.
    close = difflib.get_close_matches(
        plain, [key for key in _PLAIN_CLAIMS if len(key) > 6], 1, _ALIKE
    )
    return _PLAIN_CLAIMS[close[0]] if close else None
