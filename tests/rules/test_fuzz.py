"""Any ruleset, any request: no crash, no hang, and the compiled engine says what the tree walker
says.

`make fuzz` looks at the same properties for as long as one likes (`fuzz.py`), also on damaged rules
files from elsewhere. A counterexample becomes a row of a table in the commit that mends it.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.rules import limits, nodes
from harness.rules.request import FIRESTORE, Method, RulesRequest
from tests.rules.agreement import (
    check_agreement,
    check_commit,
    check_metering,
    check_round_trip,
    load,
)
from tests.rules.corpus import (
    ROOT,
    TableDocuments,
    condition_ruleset,
    get_request,
    load_cases,
)
from tests.rules.generated import Documents, Generator, words_of
from tests.rules.mutations import altered, composed, corpus_texts, mutated
from tests.rules.pathological import pathological_texts

# A case is some hundred choices; Hypothesis finds that slow, and the suite does not.
unhurried = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
# Long enough for what is exponential never to end; `fuzz.py` tries the longest there can be.
PATHOLOGICAL_CHARS = 8_000


@st.composite
def rulesets(draw: st.DrawFn) -> nodes.Ruleset:
    return Generator(lambda options: draw(st.sampled_from(options)), depth=2).ruleset()


@st.composite
def cases(draw: st.DrawFn, ruleset: nodes.Ruleset) -> tuple[RulesRequest, Documents]:
    generator = Generator(lambda options: draw(st.sampled_from(options)), words=words_of(ruleset))
    return generator.request(ruleset), generator.documents()


@st.composite
def damaged_texts(draw: st.DrawFn) -> str:
    def choose(options):
        return draw(st.sampled_from(options))

    text, other = choose(corpus_texts()), choose(corpus_texts())
    return mutated(text, choose, other) if choose((False, True)) else altered(text, choose)


@pytest.mark.parametrize(
    ("compiled", "walked"),
    [
        ("true", "false"),
        ("nobody == 1", "1 == nobody.x"),
        ("null.a == 1", "[].a == 1"),
        ("exists(/databases/a/documents/b/c)", "exists(/databases/a/documents/b/d)"),
    ],
)
def test_a_disagreement_is_noticed(compiled: str, walked: str) -> None:
    ruleset = load(condition_ruleset(compiled)).ruleset
    other = load(condition_ruleset(walked)).ruleset
    assert ruleset is not None
    assert other is not None
    ruleset.tree = other.tree
    with pytest.raises(AssertionError):
        check_agreement(ruleset, get_request(), Documents({}, {}))


def test_the_writes_of_a_commit_share_their_accesses_as_the_tree_walker_has_it() -> None:
    gets = " && ".join(
        f"exists(/databases/$(db)/documents/notes/$(id + '{number}'))" for number in range(9)
    )
    text = condition_ruleset(None).replace(
        "match /{d=**} { allow get; }", f"match /notes/{{id}} {{ allow create: if !({gets}); }}"
    )
    ruleset = load(text).ruleset
    assert ruleset is not None
    writes = [replace(get_request(f"notes/{name}"), method=Method.CREATE) for name in "aabcd"]
    stored = {(*ROOT, "notes", f"{name}{number}"): {} for name in "abcd" for number in range(8)}
    check_commit(ruleset, writes, Documents(stored, stored))


def test_the_tree_walker_agrees_on_every_row_of_the_tables() -> None:
    """So the rows, which have sources, hold for the walker too."""
    for case in load_cases():
        ruleset = load(case.ruleset).ruleset
        if ruleset is not None:
            check_agreement(ruleset, case.request, TableDocuments(case))


@given(rulesets())
@unhurried
def test_a_ruleset_that_is_unparsed_parses_to_an_equal_tree(ruleset: nodes.Ruleset) -> None:
    check_round_trip(nodes.unparse(ruleset))


@given(st.data(), rulesets())
@unhurried
def test_every_way_to_decide_agrees_with_the_tree_walker(
    data: st.DataObject, ruleset: nodes.Ruleset
) -> None:
    loaded = load(nodes.unparse(ruleset))
    if loaded.ruleset is None:
        return
    request, documents = data.draw(cases(ruleset))
    check_agreement(loaded.ruleset, request, documents)
    check_metering(loaded.ruleset, request, documents)


@given(st.data(), damaged_texts())
@unhurried
def test_a_damaged_ruleset_is_refused_with_a_place_or_decides_as_the_tree_walker_does(
    data: st.DataObject, text: str
) -> None:
    loaded = load(text)
    if loaded.ruleset is None:
        return
    request, documents = data.draw(cases(loaded.ruleset.tree))
    check_agreement(loaded.ruleset, request, documents)


@pytest.mark.parametrize("lines", [1_000, 3_000])
def test_a_large_ruleset_loads_and_decides_as_the_tree_walker_does(lines: int) -> None:
    choose = random.Random(lines).choice
    text = nodes.unparse(composed(choose, lines))
    assert text.count("\n") >= lines
    check_round_trip(text)
    for changes in (0, 1, 5):
        loaded = load(altered(text, choose, changes))
        load(mutated(text, choose, text, changes))
        if loaded.ruleset is None:
            continue
        generator = Generator(choose, words=words_of(loaded.ruleset.tree))
        for _ in range(4):
            request = generator.request(loaded.ruleset.tree)
            check_agreement(loaded.ruleset, request, generator.documents())


def test_a_composed_ruleset_is_not_refused() -> None:
    """Otherwise the test above would show nothing."""
    assert load(nodes.unparse(composed(random.Random(1).choice, 1_000))).ruleset is not None


@pytest.mark.parametrize("what", [*pathological_texts(0)])
def test_text_that_is_made_to_hurt_does_not(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends: a text that takes exponentially long would hang here."""
    # The same with less to compute; `fuzz.py` takes the real limits, and longer texts.
    monkeypatch.setattr(limits, "TEXT_LENGTH", 100_000)
    monkeypatch.setattr(limits, "ELEMENTS", 10_000)
    text = pathological_texts(PATHOLOGICAL_CHARS)[what]
    loaded = load(text)
    if loaded.ruleset is not None and FIRESTORE in loaded.ruleset.services:
        check_agreement(loaded.ruleset, get_request(), Documents({}, {}))
