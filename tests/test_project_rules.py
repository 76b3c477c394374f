"""A project's rules are found, named and refused in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError, HarnessErrors, RulesSyntaxError
from harness.project import Project, load_project
from harness.project_rules import load_rulesets, read_rules, rules_names

GOOD = "service cloud.firestore { match /a/{id} { allow get; } }"
FILES = "service firebase.storage { match /b/{bucket}/o { match /{name} { allow get; } } }"


def project_in(folder: Path, firebase: str, **rules: str) -> Project:
    (folder / "firebase.json").write_text(firebase, encoding="utf-8")
    for name, text in rules.items():
        (folder / f"{name}.rules").write_text(text, encoding="utf-8")
    return load_project(folder)


BOTH = '{"firestore": {"rules": "a.rules"}, "storage": {"rules": "b.rules"}}'


def test_each_service_has_the_ruleset_of_its_file(tmp_path: Path) -> None:
    project = project_in(tmp_path, BOTH, a=GOOD, b=FILES)
    rulesets = load_rulesets(project)
    names = {service: each.source.file_name for service, each in rulesets.by_service().items()}
    assert names == {"cloud.firestore": "a.rules", "firebase.storage": "b.rules"}
    assert rules_names(project) == ("a.rules", "b.rules")


def test_a_project_may_have_no_rules(tmp_path: Path) -> None:
    project = project_in(tmp_path, "{}")
    assert rules_names(project) == ()
    assert load_rulesets(project).by_service() == {}


def test_an_error_is_shown_in_its_line(tmp_path: Path) -> None:
    with pytest.raises(RulesSyntaxError) as caught:
        load_rulesets(project_in(tmp_path, BOTH, a="service cloud.firestore {\n  match }", b=FILES))
    assert str(caught.value.at) == "a.rules:2:9"
    assert "\n    match }\n          ^" in caught.value.problem


def test_several_errors_come_together(tmp_path: Path) -> None:
    # An undeclared function would be a warning only.
    wrong = GOOD.replace("allow get;", "allow get: if 1 is a; allow list: if 2 is b;")
    with pytest.raises(HarnessErrors) as caught:
        load_rulesets(project_in(tmp_path, BOTH, a=wrong, b=FILES))
    assert len(caught.value.errors) == 2


def test_a_file_that_is_not_there_is_named_as_in_firebase_json(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"firebase\.json names a\.rules, and there is no"):
        read_rules(project_in(tmp_path, BOTH), "a.rules")
