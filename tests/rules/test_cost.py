"""What evaluation costs of the request's budget, against what was measured in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.rules import limits
from harness.rules.compiler import MeteredCompiler
from harness.rules.cost import CostBook
from harness.rules.request import FIRESTORE, Method, RulesRequest, RulesResource
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import EvaluationContext
from harness.rules.values import RulesPath
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT

TABLE = yaml.safe_load(
    (Path(__file__).parents[1] / "corpus" / "rule_costs" / "measured.yaml").read_text("utf-8")
)
PATH = (*ROOT, "notes", "x")
# The measured windows lie this far below the model that predicts them, by their author's fit.
OFFSET = 4


class Config:
    """The document that a measured condition looks up."""

    def get(self, path: tuple[str, ...]) -> dict[str, Any] | None:
        return {"on": True}

    get_after = get


def condition_of(row: dict[str, Any]) -> str:
    parts = [row["if"]] * row["times"] + ([row["then"]] if "then" in row else [])
    return f" {row['joined']} ".join(parts)


def spent(condition: str) -> int:
    """Return what a true condition costs when it is evaluated with the counter on."""
    text = (
        "rules_version = '2'; service cloud.firestore { match /databases/{db}/documents {\n"
        f"{TABLE['functions']}\nmatch /notes/{{id}} {{ allow get: if {condition}; }} }} }}"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    (rule,) = loaded.ruleset.resolved.rules[FIRESTORE]
    resource = RulesResource({"a": 1, "m": {"k": 1}}, RulesPath(PATH))
    request = RulesRequest(FIRESTORE, Method.GET, PATH, None, NOW, resource)
    context = EvaluationContext(request, PATH, resource, Config(), None)
    context.remaining = limits.EXPRESSIONS_PER_REQUEST
    evaluate = MeteredCompiler(FIRESTORE).rule(rule)
    assert evaluate(context) is True
    cost = limits.EXPRESSIONS_PER_REQUEST - context.remaining
    assert rule.statement.condition is not None
    most = CostBook().most(rule.statement.condition, rule.scope)
    assert cost <= most <= CostBook().bound(rule)
    return cost


@pytest.mark.parametrize("row", TABLE["conditions"], ids=lambda row: str(row["if"]))
def test_a_condition_costs_what_production_charges(row: dict[str, Any]) -> None:
    cost = spent(condition_of(row))
    assert cost == row["costs"]
    if "measured" in row:
        lowest, highest = row["measured"]
        assert lowest <= cost <= highest + OFFSET


def test_what_a_decided_operator_skips_costs_nothing() -> None:
    assert spent("id == 'x' || id == 'y'") == spent("id == 'x'") + 1


def test_an_expression_that_fails_costs_as_much_as_one_that_does_not() -> None:
    # `id`, `.nosuch`, `||` twice, and the comparison.
    assert spent("id.nosuch || id == 'x'") == 2 + 2 + 3
