"""The schema of evidence: what is written fits it, and what the reader refuses does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import harness.workflow
from harness.workflow.evidence import PREDICATE_TYPE, Outcome, evidence_to_statement
from harness.workflow.sign_off import SIGN_OFF_TYPE, sign_off_to_statement
from harness.workflow.statement import STATEMENT_TYPE
from harness.workflow.verdict import VerdictKind
from tests.workflow.test_evidence import evidence
from tests.workflow.test_sign_off import SIGN_OFF

SCHEMA = json.loads(
    (Path(harness.workflow.__file__).parent / "evidence.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

VERIFIED = json.loads(evidence_to_statement(evidence(document="w.md", harness_version="1.0")))
SIGNED = json.loads(sign_off_to_statement(SIGN_OFF))


def test_the_schema_is_one_and_names_the_values_that_there_are() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    result = SCHEMA["$defs"]["testResult"]["properties"]
    outcome = result["harnessChecks"]["items"]["properties"]["outcome"]
    assert outcome["enum"] == [each.value for each in Outcome]
    assert result["harnessVerdict"]["enum"] == [each.value for each in VerdictKind]
    assert SCHEMA["properties"]["_type"]["const"] == STATEMENT_TYPE
    assert SCHEMA["properties"]["predicateType"]["enum"] == [PREDICATE_TYPE, SIGN_OFF_TYPE]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_evidence_of_every_outcome_fits(outcome: Outcome) -> None:
    verdict = "VERIFIED" if outcome is Outcome.PASSED else "REFUTED"
    VALIDATOR.validate(json.loads(evidence_to_statement(evidence(verdict, [outcome]))))


def test_a_sign_off_fits() -> None:
    VALIDATOR.validate(SIGNED)


@pytest.mark.parametrize(
    ("statement", "path", "value"),
    [
        (VERIFIED, ("_type",), "https://in-toto.io/Statement/v0.1"),
        (VERIFIED, ("subject",), []),
        (VERIFIED, ("subject", 0, "digest"), {"sha256": "12"}),
        (VERIFIED, ("predicateType",), "https://slsa.dev/provenance/v1"),
        (VERIFIED, ("predicate", "result"), "FAILED"),
        (VERIFIED, ("predicate", "harnessVerdict"), "REFUTED"),
        (VERIFIED, ("predicate", "failedTests"), ["a"]),
        (VERIFIED, ("predicate", "harnessChecks"), []),
        (VERIFIED, ("predicate", "harnessItem"), None),
        (SIGNED, ("predicate", "by"), ""),
        (SIGNED, ("predicate", "at"), None),
        (SIGNED, ("subject",), SIGNED["subject"][:1]),
    ],
)
def test_what_says_less_or_two_things_at_once_does_not_fit(
    statement: Any, path: tuple[Any, ...], value: object
) -> None:
    changed = json.loads(json.dumps(statement))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(changed)
