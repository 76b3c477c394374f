"""Every row of the rules corpus, decided by the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.rules.corpus import Case, TableDocuments, load_cases, read_table


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_the_engine_decides_as_the_table_says(case: Case) -> None:
    loaded = load_ruleset(SourceText("firestore.rules", case.ruleset))
    descriptions = [issue.description for issue in loaded.issues]
    if isinstance(case.warns, list):
        assert case.warns == descriptions
    elif case.warns is not None:
        assert case.warns in descriptions
    if case.decision == "REFUSED":
        assert loaded.ruleset is None
        if case.cause is not None:
            assert descriptions[0].startswith(case.cause)
        return
    assert loaded.ruleset is not None, descriptions
    decision = loaded.ruleset.decide(case.request, TableDocuments(case))
    message = decision.message
    assert decision.allowed is (case.decision == "ALLOW"), message
    if case.message is not None:
        assert message == case.message
    if case.decision == "ALLOW":
        assert message == ""
        return
    texts = [reason.text for reason in decision.reasons]
    if case.decision == "DENY":
        assert all(text.startswith("false for ") for text in texts), texts
    else:
        assert texts
        assert not texts[-1].startswith("false for ")
        if case.cause is not None:
            assert texts[-1].startswith(case.cause)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("subject: x\nexpressions: []", "empty"),
        ("subject: x\nextra: 1", "unknown keys"),
        ("expressions: [{if: 'true', decision: ALLOW, source: D, iff: 1}]", "unknown keys"),
        ("expressions: [{if: 'true', decision: MAYBE, source: D}]", "needs a decision"),
        ("expressions: [{if: 'true', decision: ALLOW}]", "a source"),
        (
            "expressions:\n"
            "- {if: 'true', decision: ALLOW, source: D}\n"
            "- {if: 'true', decision: ALLOW, source: D}",
            "duplicate",
        ),
    ],
)
def test_the_loader_refuses_a_malformed_table(tmp_path: Path, table: str, problem: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        read_table(path)
