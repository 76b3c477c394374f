"""`harness rules coverage` on what a run left, by its printed text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.project import load_project
from harness.rules.coverage import CoverageCounts, RulesetCoverage
from harness.rules.request import FIRESTORE, Method, RulesAuth, RulesRequest, RulesResource
from harness.rules.ruleset import load_ruleset
from harness.rules.runtime import NO_DOCUMENTS
from harness.rules.values import RulesPath
from harness.rules_coverage import RunCoverage, coverage_folder, coverage_of_project, write_run
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT

RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    function mine(uid) {
      return request.auth.uid == uid;
    }
    match /users/{uid} {
      allow read: if mine(uid);
      allow write: if mine(uid)
          && request.resource.data.size() > 0;
    }
  }
}
"""


def counted(text: str, *callers: str) -> CoverageCounts:
    ruleset = load_ruleset(SourceText("anywhere/firestore.rules", text)).ruleset
    assert ruleset is not None
    coverage = RulesetCoverage(ruleset)
    path = (*ROOT, "users", "ana")
    resource = RulesResource({}, RulesPath(path))
    for uid in callers:
        auth = RulesAuth(uid, {})
        coverage.observe(
            RulesRequest(FIRESTORE, Method.GET, path, auth, NOW, resource), NO_DOCUMENTS
        )
    return coverage.counts()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "firebase.json").write_text('{"firestore": {"rules": "firestore.rules"}}')
    (tmp_path / "firestore.rules").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leave(folder: Path, counts: CoverageCounts, *, partial: str | None = None) -> Path:
    project = load_project(folder)
    write_run(project, RunCoverage((counts,), 2, partial), coverage_of_project(project, [counts]))
    return coverage_folder(project) / "rules.json"


def test_without_a_run_it_says_what_to_do(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rules", "coverage"]) == 2
    error = capsys.readouterr().err
    assert "no coverage was recorded" in error
    assert "fix: run the checks" in error


def test_percentages_and_what_was_never_evaluated(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, counted(RULES, "ana", "bob"))
    assert run(["rules", "coverage"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "firestore.rules: 46.6 % of 15 expressions evaluated, 40 % of 5 boolean ones both"
    )
    assert re.search(r"4  function mine +2 +100 % +100 %", out)
    assert re.search(r"8  allow read /users/{uid} +2 +100 % +100 %", out)
    assert re.search(r"9  allow write /users/{uid} +0 +0 % +0 %", out)
    assert "firestore.rules:9:23: mine(uid) && request.resource.data.size() > 0" in out


def test_what_was_only_one_way_is_listed_on_demand(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, counted(RULES, "ana"))
    assert run(["rules", "coverage", "--all"]) == 0
    assert "firestore.rules:5:14: never false: request.auth.uid == uid" in capsys.readouterr().out


def test_below_the_minimum_the_exit_status_is_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, counted(RULES, "ana"))
    assert run(["rules", "coverage", "--min", "46"]) == 0
    assert run(["rules", "coverage", "--min", "47"]) == 1
    assert "46.6 % of expressions evaluated, less than 47 %" in capsys.readouterr().err
    (project / "harness.yaml").write_text("rules: {coverage: 90}\n")
    assert run(["rules", "coverage"]) == 1
    assert run(["rules", "coverage", "--min", "0"]) == 0


def test_counts_of_an_older_text_are_left_out_and_that_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, counted(RULES.replace("uid ==", "uid !="), "ana"))
    assert run(["rules", "coverage"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("firestore.rules: 0 % of 15 expressions")
    assert "no request was counted for its present text" in printed.err


def test_several_records_add_up(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = leave(project, counted(RULES, "ana")).rename(project / "one.json")
    two = leave(project, counted(RULES, "bob"), partial="a reason")
    assert run(["rules", "coverage", str(one), str(two)]) == 0
    printed = capsys.readouterr()
    assert re.search(r"function mine +2 +100 % +100 %", printed.out)
    assert "this is not the whole: a reason" in printed.err


def test_files_for_other_programs(project: Path) -> None:
    leave(project, counted(RULES, "ana", "ana", "bob"))
    names = ["out.lcov", "out.html", "out.json"]
    options = zip(["--lcov", "--html", "--json"], names, strict=True)
    assert run(["rules", "coverage", *(part for pair in options for part in pair)]) == 0
    lcov, html, report = ((project / name).read_text("utf-8") for name in names)
    assert json.loads(report)["rules"]["files"] == [{"content": RULES, "name": "firestore.rules"}]
    assert "<title>Firestore Rule Coverage Report</title>" in html
    assert lcov.splitlines() == [
        "TN:",
        "SF:firestore.rules",
        "FN:4,mine",
        "FNDA:3,mine",
        "FNF:1",
        "FNH:1",
        "BRDA:5,0,0,2",
        "BRDA:5,0,1,1",
        "BRDA:8,0,0,2",
        "BRDA:8,0,1,1",
        "BRDA:9,0,0,-",
        "BRDA:9,0,1,-",
        "BRDA:9,1,0,-",
        "BRDA:9,1,1,-",
        "BRDA:10,0,0,-",
        "BRDA:10,0,1,-",
        "BRF:10",
        "BRH:4",
        "DA:5,3",
        "DA:8,3",
        "DA:9,0",
        "DA:10,0",
        "LF:4",
        "LH:2",
        "end_of_record",
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"harness_rules_coverage": 1}'])
def test_what_is_no_record_is_refused_in_a_line(
    project: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "rules.json").write_text(content)
    assert run(["rules", "coverage", "rules.json"]) == 2
    assert "rules.json is no rules coverage: " in capsys.readouterr().err


def test_an_unknown_file_is_refused_with_the_names_there_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(project, counted(RULES, "ana"))
    assert run(["rules", "coverage", "--file", "storage.rules"]) == 2
    assert "the project's are: firestore.rules" in capsys.readouterr().err
