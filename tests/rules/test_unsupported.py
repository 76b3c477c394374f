"""Nothing unsupported is ever allowed: what we do not do is refused at load or denied.

Three tables. What is refused when the text is loaded; what loads and is an error whenever it is
evaluated, in whatever a rule does with it; and what list requests do not show.
"""

from __future__ import annotations

import pytest

from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import load_ruleset
from harness.rules.values import RulesPath
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT

PATH = (*ROOT, "notes", "n1")
AUTH = RulesAuth("ana", {"email": "ana@example.com"})
DATA = {"n": 1, "f": 1.5, "s": "a", "l": ["a"], "m": {"k": 1}, "b": True, "z": None}
UPDATE = RulesRequest(
    FIRESTORE,
    Method.UPDATE,
    PATH,
    AUTH,
    NOW,
    RulesResource(DATA, RulesPath(PATH)),
    RulesResource(DATA, RulesPath(PATH)),
)


class Everything:
    """Has every document, so that no lookup denies for want of one."""

    def get(self, path: tuple[str, ...]) -> dict[str, object]:
        return dict(DATA)

    get_after = get


REFUSED = {
    "another version": "rules_version = '3'; service cloud.firestore { }",
    "a version that is no text": "rules_version = 2; service cloud.firestore { }",
    "modules": "rules_version = '2+modules'; service cloud.firestore { }",
    "an import": "rules_version = '2'; import { f } from 'x'; service cloud.firestore { }",
    "another service": "service firebase.database { match /a { allow read; } }",
    "a made-up service": "service cloud.spanner { match /a { allow read; } }",
    "a made-up method": "service cloud.firestore { match /a/{b} { allow find; } }",
    "a capture of a part of a segment": "service cloud.firestore { match /{a}-{b} { allow get; } }",
    "a recursive wildcard that does not end a pattern of version 1": (
        "service cloud.firestore { match /{p=**}/b/{id} { allow get; } }"
    ),
    "two recursive wildcards": (
        "rules_version = '2'; service cloud.firestore { match /{p=**}/b/{q=**} { allow get; } }"
    ),
}

BAD_CONDITIONS = {
    "a type that does not exist": "resource.data.n is bogus",
    "null as a type": "resource.data.n is null",
    "look-ahead": "resource.data.s.matches('a(?=b)')",
    "look-behind": "resource.data.s.matches('(?<=a)b')",
    "a back-reference": "resource.data.s.matches('(a)\\\\1')",
    "a single byte of a character": "resource.data.s.matches('\\\\C')",
    "an unknown escape": "resource.data.s == '\\d'",
    "division without blanks": "4/2 == 2",
    "let in a condition": "let a = true; a",
    "an assignment": "resource.data.n = 1",
    "increment": "resource.data.n++",
    "strict equality": "resource.data.n === 1",
    "a template": "`a` == 'a'",
    "a regular expression literal": "resource.data.s.matches(/a/)",
    "optional access": "resource.data?.n == 1",
    "bitwise and": "(resource.data.n & 1) == 1",
    "a word as an operator": "true and true",
}

ERRORS = [
    # Documented or expected, and absent from both official runtimes (measured).
    *("math.isInfinite(1.0)", "bool('true')", "bytes('abc')"),
    # Of other services, languages or versions.
    *("getBefore(/databases/$(db)/documents/a/b)", "firestore.get(/databases/x/documents/a/b)"),
    *("firestore.getAfter(/databases/$(db)/documents/a/b)", "root.child('a')", "data.val()", "now"),
    *("auth.uid", "request.auth.claims", "request.ip", "request.params", "request.headers"),
    # Keys that only the emulator gives, and no documentation: no rule may rest on them.
    *("request.writeFields", "request.readFields", "request.transforms", "request.fields"),
    *("request.inTransaction", "request.query", "request.app", "request.host"),
    *("resource.createTime", "resource.updateTime", "resource.readTime", "resource.name"),
    # Methods that other kinds of value have, or none.
    *("resource.data.s.length", "resource.data.s.length()", "resource.data.s.contains('a')"),
    *("resource.data.s.startsWith('a')", "resource.data.s.endsWith('a')", "resource.data.s.trim"),
    *("resource.data.s.toLowerCase()", "resource.data.s.includes('a')", "resource.data.s.keys()"),
    *("resource.data.l.length", "resource.data.l.contains('a')", "resource.data.l.map('a')"),
    *("resource.data.l.all(x, x == 'a')", "resource.data.l.exists(x, x == 'a')"),
    *("resource.data.l.any('a')", "resource.data.l.union(['b'])", "resource.data.l.first()"),
    *("resource.data.l.toSet().toList()", "resource.data.l.toSet()[0]", "resource.data.l[-1]"),
    *("resource.data.m.has('k')", "resource.data.m.get('k')", "resource.data.m.hasAll(['k'])"),
    *("resource.data.m.diff(resource.data.m).keys()", "resource.data.m.entries()"),
    *("resource.data.n.toString()", "resource.data.n.size()", "resource.data.z.size()"),
    *("request.time.date", "request.time.getTime()", "request.time.year", "timestamp.now()"),
    *("timestamp.date(2020, 13, 1)", "duration.value(1, 'y')", "duration.days(1)"),
    *("math.max(1, 2)", "math.random()", "hashing.sha1('a')", "latlng.value(91, 0)"),
    *("string(resource.data.m)", "int(true)", "float('x')", "path(1)", "JSON.parse('{}')"),
    # Operators on kinds that they do not take.
    *("resource.data.l + resource.data.l", "resource.data.m + resource.data.m", "'a' + 1"),
    *("resource.data.s < 1", "true < false", "resource.data.l < resource.data.l", "-'a'", "!'a'"),
    *("'a' in 'abc'", "1 in resource.data.m", "'a' in null", "'a' * 2", "resource.data.s - 'a'"),
    # Paths that name no document.
    *("get(/a/b)", "exists(/databases/$(db)/documents/a)", "get('/databases/x/documents/a/b')"),
    *("get(/databases/$(db)/documents/$(resource.data.b)/x)", "exists(resource.data.s)"),
    *(
        "get(/databases/$(db)/documents/a/$(resource.data.f))",
        "get(/databases/$(db)/documents/a/$(''))",
    ),
    *("get(/databases/$(db)/documents/a/$('x/y'))", "exists(/databases/$(db)/documents/{a}/b)"),
]

# What a rule may do with an expression so that an error, taken for a value, would grant.
USES = [
    *("{}", "!({})", "({}) == ({})", "({}) != null", "({}) == null", "({}) != 'x'"),
    *("({}) is string", "!(({}) is string)", "[{}].size() == 1", "!(({}) in ['x'])"),
    *("({}) || false", "!(({}) && true)", "({}) ? true : true", "{{'k': {}}}.size() == 1"),
    *("debug({}) == debug({})", "!(({}) == 'x' || ({}) == 'y')", "same({})", "unused({})"),
    "!('k' in {{'k': 1}} && ({}) == 1)",
]


def allows(text: str, request: RulesRequest = UPDATE) -> bool:
    """Say whether a rules text loads and grants a request."""
    loaded = load_ruleset(SourceText("some.rules", text))
    return loaded.ruleset is not None and loaded.ruleset.decide(request, Everything()).allowed


def ruleset(condition: str) -> str:
    return (
        "rules_version = '2';\nservice cloud.firestore {\nmatch /databases/{db}/documents {\n"
        "function same(a) { return a == a; } function unused(a) { return true; }\n"
        f"match /notes/{{id}} {{ allow read, write: if {condition}; }}\n}}\n}}\n"
    )


def test_a_rule_that_is_true_allows_the_request_that_these_tests_ask() -> None:
    """Else none of them could fail."""
    assert allows(ruleset("true"))
    assert allows(ruleset("same(resource.data.n) && request.auth.uid == 'ana'"))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_the_language_does_not_have_is_refused_at_load(text: str) -> None:
    loaded = load_ruleset(SourceText("some.rules", text))
    assert loaded.ruleset is None
    assert loaded.issues


@pytest.mark.parametrize("condition", BAD_CONDITIONS.values(), ids=BAD_CONDITIONS)
def test_a_condition_that_the_language_does_not_have_is_refused_at_load(condition: str) -> None:
    assert load_ruleset(SourceText("some.rules", ruleset(condition))).ruleset is None


@pytest.mark.parametrize("expression", ERRORS)
def test_an_unsupported_expression_allows_nothing_whatever_is_done_with_it(expression: str) -> None:
    for use in USES:
        condition = use.replace("{}", expression).replace("{{", "{").replace("}}", "}")
        assert not allows(ruleset(condition)), condition


STORAGE_ERRORS = [
    *("get(/databases/(default)/documents/a/b)", "exists(/databases/(default)/documents/a/b)"),
    *("firestore.getAfter(/databases/(default)/documents/a/b)", "resource.data", "request.query"),
    *("firestore.existsAfter(/databases/(default)/documents/a/b)", "resource.owner"),
    "firestore.get(/databases/(default)/documents/a)",
]


@pytest.mark.parametrize("expression", STORAGE_ERRORS)
def test_an_expression_that_storage_does_not_have_allows_nothing(expression: str) -> None:
    request = RulesRequest(
        STORAGE, Method.GET, ("b", "x", "o", "f"), AUTH, NOW, {"name": "f", "size": 1}
    )
    head = "rules_version = '2'; service firebase.storage { match /b/{b}/o { match /{f=**} {"
    assert allows(f"{head} allow read; }} }} }}", request)
    for use in USES[:14]:
        condition = use.replace("{}", expression).replace("{{", "{").replace("}}", "}")
        assert not allows(f"{head} allow read: if {condition}; }} }} }}", request), condition


# Conditions that a query for `n == 1 && s > 'a' && tags array-contains 'x'`, ordered by `at`, does
# not show, and their opposites.
NOT_SHOWN = [
    *("resource.data.keys().hasOnly(['n', 's', 'tags', 'at'])", "resource.data.size() == 4"),
    *("'secret' in resource.data", "resource.data.get('secret', null) == null"),
    *(
        "resource.data.keys().hasAny(['secret'])",
        "resource.data.keys() == ['at', 'n', 's', 'tags']",
    ),
    *(
        "resource.data == {'n': 1}",
        "resource.data.values().hasAny([1])",
        "resource.data.secret == 1",
    ),
    *("resource.data.diff({'n': 1}).addedKeys().hasAny(['secret'])", "resource.id == 'n1'"),
    *("{'n': 1}.diff(resource.data).removedKeys().size() == 0", "id == 'n1'", "id is string"),
    *("resource.data.n is int", "resource.data.n in [1]", "string(resource.data.n) == '1'"),
    *("resource.data.s == 'b'", "resource.data.s.size() == 1", "resource.data.s.matches('b.*')"),
    *("resource.data.s < 'c'", "resource.data.s in ['b']", "resource.data.s + 'x' == 'bx'"),
    *("resource.data.s[0] == 'b'", "[resource.data.s] == ['b']", "{'k': resource.data.s}.k == 'b'"),
    *(
        "resource.data.tags == ['x']",
        "resource.data.tags.hasOnly(['x'])",
        "'y' in resource.data.tags",
    ),
    *("resource.data.tags[0] == 'x'", "resource.data.tags.size() == 1", "resource.data.at == null"),
    *("resource.data.tags.toSet().hasAll(['y'].toSet())", "resource.data.at is timestamp"),
    *("resource.data.at < request.time", "resource.data.n == resource.data.s + 'x'"),
    *("exists(/databases/$(db)/documents/x/$(resource.data.s))", "request.query.where == null"),
    *(
        "get(/databases/$(db)/documents/x/$(resource.data.n)).data.n == 1",
        "resource.data.n / 2 == 0",
    ),
]


@pytest.mark.parametrize("condition", NOT_SHOWN)
def test_a_list_is_allowed_neither_by_what_is_not_shown_nor_by_its_opposite(condition: str) -> None:
    terms = (
        QueryConstraint(("n",), Comparator.EQ, 1),
        QueryConstraint(("s",), Comparator.GT, "a"),
        QueryConstraint(("tags",), Comparator.LIST_CONTAINS, "x"),
    )
    query = RulesQuery(collection_id="notes", order_by={"at": "ASC"}, disjuncts=(terms,))
    request = RulesRequest(FIRESTORE, Method.LIST, PATH[:-1], AUTH, NOW, query=query)
    assert allows(ruleset("resource.data.n == 1"), request)
    assert not allows(ruleset(condition), request)
    assert not allows(ruleset(f"!({condition})"), request)
    assert not allows(ruleset(f"({condition}) ? true : true"), request)
