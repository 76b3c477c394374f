"""The front door: what a decision carries besides its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.rules import limits
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset, Decision, load_ruleset
from harness.rules.runtime import NO_DOCUMENTS, AccessLog, RulesPath
from harness.source import SourcePosition, SourceText
from tests.rules.corpus import NOW, ROOT, SIGNED_IN, condition_ruleset, get_request


class CountingDocuments:
    """Documents that remember what they were asked for."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    def get(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        name = "/".join(path[3:])
        self.asked.append(name)
        return self.documents.get(name)

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        return self.get(path)


def ruleset(text: str) -> CompiledRuleset:
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset


def decide(condition: str, documents: CountingDocuments, log: AccessLog | None = None) -> Decision:
    return ruleset(condition_ruleset(condition)).decide(get_request(), documents, log)


def document(name: str) -> str:
    return f"/databases/$(request.path[1])/documents/{name}"


def test_a_decision_names_the_documents_that_it_looked_at_once_each() -> None:
    documents = CountingDocuments({"u/a": {"n": 1}})
    decision = decide(
        f"exists({document('u/a')}) && get({document('u/a')}).data.n == 1"
        f" && !exists({document('u/b')})",
        documents,
    )
    assert decision.allowed
    assert decision.accesses == ((*ROOT, "u", "a"), (*ROOT, "u", "b"))
    assert documents.asked == ["u/a", "u/b"]


def test_a_denial_names_them_too() -> None:
    documents = CountingDocuments({})
    decision = decide(f"exists({document('u/a')})", documents)
    assert not decision.allowed
    assert decision.accesses == ((*ROOT, "u", "a"),)


def test_no_document_is_looked_at_behind_a_decided_operator() -> None:
    documents = CountingDocuments({})
    assert not decide(f"false && exists({document('u/a')})", documents).allowed
    assert decide(f"true || exists({document('u/a')})", documents).allowed
    assert documents.asked == []


def test_asking_for_the_words_of_a_denial_reads_no_documents() -> None:
    documents = CountingDocuments({"u/a": {}})
    decision = decide(
        f"resource == null ? false : exists({document('u/a')}) && resource.data.x == 1", documents
    )
    assert documents.asked == []
    assert decision.message == ("\nevaluation error at L4:31 for 'get' @ L4, false for 'get' @ L4")
    other = decide(f"exists({document('u/a')}) && resource.data.x == 1", documents)
    assert documents.asked == ["u/a"]
    assert other.message.startswith("\nevaluation error at L4:86 for 'get' @ L4, Null value error.")
    assert documents.asked == ["u/a"]


def test_one_log_counts_a_document_once_for_all_writes_of_a_commit() -> None:
    documents = CountingDocuments({"u/a": {}})
    log = AccessLog(limits.BATCH_ACCESS_CALLS)
    for _ in range(50):
        assert decide(f"exists({document('u/a')})", documents, log).allowed
    assert documents.asked == ["u/a"]
    assert list(log.documents) == [(*ROOT, "u", "a")]


def test_all_writes_of_a_commit_share_twenty_accesses() -> None:
    documents = CountingDocuments({})
    log = AccessLog(limits.BATCH_ACCESS_CALLS)
    for number in range(20):
        assert decide(
            f"!exists({document(f'u/{number}')})".replace("u/", "u/x"), documents, log
        ).allowed
    decision = decide(f"!exists({document('u/last')})", documents, log)
    assert not decision.allowed
    assert "maximum of 20 document access calls" in decision.message
    assert len(documents.asked) == 20


def test_each_write_of_a_commit_may_make_ten() -> None:
    documents = CountingDocuments({})
    log = AccessLog(limits.BATCH_ACCESS_CALLS)
    eleven = " && ".join(f"!exists({document(f'u/x{number}')})" for number in range(11))
    decision = decide(eleven, documents, log)
    assert not decision.allowed
    assert "maximum of 10 document access calls" in decision.message


def test_a_decision_says_what_allowed_it() -> None:
    decision = ruleset(condition_ruleset("true")).decide(get_request(), NO_DOCUMENTS)
    assert decision == Decision(True, (), SourcePosition("firestore.rules", 4, 17))
    assert decision.reasons == ()
    assert decision.message == ""


def test_a_reason_points_at_the_expression_that_failed() -> None:
    text = condition_ruleset("true && request.auth.uid == 'x'")
    (reason,) = ruleset(text).decide(get_request(), NO_DOCUMENTS).reasons
    assert text[reason.span.start : reason.span.end] == "request.auth"
    assert (reason.line, reason.text) == (4, "Null value error. for 'get' @ L4")


def test_a_reason_of_a_false_rule_points_at_its_condition() -> None:
    text = condition_ruleset("1 == 2")
    (reason,) = ruleset(text).decide(get_request(), NO_DOCUMENTS).reasons
    assert text[reason.span.start : reason.span.end] == "1 == 2"


def test_a_service_without_a_block_denies() -> None:
    request = replace(get_request(), service=STORAGE)
    decision = ruleset(condition_ruleset("true")).decide(request, NO_DOCUMENTS)
    assert not decision.allowed
    assert decision.message == "No matching allow statements"


def test_many_shapes_of_path_do_not_fill_the_memory() -> None:
    rules = ruleset(condition_ruleset("true"))
    for number in range(30_000):
        assert rules.decide(get_request(f"c{number}/x"), NO_DOCUMENTS).allowed
    plans = rules._services[FIRESTORE]
    assert all(len(known) <= 10_000 for known in plans._by_collection.values())


def test_a_thousand_evaluations_are_not_absorbed() -> None:
    # Each of 2^10 calls of the innermost function is an evaluation or more.
    functions = "\n".join(
        f"function f{n}() {{ return f{n + 1}() && f{n + 1}(); }}" for n in range(1, 11)
    )
    text = condition_ruleset("f1() || true").replace(
        "match /{d=**}", f"{functions}\nfunction f11() {{ return true; }}\nmatch /{{d=**}}"
    )
    decision = ruleset(text).decide(get_request(), NO_DOCUMENTS)
    assert not decision.allowed
    assert "the maximum of 1000 expressions to evaluate has been reached" in decision.message


def test_the_budget_is_shared_by_all_rules_that_are_tried() -> None:
    # About 400 each: two of them fit, three do not, and the fourth would grant.
    chain = " && ".join(["1 == 1"] * 79 + ["1 == 2"])
    rules = " ".join(f"allow get: if {chain};" for _ in range(2))
    two = condition_ruleset(None).replace("allow get;", f"{rules} allow get;")
    three = condition_ruleset(None).replace(
        "allow get;", f"{rules} allow get: if {chain}; allow get;"
    )
    assert ruleset(two).decide(get_request(), NO_DOCUMENTS).allowed
    decision = ruleset(three).decide(get_request(), NO_DOCUMENTS)
    assert not decision.allowed
    assert decision.reasons[-1].text.startswith("Unable to evaluate the expression")
    assert len(decision.reasons) == 3


# --- explanations
# -----------------------------------------------------------------------------------

NOTES = """rules_version = '2';
service cloud.firestore {
  match /databases/{db}/documents {
    function mine(data) { return data.owner == request.auth.uid; }
    match /notes/{id} {
      allow get: if request.auth != null && mine(resource.data);
      allow list: if resource.data.owner == request.auth.uid && resource.data.n > 5;
    }
  }
}
"""


def explained(request: RulesRequest) -> list[str]:
    return [str(each) for each in ruleset(NOTES).explain(request, NO_DOCUMENTS)]


def test_an_explanation_shows_what_each_expression_gave() -> None:
    path = (*ROOT, "notes", "n1")
    resource = RulesResource({"owner": "bob"}, RulesPath(path))
    request = RulesRequest(FIRESTORE, Method.GET, path, SIGNED_IN["alice"], NOW, resource)
    request = replace(request, auth=RulesAuth("alice", {}))
    assert explained(request) == [
        """firestore.rules:6:7: false
request.auth != null && mine(resource.data) => false
  request.auth != null => true
    request.auth => {'token': {}, 'uid': 'alice'}
  mine(resource.data) => false
    resource.data => {'owner': 'bob'}
    data.owner == request.auth.uid => false
      data.owner => 'bob'
        data => {'owner': 'bob'}
      request.auth.uid => 'alice'
        request.auth => {'token': {}, 'uid': 'alice'}"""
    ]


def test_an_explanation_shows_an_error_where_it_happened() -> None:
    path = (*ROOT, "notes", "n1")
    request = RulesRequest(FIRESTORE, Method.GET, path, SIGNED_IN["bob"], NOW)
    (explanation,) = ruleset(NOTES).explain(request, NO_DOCUMENTS)
    assert explanation.error == "Null value error."
    errors = {each.text for each in explanation.expressions if each.error is not None}
    assert errors == {
        "request.auth != null && mine(resource.data)",
        "mine(resource.data)",
        "resource.data",
    }


def test_an_explanation_of_a_list_is_about_the_disjunct_that_fails() -> None:
    constraints = [
        (
            QueryConstraint(("owner",), Comparator.EQ, "bob"),
            QueryConstraint(("n",), Comparator.GT, bound),
        )
        for bound in (7, 3)
    ]
    query = RulesQuery(collection_id="notes", disjuncts=tuple(constraints))
    request = RulesRequest(
        FIRESTORE, Method.LIST, (*ROOT, "notes"), SIGNED_IN["bob"], NOW, query=query
    )
    assert not ruleset(NOTES).decide(request, NO_DOCUMENTS).allowed
    (explanation,) = ruleset(NOTES).explain(request, NO_DOCUMENTS)
    assert explanation.error == "The query does not show resource.data.n > 5: it only has n > 3."


def test_an_explanation_of_no_rules_is_empty() -> None:
    request = RulesRequest(FIRESTORE, Method.GET, (*ROOT, "other", "x"), None, NOW)
    assert explained(request) == []
