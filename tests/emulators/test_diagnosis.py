from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.emulators.diagnosis import functions_failure, not_ready, plain_lines, start_failure

_CORPUS = Path(__file__).parents[1] / "corpus" / "emulators" / "functions_failures.yaml"
_TABLE: dict[str, Any] = yaml.safe_load(_CORPUS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", _TABLE["cases"], ids=lambda case: case["name"])
def test_functions_that_do_not_load(case):
    failure = functions_failure(case["log"], [Path(_TABLE["functions_dir"])])
    if case["failure"] is None:
        assert failure is None
        return
    assert failure is not None
    assert {
        "problem": failure.problem,
        "at": str(failure.at) if failure.at else None,
        "exit_status": failure.exit_status,
    } == {key: value for key, value in case["failure"].items() if key != "fix"}
    if "fix" in case["failure"]:
        assert failure.fix == case["failure"]["fix"]


def test_of_several_codebases_the_one_that_the_log_names_is_to_be_built():
    log = (
        "⬢  functions: Failed to load function definition from source: FirebaseError: There was an "
        "error reading ../app/backend/package.json:\n"
        " ../app/backend/lib/index.js does not exist, can't deploy Cloud Functions\n"
    )
    failure = functions_failure(log, [Path("/app/functions"), Path("/app/backend")])
    assert failure is not None
    assert "(in /app/backend)" in (failure.fix or "")


def test_a_port_that_was_taken_meanwhile_is_named():
    log = (
        "⚠  auth: Port 23456 is not open on 127.0.0.1, could not start Authentication Emulator.\n"
        "Error: Could not start Authentication Emulator, port taken.\n"
    )
    failure = start_failure(log, "", 1)
    assert failure.problem == (
        "port 23456 on 127.0.0.1 was taken before Authentication Emulator could use it"
    )
    assert failure.exit_status == 3


def test_the_last_words_of_the_firestore_are_passed_on_without_tracebacks():
    log = "   Firestore Emulator has exited with code: 2, \n"
    said = (
        "Traceback (most recent call last):\n"
        '  File "server.py", line 1, in <module>\n'
        "    fail()\n"
        "ValueError: no\n"
        "firestore.rules:3:5: unexpected }\n"
    )
    failure = start_failure(log, said, 1)
    assert failure.problem.splitlines() == [
        "the Firestore Emulator ended with status 2 while starting",
        "  | ValueError: no",
        "  | firestore.rules:3:5: unexpected }",
    ]


def test_what_firebase_tools_calls_its_error_is_passed_on():
    failure = start_failure("i  emulators: Starting\nError: No emulators to start.\n", "", 1)
    assert "No emulators to start." in failure.problem
    assert failure.log_tail[-1] == "Error: No emulators to start."


def test_without_words_the_status_is_given():
    assert "ended with status -9" in start_failure("", "", -9).problem


def test_a_start_that_takes_too_long_says_what_it_was_doing():
    failure = not_ready("one\ntwo\n", "", 90)
    assert failure.problem.startswith("the suite was not ready within 90 s; its last words: two")


def test_lines_are_read_without_colours():
    assert plain_lines("\x1b[32m✔\x1b[39m  ok \n\n") == ["✔  ok"]
