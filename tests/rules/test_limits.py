"""Every limit of the rules language: what is still allowed, what is not, and in which words.

Limits that a ruleset passes when it is loaded are in `test_check.py` and `test_parser.py` too.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness.rules import limits
from harness.rules.request import FIRESTORE, STORAGE, Method, RulesAuth, RulesRequest
from harness.rules.ruleset import CompiledRuleset, Decision, load_ruleset
from harness.rules.runtime import NO_DOCUMENTS, AccessLog
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT

DOCUMENT = RulesRequest(FIRESTORE, Method.GET, (*ROOT, "a", "1"), RulesAuth("ana", {}), NOW)
OBJECT = RulesRequest(STORAGE, Method.GET, ("b", "bucket", "o", "x"), RulesAuth("ana", {}), NOW)


class Anything:
    """Has every document."""

    def get(self, path: tuple[str, ...]) -> dict[str, Any]:
        return {"on": True}

    get_after = get


def issues_of(rules: str, functions: str = "") -> list[str]:
    return [issue.description for issue in load(rules, functions)[1]]


def load(rules: str, functions: str = "") -> tuple[CompiledRuleset | None, Any]:
    text = (
        "rules_version = '2'; service cloud.firestore { match /databases/{db}/documents {\n"
        f"{functions}\n{rules}\n}} }}"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    return loaded.ruleset, loaded.issues


def decide(condition: str, functions: str = "", log: AccessLog | None = None) -> Decision:
    ruleset, issues = load(f"match /a/{{id}} {{ allow get: if {condition}; }}", functions)
    assert ruleset is not None, issues
    return ruleset.decide(DOCUMENT, Anything(), log)


def decide_object(condition: str) -> Decision:
    text = (
        "rules_version = '2'; service firebase.storage { match /b/{b}/o {\n"
        f"match /{{f=**}} {{ allow get: if {condition}; }}\n}} }}"
    )
    loaded = load_ruleset(SourceText("storage.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset.decide(OBJECT, Anything())


def lookups(count: int, call: str = "exists") -> str:
    return " && ".join(f"{call}(/databases/$(db)/documents/x/{n})" for n in range(count))


# --- document accesses --------------------------------------------------------------------------


def test_one_request_looks_at_ten_documents_and_no_more() -> None:
    assert decide(lookups(limits.SINGLE_REQUEST_ACCESS_CALLS)).allowed
    denied = decide(lookups(limits.SINGLE_REQUEST_ACCESS_CALLS + 1))
    assert limits.access_text(limits.SINGLE_REQUEST_ACCESS_CALLS) in denied.message


def test_an_access_too_many_is_not_absorbed() -> None:
    assert not decide(f"({lookups(11)}) || true").allowed
    assert not decide(f"!({lookups(11)} && false)").allowed


def test_the_same_document_counts_once_however_it_is_asked_for() -> None:
    twice = " && ".join([lookups(10), lookups(10), "get(/databases/$(db)/documents/x/1).data.on"])
    assert decide(twice).allowed


def test_before_and_after_are_two_accesses() -> None:
    assert decide(f"{lookups(5)} && {lookups(5, 'existsAfter')}").allowed
    assert not decide(f"{lookups(6)} && {lookups(5, 'existsAfter')}").allowed


def test_a_request_about_several_documents_shares_twenty() -> None:
    log = AccessLog(limits.BATCH_ACCESS_CALLS)
    names = iter(range(1000))

    def ask(count: int) -> bool:
        paths = [f"exists(/databases/$(db)/documents/y/{next(names)})" for _ in range(count)]
        return decide(" && ".join(paths), log=log).allowed

    assert ask(10)
    assert ask(10)
    assert not ask(1)


def test_a_storage_rule_looks_at_two_documents_and_no_more() -> None:
    def ask(count: int) -> Decision:
        return decide_object(
            " && ".join(
                f"firestore.exists(/databases/(default)/documents/x/{n})" for n in range(count)
            )
        )

    assert ask(limits.STORAGE_ACCESS_CALLS).allowed
    assert limits.access_text(limits.STORAGE_ACCESS_CALLS) in ask(3).message


def test_a_storage_rule_may_get_and_test_the_same_two_documents() -> None:
    paths = [f"/databases/(default)/documents/x/{n}" for n in range(2)]
    assert decide_object(
        " && ".join(f"firestore.exists({p}) && firestore.get({p}).data.on" for p in paths)
    ).allowed


# --- evaluation ---------------------------------------------------------------------------------

FAN_OUT = "function f0() { return true; }" + "".join(
    f" function f{n}() {{ return f{n - 1}() && f{n - 1}(); }}" for n in range(1, 12)
)


def test_a_thousand_expressions_are_the_most() -> None:
    # Each of these costs 2 f(n - 1) + 3: 4, 7, 11, ... so f7 is below 1000 and f8 above.
    assert decide("f7()", FAN_OUT).allowed
    denied = decide("f8() || true", FAN_OUT)
    assert limits.BUDGET_TEXT in denied.message


def test_failing_expressions_use_the_budget_up_too() -> None:
    functions = FAN_OUT.replace("return true", "return nosuch").replace("&&", "||")
    assert limits.BUDGET_TEXT in decide("f11()", functions).message


@pytest.mark.parametrize(
    ("start", "step"),
    [
        ("'aaaaaaaaaa'", "a + a"),
        ("'aaaaaaaaaa'", "a.replace('a', a)"),
        ("'aaaaaaaaaa'", "a.replace('a+', '$0$0')"),
        ("['aaaaaaaaaa']", "a.concat(a)"),
        ("['aaaaaaaaaa']", "[a.join(''), a.join('')]"),
        ("['aaaaaaaaaa']", "[a, a]"),
        ("{'k': 1}", "{'k': a, 'l': a}"),
    ],
)
def test_values_do_not_grow_without_bound(start: str, step: str) -> None:
    """Source: firebase/firebase-tools#5453 for the words; the bound is ours."""
    functions = "function f0(a) { return a; }" + "".join(
        f" function f{n}(a) {{ return f{n - 1}({step}); }}" for n in range(1, 20)
    )
    functions += f" function twice(a) {{ return f19(a); }} function all() {{ return {start}; }}"
    denied = decide("twice(twice(all())) == all() || true", functions)
    assert limits.MEMORY_TEXT in denied.message


def test_values_that_are_only_deep_do_not_either() -> None:
    functions = "function f0(a) { return a; }" + "".join(
        f" function f{n}(a) {{ return f{n - 1}([[[[[[[a]]]]]]]); }}" for n in range(1, 20)
    )
    assert limits.MEMORY_TEXT in decide("f19(1) == 1 || true", functions).message


# --- rulesets -----------------------------------------------------------------------------------


def test_seven_arguments_are_the_most() -> None:
    def declare(count: int) -> str:
        names = ", ".join(f"a{n}" for n in range(count))
        return f"function f({names}) {{ return a0; }}"

    rules = "match /a/{id} { allow get; }"
    assert load(rules, declare(limits.FUNCTION_ARGUMENTS))[0] is not None
    assert load(rules, declare(limits.FUNCTION_ARGUMENTS + 1))[0] is None


def test_a_function_that_calls_itself_is_refused() -> None:
    rules = "match /a/{id} { allow get: if f(); }"
    (problem,) = [
        text for text in issues_of(rules, "function f() { return f(); }") if "ecursi" in text
    ]
    assert problem == "Recursive call is not allowed: [f->f]."
    both = "function f() { return g(); } function g() { return f(); }"
    assert load(rules, both)[0] is None


def test_a_list_may_look_at_ten_documents() -> None:
    def ask(count: int) -> bool:
        ruleset, _ = load(f"match /a/{{id}} {{ allow list: if {lookups(count)}; }}")
        assert ruleset is not None
        request = RulesRequest(FIRESTORE, Method.LIST, (*ROOT, "a"), None, NOW)
        return ruleset.decide(request, Anything()).allowed

    assert ask(10)
    assert not ask(11)


def test_no_documents_deny_what_must_exist() -> None:
    ruleset, _ = load(f"match /a/{{id}} {{ allow get: if {lookups(1)}; }}")
    assert ruleset is not None
    assert not ruleset.decide(DOCUMENT, NO_DOCUMENTS).allowed
