"""The CI files fit the published schemas, and their steps do what they say where GitHub is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ci.workflow_files import ROOT, TIMEOUT_S, Job, load, make_tools
from tests.cli.conftest import RULES, RULES_CHECK, WORKFLOW

ACTION = load("action.yml")
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}
BOX, TICKED = "- [ ] Verify security rules", "- [x] Verify security rules"
SPEED_CHECK = (
    'import pytest\n\npytestmark = pytest.mark.workflow("Performance testing")\n\n\n'
    "def test_speed(query_cost, firestore_admin):\n"
    "    with query_cost('look'):\n        firestore_admin.document('c/a').get()\n"
    "    assert 'fast' == 'slow'\n"
)


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("github-workflows", ".github/workflows/verify.yml"),
        ("github-actions", "action.yml"),
        ("gitlab-ci", "docs/examples/gitlab-ci.yml"),
        ("github-workflows", "harness/scaffold/files/github.yml"),
        ("gitlab-ci", "harness/scaffold/files/gitlab.yml"),
    ],
)
def test_it_fits_the_published_schema(schema: str, name: str) -> None:
    # check-jsonschema brings the schemas of SchemaStore and GitLab: nothing is fetched.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    ran = subprocess.run(
        [*command, "--no-cache", str(ROOT / name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_file_that_does_not_fit_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("on: push\njobs: {a: {steps: [{uses: 3}]}}\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    ran = subprocess.run(
        [*command, "vendor.github-workflows", str(tmp_path / "wrong.yml")],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1


def test_the_workflow_gives_the_action_only_inputs_that_it_has() -> None:
    jobs = load(".github/workflows/verify.yml")["jobs"]
    uses = [step for job in jobs.values() for step in job["steps"] if step["uses"] == "./"]
    assert [step["with"]["part"] for step in uses] == ["verify", "report"]
    for step in uses:
        assert set(step["with"]) <= set(ACTION["inputs"])
    shards = jobs["checks"]["strategy"]["matrix"]["shard"]
    assert shards == [f"{number}/{len(shards)}" for number in range(1, len(shards) + 1)]


def test_no_script_holds_an_expression() -> None:
    """What comes from outside reaches scripts by the environment, where it is no code."""
    for step in STEPS.values():
        assert "${{" not in step["run"]


def test_every_step_has_a_part_of_the_action() -> None:
    ifs = {name: step.get("if", "") for name, step in STEPS.items()}
    assert {name for name, condition in ifs.items() if not condition} == {"Set up"}
    assert "report" in ifs["Run the checks of a shard"]


# A repository with a remote


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository that holds a project with two items to verify, one of which fails."""
    origin = tmp_path / "origin.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    first = clone(origin, tmp_path / "first")
    files = {
        "app/firebase.json": '{"firestore": {"rules": "firestore.rules"}}',
        "app/firestore.rules": RULES,
        "app/workflow/feature.md": WORKFLOW,
        "app/checks/test_rules.py": RULES_CHECK,
        "app/checks/test_speed.py": SPEED_CHECK,
    }
    for name, text in files.items():
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        (first / name).write_text(text, encoding="utf-8")
    commit(first, "Begin")
    return origin


@pytest.fixture
def make_job(tmp_path: Path, origin: Path) -> Callable[..., Job]:
    tools = make_tools(tmp_path / "tools")

    def make(name: str, **context: str) -> Job:
        folder = tmp_path / name
        (folder / "temp").mkdir(parents=True)
        given = {
            "inputs.project": "app",
            "inputs.shard": "1/1",
            "github.event_name": "push",
            "github.ref_type": "branch",
            "github.ref_name": "main",
            "github.repository": "owner/app",
            **{key.replace("__", "."): value for key, value in context.items()},
        }
        return Job(clone(origin, folder / "clone"), folder / "temp", tools, given)

    return make


def git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    return ran.stdout.strip()


def clone(origin: Path, folder: Path) -> Path:
    git(origin.parent, "clone", "--quiet", str(origin), str(folder))
    return folder


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    git(folder, *identity, "commit", "--quiet", "--message", message)
    git(folder, "push", "--quiet", "origin", "HEAD:refs/heads/main")


def box(origin: Path, tmp_path: Path) -> str:
    """Return the document as the remote has it."""
    return git(origin, "show", "main:app/workflow/feature.md")


def run(job: Job, *names: str) -> None:
    for name in names:
        assert job.run(STEPS[name]) == 0, f"{name}: {job.said}"


def fake_gh(job: Job, comments: Mapping[str, str]) -> Path:
    """Stand in for GitHub's command line: it answers with comments, and writes down its calls."""
    log = job.temp / "gh.log"
    script = job.tools / "gh"
    known = "\n".join(comments)
    script.write_text(
        f'#!/bin/sh\necho "$@" >> "{log}"\ncase "$*" in *--jq*) printf "{known}" ;; esac\n'
    )
    script.chmod(0o755)
    return log


def test_shards_are_joined_ticked_and_pushed(
    make_job: Callable[..., Job], origin: Path, tmp_path: Path
) -> None:
    evidence = tmp_path / "artifacts"
    for number in (1, 2):
        job = make_job(f"shard-{number}", inputs__shard=f"{number}/2")
        run(job, "Run the checks of a shard")
        artifact = job.outputs["steps.verify.outputs.artifact"]
        assert artifact == f"harness-evidence-{number}-of-2"
        # As actions/upload-artifact and download-artifact do.
        left = job.clone / "app/.harness"
        shutil.copytree(left / "evidence", evidence / artifact / "evidence")
        if (left / "costs.json").exists():
            shutil.copy(left / "costs.json", evidence / artifact)
    assert box(origin, tmp_path).count("[x]") == 1  # ticked by hand, without --no-tick's leave

    job = make_job("report")
    shutil.copytree(evidence, job.temp / "harness-evidence")
    run(job, "Join the evidence", "Report")
    assert "::error file=app/checks/test_speed.py,line=9,title=Testing/Performance" in job.said
    assert "::error file=app/workflow/feature.md,line=8,title=Testing/Performance" in job.said
    assert job.summary.startswith("# 1 of 4 items verified, 1 failed")
    run(job, "Tick and untick", "Commit the documents and their evidence")
    status = job.run(STEPS["Decide"])
    assert status == 1  # the tick of `Performance testing` has lost its support

    expected = WORKFLOW.replace(BOX, TICKED).replace("* [x]", "* [ ]")
    assert box(origin, tmp_path) == expected.strip()
    changed = git(origin, "show", "--name-only", "--format=%an: %s", "main").splitlines()
    assert changed[0].startswith("github-actions[bot]: Update the workflow document")
    assert sorted(line for line in changed[1:] if line) == [
        "app/.harness/costs.json",
        "app/.harness/evidence/workflow.feature/testing.performance-testing.json",
        "app/.harness/evidence/workflow.feature/testing.verify-security-rules.json",
        "app/workflow/feature.md",
    ]

    # The next run finds the same, has nothing to commit, and passes: no tick is lost any more.
    head = git(origin, "rev-parse", "main")
    again = make_job("again")
    run(again, "Run the checks of a shard", "Report", "Tick and untick")
    run(again, "Commit the documents and their evidence", "Decide")
    assert git(origin, "rev-parse", "main") == head
    assert git(again.clone, "status", "--porcelain", "--", "*.md") == ""


def test_pull_requests_are_commented_on_and_never_pushed(
    make_job: Callable[..., Job], origin: Path
) -> None:
    head = git(origin, "rev-parse", "main")
    request = {
        "github__event_name": "pull_request",
        "github__event__pull_request__number": "7",
        "github__event__pull_request__head__repo__fork": "false",
    }
    job = make_job("request", **request)
    (job.temp / "harness-report.md").write_text("# 1 of 4 items verified\n")
    (job.clone / "app/workflow/feature.md").write_text(WORKFLOW.replace(BOX, TICKED))
    log = fake_gh(job, {})
    run(job, "Commit the documents and their evidence", "Comment on the pull request")
    assert git(origin, "rev-parse", "main") == head
    assert "--method POST repos/owner/app/issues/7/comments" in log.read_text()

    log.unlink()
    fake_gh(job, {"41": "", "42": ""})
    run(job, "Comment on the pull request")
    assert "--method PATCH repos/owner/app/issues/comments/41" in log.read_text()

    log.unlink()
    request["github__event__pull_request__head__repo__fork"] = "true"
    fork = make_job("fork", **request)
    (fork.temp / "harness-report.md").write_text("# 1 of 4 items verified\n")
    (fork.clone / "app/workflow/feature.md").write_text(WORKFLOW.replace(BOX, TICKED))
    run(fork, "Commit the documents and their evidence", "Comment on the pull request")
    assert not log.exists()
    assert git(origin, "rev-parse", "main") == head


def test_a_branch_that_has_moved_on_is_left_alone(
    make_job: Callable[..., Job], origin: Path, tmp_path: Path
) -> None:
    job = make_job("slow")
    other = clone(origin, tmp_path / "other")
    (other / "app/README.md").write_text("new\n")
    commit(other, "Go on")
    (job.clone / "app/workflow/feature.md").write_text(WORKFLOW.replace(BOX, TICKED))
    run(job, "Commit the documents and their evidence")
    assert "::warning::main has moved on" in job.said
    assert git(origin, "log", "-1", "--format=%s", "main") == "Go on"


def test_tags_are_not_pushed_to(make_job: Callable[..., Job], origin: Path) -> None:
    head = git(origin, "rev-parse", "main")
    job = make_job("tag", github__ref_type="tag", github__ref_name="v1")
    (job.clone / "app/workflow/feature.md").write_text(WORKFLOW.replace(BOX, TICKED))
    run(job, "Commit the documents and their evidence")
    assert git(origin, "rev-parse", "main") == head
    assert git(origin, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_what_gives_no_result_fails_at_once(make_job: Callable[..., Job]) -> None:
    job = make_job("broken")
    (job.clone / "app/firestore.rules").write_text("service cloud.firestore {")
    assert job.run(STEPS["Run the checks of a shard"]) == 2
    assert "firestore.rules" in job.said


# What `harness init` writes


def scripts(loaded: Mapping[str, Any]) -> dict[str, str]:
    steps = [step for job in loaded["jobs"].values() for step in job["steps"]]
    return {step["name"]: step["run"] for step in steps if "run" in step}


def test_init_writes_the_same_steps_as_the_action_has() -> None:
    written = scripts(load("harness/scaffold/files/github.yml"))
    own = {"Set up"}
    assert set(written) - own <= set(STEPS)
    for name, script in written.items():
        if name not in own:
            assert script == STEPS[name]["run"], name


def test_init_writes_the_gitlab_file_of_the_documentation() -> None:
    text = (ROOT / "docs/examples/gitlab-ci.yml").read_text(encoding="utf-8")
    assert (ROOT / "harness/scaffold/files/gitlab.yml").read_text(encoding="utf-8") == text


def test_gitlab_jobs_join_tick_and_push(
    make_job: Callable[..., Job], origin: Path, tmp_path: Path
) -> None:
    gitlab = load("docs/examples/gitlab-ci.yml")
    assert gitlab["harness-report"]["needs"] == ["harness-checks"]
    common = {"PROJECT": "app", "CI_PROJECT_PATH": "team/app", "CI_SERVER_HOST": "gitlab.test"}
    report = make_job("report")
    parts = report.clone / "harness-parts"
    for number in ("1", "2"):
        job = make_job(f"node-{number}")
        node = {"CI_PROJECT_DIR": str(job.clone), "CI_NODE_INDEX": number, "CI_NODE_TOTAL": "2"}
        assert job.run_script(gitlab["harness-checks"]["script"], **common, **node) == 0, job.said
        shutil.copytree(job.clone / "harness-parts", parts, dirs_exist_ok=True)

    # The token's address leads to the bare repository.
    address = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": (
            "https://harness:secret@gitlab.test/team/app.git"  # pragma: allowlist secret
        ),
    }
    git(origin, "config", "receive.advertisePushOptions", "true")
    variables = {
        **common,
        **address,
        "CI_PROJECT_DIR": str(report.clone),
        "HARNESS_PUSH_TOKEN": "secret",
        "CI_COMMIT_BRANCH": "main",
    }
    script = gitlab["harness-report"]["script"]
    head = git(origin, "rev-parse", "main")
    merge_request = {**variables, "CI_PIPELINE_SOURCE": "merge_request_event"}
    assert report.run_script(script, **merge_request) == 1  # a tick has lost its support
    assert git(origin, "rev-parse", "main") == head
    assert "<testsuites" in (report.clone / "harness-junit.xml").read_text()

    git(report.clone, "checkout", "--quiet", "--", "app/workflow")
    assert report.run_script(script, **variables, CI_PIPELINE_SOURCE="push") == 1
    assert git(origin, "rev-parse", "main~1") == head
    expected = WORKFLOW.replace(BOX, TICKED).replace("* [x]", "* [ ]")
    assert box(origin, tmp_path) == expected.strip()
