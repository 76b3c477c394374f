"""Real processes: what is started ends, whatever ends the harness."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.emulators import guardian
from harness.emulators.guarded import GuardedProcess

_LIMIT_S = 20.0

# Starts a child in a session of its own, as firebase-tools starts emulators, and writes all ids.
_SPAWNING = """
import json, os, subprocess, sys, time
far = subprocess.Popen([sys.executable, "-c", {sleeper!r}], start_new_session=True)
near = subprocess.Popen([sys.executable, "-c", {sleeper!r}])
part = {target!r} + ".part"
open(part, "w").write(json.dumps([os.getpid(), far.pid, near.pid]))
os.rename(part, {target!r})
{then}
"""
_SLEEPER = "import time; time.sleep(600)"
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def _wait(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < limit, f"not within {_LIMIT_S:g} s: {what}"
        time.sleep(0.02)


def _script(target: Path, *, sleeper: str = _SLEEPER, then: str = "time.sleep(600)") -> list[str]:
    text = _SPAWNING.format(sleeper=sleeper, target=str(target), then=then)
    return [sys.executable, "-c", text]


def _start(tmp_path: Path, argv: list[str]) -> tuple[GuardedProcess, Path]:
    folder = tmp_path / "private"
    folder.mkdir()
    process = GuardedProcess(
        argv, folder=folder, cwd=folder, env=dict(os.environ), log=folder / "log"
    )
    return process, folder


def _pids(target: Path) -> list[int]:
    _wait(target.exists, "the processes start")
    pids: list[int] = json.loads(target.read_text())
    return pids


def _all_gone(pids: list[int]) -> bool:
    def is_gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return all(map(is_gone, pids))


@pytest.mark.parametrize("sleeper", [_SLEEPER, _DEAF], ids=["gentle", "deaf to SIGTERM"])
def test_stop_ends_near_and_far_descendants_and_the_folder(tmp_path, sleeper):
    process, folder = _start(tmp_path, _script(tmp_path / "pids", sleeper=sleeper))
    pids = _pids(tmp_path / "pids")
    process.stop()
    assert _all_gone(pids)
    assert process.log.exists()
    process.close()
    assert not folder.exists()
    assert not psutil.pid_exists(process.guardian_pid)


def test_orphans_are_ended_when_the_command_ends_by_itself(tmp_path):
    then = "print('last words', flush=True); os._exit(7)"
    process, folder = _start(tmp_path, _script(tmp_path / "pids", then=then))
    assert process.wait_for_end(_LIMIT_S)
    assert process.exit_status == 7
    assert _all_gone(_pids(tmp_path / "pids"))
    assert process.log.read_text() == "last words\n"
    process.stop()
    process.close()
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_everything_ends_when_the_harness_is_killed(tmp_path, number):
    harness = textwrap.dedent(
        f"""
        import os, time
        from pathlib import Path
        from harness.emulators.guarded import GuardedProcess
        folder = Path({str(tmp_path / "private")!r})
        folder.mkdir()
        process = GuardedProcess({_script(tmp_path / "pids")!r}, folder=folder, cwd=folder,
                                 env=dict(os.environ), log=folder / "log")
        time.sleep(600)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", harness])
    pids = _pids(tmp_path / "pids")
    owner.send_signal(number)
    owner.wait(_LIMIT_S)
    _wait(lambda: _all_gone(pids), "the descendants end")
    _wait(lambda: not (tmp_path / "private").exists(), "the folder is deleted")


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
def test_close_ends_everything_when_the_guardian_was_killed(tmp_path):
    process, folder = _start(tmp_path, _script(tmp_path / "pids"))
    pids = _pids(tmp_path / "pids")
    os.kill(process.guardian_pid, signal.SIGKILL)
    process.stop()
    process.close()
    _wait(lambda: _all_gone(pids), "the descendants end")
    assert not folder.exists()


def test_a_command_that_does_not_exist_ends_at_once(tmp_path):
    process, folder = _start(tmp_path, ["/nonexistent/command"])
    assert process.wait_for_end(_LIMIT_S)
    assert process.exit_status == 127
    assert process.log.read_text() == (
        "/nonexistent/command cannot be started: No such file or directory\n"
    )
    process.stop()
    process.close()
    assert not folder.exists()


def test_what_is_to_start_in_a_folder_that_is_gone_ends_without_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    order = {
        "argv": _script(tmp_path / "pids"),
        "cwd": str(folder),
        "env": {**os.environ, guardian.MARK: "gone"},
        "log": str(folder / "firestore.log"),
        "folder": str(folder),
        "gentle_s": 1.0,
        "terminate_s": 1.0,
    }
    ended = subprocess.run(
        [sys.executable, "-P", guardian.__file__],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
        start_new_session=True,  # a signal to its group must not reach pytest
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {"stopped": True, "killed": 0}
    assert not (tmp_path / "pids").exists()
