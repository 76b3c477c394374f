"""What is found decides what is written; whatever names are found, what is written parses."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.config import parse_settings
from harness.scaffold.found import FoundFunctions, FoundProject, FoundRules
from harness.scaffold.plan import plan_files
from harness.source import SourceText
from harness.workflow.document import WorkflowDocument, parse_workflow

TEMPLATES = {
    each.name: each.read_text(encoding="utf-8")
    for each in files("harness.scaffold").joinpath("files").iterdir()
}


def document(text: str, name: str = "workflow/feature.md") -> WorkflowDocument:
    return parse_workflow(SourceText(name, text))


TEMPLATE = document("# Backend\n## Testing\n- [ ] Verify security rules\n", "template.md")
RULES = FoundRules("firestore.rules", (("get", "posts/example"),))
EVERYTHING = FoundProject(
    name="Shop App",
    in_repository="backend",
    firestore=RULES,
    rules=(RULES, FoundRules("storage.rules")),
    files=("firestore.rules", "functions"),
    services=("auth", "functions", "firestore", "storage"),
    functions=(FoundFunctions("functions", "TypeScript"),),
    apps=("app", "admin"),
    documents=(),
    is_discovered=True,
    phase_files=(),
    checks_folder="checks",
    problems=(),
    has_gitlab=False,
)


def planned(found: FoundProject) -> dict[str, str]:
    return {file.name: file.text for file in plan_files(found, TEMPLATES, TEMPLATE)}


def test_everything_that_is_found_has_its_file() -> None:
    assert list(planned(EVERYTHING)) == [
        "harness.yaml",
        "workflow/backend-workflow.md",
        "checks/test_emulator_suite.py",
        "checks/test_file_structure.py",
        "checks/test_security_rules.py",
        "checks/test_rules_quality.py",
        "checks/test_functions.py",
        "checks/test_flutter_app.py",
        ".github/workflows/harness.yml",
    ]


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"documents": (TEMPLATE,)}, {"workflow/backend-workflow.md"}),
        ({"functions": ()}, {"checks/test_functions.py"}),
        ({"apps": ()}, {"checks/test_flutter_app.py"}),
        ({"firestore": None}, {"checks/test_security_rules.py"}),
        ({"rules": ()}, {"checks/test_rules_quality.py"}),
        (
            {"services": (), "apps": ()},
            {"checks/test_emulator_suite.py", "checks/test_flutter_app.py"},
        ),
    ],
)
def test_what_is_not_there_has_none(changes: dict[str, object], gone: set[str]) -> None:
    assert set(planned(EVERYTHING)) - set(planned(replace(EVERYTHING, **changes))) == gone


def test_functions_are_looked_for_only_where_there_are_some() -> None:
    without = planned(replace(EVERYTHING, functions=()))
    assert "functions" not in without["checks/test_flutter_app.py"].replace("_functions", "")
    assert "def test_every_function_is_loaded" not in without["checks/test_emulator_suite.py"]
    assert (
        "def test_every_callable_of_the_app_is_there"
        in planned(EVERYTHING)["checks/test_flutter_app.py"]
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("add", "europe-west1"), ""),
        (("add", "{region}"), ""),
        (("add", None), "a.dart:1: add is in europe-west1, and the app calls it in us-central1"),
        (("add", "asia-east1"), "and the app calls it in asia-east1"),
        (("sum", None), ""),
        (("log", None), "a.dart:1: there is no callable log"),
        (("gone", None), "a.dart:1: there is no callable gone"),
    ],
)
def test_a_callable_is_looked_for_in_its_region(asked: tuple[str, str | None], said: str) -> None:
    names: dict[str, Any] = {}
    exec(TEMPLATES["functions_called.txt"], names)
    check = names["test_every_callable_of_the_app_is_there"]
    kinds = {"add": "callable", "sum": "callable", "log": "event"}
    regions = {"add": "europe-west1", "sum": "us-central1", "log": "us-central1"}
    deployed = [
        SimpleNamespace(name=name, kind=kind, region=regions[name]) for name, kind in kinds.items()
    ]
    use = SimpleNamespace(position="a.dart:1", name=asked[0], region=asked[1])
    contract = SimpleNamespace(callables=[use])
    proofs: list[str] = []
    arguments = (contract, SimpleNamespace(deployed=lambda: deployed), proofs.append)
    if said:
        with pytest.raises(AssertionError, match=re.escape(said)):
            check(*arguments)
    else:
        check(*arguments)
        assert proofs == ["1 callables of the app"]


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("## Testing\n- [ ] Verify security rules", '("Testing/Verify security rules")'),
        ("## Gate\n- [ ] Verify security rules", '("Gate/Verify security rules")'),
        ("## Gate\n- [ ] Verify the security rules", 'nearest is "Gate/Verify the security rules"'),
        ("## A\n- [ ] Verify security rules\n## B\n- [ ] Verify security rules", "Name the item"),
        ("## Gate\n- [ ] Ship", 'No workflow document has "Testing/Verify security rules".'),
    ],
)
def test_a_check_is_for_an_item_that_there_is_and_never_for_one_that_is_near(
    text: str, mark: str
) -> None:
    written = planned(replace(EVERYTHING, documents=(document(text),)))
    check = written["checks/test_security_rules.py"]
    assert mark in check
    assert ("\npytestmark" in check) == mark.startswith("(")


# What is found has a path from the folder: neither a null character nor what makes a path absolute.
NAMES = st.text(st.characters(exclude_characters="\0\\/:"), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(NAMES, NAMES, st.booleans())
@example("0", "0", False)
@example("app", "docs/backend", True)
@example("\x1f", "\x1f", True)
@example("yes", "it's: #\n", True)
@example("0", "~", False)
def test_whatever_names_are_found_what_is_written_parses(
    name: str, path: str, is_discovered: bool
) -> None:
    rules = FoundRules(path, (("get", f"{path}/example"),))
    found = replace(
        EVERYTHING,
        name=name,
        in_repository=path,
        firestore=rules,
        rules=(rules,),
        files=(path, name),
        documents=(document(f"# {name}\n- [ ] {path}\n", f"{path}.md"),),
        is_discovered=is_discovered,
        apps=("app",),
    )
    for file, text in planned(found).items():
        if file.endswith(".py"):
            ast.parse(text)
        elif file.endswith(".yml"):
            assert yaml.safe_load(text)["env"]["PROJECT"] == path
    text = planned(found)["harness.yaml"]
    assert parse_settings(SourceText("harness.yaml", text)).project_id.startswith("demo-")
