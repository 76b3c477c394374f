"""`harness verify` from the outside: real checks, a real Firestore, a real document, no Node."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from tests.cli.conftest import (
    FUNCTIONS_CHECK,
    RULES,
    RULES_CHECK,
    WORKFLOW,
    ProjectFolder,
    Ran,
)

Harness = Callable[..., Ran]

RULES_BOX = "- [ ] Verify security rules"
RULES_TICKED = "- [x] Verify security rules"
OPEN_RULES = RULES.replace("request.auth.uid == uid", "true")
EVIDENCE = ".harness/evidence/workflow.feature/testing.verify-security-rules.json"


@pytest.mark.usefixtures("without_node")
def test_what_passes_is_ticked_with_evidence_and_what_fails_is_unticked(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)

    ran = harness("verify", "--json", "report.json")

    assert ran.status == 0
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)
    assert ran.out.startswith("1 of 4 items verified, 3 not verified\n1 box ticked, ")
    evidence = json.loads(project.read(EVIDENCE))
    assert evidence["predicate"]["result"] == "PASSED"
    assert [subject["name"] for subject in evidence["subject"]] == [
        "checks/test_rules.py",
        "firebase.json",
        "firestore.rules",
        "harness",
    ]
    assert project.read("report.json") == project.read(".harness/last-run.json")
    assert "last-run.json" in project.read(".harness/.gitignore")
    assert harness("report").out == ran.out

    # The same again changes nothing: not the document, not a byte of evidence.
    before = project.read(EVIDENCE)
    assert harness("verify").status == 0
    assert project.read(EVIDENCE) == before
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)

    # A hole in the rules takes the tick back.
    project.write("firestore.rules", OPEN_RULES)
    ran = harness("verify")
    assert ran.status == 1
    assert project.workflow == WORKFLOW
    assert "test_stranger failed: Failed: DID NOT RAISE" in " ".join(ran.out.split())
    assert "1 tick taken back" in ran.out
    assert json.loads(project.read(EVIDENCE))["predicate"]["result"] == "FAILED"

    # Without its check nothing supports the item any more.
    project.write("firestore.rules", RULES)
    assert harness("verify").status == 0
    project.write("checks/test_rules.py", "def test_unmapped(): pass\n")
    harness("verify")
    assert project.workflow == WORKFLOW
    assert not (project.path / EVIDENCE).exists()


@pytest.mark.usefixtures("without_node")
def test_without_node_items_that_need_functions_stay_open_with_that_reason(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write("checks/test_functions.py", FUNCTIONS_CHECK)
    project.write("functions/index.js", "")
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules"}, "functions": {"source": "functions"}}',
    )

    ran = harness("verify")

    assert ran.status == 3
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)
    said = " ".join(ran.out.split())
    assert "! Node is not installed" in said
    assert "test_hello was skipped: Node is not installed" in said


@pytest.mark.usefixtures("without_node")
def test_no_tick_leaves_the_document_as_it_is(harness: Harness, project: ProjectFolder) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    (project.path / "workflow/feature.md").chmod(0o444)
    ran = harness("verify", "--no-tick")
    assert ran.status == 0
    assert project.workflow == WORKFLOW
    assert ran.out.startswith("1 of 4 items verified")
    assert "box ticked" not in ran.out


@pytest.mark.usefixtures("without_node")
def test_only_the_named_item_is_verified_and_the_others_keep_their_boxes(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_speed.py",
        "import pytest\n"
        'pytestmark = pytest.mark.workflow("Performance testing")\n'
        "def test_slow(): assert False\n",
    )
    ran = harness("verify", "--item", "Verify security rules")
    assert ran.status == 0
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)  # [x] of the other stays
    assert "checks/test_speed.py names this item and has not run" in " ".join(ran.out.split())
    assert [path.name for path in (project.path / EVIDENCE).parent.iterdir()] == [
        "testing.verify-security-rules.json"
    ]


@pytest.mark.usefixtures("without_node")
def test_a_file_that_does_not_import_leaves_only_its_own_items_open(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_broken.py",
        "import pytest\nimport nothing_of_this_name\n"
        'pytestmark = pytest.mark.workflow("Performance testing")\n',
    )
    ran = harness("verify")
    assert ran.status == 1
    expected = WORKFLOW.replace(RULES_BOX, RULES_TICKED).replace("* [x]", "* [ ]")
    assert project.workflow == expected
    assert "cannot be collected: ModuleNotFoundError" in " ".join(ran.out.split())


@pytest.mark.usefixtures("without_node")
def test_a_file_whose_items_nobody_knows_leaves_all_items_open(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write("checks/test_broken.py", "def test(:\n")
    ran = harness("verify")
    assert ran.status == 1
    assert project.workflow == WORKFLOW


@pytest.mark.usefixtures("without_node")
def test_a_mark_that_names_no_item_is_wrong_usage_and_ticks_nothing(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_typo.py",
        "import pytest\n"
        'pytestmark = pytest.mark.workflow("Testing/Verfy security rules")\n'
        "def test_typo(): pass\n",
    )
    ran = harness("verify")
    assert ran.status == 2
    assert project.workflow == WORKFLOW
    assert "Testing/Verfy security rules" in ran.err
    assert "Testing/Verify security rules" in ran.err
    assert not (project.path / ".harness/evidence").exists()


def test_without_checks_nothing_is_verified_and_it_says_so(
    harness: Harness, project: ProjectFolder
) -> None:
    ran = harness("verify")
    assert ran.status == 1
    assert "checks is not there: nothing is verified without checks" in ran.err
    assert ran.out.startswith("0 of 4 items verified")
    assert project.workflow == WORKFLOW


@pytest.mark.usefixtures("without_node")
def test_an_empty_folder_of_checks_verifies_nothing(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/README.md", "soon")
    ran = harness("verify")
    assert ran.status == 1
    assert ran.out.startswith("0 of 4 items verified")


@pytest.mark.usefixtures("without_node")
def test_pytest_that_cannot_start_is_told_with_its_last_words(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write("checks/conftest.py", "raise RuntimeError('no conftest today')\n")
    ran = harness("verify")
    assert ran.status == 2
    assert "pytest did not run to its end (status 4)" in ran.err
    assert "no conftest today" in ran.err
    assert "last-run.log" in ran.err
    assert project.workflow == WORKFLOW


@pytest.mark.usefixtures("without_node")
def test_inputs_that_change_during_the_run_tick_nothing(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_edits.py",
        "import pathlib\ndef test_edits(): pathlib.Path('firestore.rules').write_text('')\n",
    )
    ran = harness("verify")
    assert ran.status == 1
    assert "firestore.rules changed while the checks ran, so nothing was ticked" in ran.err
    assert project.workflow == WORKFLOW
    assert not (project.path / ".harness/evidence").exists()


@pytest.mark.usefixtures("without_node")
def test_checks_left_out_by_the_projects_own_settings_verify_nothing(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write("pytest.ini", "[pytest]\naddopts = -k owner\n")
    ran = harness("verify")
    assert ran.status == 1
    assert project.workflow == WORKFLOW


@pytest.mark.usefixtures("without_node")
def test_evidence_names_what_the_items_checks_looked_at_and_nothing_else(
    harness: Harness, project: ProjectFolder
) -> None:
    check = RULES_CHECK.replace("import pytest\n", "import pytest\nimport helpers\n", 1)
    project.write("checks/test_rules.py", check)
    project.write("checks/test_other.py", "def test_other(): pass\n")
    project.write("checks/helpers.py", "import deeper\n")
    project.write("checks/deeper.py", "")
    project.write("checks/unused.py", "")
    project.write("checks/conftest.py", "")
    project.write("checks/data.json", "{}")
    assert harness("verify").status == 0
    subjects = json.loads(project.read(EVIDENCE))["subject"]
    assert [subject["name"] for subject in subjects] == [
        "checks/conftest.py",
        "checks/data.json",
        "checks/deeper.py",
        "checks/helpers.py",
        "checks/test_rules.py",
        "firebase.json",
        "firestore.rules",
        "harness",
    ]


@pytest.mark.usefixtures("without_node")
def test_evidence_goes_stale_with_its_inputs_and_reports_say_so(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    assert harness("verify").status == 0
    project.write("firestore.rules", RULES + "\n")
    said = " ".join(harness("report").out.split())
    assert said.startswith("0 of 4 items verified, 4 not verified (1 stale)")
    assert (
        "~ Verify security rules (ticked) firestore.rules has changed since it was verified" in said
    )
    assert "run: harness verify --item testing/verify-security-rules" in " ".join(
        harness("report", "--unchecked").out.split()
    )
    project.write("firestore.rules", RULES)
    assert harness("report").out.startswith("1 of 4 items verified")


@pytest.mark.usefixtures("without_node")
def test_nothing_after_an_unsigned_gate_is_ticked_and_the_report_says_so(
    harness: Harness, project: ProjectFolder
) -> None:
    text = WORKFLOW.replace("## Testing\n", "## Testing\n- [ ] PAUSE, Check in with user\n")
    project.write("workflow/feature.md", text)
    project.write("harness.yaml", "order: enforce\n")
    project.write("checks/test_rules.py", RULES_CHECK)
    ran = harness("verify")
    assert ran.status == 0
    assert project.workflow == text
    said = " ".join(ran.out.split())
    assert 'held back until "PAUSE, Check in with user" (line 6) is signed off' in said
    assert "harness sign-off testing/pause-check-in-with-user --by NAME" in said

    # The gate opens: what was verified behind it is ticked, and the signature outlives a run.
    assert harness("sign-off", "PAUSE, Check in with user", "--by", "Ana").status == 0
    ran = harness("verify")
    assert ran.out.startswith("1 of 5 items verified, 1 signed off")
    assert "[x] PAUSE" in project.workflow
    assert RULES_TICKED in project.workflow


@pytest.mark.usefixtures("without_node")
def test_a_check_may_pass_with_a_warning(harness: Harness, project: ProjectFolder) -> None:
    project.write(
        "checks/test_warns.py",
        "import pytest\n"
        'pytestmark = pytest.mark.workflow("Verify security rules")\n'
        "def test_warns(record_warning): record_warning('two rules are the same')\n",
    )
    ran = harness("verify")
    assert ran.status == 0
    assert "warning: two rules are the same" in " ".join(ran.out.split())
    predicate = json.loads(project.read(EVIDENCE))["predicate"]
    assert (predicate["result"], len(predicate["warnedTests"])) == ("WARNED", 1)


BAD = [
    ("no firebase.json", {"firebase.json": None}, [], "no firebase.json"),
    ("malformed firebase.json", {"firebase.json": '{\n  "firestore": \n'}, [], "firebase.json:3:1"),
    ("firebase.json of another shape", {"firebase.json": "[]"}, [], "firebase.json:1:1"),
    ("unknown setting", {"harness.yaml": "chekcs: x\n"}, [], "checks"),
    ("real project id", {"harness.yaml": "project_id: my-shop\n"}, [], "demo-"),
    (
        "rules with a syntax error",
        {"firestore.rules": RULES.replace("if request", "if if request")},
        [],
        "firestore.rules:5:",
    ),
    (
        "rules that are not there",
        {"firebase.json": '{"firestore": {"rules": "none.rules"}}'},
        [],
        "none.rules, and there is no such file",
    ),
    (
        "malformed indexes",
        {
            "firebase.json": '{"firestore": {"rules": "firestore.rules", "indexes": "i.json"}}',
            "i.json": '{"indexes": [{"collectionGroup": "a"}]}',
        },
        [],
        "i.json",
    ),
    ("no such document", {}, ["--workflow", "none.md"], "there is no workflow document none.md"),
    ("not UTF-8", {"workflow/feature.md": b"\xff\xfe"}, [], "UTF-8"),
    ("no document", {"workflow/feature.md": None}, [], "no workflow document in"),
    ("no such item", {}, ["--item", "Verify securty"], "Verify security rules"),
    ("no such folder", {}, ["--project", "none"], "there is no folder none"),
    ("report into no folder", {}, ["--json", "none/report.json"], "there is no folder"),
    ("evidence that is none", {EVIDENCE: "{}"}, [], "testing.verify-security-rules.json"),
]


@pytest.mark.parametrize(
    ("files", "words", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_is_status_2_before_anything_is_started(
    harness: Harness,
    project: ProjectFolder,
    files: dict[str, str | bytes | None],
    words: list[str],
    said: str,
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    for name, text in files.items():
        if text is None:
            (project.path / name).unlink()
        else:
            project.write(name, text)
    ran = harness("verify", *words)
    assert ran.status == 2
    assert ran.out == ""
    assert said in ran.err
    assert "fix: " in ran.err
    assert not (project.path / ".harness/last-run.json").exists()


@pytest.mark.usefixtures("without_node")
@pytest.mark.parametrize(
    "broken",
    [
        {"firestore.rules": RULES.replace("if request", "if if request")},
        {"firebase.json": '{"firestore": {"rules": "none.rules"}}'},
    ],
    ids=["syntax error", "no rules"],
)
def test_rules_that_do_not_load_take_back_what_they_had(
    harness: Harness, project: ProjectFolder, broken: dict[str, str]
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    whole = {name: project.read(name) for name in broken}
    assert harness("verify").status == 0
    for name, text in broken.items():
        project.write(name, text)

    assert harness("verify", "--no-tick").status == 2
    assert harness("verify", "--item", "PAUSE").status == 2
    assert RULES_TICKED in project.workflow

    ran = harness("verify")
    assert (ran.status, ran.out) == (2, "")
    assert "unticked, since what supported it has changed: Testing/Verify security rules" in ran.err
    assert project.workflow == WORKFLOW

    for name, text in whole.items():
        project.write(name, text)
    assert harness("verify").status == 0
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)


def test_a_read_only_document_is_refused_at_once(harness: Harness, project: ProjectFolder) -> None:
    path = project.path / "workflow/feature.md"
    path.chmod(0o444)
    ran = harness("verify")
    assert ran.status == 2
    assert "feature.md is read-only" in ran.err
    assert "--no-tick" in ran.err


@pytest.mark.usefixtures("without_node")
def test_the_official_firestore_without_node_is_lacking(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    ran = harness("verify", "--firestore", "official")
    assert ran.status == 3
    assert "Node is not installed" in ran.out
    assert project.workflow == WORKFLOW


@pytest.mark.usefixtures("without_node")
def test_checks_in_parallel_are_all_recorded(harness: Harness, project: ProjectFolder) -> None:
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_worker.py",
        "import os, pathlib\n"
        "def test_worker(): pathlib.Path('worker').write_text(os.environ['PYTEST_XDIST_WORKER'])\n",
    )
    project.write("pytest.ini", "[pytest]\naddopts = -n 2\n")
    ran = harness("verify")
    assert ran.status == 0
    assert project.read("worker") in ("gw0", "gw1")
    assert project.workflow == WORKFLOW.replace(RULES_BOX, RULES_TICKED)
    assert len(json.loads(project.read(EVIDENCE))["predicate"]["passedTests"]) == 2


@pytest.mark.usefixtures("without_node")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_changes_nothing_and_leaves_nothing_running(
    project: ProjectFolder, number: signal.Signals
) -> None:
    project.write(
        "checks/test_rules.py",
        "import os, pathlib, threading\n"
        "def test_waits(suite):\n"
        "    pathlib.Path('pids').write_text(f'{os.getpid()}')\n"
        "    pathlib.Path('started').write_text(suite.firestore)\n"
        "    threading.Event().wait(60)\n",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "verify"],
        cwd=project.path,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell lets its background jobs ignore Ctrl-C, and they pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: (project.path / "started").exists() and bool(project.read("started")))
        children = psutil.Process(process.pid).children(recursive=True)
        assert int(project.read("pids")) in {child.pid for child in children}
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert out == ""
    assert "Traceback" not in err
    assert project.workflow == WORKFLOW
    assert not (project.path / ".harness/last-run.json").exists()
    wait_for(lambda: not any(child.is_running() for child in children))


def wait_for(is_so: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_real_project_is_asked_only_if_harness_yaml_names_it(
    project: ProjectFolder, harness: Callable[..., Ran]
) -> None:
    ran = harness("verify", "--against", "our-staging")
    assert ran.status == 2
    assert "--against our-staging: harness.yaml names no staging project" in ran.err
    project.write("harness.yaml", "staging: another\n")
    ran = harness("verify", "--against", "our-staging")
    assert ran.status == 2
    assert "harness.yaml names another" in ran.err


def test_against_a_real_project_nothing_is_ticked(
    project: ProjectFolder, harness: Callable[..., Ran], without_node: None
) -> None:
    project.write("harness.yaml", "staging: our-staging\n")
    project.write("checks/test_rules.py", RULES_CHECK)
    project.write(
        "checks/test_other.py",
        """\
import pytest

pytestmark = [pytest.mark.workflow("Testing/Performance testing"), pytest.mark.staging]


def test_nothing_is_asked():
    pass
""",
    )
    before = project.workflow
    ran = harness("verify", "--against", "our-staging")
    assert ran.out == (
        "against our-staging, reading only: nothing is ticked, no evidence is kept\n"
        "  passed  checks/test_other.py::test_nothing_is_asked\n"
        "  not verified  2 checks: against our-staging only checks with the mark `staging` run\n"
    )
    assert ran.status == 0
    assert project.workflow == before
    assert not (project.path / ".harness" / "evidence").exists()
