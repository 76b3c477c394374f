"""Requests made from a ruleset alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.review.neighbours import answered
from harness.review.seeds import ORIGIN, seeds
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.review.requests_from_yaml import ruleset
from tests.rules.corpus import NOW, Case, load_cases

TABLE = Path(__file__).parent.parent / "corpus" / "review" / "seeds.yaml"
KEYS = {"name", "service", "rules", "granted"}


def cases() -> list[dict[str, Any]]:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = table["cases"]
    assert table["source"]
    assert all({"name", "rules", "granted"} <= row.keys() <= KEYS for row in rows)
    return rows


@pytest.mark.parametrize("row", cases(), ids=lambda row: row["name"])
def test_a_condition_is_given_what_it_wants(row: dict[str, Any]) -> None:
    service = row.get("service", FIRESTORE)
    loaded = ruleset(row["rules"], service)
    made = seeds(loaded, service, NOW)
    assert made
    granted = [seed.title for seed in made if seed.allowed]
    assert set(row["granted"]) == set(granted)
    assert len(granted) >= len(row["granted"])


def test_a_seed_says_that_it_is_generated_and_from_which_statement() -> None:
    (seed,) = seeds(ruleset("match /a/{id} {\n  allow get;\n}"), FIRESTORE, NOW)
    assert seed.origin == f"{ORIGIN}test.rules:5:3"


def test_a_statement_that_grants_nothing_is_asked_all_the_same() -> None:
    made = seeds(ruleset("match /a/{id} { allow write: if false; }"), FIRESTORE, NOW)
    assert [seed.allowed for seed in made] == [False, False, False]


@pytest.mark.parametrize(
    "case", [case for case in load_cases() if case.decision != "REFUSED"][::5], ids=lambda c: c.id
)
def test_seeds_of_every_ruleset_of_the_corpus_can_be_asked(case: Case) -> None:
    loaded = load_ruleset(SourceText("case.rules", case.ruleset)).ruleset
    assert loaded is not None
    for service in loaded.services:
        for seed in seeds(loaded, service, NOW):
            assert answered(loaded, seed) == seed
