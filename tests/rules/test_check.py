"""Limits and checks that need longer rules than a table shows."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.rules.issues import Issue
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.scope import ResolvedRuleset, resolve
from harness.source import SourceText, Span
from tests.rules.corpus import get_request
from tests.rules.mutations import corpus_texts


def ruleset(functions: str, condition: str = "true") -> str:
    return (
        "rules_version = '2';\nservice cloud.firestore {\n"
        "match /databases/{db}/documents {\n"
        f"{functions}\nmatch /{{d=**}} {{ allow get: if {condition}; }}\n}}\n}}\n"
    )


def issues(text: str) -> tuple[Issue, ...]:
    return load_ruleset(SourceText("firestore.rules", text)).issues


def errors(text: str) -> list[str]:
    return [issue.description for issue in issues(text) if issue.severity.value == "ERROR"]


def allowed(text: str) -> bool:
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset.decide(get_request(), NO_DOCUMENTS).allowed


def chain(length: int) -> str:
    links = [f"function f{n}() {{ return f{n + 1}(); }}" for n in range(1, length)]
    return "\n".join([*links, f"function f{length}() {{ return true; }}"])


def test_a_chain_of_21_calls_is_allowed() -> None:
    assert allowed(ruleset(chain(21), "f1()"))


def test_a_chain_of_22_calls_is_refused_even_if_nothing_calls_it() -> None:
    (error,) = errors(ruleset(chain(22)))
    names = "->".join(f"f{n}" for n in range(1, 23))
    assert error == f"Maximum allowed call depth of 20 is reached for [{names}] call stack."


def test_a_very_long_chain_is_refused_without_trouble() -> None:
    assert len(errors(ruleset(chain(3000)))) == 1


def lets(count: int) -> str:
    bindings = "".join(f"let x{n} = {n}; " for n in range(count))
    return f"function f() {{ {bindings}return x{count - 1} == {count - 1}; }}"


def test_eleven_lets_are_allowed_and_twelve_refused() -> None:
    assert allowed(ruleset(lets(11), "f()"))
    assert errors(ruleset(lets(12), "f()")) == [
        "Maximum allowed variable count of 10 for a given function has been reached."
    ]


def test_a_ruleset_of_more_than_256_kb_is_refused() -> None:
    fits = ruleset("//" + "x" * 200_000)
    assert allowed(fits)
    assert errors(ruleset("//" + "x" * 256 * 1024)) == [
        "Ruleset source exceeds the maximum of 256 KB."
    ]


def test_a_hundred_segments_and_twenty_captures_are_the_most() -> None:
    def match(segments: str) -> str:
        return f"service cloud.firestore {{ match {segments} {{ allow get; }} }}"

    assert errors(match("/a" * 100)) == []
    assert errors(match("/a" * 101)) == ["Maximum of 100 path segments is exceeded."]
    captures = "".join(f"/{{c{n}}}" for n in range(20))
    assert errors(match(captures)) == []
    assert errors(match(captures + "/{z}")) == ["Maximum of 20 path captures is exceeded."]


def test_several_errors_of_one_file_are_all_reported() -> None:
    found = errors(ruleset("function f(x, x) { return x is bogus; }", "'a'.matches('(')"))
    assert found == [
        "Duplicate variable name: x.",
        "Invalid type name: bogus.",
        "Invalid regular expression pattern. Pattern: (.",
    ]


def test_an_issue_says_where_it_is() -> None:
    (issue,) = issues(ruleset("", "request.auth == nosuch"))
    assert str(issue) == ("firestore.rules:5:47 - WARNING Invalid variable name: nosuch.")
    assert ruleset("", "request.auth == nosuch")[issue.span.start : issue.span.end] == "nosuch"


@pytest.mark.parametrize(
    "text", ["", "rules_version = '2';", "// nothing", "service cloud.firestore {}"]
)
def test_a_ruleset_without_rules_loads_and_denies(text: str) -> None:
    assert not allowed(text)


def test_a_long_list_of_conditions_is_not_deep() -> None:
    # 98 comparisons in one chain is as much as production takes; many statements are no problem.
    statements = "\n".join(
        f"match /c{n}/{{id}} {{ allow get: if id == '{n}'; }}" for n in range(2000)
    )
    assert errors(ruleset(statements)) == []


def test_deep_functions_in_a_long_chain_load_and_decide() -> None:
    def deep(call: str) -> str:
        return "true && (" * 40 + call + ")" * 40

    links = [f"function f{n}() {{ return {deep(f'f{n + 1}()')}; }}" for n in range(1, 20)]
    text = ruleset("\n".join([*links, "function f20() { return true; }"]), "f1()")
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None
    # More than 1000 evaluations: the budget stops it, not Python's stack.
    decision = loaded.ruleset.decide(get_request(), NO_DOCUMENTS)
    assert not decision.allowed
    assert "maximum of 1000 expressions" in decision.message or "too deeply" in decision.message


def test_a_mixture_of_operators_nested_very_deep_is_refused() -> None:
    text = ruleset("", "a || b && c == d in e < f + g * (" * 140 + "h" + ")" * 140)
    assert errors(text) == ["Expression is too complex to evaluate safely."]


def test_checking_a_ruleset_outlines_its_code_as_a_walk_over_it_does() -> None:
    def outlines(resolved: ResolvedRuleset) -> list[tuple[int, Counter[Span]]]:
        codes = [
            *resolved.functions,
            *(rule for rules in resolved.rules.values() for rule in rules),
        ]
        return [
            (code.outline.size, Counter(each.declaration.span for each in code.outline.callees))
            for code in codes
        ]

    calls = 0
    for text in corpus_texts():
        ruleset = load_ruleset(SourceText("firestore.rules", text)).ruleset
        if ruleset is not None:
            noted = outlines(ruleset.resolved)
            assert noted == outlines(resolve(ruleset.tree))
            calls += sum(callees.total() for _, callees in noted)
    assert calls > 100
