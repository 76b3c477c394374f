"""A sign-off as evidence: there and back, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import WorkflowError
from harness.source import SourceText
from harness.workflow.sign_off import SignOff, record_from_statement, sign_off_to_statement

RULES, COMMIT = "1" * 64, "a" * 40
SIGN_OFF = SignOff(
    "completion/user-sign-off",
    "Ana",
    "2026-11-20T10:00:00+00:00",
    {"firestore.rules": RULES},
    "looked at the demo",
    COMMIT,
    "workflow/feature.md",
)

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def read(text):
    return record_from_statement(SourceText("e.json", text))


def test_the_commit_is_a_subject_by_its_name_in_git():
    subject = json.loads(sign_off_to_statement(SIGN_OFF))["subject"]
    assert subject == [
        {"name": "commit", "digest": {"gitCommit": COMMIT}},
        {"name": "firestore.rules", "digest": {"sha256": RULES}},
    ]


@given(texts, texts, texts.filter(str.strip), st.sampled_from(["", COMMIT, "b" * 64]))
def test_a_sign_off_reads_back_as_what_was_written(item_id, note, by, commit):
    written = SignOff(item_id, by, SIGN_OFF.at, {"a": RULES}, note, commit, "w.md")
    assert read(sign_off_to_statement(written)) == written
    assert sign_off_to_statement(written) == sign_off_to_statement(
        read(sign_off_to_statement(written))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"by": " "}, "needs a name"),
        ({"by": None}, "by is not a string"),
        ({"at": 3}, "at is not a string"),
        ({"harnessItem": None}, "harnessItem is not a string"),
    ],
)
def test_what_is_no_sign_off_is_refused(change, words):
    value = json.loads(sign_off_to_statement(SIGN_OFF))
    value["predicate"].update(change)
    with pytest.raises(WorkflowError, match=words):
        read(json.dumps(value))


def test_a_commit_that_is_none_and_another_predicate_are_refused():
    value = json.loads(sign_off_to_statement(SIGN_OFF))
    value["subject"][0]["digest"]["gitCommit"] = "HEAD"
    with pytest.raises(WorkflowError, match="gitCommit is not one"):
        read(json.dumps(value))
    value = json.loads(sign_off_to_statement(SIGN_OFF))
    value["predicateType"] = "https://slsa.dev/provenance/v1"
    with pytest.raises(WorkflowError, match="predicateType is neither"):
        read(json.dumps(value))
