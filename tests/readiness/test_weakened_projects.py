"""Each review finds nothing in a fit project, and what is wrong in one that is weakened."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.project import load_project
from harness.project_readiness import ProjectReadiness
from harness.readiness.review import Review

CORPUS = Path(__file__).parent.parent / "corpus" / "readiness"
WEAKENED = yaml.safe_load((CORPUS / "weakened.yaml").read_text(encoding="utf-8"))["cases"]
FIT = yaml.safe_load((CORPUS / "finds_nothing.yaml").read_text(encoding="utf-8"))["cases"]

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "functions_documented": (["shareNote", "sendDigest"],),
    "rules_closed": (date(2026, 1, 1),),
}
REVIEWS = sorted({case["review"] for case in WEAKENED})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "project"
    shutil.copytree(CORPUS / "project", copy)
    (copy / "firebaserc.json").rename(copy / ".firebaserc")
    return copy


def change(folder: Path, case: dict[str, str]) -> None:
    path = folder / case["file"]
    # "{}" in the corpus keeps what looks like a secret from looking like one there.
    put = case.get("put")
    if put is None:
        path.unlink()
    elif "find" in case:
        text = path.read_text()
        assert case["find"] in text
        path.write_text(text.replace(case["find"], put))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(put.replace("{}", "") if case["review"] == "secrets" else put)


def review(folder: Path, name: str) -> Review:
    document = folder / "workflow" / "backend-workflow.md"
    readiness = ProjectReadiness(load_project(folder), lambda: [document])
    method: Callable[..., Review] = getattr(readiness, name)
    return method(*ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("name", REVIEWS)
def test_a_fit_project_passes_with_what_was_seen(folder: Path, name: str) -> None:
    found = review(folder, name)
    assert str(found) == found.proof
    assert found.proof


@pytest.mark.parametrize("case", WEAKENED, ids=lambda case: f"{case['review']}-{case['says']}")
def test_what_is_weakened_is_noticed(folder: Path, case: dict[str, str]) -> None:
    change(folder, case)
    found = review(folder, case["review"])
    places = [
        problem
        for problem in found.problems
        if problem.where.startswith(case["at"]) and case["says"] in str(problem)
    ]
    assert places, str(found)
    assert all(problem.what and problem.fix for problem in found.problems)
    assert all("\n" not in problem.what + problem.fix for problem in found.problems)


@pytest.mark.parametrize("case", FIT, ids=lambda case: f"{case['review']}-{case['file']}")
def test_what_is_right_is_no_problem(folder: Path, case: dict[str, str]) -> None:
    change(folder, case)
    found = review(folder, case["review"])
    assert not found.problems, str(found)
    assert case.get("unknown", "") in found.unknown
    assert bool(found.unknown) == ("unknown" in case)
