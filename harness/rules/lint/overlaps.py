"""How statements lie over each other: what one grants, another does not take back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.rules import nodes
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.program import Grant, Program, listed, shown_path
from harness.rules.lint.situations import TRUE, Caller
from harness.rules.lint.terms import Op
from harness.rules.request import FIRESTORE, Method
from harness.rules.scope import MatchScope, PatternSegment
from harness.source import Span

_STRUCTURE = "https://firebase.google.com/docs/firestore/security/rules-structure"

INEFFECTIVE_DENIAL = LintRule(
    "ineffective-denial",
    Level.WARNING,
    "`if false` does not deny what a wider rule grants",
    "Rules are joined by OR: a request is allowed as soon as one statement allows it, and `if "
    "false` takes nothing back.",
    "leave these paths out of the wider rule: match the collections one by one",
    _STRUCTURE + "#overlapping_match_statements",
    "match /{document=**} { allow read: if request.auth.token.staff == true; }\n"
    "match /salaries/{id} { allow read: if false; }",
)
POINTLESS_RULE = LintRule(
    "pointless-rule",
    Level.WARNING,
    "Another statement grants all of this already",
    "Rules are joined by OR, so the narrower condition protects nothing: whoever it turns away "
    "gets in through the other statement. What is only said twice is a note.",
    "narrow the wider statement, or take this one out",
    _STRUCTURE + "#overlapping_match_statements",
    "match /{document=**} { allow read: if request.auth != null; }\n"
    "match /posts/{id} { allow read: if request.auth.uid == resource.data.owner; }",
)
COLLECTION_MATCH = LintRule(
    "collection-match",
    Level.WARNING,
    "The pattern ends at a collection, where no document is",
    "Rules are asked for documents, a query's too: a pattern of collection names without a "
    "wildcard behind the last one matches nothing, so its statements never grant.",
    "match the documents: /posts/{id}",
    _STRUCTURE,
    "match /posts { allow read: if request.auth.token.staff == true; }",
)
WRONG_ROOT = LintRule(
    "wrong-root",
    Level.ERROR,
    "The pattern does not begin where paths begin",
    "Every path of Firestore begins with /databases/{database}/documents, and every path of "
    "Storage with /b/{bucket}/o; another pattern matches nothing.",
    "put the match into `match /databases/{database}/documents { ... }` or "
    "`match /b/{bucket}/o { ... }`",
    _STRUCTURE,
    "match /posts/{id} { allow read: if request.auth.token.staff == true; }",
)
RULES_VERSION = LintRule(
    "rules-version",
    Level.WARNING,
    "The ruleset is of version 1",
    "Without rules_version = '2', {name=**} must stand last and matches no empty rest, "
    "collection-group queries are denied, and Storage cannot list. The official compiler warns of "
    "it when rules are deployed.",
    "write rules_version = '2'; as the first line, and look at each {name=**}",
    "https://firebase.google.com/docs/firestore/security/get-started#security_rules_version_2",
    "match /posts/{id} { allow read: if request.auth.token.staff == true; }",
)
RULES = (INEFFECTIVE_DENIAL, POINTLESS_RULE, COLLECTION_MATCH, WRONG_ROOT, RULES_VERSION)

_ROOTS = {FIRESTORE: ("databases", None, "documents"), "firebase.storage": ("b", None, "o")}


def check(program: Program) -> Iterator[Finding]:
    """Find statements that other statements make pointless, and patterns that match nothing."""
    for grant in program.grants:
        yield from _overlapped(program, grant)
    for service, matches in program.resolved.matches.items():
        for match in matches:
            if any(isinstance(item, nodes.AllowStatement) for item in match.block.body):
                yield from _unmatched(service, match)
    if program.resolved.version == 1:
        first = program.source.text.find("\n")
        yield RULES_VERSION.at(
            Span(0, len(program.source.text) if first < 0 else first),
            "Ruleset uses old version (version [1]). Please update to the latest version "
            "(version [2]).",
        )


def _overlapped(program: Program, narrow: Grant) -> Iterator[Finding]:
    """Find what a wider statement does to this one."""
    version = program.resolved.version
    found: dict[tuple[LintRule, Grant], list[Method]] = {}
    for method in narrow.methods:
        for wide in program.grants:
            if (
                wide is narrow
                or wide.service != narrow.service
                or method not in wide.methods
                or not covers(wide.rule.pattern, narrow.rule.pattern, version)
            ):
                continue
            is_wider = not covers(narrow.rule.pattern, wide.rule.pattern, version)
            if narrow.is_plain_denial:
                # At one pattern, `allow write: if false` beside other statements is a reminder.
                if is_wider and program.can_grant(wide, method):
                    found.setdefault((INEFFECTIVE_DENIAL, wide), []).append(method)
                    break
            elif _grants_all(program, wide, narrow, method) and (
                is_wider or _comes_first(program, wide, narrow, method)
            ):
                found.setdefault((POINTLESS_RULE, wide), []).append(method)
                break
    for (rule, wide), methods in found.items():
        line = program.source.position(wide.span.start).line
        by = f"{wide.path} on line {line}"
        if rule is INEFFECTIVE_DENIAL:
            yield rule.at(
                narrow.span,
                f"{listed(methods)} of {narrow.path} can be granted by {by} all the same",
            )
            continue
        is_repetition = all(
            covers(narrow.rule.pattern, wide.rule.pattern, version)
            and (len(methods) < len(narrow.methods) or _grants_all(program, narrow, wide, method))
            for method in methods
        ) or all(_grants_all(program, narrow, wide, method) for method in methods)
        yield rule.at(
            narrow.span,
            f"{listed(methods)} of {narrow.path}: {by} grants all of it",
            Level.NOTE if is_repetition else None,
        )


def _grants_all(program: Program, wide: Grant, narrow: Grant, method: Method) -> bool:
    """Say whether a statement grants whatever another one may grant."""
    if wide.condition is narrow.condition and (
        wide.rule.pattern == narrow.rule.pattern
        or not any(term.op is Op.CAPTURE for term in wide.terms)
    ):
        return wide.is_known and program.can_grant(narrow, method)
    can_grant = False
    for caller in Caller:
        if TRUE in program.outcome(narrow, method, caller):
            can_grant = True
            if program.outcome(wide, method, caller, program.now) != TRUE:
                return False
    return can_grant


def _comes_first(program: Program, one: Grant, other: Grant, method: Method) -> bool:
    """Of two statements that each grant all of the other, let only the later one be reported."""
    return one.span < other.span or not _grants_all(program, other, one, method)


def _unmatched(service: str, match: MatchScope) -> Iterator[Finding]:
    pattern = match.pattern
    span = match.block.pattern.span
    if any(isinstance(segment, nodes.RecursiveWildcard) for segment in pattern[:3]):
        return
    root = _ROOTS[service]
    if len(pattern) < 3 or any(
        text is not None
        and not (
            isinstance(segment, nodes.WildcardSegment) or segment == nodes.LiteralSegment(text)
        )
        for segment, text in zip(pattern, root, strict=False)
    ):
        shown = "".join(f"/{text or '{...}'}" for text in root)
        yield WRONG_ROOT.at(span, f"{shown_path(pattern)} is not below {shown}")
        return
    below = pattern[3:]
    is_fixed = not any(isinstance(segment, nodes.RecursiveWildcard) for segment in below)
    if service == FIRESTORE and is_fixed and (not below or len(below) % 2):
        what = "the root of the database" if not below else f"{shown_path(pattern)} is a collection"
        yield COLLECTION_MATCH.at(span, f"no document has this path: {what}")


def covers(wide: Sequence[PatternSegment], narrow: Sequence[PatternSegment], version: int) -> bool:
    """Say whether a pattern matches every path that another one matches."""
    split, other = _recursive_at(wide), _recursive_at(narrow)
    if split is None:
        return other is None and _all_cover(wide, narrow)
    head, tail = wide[:split], wide[split + 1 :]
    # `{rest=**}` is at least one segment in version 1, and may be none in version 2.
    shortest = len(narrow) - (1 if other is not None and version > 1 else 0)
    if shortest < len(head) + len(tail) + (1 if version == 1 else 0):
        return False
    if other is not None and (other < len(head) or len(narrow) - 1 - other < len(tail)):
        return False
    return _all_cover(head, narrow[: len(head)]) and _all_cover(
        tail, narrow[len(narrow) - len(tail) :]
    )


def _all_cover(wide: Sequence[PatternSegment], narrow: Sequence[PatternSegment]) -> bool:
    return len(wide) == len(narrow) and all(
        _segment_covers(one, other) for one, other in zip(wide, narrow, strict=True)
    )


def _recursive_at(pattern: Sequence[PatternSegment]) -> int | None:
    for index, segment in enumerate(pattern):
        if isinstance(segment, nodes.RecursiveWildcard):
            return index
    return None


def _segment_covers(wide: PatternSegment, narrow: PatternSegment) -> bool:
    return isinstance(wide, nodes.WildcardSegment) or (
        isinstance(wide, nodes.LiteralSegment) and wide == narrow
    )
