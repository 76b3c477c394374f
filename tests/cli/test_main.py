"""The one error boundary, and what `harness --help` costs."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import EnvironmentLacking, HarnessErrors, RulesSyntaxError
from harness.source import SourcePosition
from tests.cli.conftest import ProjectFolder, Ran


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys; from harness.cli.main import run; run(['--help']); "
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in "
        "('grpc', 'google', 'rich', 'pytest', 'requests') or name.startswith('harness.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    *help_lines, loaded = done.stdout.splitlines()
    for command in ("verify", "report", "next", "emulators", "firestore", "rules"):
        assert any(line.startswith(f"  {command} ") for line in help_lines)
    own = ["harness.cli", "harness.cli.main", "harness.cli.render", "harness.errors"]
    assert loaded == str([*own, "harness.records", "harness.source"])


def test_every_command_of_the_table_exists(harness: Callable[..., Ran]) -> None:
    for command in main._COMMANDS:
        assert harness(command, "--help").status == 0


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert re.fullmatch(r"harness, version \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["verify", "--nonsense"], "--nonsense"),
        (["verify", "--firestore", "mine"], "'mine' is not one of"),
        (["rules", "check"], "Missing argument"),
        (["firestore", "--port", "70000"], "70000 is not in the range"),
        (["firestore", "--host", "0.0.0.0"], "loopback only"),
        (["firestore", "--project", "my-shop"], "it does not begin with demo-"),
        (["emulators", "exec"], "Missing argument"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_to_do(
    harness: Callable[..., Ran], words: list[str], said: str
) -> None:
    ran = harness(*words)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.startswith("harness: ")
    assert said in ran.err
    assert "fix: " in ran.err


def raising(error: BaseException) -> Callable[..., object]:
    def known_reports(*_: object) -> object:
        raise error

    return known_reports


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            EnvironmentLacking("no Node", fix="install it"),
            3,
            "harness: no Node\n  fix: install it\n",
        ),
        (
            HarnessErrors(
                [
                    RulesSyntaxError("bad", fix="mend", at=SourcePosition("a.rules", 2, 3)),
                    RulesSyntaxError("worse", fix="mend"),
                ]
            ),
            2,
            "harness: a.rules:2:3: bad\n  fix: mend\nworse\n  fix: mend\n",
        ),
        (KeyboardInterrupt(), 130, "harness: interrupted\n"),
    ],
)
def test_known_errors_are_a_message_and_a_status(
    harness: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    said: str,
) -> None:
    monkeypatch.setattr("harness.cli.next.known_reports", raising(error))
    ran = harness("next")
    assert ran.status == status
    assert ran.out == ""
    assert ran.err.strip() == said.strip()


def test_an_unexpected_error_is_one_line_and_a_log(
    harness: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.next.known_reports", raising(RuntimeError("boom\nbang")))
    ran = harness("next")
    assert ran.status == 70
    found = re.fullmatch(
        r"harness: unexpected error, our fault: RuntimeError: boom bang \(details: (.+)\)\n",
        ran.err,
    )
    assert found is not None
    log = Path(found.group(1))
    assert "Traceback" in log.read_text(encoding="utf-8")
    log.unlink()


@pytest.mark.parametrize("words", [["--debug", "next"], ["next", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr("harness.cli.next.known_reports", raising(RuntimeError("boom")))
    assert main.run(words) == 70
    err = capfd.readouterr().err
    assert "Traceback" in err
    Path(err.rpartition("details: ")[2].strip().rstrip(")")).unlink()


def test_debug_behind_two_dashes_belongs_to_the_command_there() -> None:
    assert main._take_debug(["emulators", "exec", "--", "x", "--debug"]) == (
        ["emulators", "exec", "--", "x", "--debug"],
        False,
    )
    assert main._take_debug(["a", "--debug", "--", "b"]) == (["a", "--", "b"], True)


def test_the_handler_of_sigterm_is_put_back(
    harness: Callable[..., Ran], project: ProjectFolder
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert harness("next").status == 0
    assert signal.getsignal(signal.SIGTERM) is before
