"""A suite handed from one process to another through a folder."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.emulators.handover import HandedSuite, Handover, reason_of
from harness.emulators.hub import SuiteEndpoints
from harness.errors import ConfigError, EnvironmentLacking, HarnessError
from harness.source import SourcePosition

SUITE = HandedSuite(
    SuiteEndpoints("demo-x", firestore="127.0.0.1:8080"),
    "embedded",
    {"functions": "no Node"},
    Path("/somewhere/suite.log"),
)


def test_what_is_handed_over_arrives(tmp_path: Path) -> None:
    handover = Handover(tmp_path / "new")
    handover.announce()
    handover.hand_over(SUITE)
    assert Handover(tmp_path / "new").wait(1) == SUITE


def test_a_user_that_is_there_first_waits(tmp_path: Path) -> None:
    handover = Handover(tmp_path)
    handover.announce()
    arrived: list[HandedSuite] = []
    user = threading.Thread(target=lambda: arrived.append(Handover(tmp_path).wait(20)))
    user.start()
    handover.hand_over(SUITE)
    user.join(20)
    assert arrived == [SUITE]


def test_giving_up_says_why_and_whose_fault_it_is(tmp_path: Path) -> None:
    handover = Handover(tmp_path)
    handover.announce()
    handover.give_up(EnvironmentLacking("no Node", fix="install it"))
    with pytest.raises(EnvironmentLacking, match="no Node"):
        handover.wait(1)
    handover.give_up(ConfigError("bad", fix="mend", at=SourcePosition("firebase.json", 1, 2)))
    with pytest.raises(HarnessError, match=r"firebase\.json:1:2: bad") as raised:
        handover.wait(1)
    assert not isinstance(raised.value, EnvironmentLacking)


def test_an_owner_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    (tmp_path / "owner.json").write_text(json.dumps({"pid": int(done.stdout)}), encoding="utf-8")
    with pytest.raises(EnvironmentLacking, match="has ended"):
        Handover(tmp_path).wait(20)


def test_the_limit_is_kept(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacking, match="no process of this run provides a suite"):
        Handover(tmp_path).wait(0.1)
    Handover(tmp_path).announce()
    with pytest.raises(EnvironmentLacking, match="not ready within"):
        Handover(tmp_path).wait(0.1)


def test_a_reason_is_one_line_without_the_machines_folders(tmp_path: Path) -> None:
    at = SourcePosition(str(tmp_path / "functions" / "index.js"), 3, 7)
    error = ConfigError("functions do not load\n  | more", fix="mend them", at=at)
    assert reason_of(error, tmp_path) == "functions/index.js:3:7: functions do not load; mend them"
