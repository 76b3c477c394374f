"""What functions printed is found in the suite's log."""

from __future__ import annotations

import json
from pathlib import Path

from harness.pytest_plugin.functions_log import FunctionsLog


def logged(severity: str, message: str) -> str:
    return f">  {json.dumps({'severity': severity, 'message': message})}\n"


def test_the_first_error_since_is_told_with_its_place(tmp_path: Path) -> None:
    log = tmp_path / "suite.log"
    log.write_text(logged("ERROR", "of another check"))
    since = FunctionsLog(log)
    with log.open("a") as file:
        file.write(">  plain words\n" + logged("INFO", "fine") + "i  functions: Beginning\n")
        file.write(
            logged("ERROR", "Unhandled error TypeError: boom\n    at /app/index.js:3:9\n    at x")
        )
        file.write(logged("ERROR", "second"))
    assert since.first_error() == "Unhandled error TypeError: boom at /app/index.js:3:9"


def test_without_an_error_there_is_none(tmp_path: Path) -> None:
    log = tmp_path / "suite.log"
    log.write_text("")
    since = FunctionsLog(log)
    log.write_text(logged("INFO", "fine") + ">  {not json\n")
    assert since.first_error() is None


def test_every_run_since_is_counted_by_the_functions_name(tmp_path: Path) -> None:
    log = tmp_path / "suite.log"
    log.write_text('i  functions: Beginning execution of "us-central1-old"\n')
    since = FunctionsLog(log)
    with log.open("a") as file:
        file.write(
            'i  functions: Beginning execution of "europe-west1-onReceiptFinalized"\n'
            "\x1b[36m\x1b[1mi  functions:\x1b[22m\x1b[39m "
            'Beginning execution of "us-central1-group-on-user"\n'
            'i  functions: Finished "us-central1-group-on-user" in 3.1ms\n'
            'i  functions: Beginning execution of "europe-west1-onReceiptFinalized"\n'
            '>  Beginning execution of "us-central1-printed"\n'
        )
    assert since.runs() == {"onReceiptFinalized": 2, "group-on-user": 1}
