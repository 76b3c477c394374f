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
        (["--config", "no.json"], "there is no file no.json"),
        (["--config", "firebase.json", "--project", "."], "--config and --project are both given"),
        (["--ui"], "No such option"),
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


def test_the_project_is_that_of_the_file_which_config_names(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("rules/firebase.test.json", '{"firestore": {}}')
    project.write("rules/harness.yaml", "project_id: my-shop\n")
    ran = harness("emulators", "exec", "--config", "rules/firebase.test.json", "--", "true")
    assert "my-shop" in ran.err
    project.write("rules/harness.yaml", "project_id: demo-shop\n")
    ran = harness(
        *("emulators", "exec", "--config", "rules/firebase.test.json"),
        *("--only", "storage", "--", "true"),
    )
    assert ran.status == 2
    assert "firebase.test.json does not configure it" in ran.err


@pytest.mark.parametrize("words", [["true", "--only", "x"], ["--", "true", "--only", "x"]])
def test_what_follows_the_command_is_the_commands_own(
    harness: Harness, project: ProjectFolder, words: list[str]
) -> None:
    ran = harness("emulators", "exec", "--project-id", "my-shop", *words)
    assert 'project id "my-shop" may be a real project' in ran.err


def test_options_may_follow_a_line_for_the_shell(harness: Harness, project: ProjectFolder) -> None:
    ran = harness("emulators", "exec", "true && true", "--project-id", "my-shop")
    assert ran.status == 2
    assert 'project id "my-shop" may be a real project' in ran.err


def test_without_a_command_it_says_what_is_missing(
    harness: Harness, project: ProjectFolder
) -> None:
    ran = harness("emulators", "exec")
    assert ran.status == 2
    assert "Missing argument" in ran.err
