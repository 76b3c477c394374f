"""`harness rules mutate`: what it prints, writes, and exits with."""

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import ProjectFolder, Ran

SETTINGS = "personas: {alice: , bob: , guest: {uid: null}}\naccess: access.yaml\n"
MATRIX = """\
documents: {users/$uid: {name: X}}
rows:
  - {name: own profile, method: get, path: users/$uid, allow: signed-in}
  - {name: a profile, method: get, path: users/alice, allow: alice}
  - {name: all profiles, method: list, path: users, allow: none}
"""
Harness = Callable[..., Ran]


@pytest.fixture
def matrix_project(project: ProjectFolder) -> ProjectFolder:
    project.write("harness.yaml", SETTINGS)
    project.write("access.yaml", MATRIX)
    return project


def test_survivors_are_printed_and_the_score_is(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    ran = harness("rules", "mutate", "--no-run", "--json", "out.json")
    assert ran.status == 0
    assert "  --- a/firestore.rules" in ran.out
    assert "  would now be " in ran.out
    answer = json.loads((matrix_project.path / "out.json").read_text(encoding="utf-8"))
    assert answer["killed"] > 0
    assert answer["survived"] > 0
    score = f"mutation score {int(answer['score'] * 10) / 10:.1f} %"
    assert ran.out.splitlines()[-1].startswith(score)
    assert "9 cells of the access matrix, 0 recorded requests" in ran.err


def test_a_score_below_the_one_that_is_wanted_fails(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    ran = harness("rules", "mutate", "--no-run", "--min", "99.5")
    assert ran.status == 1
    assert "and at least 99.5 % is wanted\n  fix: " in ran.err
    assert harness("rules", "mutate", "--no-run", "--min", "1").status == 0


def test_the_threshold_of_harness_yaml_holds(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    matrix_project.write("harness.yaml", f"{SETTINGS}rules: {{mutation_score: 99.5}}\n")
    assert harness("rules", "mutate", "--no-run").status == 1


def test_only_some_mutants(matrix_project: ProjectFolder, harness: Harness) -> None:
    ran = harness("rules", "mutate", "--no-run", "--only", "negate", "--only", "drop allow")
    assert ran.status == 0
    table = [line.split("  ")[0] for line in ran.out.splitlines() if line]
    assert {"negate", "drop allow"} >= {name for name in table if name.startswith(("neg", "drop"))}
    line = harness("rules", "mutate", "--no-run", "--only", "firestore.rules:5")
    assert line.status == 0
    ran = harness("rules", "mutate", "--no-run", "--only", "nothing")
    assert ran.status == 2
    assert "no mutant fits --only nothing\n  fix: " in ran.err


def test_surprises_notice_nothing_and_are_told(
    matrix_project: ProjectFolder, harness: Harness
) -> None:
    matrix_project.write("access.yaml", MATRIX.replace("allow: alice", "allow: bob"))
    ran = harness("rules", "mutate", "--no-run")
    assert "2 cells of the access matrix are not as it says" in ran.err


def test_nothing_to_ask_says_what_to_do(project: ProjectFolder, harness: Harness) -> None:
    ran = harness("rules", "mutate")
    assert ran.status == 3
    assert "there is nothing that could notice a mutant" in ran.err
    assert "fix: write an access matrix" in ran.err
