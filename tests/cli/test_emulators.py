"""`harness emulators` where it cannot do what it is asked; the rest is tested end to end."""

from collections.abc import Callable

import pytest

from tests.cli.conftest import ProjectFolder, Ran

Harness = Callable[..., Ran]


@pytest.mark.usefixtures("without_node", "project")
@pytest.mark.parametrize("words", [["exec", "--", "true"], ["start"]])
def test_without_node_it_says_what_to_install(harness: Harness, words: list[str]) -> None:
    ran = harness("emulators", *words)
    assert ran.status == 3
    assert ran.err.startswith("harness: Node is not installed")
    assert "fix: install Node" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "frestore"], '"frestore" is not an emulator'),
        (["--only", "functions"], "does not configure it"),
        (["--project", "none"], "there is no folder none"),
        (["--project", "demo-shop"], "fix: give a project's id as --project-id demo-shop"),
        (["--project-id", "my-shop"], 'project id "my-shop" may be a real project'),
    ],
)
def test_wrong_usage_is_status_2(
    harness: Harness, project: ProjectFolder, words: list[str], said: str
) -> None:
    ran = harness("emulators", "exec", *words, "--", "true")
    assert ran.status == 2
    assert said in ran.err


def test_a_real_project_is_refused(harness: Harness, project: ProjectFolder) -> None:
    project.write("harness.yaml", "project_id: my-shop\n")
    ran = harness("emulators", "exec", "--", "true")
    assert ran.status == 2
    assert "demo-" in ran.err
