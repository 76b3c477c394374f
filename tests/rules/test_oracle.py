"""Verdicts recorded from the official runtime, read where they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.source import SourceText
from tests.rules.corpus import condition_ruleset, get_request

pytestmark = pytest.mark.oracle

_BESIDE = Path(__file__).parents[2].parent / "shared" / "oracle"
RECORDING = Path(os.environ.get("HARNESS_ORACLE_DIR", _BESIDE)) / "rules-expressions.tsv"
VERDICTS = {"true", "false", "error", "compile-error"}


def verdict(expression: str) -> str:
    loaded = load_ruleset(SourceText("firestore.rules", condition_ruleset(expression)))
    if loaded.ruleset is None:
        return "compile-error"
    decision = loaded.ruleset.decide(get_request(), NO_DOCUMENTS)
    if decision.allowed:
        return "true"
    (reason,) = decision.reasons
    return "false" if reason.text == "false for 'get' @ L4" else "error"


def test_every_recorded_verdict_is_ours_too() -> None:
    if not RECORDING.exists():
        pytest.skip(
            f"the recording {RECORDING.name} is not there; HARNESS_ORACLE_DIR names its folder"
        )
    rows = [
        line.split("\t", 1)
        for line in RECORDING.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert len(rows) > 400
    assert {recorded for recorded, _ in rows} == VERDICTS
    wrong = [
        f"{expression}: recorded {recorded}, ours {ours}"
        for recorded, expression in rows
        if (ours := verdict(expression)) != recorded
    ]
    assert wrong == []
