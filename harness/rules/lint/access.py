"""Who gets in: rules that are open to everyone, to everyone for a while, or to whoever signs in."""

from __future__ import annotations

from collections.abc import Iterator

from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import DAY, WRITES, Grant, Program, listed
from harness.rules.lint.situations import PROFILE_CLAIMS, STANDARD_CLAIMS, TRUE, Caller
from harness.rules.lint.terms import Op, Term
from harness.rules.request import STORAGE, Method

_INSECURE = "https://firebase.google.com/docs/firestore/security/insecure-rules"
_CONDITIONS = "https://firebase.google.com/docs/firestore/security/rules-conditions"

OPEN_RULES = LintRule(
    "open-rules",
    Level.ERROR,
    "Everyone may read or write",
    "The address of a project is in every app that uses it, so anybody can make these requests "
    "without the app and without an account. An open read of one collection is only a note: it is "
    "often meant.",
    "ask for what makes the request rightful: who asks, and what the data is",
    _INSECURE,
    "match /posts/{id} { allow write: if true; }",
)
TEST_MODE = LintRule(
    "test-mode",
    Level.ERROR,
    "Everyone may read or write until a date",
    "Until that date the data is open to everybody, and from that date on to nobody: the app "
    "stops working.",
    "write rules for the app before it holds data that matters",
    _INSECURE,
    "match /{document=**} { allow read, write: if request.time < timestamp.date(2100, 1, 1); }",
)
EXPIRED_TEST_MODE = LintRule(
    "expired-test-mode",
    Level.WARNING,
    "The date until which everyone had access is past",
    "The rule grants nothing any more. Whoever moves the date opens the data to everybody again.",
    "replace the rule by rules for the app",
    _INSECURE,
    "match /{document=**} { allow read, write: if request.time < timestamp.date(2020, 1, 1); }",
)
AUTH_ONLY_WRITE = LintRule(
    "auth-only-write",
    Level.WARNING,
    "Whoever is signed in may write",
    "Anybody can make an account, so every user can create, change or delete what belongs to "
    "others.",
    "compare request.auth.uid with the owner in the path or in resource.data, or ask for a role",
    _CONDITIONS,
    "match /posts/{id} { allow update: if request.auth != null; }",
)
AUTH_ONLY_READ = LintRule(
    "auth-only-read",
    Level.NOTE,
    "Whoever is signed in may read",
    "Anybody can make an account, so this is nearly public. It is a warning where the name of the "
    "collection tells of personal data, or where the rule is for the whole database.",
    "compare request.auth.uid with the path or with resource.data, or ask for a membership",
    _CONDITIONS,
    "match /invoices/{id} { allow read: if request.auth != null; }",
)
PUBLIC_WRITE = LintRule(
    "public-write",
    Level.WARNING,
    "Callers who are not signed in may change or delete",
    "The condition looks at data only, and can hold for anybody. Creating without an account is "
    "only a note: forms for contact work so.",
    "ask for request.auth, and compare its uid with the owner",
    _CONDITIONS,
    "match /posts/{id} { allow update: if request.resource.data.title is string; }",
)
MISSING_OWNER_CHECK = LintRule(
    "missing-owner-check",
    Level.WARNING,
    "Nothing says whose document is changed",
    "The condition can hold for a signed-in user whom neither the path nor the stored data names. "
    "A comparison with request.resource.data alone does not help: the caller writes that.",
    "compare request.auth.uid with resource.data or with the path, or ask for a role",
    _CONDITIONS,
    "match /posts/{id} { allow update: if request.auth != null"
    " && request.resource.data.owner == request.auth.uid; }",
)
UNVERIFIED_EMAIL = LintRule(
    "unverified-email",
    Level.WARNING,
    "An e-mail address is trusted that may not be verified",
    "With a password, an account can be made for any address. Only email_verified tells that the "
    "address is the caller's.",
    "add request.auth.token.email_verified == true, or use a custom claim",
    "https://firebase.google.com/docs/rules/rules-and-auth",
    "match /reports/{id} { allow read: if request.auth.token.email.matches('.*@example[.]com'); }",
)
RULES = (
    OPEN_RULES,
    TEST_MODE,
    EXPIRED_TEST_MODE,
    AUTH_ONLY_WRITE,
    AUTH_ONLY_READ,
    PUBLIC_WRITE,
    MISSING_OWNER_CHECK,
    UNVERIFIED_EMAIL,
)

# Names of collections and folders that tell of personal data.
_PERSONAL = frozenset(
    """
    accounts addresses billing chats contacts conversations credentials customers emails health
    invoices medical messages notifications orders passwords patients payments payouts private
    salaries secrets sessions subscriptions tokens transactions users wallets
    """.split()  # noqa: SIM905 - one name a line would hide the list
)


def check(program: Program) -> Iterator[Finding]:
    """Find who gets in too easily."""
    for grant in program.grants:
        found: dict[LintRule, list[Method]] = {}
        for method in grant.methods:
            rule = judge(program, grant, method)
            if rule is not None:
                found.setdefault(rule, []).append(method)
        for rule, methods in found.items():
            yield _finding(program, grant, rule, methods)
    yield from _emails(program)


def _emails(program: Program) -> Iterator[Finding]:
    """Find who trusts an address, once for each comparison however many statements make it."""
    trusting: dict[Term, list[Grant]] = {}
    for grant in program.grants:
        if any(program.can_grant(grant, method) for method in grant.methods):
            for term in _trusted_emails(grant):
                trusting.setdefault(term, []).append(grant)
    reported: set[Grant] = set()
    for grants in trusting.values():
        first = grants[0]
        if first in reported:
            continue
        reported.add(first)
        others = len(grants) - 1
        more = f" (and by {others} more)" if others else ""
        yield UNVERIFIED_EMAIL.at(
            first.span,
            f"who asks for {first.path} is told by an e-mail address that need not be "
            f"verified{more}",
        )


def judge(program: Program, grant: Grant, method: Method) -> LintRule | None:
    """Return the rule that a statement offends for a method by whom it lets in; None for none."""
    signed_out = program.outcome(grant, method, Caller.SIGNED_OUT, program.now)
    stranger = program.outcome(grant, method, Caller.STRANGER, program.now)
    moments = program.moments(grant)
    if signed_out == TRUE:
        later = (
            program.outcome(grant, method, Caller.SIGNED_OUT, moments[-1] + DAY)
            if moments
            else signed_out
        )
        return OPEN_RULES if TRUE in later else TEST_MODE
    if moments and TRUE not in signed_out:
        before = program.outcome(grant, method, Caller.SIGNED_OUT, moments[0] - DAY)
        if before == TRUE:
            return EXPIRED_TEST_MODE
    if not grant.is_known:
        return None
    if stranger == TRUE:
        return AUTH_ONLY_WRITE if method in WRITES else AUTH_ONLY_READ
    if method in WRITES and TRUE in signed_out:
        return PUBLIC_WRITE
    if TRUE in stranger and _needs_owner(grant, method):
        return MISSING_OWNER_CHECK
    return None


def _needs_owner(grant: Grant, method: Method) -> bool:
    if method in (Method.UPDATE, Method.DELETE):
        # In Storage, `update` is of metadata only, and goes with the rule that lets files in.
        return grant.service != STORAGE or not _asks_who(grant)
    return (
        method is Method.CREATE
        and grant.service == STORAGE
        and not _asks_who(grant)
        and not _is_new(grant)
    )


def _asks_who(grant: Grant) -> bool:
    """Say whether a condition looks at more of the caller than that there is one."""
    return any(term.is_uid or term.looks_up or term.is_token for term in grant.terms)


def _is_new(grant: Grant) -> bool:
    """Say whether a condition asks that there is no such file yet."""
    return any(
        term.is_binary("==") and {part.op for part in term.parts} == {Op.RESOURCE, Op.LITERAL}
        for term in grant.terms
    )


def _finding(program: Program, grant: Grant, rule: LintRule, methods: list[Method]) -> Finding:
    words = listed(methods)
    where = "the whole database" if grant.service != STORAGE else "the whole bucket"
    what = f"{words} {where if grant.is_everything else grant.path}"
    writes = any(method in WRITES for method in methods)
    is_personal = grant.collection.lower() in _PERSONAL
    if rule is OPEN_RULES:
        level = Level.ERROR if writes or grant.is_everything else None
        level = level or (Level.WARNING if is_personal else Level.NOTE)
        return rule.at(grant.span, f"anyone may {what}, signed in or not", level)
    if rule in (TEST_MODE, EXPIRED_TEST_MODE):
        last = program.moments(grant)[-1].date()
        days = (last - program.today).days
        number = "1 day" if abs(days) == 1 else f"{abs(days)} days"
        ago = f"in {number}" if days > 0 else f"{number} ago"
        who = "anyone may" if rule is TEST_MODE else "everyone's access ended, who could"
        return rule.at(grant.span, f"{who} {what} until {last.isoformat()}, {ago}")
    if rule is AUTH_ONLY_READ:
        is_telling = is_personal or grant.is_everything
        level = Level.WARNING if is_telling else Level.NOTE
        return rule.at(grant.span, f"any signed-in user may {what}", level)
    if rule is AUTH_ONLY_WRITE:
        return rule.at(grant.span, f"any signed-in user may {what}")
    if rule is PUBLIC_WRITE:
        level = Level.NOTE if methods == [Method.CREATE] else Level.WARNING
        return rule.at(grant.span, f"a caller who is not signed in may {what}", level)
    return rule.at(
        grant.span, f"a signed-in user whom neither path nor stored data names may {what}"
    )


def _trusted_emails(grant: Grant) -> list[Term]:
    """Return where a condition compares the caller's e-mail address with something; nothing if it
    asks whether the address is verified, or who signed the caller in.
    """
    found = []
    for term in grant.terms:
        if term.value in ("email_verified", "sign_in_provider"):
            return []
        is_comparison = term.is_binary("==", "in") or (
            term.op is Op.METHOD and term.value in ("matches", "hasAny", "hasAll")
        )
        # An address that the caller writes is no credential.
        if (
            is_comparison
            and any(_is_email(part) for part in term.parts)
            and not any(each.is_incoming for each in term.within())
        ):
            found.append(term)
    return found


def _is_email(term: Term) -> bool:
    while term.op in (Op.METHOD, Op.INDEX) and term.parts:
        term = term.parts[0]
    return term.is_member("email") and term.parts[0].is_token


def trusts_caller(grant: Grant) -> bool:
    """Say whether a condition asks for a role: a claim of the project's own, a document that is
    looked up, or a caller whom it spells out.
    """
    for term in grant.terms:
        if term.looks_up:
            return True
        if (
            term.op is Op.MEMBER
            and term.parts[0].is_token
            and term.value not in STANDARD_CLAIMS | PROFILE_CLAIMS
        ):
            return True
        if term.op is Op.METHOD and term.value == "get" and term.parts[0].is_token:
            return True
        if term.is_binary("in") and term.parts[1].is_token:
            return True
        if term.is_binary("==", "in") and _spells_out_caller(term):
            return True
    return False


def _spells_out_caller(term: Term) -> bool:
    left, right = term.parts
    for one, other in ((left, right), (right, left)):
        items = other.parts if other.op is Op.LIST else (other,)
        if (one.is_uid or _is_email(one)) and all(
            item.op is Op.LITERAL and item.value is not None for item in items
        ):
            return True
    return False
