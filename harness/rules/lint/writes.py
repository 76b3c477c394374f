"""What may be written: data that nothing looks at, and conditions that cannot hold for a method."""

from __future__ import annotations

from collections.abc import Iterator

from harness.rules.lint.access import MISSING_OWNER_CHECK, judge, trusts_caller
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.overlaps import covers
from harness.rules.lint.program import READS, Grant, Program, listed
from harness.rules.lint.terms import Op, Term
from harness.rules.request import FIRESTORE, STORAGE, Method

_FIELDS = "https://firebase.google.com/docs/firestore/security/rules-fields"
_STRUCTURE = "https://firebase.google.com/docs/firestore/security/rules-structure"
_STORAGE = "https://firebase.google.com/docs/storage/security/rules-conditions"

UNVALIDATED_WRITE = LintRule(
    "unvalidated-write",
    Level.WARNING,
    "Nothing looks at the data that is written",
    "The caller decides which fields there are, of what types and how large: a `role`, a "
    "`balance`, a megabyte of text. Rules that ask for a role are not reported, nor those "
    "reported as open.",
    "ask for fields and types: request.resource.data.keys().hasOnly([...]), `is string`, size()",
    _FIELDS,
    "match /users/{uid} { allow create, update: if request.auth.uid == uid; }",
)
HAS_ONLY = LintRule(
    "has-only-without-has-all",
    Level.NOTE,
    "Fields may be missing",
    "keys().hasOnly([...]) lets any of the fields be absent; what reads them later fails.",
    "add keys().hasAll([...]) with the fields that must be there",
    _FIELDS,
    "match /posts/{id} { allow create: if request.auth.uid == request.resource.data.owner"
    " && request.resource.data.keys().hasOnly(['owner', 'title']); }",
)
RESOURCE_ON_CREATE = LintRule(
    "resource-on-create",
    Level.WARNING,
    "A create is judged by the document that is not there yet",
    "resource is null when a document is created, so resource.data is an error and the rule never "
    "grants `create`.",
    "write `allow create` apart, with request.resource.data",
    _STRUCTURE,
    "match /posts/{id} { allow write: if resource.data.owner == request.auth.uid; }",
)
REQUEST_RESOURCE_ON_READ = LintRule(
    "request-resource-on-read",
    Level.WARNING,
    "A read is judged by data that nobody writes",
    "A read has no request.resource, so the condition is an error and never grants.",
    "use resource.data, which is what is stored",
    _STRUCTURE,
    "match /posts/{id} { allow read: if request.resource.data.owner == request.auth.uid; }",
)
REQUEST_RESOURCE_ON_DELETE = LintRule(
    "request-resource-on-delete",
    Level.WARNING,
    "A delete is judged by data that nobody writes",
    "request.resource is null for a delete, so the rule never grants one. `write` covers delete "
    "too; there it is only a note, since not to let anybody delete may be what is meant.",
    "write `allow delete` apart, and `create, update` instead of `write`",
    _STRUCTURE,
    "match /posts/{id} { allow update, delete: if request.auth.uid == resource.data.owner"
    " && request.resource.data.title is string; }",
)
NEVER_TRUE = LintRule(
    "never-true",
    Level.WARNING,
    "The condition never holds",
    "Whoever asks, and whatever is stored, the condition is false or an error: the rule grants "
    "nothing.",
    "correct the condition, or write `if false` where nobody is meant to have access",
    _STRUCTURE,
    "match /posts/{id} { allow read: if request.auth == null && request.auth.uid == 'a'; }",
)
STORAGE_SIZE = LintRule(
    "storage-without-size-limit",
    Level.WARNING,
    "Files of any size may be uploaded",
    "Storage and traffic are billed by the byte, and a file may have terabytes.",
    "add request.resource.size < 5 * 1024 * 1024",
    _STORAGE,
    "match /users/{uid}/{file} { allow create: if request.auth.uid == uid"
    " && request.resource.contentType.matches('image/.*'); }",
    in_storage=True,
)
STORAGE_TYPE = LintRule(
    "storage-without-content-type",
    Level.NOTE,
    "Files of any type may be uploaded",
    "What is meant for pictures can hold web pages and programs, which your bucket then hands out.",
    "add request.resource.contentType.matches('image/.*')",
    _STORAGE,
    "match /users/{uid}/{file} { allow create: if request.auth.uid == uid"
    " && request.resource.size < 1000000; }",
    in_storage=True,
)
RULES = (
    UNVALIDATED_WRITE,
    HAS_ONLY,
    RESOURCE_ON_CREATE,
    REQUEST_RESOURCE_ON_READ,
    REQUEST_RESOURCE_ON_DELETE,
    NEVER_TRUE,
    STORAGE_SIZE,
    STORAGE_TYPE,
)


def check(program: Program) -> Iterator[Finding]:
    """Find what is written unseen, and what can never be granted."""
    for grant in program.grants:
        yield from _unvalidated(program, grant)
        yield from _missing_fields(program, grant)
        yield from _never_granted(program, grant)


def _unvalidated(program: Program, grant: Grant) -> Iterator[Finding]:
    methods = [
        method
        for method in grant.methods
        if method in (Method.CREATE, Method.UPDATE)
        and program.can_grant(grant, method)
        # Where anybody may write, that is what to mend first.
        and judge(program, grant, method) in (None, MISSING_OWNER_CHECK)
    ]
    if not methods or not grant.is_known or trusts_caller(grant):
        return
    if grant.service == FIRESTORE:
        if not any(term.is_incoming for term in grant.terms):
            words = listed(methods)
            yield UNVALIDATED_WRITE.at(
                grant.span, f"{words} of {grant.path}: nothing looks at request.resource.data"
            )
    elif Method.CREATE in methods:
        if not _reads(grant, "size"):
            yield STORAGE_SIZE.at(grant.span, f"files of any size may be uploaded to {grant.path}")
        if not _reads(grant, "contentType") and not _asks_for_name(grant):
            yield STORAGE_TYPE.at(grant.span, f"files of any type may be uploaded to {grant.path}")


def _reads(grant: Grant, name: str) -> bool:
    return any(term.is_member(name) and term.parts[0].is_incoming for term in grant.terms)


def _asks_for_name(grant: Grant) -> bool:
    return any(
        term.op is Op.METHOD and term.value == "matches" and term.parts[0].op is Op.CAPTURE
        for term in grant.terms
    )


def _missing_fields(program: Program, grant: Grant) -> Iterator[Finding]:
    if Method.CREATE not in grant.methods or not program.can_grant(grant, Method.CREATE):
        return
    allowed: list[str] = []
    asked: set[object] = set()
    for term in grant.terms:
        if term.op is Op.METHOD and _are_keys(term.parts[0]):
            names = [part.value for part in term.parts[1].parts] if len(term.parts) == 2 else []
            if term.value == "hasOnly" and all(isinstance(name, str) for name in names):
                allowed.extend(str(name) for name in names)
            elif term.value == "hasAll":
                asked.update(names)
        elif term.op in (Op.MEMBER, Op.INDEX) and _is_data(term.parts[0]):
            asked.add(term.value if term.op is Op.MEMBER else term.parts[1].value)
        elif term.is_binary("in"):
            asked.add(term.parts[0].value)
        elif term.op is Op.METHOD and term.value == "get" and _is_data(term.parts[0]):
            asked.add(term.parts[1].value)  # with a default: it may be absent, and is known to
        elif term.is_binary("==") and _are_keys(term.parts[0]):
            return  # compared as a whole
    missing = [name for name in dict.fromkeys(allowed) if name not in asked]
    if missing:
        yield HAS_ONLY.at(
            grant.span, f"create of {grant.path} is granted without {listed(missing)}"
        )


def _is_data(term: Term) -> bool:
    return term.is_member("data") and term.parts[0].is_incoming


def _are_keys(term: Term) -> bool:
    if term.op is Op.METHOD and term.value == "toSet":
        term = term.parts[0]
    return term.op is Op.METHOD and term.value == "keys" and _is_data(term.parts[0])


def _never_granted(program: Program, grant: Grant) -> Iterator[Finding]:
    if grant.is_plain_denial or not grant.is_known:
        return
    never = [method for method in grant.methods if not program.can_grant(grant, method)]
    is_whole = len(never) == len(grant.methods)
    found: dict[LintRule, list[Method]] = {}
    for method in never:
        if (
            not is_whole
            and _is_implied(grant, method)
            and _is_granted_elsewhere(program, grant, method)
        ):
            continue
        rule = _reason(program, grant, method)
        if rule is not NEVER_TRUE or is_whole or not _is_implied(grant, method):
            found.setdefault(rule, []).append(method)
    for rule, methods in found.items():
        level = None
        if rule is REQUEST_RESOURCE_ON_DELETE and "write" in grant.rule.statement.methods:
            level = Level.NOTE
        yield rule.at(grant.span, f"{grant.path}: this never grants {listed(methods)}", level)


def _is_implied(grant: Grant, method: Method) -> bool:
    """Say whether a method is granted by `read` or `write` only, not by its own name."""
    return method.value not in grant.rule.statement.methods


def _is_granted_elsewhere(program: Program, grant: Grant, method: Method) -> bool:
    return any(
        other is not grant
        and other.service == grant.service
        and method in other.methods
        and covers(other.rule.pattern, grant.rule.pattern, program.resolved.version)
        and (program.can_grant(other, method) or other.is_plain_denial)
        for other in program.grants
    )


def _reason(program: Program, grant: Grant, method: Method) -> LintRule:
    """Return why a condition never holds for a method."""
    incoming = any(term.is_incoming for term in grant.terms)
    if method in READS and incoming:
        return REQUEST_RESOURCE_ON_READ
    if method is Method.DELETE and incoming:
        return REQUEST_RESOURCE_ON_DELETE
    resources = [term for term in grant.terms if term.op is Op.RESOURCE]
    if method is Method.CREATE and resources and grant.service != STORAGE:
        return RESOURCE_ON_CREATE
    return NEVER_TRUE
