"""Documents that conditions look up: what they cost, and when there are too many."""

from __future__ import annotations

from collections.abc import Iterator

from harness.rules import limits
from harness.rules.cost import CostBook
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import Grant, Program
from harness.rules.lint.terms import Op, Term
from harness.rules.request import STORAGE, Method

_LOOKUPS = (
    "https://firebase.google.com/docs/firestore/security/rules-conditions#access_other_documents"
)
_LIMITS = "https://firebase.google.com/docs/firestore/security/rules-structure#security_rule_limits"

LIST_LOOKUPS = LintRule(
    "list-lookups",
    Level.NOTE,
    "Every query pays for documents that the rule looks up",
    "get() and exists() are billed as reads for each query that the rule is asked about, also when "
    "it is denied and when it finds nothing.",
    "keep what the rule needs in the token (custom claims) or in the documents that are queried",
    _LOOKUPS,
    "match /posts/{id} { allow list: if"
    " exists(/databases/$(database)/documents/members/$(request.auth.uid)); }",
)
TOO_MANY_LOOKUPS = LintRule(
    "too-many-lookups",
    Level.WARNING,
    "More documents are looked up than one request may",
    "A request fails at the 11th document that its rules look up (in Storage at the 3rd; in a "
    "batch at the 21st for all its writes together). All statements for one path count together.",
    "look up one document that holds what several hold now, or use custom claims",
    _LIMITS,
    "match /docs/{id} {\n"
    "  function has(part) {\n"
    "    return exists(/databases/$(database)/documents/parts/$(part));\n"
    "  }\n"
    "  allow get: if has('a') && has('b') && has('c') && has('d') && has('e') && has('f')\n"
    "      && has('g') && has('h') && has('i') && has('j') && has('k');\n"
    "}",
)
LOOKUP_PATH = LintRule(
    "lookup-path",
    Level.ERROR,
    "The path that is looked up is no document's",
    "get() and exists() want a document's whole path; any other path is an error, so the condition "
    "never holds by it.",
    "write /databases/$(database)/documents/ and then collection and document in turn",
    _LOOKUPS,
    "match /posts/{id} { allow read: if exists(/members/$(request.auth.uid)); }",
)
EXPRESSION_BUDGET = LintRule(
    "expression-budget",
    Level.NOTE,
    "The condition may be longer than one request may evaluate",
    "A request may evaluate 1000 expressions; it fails when it needs more. What the condition can "
    "need at most is above that.",
    "share work by `let`, compare sets of keys instead of each key, and put cheap terms first",
    _LIMITS,
    "match /docs/{id} {\n"
    "  function f1(x) { return x == 1 || x == 2 || x == 3 || x == 4 || x == 5 || x == 6; }\n"
    "  function f2(x) { return f1(x) && f1(x + 1) && f1(x + 2) && f1(x + 3) && f1(x + 4); }\n"
    "  function f3(x) { return f2(x) && f2(x + 1) && f2(x + 2) && f2(x + 3) && f2(x + 4); }\n"
    "  allow get: if f3(resource.data.n) && f3(resource.data.m);\n"
    "}",
)
RULES = (LIST_LOOKUPS, TOO_MANY_LOOKUPS, LOOKUP_PATH, EXPRESSION_BUDGET)


def check(program: Program) -> Iterator[Finding]:
    """Find look-ups that cost much, and those that cannot work."""
    costs = CostBook()
    for grant in program.grants:
        looked_up = _looked_up(grant)
        if looked_up:
            yield from _count(program, grant, looked_up)
        condition = grant.rule.statement.condition
        if condition is not None:
            most = costs.most(condition, grant.rule.scope)
            if most > limits.EXPRESSIONS_PER_REQUEST:
                yield EXPRESSION_BUDGET.at(
                    grant.span,
                    f"{grant.path}: the condition may need up to {most} of the "
                    f"{limits.EXPRESSIONS_PER_REQUEST} expressions of a request",
                )
        for path in looked_up:
            problem = _path_problem(path)
            if problem:
                yield LOOKUP_PATH.at(grant.span, f"{grant.path}: {problem}")


def _looked_up(grant: Grant) -> list[Term]:
    """Return the paths that a condition looks up, each once."""
    return list(
        dict.fromkeys(term.parts[0] for term in grant.terms if term.looks_up and term.parts)
    )


def _count(program: Program, grant: Grant, looked_up: list[Term]) -> Iterator[Finding]:
    if Method.LIST in grant.methods and program.can_grant(grant, Method.LIST):
        reads = "1 document read" if len(looked_up) == 1 else f"{len(looked_up)} document reads"
        yield LIST_LOOKUPS.at(
            grant.span, f"each query of {grant.path} pays for up to {reads} by this rule"
        )
    limit = (
        limits.STORAGE_ACCESS_CALLS
        if grant.service == STORAGE
        else limits.SINGLE_REQUEST_ACCESS_CALLS
    )
    for method in grant.methods:
        together: dict[Term, None] = {}
        for other in program.grants:
            if other.service == grant.service and method in other.methods:
                if other.rule.pattern == grant.rule.pattern:
                    together.update(dict.fromkeys(_looked_up(other)))
                if other is grant:
                    break
        # Of several statements that exceed the limit together, the one that does so is reported.
        before = len(together) - len(looked_up)
        if len(together) > limit and before <= limit:
            yield TOO_MANY_LOOKUPS.at(
                grant.span,
                f"{method.value} of {grant.path} may look up {len(together)} documents; a request "
                f"may {limit}",
            )
            return


def _path_problem(path: Term) -> str | None:
    """Say what is wrong with a path that is spelled out; None if nothing is known to be."""
    if path.op is not Op.PATH or any(part.op is Op.OPAQUE for part in path.parts):
        return None
    segments = path.parts
    shown = "".join(f"/{part.value}" if part.op is Op.LITERAL else "/$(...)" for part in segments)
    begins_well = (
        len(segments) > 3 and segments[0].value == "databases" and segments[2].value == "documents"
    )
    if segments[0].op is not Op.LITERAL:
        return None  # $(path) may stand for several segments
    if not begins_well:
        return f"{shown} does not begin with /databases/$(database)/documents"
    simple = all(part.op in (Op.LITERAL, Op.CAPTURE) or part.is_uid for part in segments)
    if simple and len(segments) % 2 == 0:
        return f"{shown} is a collection, not a document"
    return None
