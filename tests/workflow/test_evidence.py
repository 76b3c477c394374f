import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import WorkflowError
from harness.source import SourceText
from harness.workflow.evidence import (
    CheckResult,
    Evidence,
    Outcome,
    changed_subjects,
    evidence_from_statement,
    evidence_to_statement,
)
from harness.workflow.statement import evidence_path

RULES, CHECKS = "1" * 64, "2" * 64


def evidence(verdict="VERIFIED", outcomes=(Outcome.PASSED,), **changes) -> Evidence:
    fields = {
        "item_id": "testing/verify-security-rules",
        "verdict": verdict,
        "checks": tuple(
            CheckResult(
                f"checks/test_rules.py::test_{number}",
                outcome,
                "testing/verify-security-rules",
                reason="" if outcome is Outcome.PASSED else "why",
                states="the owner reads",
                metrics={"reads_billed": 2},
            )
            for number, outcome in enumerate(outcomes)
        ),
        "subjects": {"firestore.rules": RULES, "checks/test_rules.py": CHECKS},
        "suite": "embedded",
    }
    return Evidence(**{**fields, **changes})


def read(text: str) -> Evidence:
    return evidence_from_statement(SourceText("evidence.json", text))


def changed(**predicate_or_statement) -> str:
    statement = json.loads(evidence_to_statement(evidence()))
    for name, value in predicate_or_statement.items():
        (statement if name in statement else statement["predicate"])[name] = value
    return json.dumps(statement)


def test_a_statement_has_the_fields_that_in_toto_asks_for():
    statement = json.loads(evidence_to_statement(evidence()))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [
        {"name": "checks/test_rules.py", "digest": {"sha256": CHECKS}},
        {"name": "firestore.rules", "digest": {"sha256": RULES}},
    ]
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["passedTests"] == ["checks/test_rules.py::test_0"]
    assert predicate["warnedTests"] == predicate["failedTests"] == []
    for resource in predicate["configuration"]:
        assert resource["uri"]


@pytest.mark.parametrize("verdict", ["REFUTED", "NOT_VERIFIED"])
def test_a_reader_of_the_standard_fields_never_takes_an_unverified_item_for_a_verified_one(verdict):
    text = evidence_to_statement(evidence(verdict, [Outcome.PASSED, Outcome.SKIPPED]))
    assert json.loads(text)["predicate"]["result"] == "FAILED"


def test_a_check_that_passes_with_a_warning_is_warned_and_its_item_verified():
    warned = CheckResult("a", Outcome.PASSED, "i", warnings=("two functions have no timeout",))
    plain = CheckResult("b", Outcome.PASSED, "i")
    text = evidence_to_statement(evidence(item_id="i", checks=(plain, warned)))
    predicate = json.loads(text)["predicate"]
    assert predicate["result"] == "WARNED"
    assert (predicate["passedTests"], predicate["warnedTests"]) == (["b"], ["a"])
    assert read(text).checks == (warned, plain)
    failed = CheckResult("c", Outcome.FAILED, "i")
    text = evidence_to_statement(evidence("REFUTED", item_id="i", checks=(warned, failed)))
    assert json.loads(text)["predicate"]["result"] == "FAILED"


def test_skipped_and_unreached_checks_are_neither_passed_nor_failed():
    outcomes = [
        Outcome.SKIPPED,
        Outcome.NOT_RUN,
        Outcome.DESELECTED,
        Outcome.XFAILED,
        Outcome.ERROR,
    ]
    predicate = json.loads(evidence_to_statement(evidence("REFUTED", outcomes)))["predicate"]
    assert predicate["passedTests"] == []
    assert [name[-1] for name in predicate["failedTests"]] == ["3", "4"]
    assert [check["outcome"] for check in predicate["harnessChecks"]] == outcomes


def test_the_same_findings_give_the_same_bytes():
    slow = [
        CheckResult("b", Outcome.PASSED, "i", duration_s=9.0),
        CheckResult("a", Outcome.FAILED, "i", "object at 0x7f12ab34cd56\nmore", duration_s=1.0),
    ]
    quick = [
        CheckResult("a", Outcome.FAILED, "i", "object at 0x7fffffffffff\nother"),
        CheckResult("b", Outcome.PASSED, "i"),
    ]
    first = evidence("REFUTED", checks=tuple(slow))
    second = evidence(
        "REFUTED",
        checks=tuple(quick),
        subjects=dict(reversed(first.subjects.items())),
    )
    assert evidence_to_statement(first) == evidence_to_statement(second)
    assert "duration" not in evidence_to_statement(first)


names = st.text(min_size=1, max_size=20)
results = st.builds(
    CheckResult,
    nodeid=names,
    outcome=st.sampled_from(Outcome),
    item_id=st.just("i"),
    reason=st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Z"]), max_size=30),
    states=st.text(max_size=30),
    metrics=st.dictionaries(names, st.integers() | st.text(max_size=5), max_size=3),
    warnings=st.lists(st.text(max_size=9), max_size=2).map(tuple),
)


@given(
    st.lists(results, min_size=1, max_size=5), st.dictionaries(names, st.just(RULES), min_size=1)
)
def test_a_statement_reads_back_as_what_was_written(checks, subjects):
    passed = all(check.outcome is Outcome.PASSED for check in checks)
    checks.sort(key=lambda check: (check.nodeid, check.outcome))
    written = Evidence("i", "VERIFIED" if passed else "REFUTED", tuple(checks), subjects, "x")
    text = evidence_to_statement(written)
    assert evidence_to_statement(read(text)) == text
    assert read(text) == written


def test_unknown_fields_are_passed_over():
    assert read(changed(futureField={"a": 1})) == evidence()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "statement is not an object"),
        ("{}", "_type is not"),
        (changed(_type="https://in-toto.io/Statement/v0.1"), "_type is not"),
        (changed(predicateType="https://slsa.dev/provenance/v1"), "predicateType is not"),
        (changed(predicate=None), "predicate is not an object"),
        (changed(subject=[]), "subject is empty"),
        (changed(subject=[{"name": "a", "digest": {"sha256": "12"}}]), "sha256 is not one"),
        (changed(harnessItem=1), "harnessItem is not a string"),
        (changed(harnessChecks=[{}]), "nodeid is not a string"),
        (changed(harnessChecks=[{"nodeid": "a", "outcome": "PASS"}]), "not an outcome"),
        (changed(result="FAILED"), "contradict"),
        (changed(harnessVerdict="REFUTED"), "contradict"),
        (changed(harnessChecks=[]), "not all of its checks passed"),
        (changed(harnessChecks=[{"nodeid": "a", "outcome": "SKIPPED"}]), "not all of its checks"),
        ('{"_type": 1, "_type": 2}', "there twice"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_malformed_statement_is_refused_with_its_place(text, words):
    with pytest.raises(WorkflowError, match=words) as caught:
        read(text)
    assert str(caught.value.at).startswith("evidence.json:")
    assert "harness verify" in caught.value.fix


def test_evidence_without_inputs_is_refused():
    with pytest.raises(ValueError, match="without a subject"):
        evidence_to_statement(evidence(subjects={}))
    with pytest.raises(ValueError, match="not SHA-256"):
        evidence_to_statement(evidence(subjects={"firestore.rules": "abc"}))


def test_an_input_has_changed_when_its_digest_is_another_or_it_is_gone():
    subjects = evidence().subjects
    assert changed_subjects(subjects, subjects) == ()
    assert changed_subjects(subjects, {**subjects, "firestore.rules": CHECKS}) == (
        "firestore.rules",
    )
    assert changed_subjects(subjects, {"firestore.rules": RULES}) == ("checks/test_rules.py",)
    assert changed_subjects(subjects, {**subjects, "not looked at": RULES}) == ()


def test_paths_of_evidence_are_safe_and_differ():
    ids = [
        "testing/a",
        "testing/a~1",
        "testing.a",
        "a" * 500,
        "a" * 501,
        "規" * 100,
        "規" * 101,
        "../../etc",
        "a b",
        "A b",
    ]
    documents = ["workflow/feature.md", "workflow.feature.md", "workflow/Feature.md", "../x.md"]
    paths = [evidence_path(document, item_id) for document in documents for item_id in ids]
    assert paths[0] == "workflow.feature/testing.a.json"
    assert len({path.lower() for path in paths}) == len(ids) * len(documents)
    for path in paths:
        folder, name = path.split("/")
        assert not folder.startswith("-")
        assert folder not in (".", "..")
        assert len(folder.encode()) < 200
        assert len(name.encode()) < 200


@given(results)
def test_a_result_survives_json(result):
    assert CheckResult.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.parametrize(
    "change",
    [
        {"nodeid": None},
        {"outcome": "passed"},
        {"item_id": 3},
        {"duration_s": True},
        {"duration_s": "1"},
        {"metrics": []},
        {"metrics": {"a": None}},
        {"metrics": {"a": True}},
    ],
)
def test_a_malformed_result_is_refused(change):
    value = CheckResult("a", Outcome.PASSED, "i").to_json()
    with pytest.raises(ValueError):
        CheckResult.from_json({**value, **change})
