"""The table tests/corpus/review/diff.yaml, and what does not fit into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.review.diff import RulesChange, RulesDiff, diff_rulesets
from harness.review.neighbours import neighbours
from harness.review.seeds import seeds
from harness.review.vocabulary import vocabulary
from harness.rules.recorded import RecordedRequest
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import CompiledRuleset
from tests.review.requests_from_yaml import recorded_request, ruleset
from tests.rules.corpus import NOW

TABLE = Path(__file__).parent.parent / "corpus" / "review" / "diff.yaml"
KEYS = {
    "name", "old", "new", "requests", "documents", "recorded", "neighbours", "generated",
    "declared", "words", "same_text", "changes",
}  # fmt: skip
CHANGE_KEYS = {"kind", "example", "count", "before", "now", "declared", "assumed_missing"}


def cases() -> list[dict[str, Any]]:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = table["cases"]
    assert table["source"]
    assert rows
    assert len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        assert row.keys() <= KEYS, row
        assert all(change.keys() <= CHANGE_KEYS for change in row["changes"]), row
    return rows


@pytest.mark.parametrize("row", cases(), ids=lambda row: row["name"])
def test_the_difference_of_two_rulesets_is_as_the_table_says(row: dict[str, Any]) -> None:
    found = difference(row)
    assert found.is_same_text is row.get("same_text", False)
    said = [(change.kind.value, change.example.title) for change in found.changes]
    assert said == [(each["kind"], each["example"]) for each in row["changes"]]
    for change, expected in zip(found.changes, row["changes"], strict=True):
        assert_is_as_expected(change, expected)


def difference(row: dict[str, Any]) -> RulesDiff:
    extra = row.get("words", "")
    old = ruleset(row["old"] + extra, name="old.rules") if "old" in row else None
    new = ruleset(row["new"] + extra, name="new.rules") if "new" in row else None
    there = [each for each in (old, new) if each is not None]
    requests = made(row, "requests")
    if row.get("generated"):
        requests += [seed for each in there for seed in seeds(each, FIRESTORE, NOW)]
    if row.get("neighbours"):
        words = vocabulary(*there)
        requests += [near for each in requests for near in neighbours(each, [], words)]
    return diff_rulesets(old, new, requests, made(row, "declared"))


def made(row: dict[str, Any], key: str) -> list[RecordedRequest]:
    is_complete = row.get("recorded") != "some"
    return [
        recorded_request(each, row.get("documents"), is_complete=is_complete)
        for each in row.get(key, ())
    ]


def assert_is_as_expected(change: RulesChange, expected: dict[str, Any]) -> None:
    assert len(change.old) == len(change.new) == 1
    assert change.old[0].text.startswith(expected["before"])
    assert change.new[0].text.startswith(expected["now"])
    assert change.count == expected.get("count", change.count)
    assert (change.declared_by is not None) is expected.get("declared", False)
    missing = ["/".join(path[3:]) for path in change.assumed_missing]
    assert missing == expected.get("assumed_missing", [])


def test_reasons_have_the_place_of_the_condition_and_of_the_statement() -> None:
    old = ruleset("match /notes/{id} {\n  allow get: if true &&\n    false;\n}", name="old.rules")
    new = ruleset("match /notes/{id} {\n\n  allow get;\n}", name="new.rules")
    (change,) = diff_rulesets(old, new, [recorded_request({"get": "notes/a"})]).changes
    assert [str(reason.at) for reason in change.old] == ["old.rules:5:17"]
    assert [str(reason.at) for reason in change.new] == ["new.rules:6:3"]


def test_the_same_rulesets_change_nothing_whatever_is_asked() -> None:
    # Not the same tree, so that everything is asked.
    text = "match /notes/{id} { allow read, write: if request.auth.uid == resource.data.owner; }"
    old, new = ruleset(text), ruleset(text.replace("if ", "if true && "))
    asked = recorded_request({"get": "notes/a", "auth": "alice", "before": {"owner": "alice"}})
    found = diff_rulesets(old, new, [asked, *neighbours(asked, [], vocabulary(old, new))])
    assert found.changes == ()
    assert found.asked > 30


def test_many_requests_with_one_cause_are_counted_all_though_few_are_looked_into() -> None:
    old = ruleset("match /notes/{id} { allow create: if request.resource.data.n > 1000; }")
    new = ruleset("match /notes/{id} { allow create; }")
    asked = [recorded_request({"create": f"notes/{n}", "after": {"n": n}}) for n in range(1000)]
    found = diff_rulesets(old, new, asked)
    assert sum(change.count for change in found.undeclared) == 1000
    assert len(found.undeclared) <= 2


def test_a_declared_request_is_recognised_among_many_that_are_not() -> None:
    old = ruleset("match /notes/{id} { allow create: if request.resource.data.n > 1000; }")
    new = ruleset("match /notes/{id} { allow create; }")
    asked = [recorded_request({"create": f"notes/{n}", "after": {"n": n}}) for n in range(500)]
    asked += [
        recorded_request({"create": f"notes/{n}", "auth": "bob", "after": {"n": n}})
        for n in range(100)
    ]
    declared = [recorded_request({"create": "notes/x", "auth": "alice", "after": {"n": 3}})]
    found = diff_rulesets(old, new, asked, declared)
    assert sum(change.count for change in found.declared) == 100
    assert sum(change.count for change in found.undeclared) == 500


def test_a_commit_changes_by_the_decision_that_changed() -> None:
    old = ruleset("match /notes/{id} { allow create; }")
    new = ruleset("match /notes/{id} { allow create; allow delete: if request.auth == null; }")
    one, two = (
        recorded_request({"create": "notes/a", "after": {}}),
        recorded_request({"delete": "notes/b"}),
    )
    both = RecordedRequest("a batch", "a test", (*one.decisions, *two.decisions), one.documents)
    (change,) = diff_rulesets(old, new, [both]).changes
    assert change.method.value == "delete"
    assert change.new[0].text.startswith("allow delete")


def test_a_ruleset_is_compared_with_itself_without_asking() -> None:
    def asked() -> Any:
        raise AssertionError("nobody should ask")
        yield

    one: CompiledRuleset = ruleset("match /notes/{id} { allow get; }")
    assert diff_rulesets(one, one, asked()).is_same_text
