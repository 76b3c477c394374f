"""What each mutation operator makes of rules, and what holds for every mutant.

A row of corpus/mutants/operators.yaml has the body of a service; `FUNCTIONS` in it stands for
functions one() to four(), which could be true or not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.review.mutants import Effect, Mutant, TextEdit, find_mutants, load_mutant
from harness.review.never import Situation, never_true
from harness.rules.parser import parse_expression
from harness.rules.recorded import (
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
    Replay,
    replay,
)
from harness.rules.request import FIRESTORE, Method
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText
from tests.rules.corpus import load_cases

TABLE = Path(__file__).parent.parent / "corpus" / "mutants" / "operators.yaml"
CASES: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))["cases"]
SAMPLE = Path(__file__).parent.parent.parent / "backend"
ROOTS = {
    "cloud.firestore": "/databases/{database}/documents",
    "firebase.storage": "/b/{bucket}/o",
}
FUNCTIONS = " ".join(
    f"function {name}() {{ return resource.data.{name}; }}"
    for name in ("one", "two", "three", "four")
)
SIGNS = {Effect.WIDENS: "+", Effect.NARROWS: "-", Effect.CHANGES: ""}


def loaded(text: str) -> CompiledRuleset:
    result = load_ruleset(SourceText("some.rules", text))
    assert result.ruleset is not None, result.issues
    return result.ruleset


def ruleset_of(case: dict[str, Any]) -> CompiledRuleset:
    service = case.get("service", "cloud.firestore")
    # Statements and functions on lines of their own.
    body = re.sub(r"(?<=[;}]) (?=allow|function|match|FUNCTIONS|\})", "\n", case["rules"])
    body = body.replace("FUNCTIONS", FUNCTIONS)
    return loaded(
        f"rules_version = '2';\nservice {service} {{ match {ROOTS[service]} {{\n{body}\n}} }}\n"
    )


def folded(text: str) -> str:
    return " ".join(text.split())


def changed(mutant: Mutant, source: SourceText) -> str:
    """Return the text around a mutant's change: the body's block if a pattern changes."""
    return folded(mutant.text(source).text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_operator_makes_what_the_table_says(case: dict[str, Any]) -> None:
    assert case.keys() <= {"name", "operator", "service", "rules", "mutants"}
    ruleset = ruleset_of(case)
    whole = folded(ruleset.source.text)
    expected = []
    for line in case["mutants"]:
        sign, text = re.fullmatch(r"([+-]?) *(.*)", line).groups()  # type: ignore[union-attr]
        expected.append((sign, folded(text)))
    found = [
        (SIGNS[mutant.effect], changed(mutant, ruleset.source))
        for mutant in find_mutants(ruleset)
        if mutant.operator == case["operator"]
        # The stand-ins are not what the row is about.
        and not re.search(r"return resource\.data\.(one|two|three|four)", line_of(mutant, ruleset))
    ]
    assert len(found) == len(expected), found
    for sign, text in expected:
        assert any(one == sign and text in mutated for one, mutated in found), (sign, text, found)
    assert whole not in [mutated for _, mutated in found]


def line_of(mutant: Mutant, ruleset: CompiledRuleset) -> str:
    return ruleset.source.line_text(mutant.position.line)


# --- every mutant of every ruleset ------------------------------------------------------------


def corpus_rulesets() -> list[CompiledRuleset]:
    texts = {case.ruleset: case.id for case in load_cases()}
    results = [load_ruleset(SourceText(name, text)).ruleset for text, name in texts.items()]
    found = [ruleset for ruleset in results if ruleset is not None]
    samples = [SAMPLE / "firestore.rules", SAMPLE / "storage.rules"]
    return found + [loaded(path.read_text(encoding="utf-8")) for path in samples]


@pytest.fixture(scope="module")
def all_mutants() -> list[tuple[CompiledRuleset, tuple[Mutant, ...]]]:
    return [(ruleset, find_mutants(ruleset)) for ruleset in corpus_rulesets()]


AllMutants = list[tuple[CompiledRuleset, tuple[Mutant, ...]]]


def test_every_mutant_loads_and_says_something_else(all_mutants: AllMutants) -> None:
    for ruleset, mutants in all_mutants:
        # Of a long ruleset that are alike by the dozen.
        for mutant in mutants[:: 1 + len(mutants) // 100]:
            result = load_ruleset(mutant.text(ruleset.source))
            assert result.ruleset is not None, (mutant, result.issues)
            assert result.ruleset.tree != ruleset.tree, mutant
            # What is asked in process is what is shown as a diff.
            assert load_mutant(ruleset, mutant).tree == result.ruleset.tree, mutant


def test_no_two_mutants_are_the_same_text_or_have_the_same_id(all_mutants: AllMutants) -> None:
    for ruleset, mutants in all_mutants:
        assert len({mutant.text(ruleset.source).text for mutant in mutants}) == len(mutants)
        assert len({mutant.id for mutant in mutants}) == len(mutants)


def test_edits_lie_in_the_text_and_do_not_overlap(all_mutants: AllMutants) -> None:
    for ruleset, mutants in all_mutants:
        for mutant in mutants:
            edits = sorted(mutant.edits, key=lambda edit: (edit.start, edit.end))
            ends = [0, *(edit.end for edit in edits)]
            for edit, end in zip(edits, ends, strict=False):
                assert end <= edit.start <= edit.end <= len(ruleset.source.text), mutant


def test_an_id_stays_when_something_else_is_edited() -> None:
    text = (SAMPLE / "storage.rules").read_text(encoding="utf-8")
    source = SourceText("some.rules", text)
    before = find_mutants(loaded(text))
    after = find_mutants(loaded("// one line more\n" + text.replace("5 * 1024", "7 * 1024")))
    kept = {mutant.id for mutant in after}
    lost = [mutant for mutant in before if mutant.id not in kept]
    assert lost
    # Those that show the line that was edited.
    assert all("5 * 1024 * 1024" in mutant.diff(source) for mutant in lost)


def is_over_a_limit(answer: Replay) -> bool:
    return answer.denied is not None and "maximum of" in answer.denied[1].message.lower()


def test_widening_denies_nothing_and_narrowing_allows_nothing() -> None:
    tried = 0
    for case in load_cases()[::3]:
        ruleset = load_ruleset(SourceText("case", case.ruleset)).ruleset
        if ruleset is None or case.request.service not in ruleset.services:
            continue
        documents = RecordedDocuments()
        asked = RecordedRequest(
            case.id, case.id, (RecordedDecision(case.request, False),), documents
        )
        first = replay(ruleset, asked)
        if is_over_a_limit(first):
            continue
        before = first.allowed
        for mutant in find_mutants(ruleset):
            second = replay(load_mutant(ruleset, mutant), asked)
            if is_over_a_limit(second):
                continue
            after = second.allowed
            tried += 1
            if mutant.effect is Effect.WIDENS:
                assert after or not before, (case.id, mutant)
            elif mutant.effect is Effect.NARROWS:
                assert before or not after, (case.id, mutant)
    assert tried > 1000


# --- the record -------------------------------------------------------------------------------


def test_a_diff_shows_the_users_own_text() -> None:
    ruleset = ruleset_of({"rules": "match /a/{id} { allow get: if id == 'x'; }"})
    mutant = next(each for each in find_mutants(ruleset) if each.operator == "equality")
    diff = mutant.diff(ruleset.source).splitlines()
    assert diff[:2] == ["--- a/some.rules", "+++ b/some.rules"]
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        "-match /a/{id} { allow get: if id == 'x';",
        "+match /a/{id} { allow get: if id != 'x';",
    ]
    assert str(mutant.position) == "some.rules:3:34"
    assert mutant.description == "`==` to `!=` in `id == 'x'`"


def test_a_mutant_of_another_ruleset_is_refused() -> None:
    mutants = find_mutants(ruleset_of({"rules": "match /a/{id} { allow get; }"}))
    pattern = next(each for each in mutants if each.declaration is None)
    other = ruleset_of({"rules": "match /aaaaa/{id=**} { allow get; }"})
    edited = Mutant(
        pattern.id, "", pattern.position, "", pattern.effect,
        (TextEdit(0, 5, "("),), pattern.reach, None,
    )  # fmt: skip
    with pytest.raises(ValueError, match="does not load"):
        load_mutant(other, edited)


@pytest.mark.parametrize(
    ("text", "method", "expected"),
    [
        ("request.resource.data.n == 1", Method.GET, True),
        ("request.resource.data.n == 1", Method.DELETE, True),
        ("request.resource.data.n == 1", Method.CREATE, False),
        ("request.resource == null", Method.DELETE, False),
        ("resource.data.n == 1", Method.CREATE, True),
        ("resource.data.n == 1", Method.UPDATE, False),
        ("resource == null", Method.CREATE, False),
        ("request.query.limit < 5", Method.GET, True),
        ("request.query.limit < 5", Method.LIST, False),
        ("request.query.limit < 5 || true", Method.GET, False),
        ("!(request.query.limit < 5)", Method.GET, True),
        ("false && true", Method.GET, True),
        ("[request.query.limit].size() == 1", Method.GET, True),
        ("true ? resource.data.n == 1 : false", Method.CREATE, True),
    ],
)
def test_what_can_never_be_true_is_proven(text: str, method: Method, expected: bool) -> None:
    ruleset = ruleset_of({"rules": "match /a/{id} { allow get; }"})
    scope = ruleset.resolved.rules[FIRESTORE][0].scope
    situation = Situation(scope, service=FIRESTORE, method=method)
    assert never_true(parse_expression(text), situation) is expected


def test_functions_that_call_functions_many_times_over_take_no_time() -> None:
    calls = " ".join(
        f"function f{n}() {{ return f{n + 1}() && f{n + 1}() || f{n + 1}(); }}" for n in range(18)
    )
    last = "function f18() { return request.auth != null && exists(/x/$(id)); }"
    body = f"match /a/{{id}} {{ allow get: if f0() && f0(); {calls} {last} }}"
    assert find_mutants(ruleset_of({"rules": body}))
