"""What coverage counts, and what its reports say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.rules import limits, nodes
from harness.rules.coverage import (
    FALSE,
    NULL,
    TRUE,
    VALUES_KEPT,
    CoverageCounts,
    RulesetCoverage,
    elided,
    merged_counts,
)
from harness.rules.coverage_report import Share, official_report, percent_text, summarize
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.runtime import AccessLog
from harness.rules.value_json import duration_text, timestamp_text
from harness.rules.values import RulesPath, RulesValue
from harness.source import SourceText, Span
from tests.rules.corpus import NOW, ROOT, condition_ruleset
from tests.rules.expressions import conditions
from tests.rules.test_laws import REQUEST

TABLE = Path(__file__).parents[1] / "corpus" / "rules_coverage" / "reports.yaml"
_KEYS = {"name", "if", "rules", "requests", "documents", "report", "source"}


def read_table() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text("utf-8"))["cases"]
    names = [case["name"] for case in cases]
    assert cases
    assert len(set(names)) == len(names)
    for case in cases:
        assert set(case) <= _KEYS, case["name"]
        assert {"name", "report", "source"} <= set(case), case["name"]
        assert ("if" in case) != ("rules" in case), case["name"]
    return cases


class Documents:
    def __init__(self, paths: list[str]) -> None:
        self.paths = {(*ROOT, *path.split("/")) for path in paths}
        self.asked: list[tuple[str, ...]] = []

    def get(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        self.asked.append(path)
        return {} if path in self.paths else None

    get_after = get


def loaded(text: str) -> CompiledRuleset:
    result = load_ruleset(SourceText("firestore.rules", text))
    assert result.ruleset is not None, result.issues
    return result.ruleset


def firestore(rules: str) -> str:
    return (
        "rules_version = '2';\nservice cloud.firestore {\n"
        f"match /databases/{{database}}/documents {{\n{rules}\n}}\n}}\n"
    )


def get(path: str) -> RulesRequest:
    full = (*ROOT, *path.split("/"))
    resource = RulesResource({"visible": True}, RulesPath(full))
    return RulesRequest(FIRESTORE, Method.GET, full, None, NOW, resource)


def plain(value: Any) -> Any:
    """A value of the report as people write it."""
    ((kind, content),) = value.items()
    match kind:
        case "intValue":
            return int(content)
        case "mapValue":
            return {name: plain(item) for name, item in content.get("fields", {}).items()}
        case "listValue" | "setValue":
            return [plain(item) for item in content.get("values", ())]
        case "mapDiffValue":
            return content["keyStatuses"]
        case "pathValue":
            return "".join(f"/{segment['simple']}" for segment in content["segments"])
    return content


def words(text: str, value: Any) -> str:
    if not value:
        return "skipped"
    if "undefined" in value:
        at = value["undefined"]["sourcePosition"]
        where = text[at["currentOffset"] : at["endOffset"] + 1]
        return f'error "{value["undefined"]["causeMessage"]}" at {where}'
    if "boolValue" in value:
        return "true" if value["boolValue"] else "false"
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


def drawn(text: str, node: Any, depth: int = 0) -> list[str]:
    at = node["sourcePosition"]
    line = "  " * depth + text[at["currentOffset"] : at["endOffset"] + 1]
    before = text[: at["currentOffset"]]
    assert at["line"] == before.count("\n") + 1
    assert at["column"] == len(before) - before.rfind("\n")
    values = [f"{words(text, each['value'])} × {each['count']}" for each in node.get("values", ())]
    below = [part for child in node.get("children", ()) for part in drawn(text, child, depth + 1)]
    return [f"{line} | {', '.join(sorted(values))}" if values else line, *below]


@pytest.mark.parametrize("case", read_table(), ids=lambda case: case["name"])
def test_report_is_that_of_the_table(case: dict[str, Any]) -> None:
    rules = case.get("rules") or f"match /items/{{item}} {{ allow get: if {case['if']}; }}"
    text = firestore(rules)
    coverage = RulesetCoverage(loaded(text))
    for asked in case.get("requests", [{"get": "items/one"}]):
        coverage.observe(get(asked["get"]), Documents(case.get("documents", [])), AccessLog())
    report = official_report(coverage.layout, coverage.counts())
    assert report["rules"] == {"files": [{"content": text, "name": "firestore.rules"}]}
    found = [line for root in report.get("report", ()) for line in drawn(text, root)]
    wanted = []
    for line in case["report"].splitlines():
        expression, bar, values = line.partition(" | ")
        # An error's text may have a comma, so only whole entries are put in order.
        entries = sorted(part.strip() for part in _entries(values))
        wanted.append(f"{expression} | {', '.join(entries)}" if bar else line)
    assert found == wanted
    if not wanted:
        assert "report" not in report


def _entries(values: str) -> list[str]:
    found: list[str] = []
    begun = ""
    for part in values.split(", "):
        begun = f"{begun}, {part}" if begun else part
        if begun.rpartition(" × ")[2].isdigit():
            found.append(begun)
            begun = ""
    return found


# --- what is counted --------------------------------------------------------------------------

LOOKS = firestore(
    "match /items/{item} { allow get: if exists(/databases/$(database)/documents/a/$(item))"
    " && get(/databases/$(database)/documents/a/$(item)).data.size() == 0; }"
)


def test_counting_asks_for_no_document_that_the_decision_has_read() -> None:
    ruleset, documents, log = loaded(LOOKS), Documents(["a/one"]), AccessLog()
    coverage = RulesetCoverage(ruleset)
    assert ruleset.decide(get("items/one"), documents, log).allowed
    asked, charged = list(documents.asked), list(log.documents)
    coverage.observe(get("items/one"), documents, log)
    assert (documents.asked, list(log.documents)) == (asked, charged)


def test_counting_is_no_further_access_at_the_limit() -> None:
    ruleset = loaded(LOOKS)
    coverage = RulesetCoverage(ruleset)
    documents, log = Documents(["a/one"]), AccessLog(1)
    assert ruleset.decide(get("items/one"), documents, log).allowed
    coverage.observe(get("items/one"), documents, log)
    (root,) = coverage.layout.roots
    assert coverage.counts().of(root.counted) == {TRUE: 1}


def test_where_a_decision_stopped_at_a_limit_the_count_does_too() -> None:
    looks = " || ".join(f"exists(/databases/$(database)/documents/a/x{n})" for n in range(12))
    coverage = RulesetCoverage(
        loaded(firestore(f"match /items/{{item}} {{ allow get: if {looks}; }}"))
    )
    log = AccessLog()
    assert not coverage.ruleset.decide(get("items/one"), Documents([]), log).allowed
    coverage.observe(get("items/one"), Documents([]), log)
    root = coverage.layout.roots[0]
    (value,) = coverage.counts().of(root.counted)
    assert json.loads(value)["undefined"]["causeMessage"] == limits.access_text(10)
    calls = [
        coverage.counts().count(node.span)
        for node in coverage.layout.expressions()
        if SourceText("", coverage.ruleset.source.text).text[node.span.start :].startswith("exists")
        and not node.children[0].is_boolean
    ]
    assert sum(calls) == 11


def test_a_request_beyond_the_budget_is_counted_up_to_where_it_stopped() -> None:
    long = " && ".join(["item == 'one'"] * 90)
    rules = "".join(
        f"match /items/{{item}} {{ allow get: if {long} && item == 'two'; }}\n" for _ in range(4)
    )
    coverage = RulesetCoverage(loaded(firestore(rules)))
    decision = coverage.ruleset.decide(get("items/one"), Documents([]))
    assert not decision.allowed
    assert limits.BUDGET_TEXT in decision.message
    coverage.observe(get("items/one"), Documents([]))
    counts = coverage.counts()
    last = counts.of(coverage.layout.roots[-1].counted)
    texts = [text for seen in counts.visits.values() for text in seen]
    assert any(limits.BUDGET_TEXT in text for text in texts)
    assert TRUE not in last
    assert FALSE not in last


def test_an_allow_without_condition_and_a_literal_one_count_how_often_they_were_tried() -> None:
    coverage = RulesetCoverage(
        loaded(
            firestore(
                "match /items/{item} { allow get: if false; allow get: if true; allow get; }\n"
                "match /open/{item} { allow get; }"
            )
        )
    )
    for path in ("items/one", "items/two", "open/one"):
        coverage.observe(get(path), Documents([]))
    summary = summarize(coverage.layout, coverage.counts())
    assert [root.count for root in summary.roots] == [2, 2, 0, 1]
    assert summary.evaluated == Share(0, 0)


def test_many_values_are_kept_in_part_and_counted_in_full() -> None:
    coverage = RulesetCoverage(
        loaded(firestore("match /items/{item} { allow get: if item == '' || [item].size() == 2; }"))
    )
    for number in range(100):
        coverage.observe(get(f"items/i{number:03}"), Documents([]))
    counts = coverage.counts()
    by_text = {counts.text[span.start : span.end]: seen for span, seen in counts.visits.items()}
    assert {sum(seen.values()) for seen in by_text.values()} == {100}
    assert len(by_text["item"]) == VALUES_KEPT + 1
    assert by_text["item"][elided("string")] == 100 - VALUES_KEPT
    assert by_text["[item]"][elided("list")] > 90


def test_a_list_is_counted_for_each_disjunct_and_shows_what_the_query_leaves_open() -> None:
    rules = (
        "match /items/{item} { allow list: if resource.data.n > 1 || resource.data.owner == 'ana'"
        " || resource.data.keys().hasAll(['owner']); }"
    )
    path = (*ROOT, "items")
    owner = QueryConstraint(("owner",), Comparator.EQ, "ana")
    number = QueryConstraint(("n",), Comparator.GT, 5)
    query = RulesQuery(ROOT, "items", disjuncts=((number,), (owner,)))
    coverage = RulesetCoverage(loaded(firestore(rules)))
    request = RulesRequest(FIRESTORE, Method.LIST, path, None, NOW, query=query)
    assert coverage.ruleset.decide(request, Documents([])).allowed
    coverage.observe(request, Documents([]))
    report = official_report(coverage.layout, coverage.counts())
    (root,) = report["report"]
    assert [(each["value"], each["count"]) for each in root["values"]] == [({"boolValue": True}, 2)]
    first = root["children"][0]["children"][0]["children"][0]
    open_value = {"constraintValue": {"comparator": "GT", "value": {"intValue": "5"}}}
    assert {"value": open_value, "count": 1} in first["values"]


def test_a_large_value_is_not_kept() -> None:
    coverage = RulesetCoverage(
        loaded(firestore("match /items/{item} { allow get: if resource.data.size() > 1; }"))
    )
    path = (*ROOT, "items", "one")
    data: dict[str, RulesValue] = {"text": "x" * 5_000, "n": 1}
    request = RulesRequest(
        FIRESTORE, Method.GET, path, None, NOW, RulesResource(data, RulesPath(path))
    )
    coverage.observe(request, Documents([]))
    counts = coverage.counts()
    seen = {counts.text[span.start : span.end]: found for span, found in counts.visits.items()}
    assert seen["resource.data"] == {elided("map"): 1}


# --- laws -------------------------------------------------------------------------------------


@given(conditions)
def test_coverage_never_changes_a_decision_and_sees_what_it_was(condition: Any) -> None:
    found = load_ruleset(SourceText("", condition_ruleset(nodes.unparse(condition)))).ruleset
    if found is None:
        return
    asked = REQUEST
    request = RulesRequest(FIRESTORE, Method.GET, asked.path, asked.auth, NOW, asked.resource)
    documents, log = Documents([]), AccessLog()
    allowed = found.decide(request, documents, log).allowed
    coverage = RulesetCoverage(found)
    coverage.observe(request, documents, log)
    assert found.decide(request, documents, log).allowed is allowed
    seen = coverage.counts().of(coverage.layout.roots[-1].counted)
    assert sum(seen.values()) == 1
    assert (TRUE in seen) is allowed
    assert json.loads(json.dumps(coverage.counts().to_json()))
    official_report(coverage.layout, coverage.counts())


_values = st.one_of(
    st.sampled_from([TRUE, FALSE, NULL, elided("string"), elided("map")]),
    st.integers(0, 40).map(lambda number: f'{{"stringValue":"{number:02}"}}'),
    st.integers(0, 5).map(lambda number: f'{{"intValue":"{number}"}}'),
)
_visits = st.dictionaries(_values, st.integers(1, 9), min_size=1, max_size=60)


@st.composite
def counted(draw: st.DrawFn) -> CoverageCounts:
    spans = st.sampled_from([Span(0, 1), Span(2, 5), Span(3, 4)])
    parts = draw(st.lists(st.tuples(spans, _visits), max_size=4))
    # As counts come to be: by adding, so that no expression has more values than are kept.
    total = CoverageCounts(draw(st.sampled_from(["a.rules", "b.rules"])), "text")
    for span, visits in parts:
        total = total.merged(CoverageCounts("b.rules", "text", {span: visits}))
    return total


@given(counted(), counted(), counted())
def test_counts_add_up_in_any_order(
    one: CoverageCounts, other: CoverageCounts, third: CoverageCounts
) -> None:
    assert one.merged(other) == other.merged(one)
    assert one.merged(other).merged(third) == one.merged(other.merged(third))
    for span in {*one.visits, *other.visits}:
        assert one.merged(other).count(span) == one.count(span) + other.count(span)


@given(counted())
def test_counts_survive_being_written(counts: CoverageCounts) -> None:
    assert CoverageCounts.from_json(json.loads(json.dumps(counts.to_json()))) == counts


def test_counts_of_other_rules_are_not_added() -> None:
    one, other = CoverageCounts("a.rules", "text"), CoverageCounts("a.rules", "other text")
    with pytest.raises(ValueError, match="different rules"):
        one.merged(other)
    assert merged_counts([one, other, one]) == [one, other]


@pytest.mark.parametrize("content", [{}, {"file": "a", "text": "b", "visits": {"1": {}}}, [], 3])
def test_what_is_no_count_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match="not the coverage of rules"):
        CoverageCounts.from_json(content)


# --- percentages ------------------------------------------------------------------------------


def test_percentages_and_gaps_name_what_is_missing() -> None:
    text = firestore(
        "function named(wanted) { return request.auth.uid == wanted; }\n"
        "match /items/{item} { allow get: if item == 'one' || named(item);"
        " allow list: if item != 'x'; }"
    )
    coverage = RulesetCoverage(loaded(text))
    coverage.observe(get("items/one"), Documents([]))
    summary = summarize(coverage.layout, coverage.counts())
    function, first, second = summary.roots
    assert (function.title, function.count) == ("function named", 0)
    assert (first.title, first.place) == (
        "allow get",
        "/databases/{database}/documents/items/{item}",
    )
    assert [(gap.text, gap.what) for gap in first.gaps] == [
        ("item == 'one' || named(item)", "never false"),
        ("item == 'one'", "never false"),
        ("named(item)", "never evaluated"),
    ]
    assert str(first.gaps[2].position) == "firestore.rules:5:54"
    assert [gap.text for gap in summary.unevaluated] == [
        "request.auth.uid == wanted",
        "named(item)",
        "item != 'x'",
    ]
    assert summary.evaluated == Share(3, 12)
    assert summary.both == Share(0, 5)
    assert second.evaluated == Share(0, 2)


@pytest.mark.parametrize(
    ("percent", "text"), [(100.0, "100 %"), (99.99, "99.9 %"), (87.0, "87 %"), (0.04, "0 %")]
)
def test_a_percentage_is_never_rounded_up(percent: float, text: str) -> None:
    assert percent_text(percent) == text


@pytest.mark.parametrize(
    ("nanos", "time", "duration"),
    [
        (0, "1970-01-01T00:00:00Z", "0s"),
        (1_577_923_445_123_456_000, "2020-01-02T00:04:05.123456Z", "1577923445.123456s"),
        (-500_000_000, "1969-12-31T23:59:59.500Z", "-0.500s"),
        (1, "1970-01-01T00:00:00.000000001Z", "0.000000001s"),
    ],
)
def test_times_are_written_in_groups_of_three_digits(nanos: int, time: str, duration: str) -> None:
    assert (timestamp_text(nanos), duration_text(nanos)) == (time, duration)
