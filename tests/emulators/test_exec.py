from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from harness.emulators.exec import command_line, run_command
from harness.errors import ConfigError, EnvironmentLacking


def test_the_commands_status_is_passed_on():
    assert run_command([sys.executable, "-c", "raise SystemExit(7)"], {}) == 7


def test_death_by_signal_is_reported_as_a_shell_does():
    dying = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_command([sys.executable, "-c", dying], {}) == 128 + signal.SIGKILL


def test_the_command_sees_the_suite_and_no_credentials(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/secret.json")
    script = textwrap.dedent(
        """
        import os, sys
        sys.exit(
            os.environ.get("FIRESTORE_EMULATOR_HOST") != "127.0.0.1:1"
            or "GOOGLE_APPLICATION_CREDENTIALS" in os.environ
        )
        """
    )
    suite = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}
    assert run_command([sys.executable, "-c", script], suite) == 0


def test_an_unknown_command_is_named():
    with pytest.raises(EnvironmentLacking, match="no-such-command"):
        run_command(["no-such-command"], {})


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["env", "--null"], ["env", "--null"]),
        (["env"], ["env"]),
        (["cd / && true"], ["/bin/sh", "-c", "cd / && true"]),
        (["true;false"], ["/bin/sh", "-c", "true;false"]),
        (["CI=1 env"], ["/bin/sh", "-c", "CI=1 env"]),
    ],
)
def test_a_single_word_that_is_no_command_is_a_line_for_the_shell(words, argv):
    assert command_line(words) == argv


def test_a_command_with_a_space_in_its_name_is_run_as_it_is(tmp_path):
    script = tmp_path / "my script"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    assert run_command(command_line([str(script)]), {}) == 9


@pytest.mark.parametrize("words", [["no-such-command"], ["no such command", "x"]])
def test_a_command_that_is_not_there_is_named_before_anything_starts(words):
    with pytest.raises(EnvironmentLacking, match=f"{words[0]} cannot be run"):
        command_line(words)


def test_an_option_is_not_taken_for_the_command():
    with pytest.raises(ConfigError, match="there is no option --ui"):
        command_line(["--ui", "npm test"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_go_to_the_command_and_its_answer_counts(number):
    command = textwrap.dedent(
        """
        import signal, sys, time
        def leave(number, frame): sys.exit(40 + number)
        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    harness = (
        "import sys; from harness.emulators.exec import run_command; "
        f"sys.exit(run_command([sys.executable, '-c', {command!r}], {{}}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", harness],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(20) == 40 + number
