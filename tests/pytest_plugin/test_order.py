"""In which order a run of `harness verify` has its checks, and what it starts ahead of them."""

from types import SimpleNamespace

import pytest

from harness.emulators.handover import HandedSuite, Handover
from harness.errors import EnvironmentLacking
from harness.pytest_plugin.order import FunctionsAhead, stage_of
from tests.emulators.functions_stand_in import Emulator, running
from tests.pytest_plugin.checks import make_project

pytest_plugins = ["pytester"]

CHECKS = """\
import pytest

pytestmark = pytest.mark.workflow("Testing/Verify security rules")

def test_reaches_all(rules_coverage): ...
def test_takes_times(call_function, steady_load): ...
def test_asks_over_the_wire(access_over_the_wire): ...
def test_calls(call_function): ...
def test_stores(storage_admin): ...
def test_asks(firestore_as): ...
def test_reads(harness_project): ...
def test_asks_too(firestore_admin): ...
"""


def order_of(pytester, *arguments):
    result = pytester.runpytest_inprocess("--collect-only", "-q", *arguments)
    names = (line.partition("::test_")[2] for line in result.outlines)
    return [name for name in names if name.isidentifier()]


def test_checks_that_wait_for_less_come_first(pytester):
    make_project(pytester, test_a=CHECKS)
    assert order_of(pytester, "--harness-evidence=evidence") == [
        "reads",
        "asks",
        "asks_too",
        "calls",
        "stores",
        "takes_times",
        "asks_over_the_wire",
        "reaches_all",
    ]


def test_plain_pytest_keeps_the_order_of_the_files(pytester):
    make_project(pytester, test_a=CHECKS)
    assert order_of(pytester)[:3] == ["takes_times", "asks_over_the_wire", "calls"]


def item(path, *fixtures):
    return SimpleNamespace(path=path, fixturenames=fixtures)


def test_the_last_of_what_a_check_asks_for_counts(tmp_path):
    both = ("steady_load", "harness_suite_project", "harness_suite")
    assert stage_of(item(tmp_path, *both)) == stage_of(item(tmp_path, *reversed(both))) == 3
    assert stage_of(SimpleNamespace()) == 0


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "test_calls.py"
    path.write_text('call("echo"); functions.request("billing.charge")', encoding="utf-8")
    path.with_name("conftest.py").write_text('run_scheduled("nightly")', encoding="utf-8")
    return path


def ahead_of(items, folder, endpoints, **changes):
    handover = Handover(folder / "handover")
    handover.announce()
    handover.hand_over(HandedSuite(endpoints, "embedded", **{"can_warm_up": True, **changes}))
    return FunctionsAhead(items, handover)


def started(ahead, emulator):
    ahead.begin()
    assert ahead.finish() == []
    assert ahead.finish() == []  # the second check that uses functions waits for nothing
    return sorted(path.split("/")[3] for path in emulator.asked)


FUNCTIONS = {"echo": False, "billing-charge": False, "nightly": False, "other": False}
CALLS = ("harness_suite", "harness_suite_project")


def test_what_checks_name_is_started(tmp_path, module):
    emulator = Emulator(**FUNCTIONS, onUser=True)
    with running(emulator) as endpoints:
        ahead = ahead_of([item(module, *CALLS)], tmp_path, endpoints)
        assert started(ahead, emulator) == ["billing-charge", "echo", "nightly"]


def test_what_events_run_is_started_for_many_checks(tmp_path, module):
    emulator = Emulator(**FUNCTIONS, onUser=True)
    with running(emulator) as endpoints:
        ahead = ahead_of([item(module, *CALLS)] * 5, tmp_path, endpoints)
        assert "onUser-1" in started(ahead, emulator)


def test_nothing_is_started_where_no_check_uses_functions(tmp_path, module):
    emulator = Emulator(**FUNCTIONS)
    with running(emulator) as endpoints:
        ahead = ahead_of([item(module, "harness_suite"), item(module)], tmp_path, endpoints)
        assert started(ahead, emulator) == []


def test_nothing_is_started_where_functions_would_run(tmp_path, module):
    emulator = Emulator(**FUNCTIONS)
    with running(emulator) as endpoints:
        ahead = ahead_of([item(module, *CALLS)], tmp_path, endpoints, can_warm_up=False)
        assert started(ahead, emulator) == []


def test_a_suite_that_is_not_there_is_for_the_checks_to_report(tmp_path, module):
    handover = Handover(tmp_path / "handover")
    handover.announce()
    handover.give_up(EnvironmentLacking("no Node", fix="install it"))
    ahead = FunctionsAhead([item(module, *CALLS)], handover)
    ahead.begin()
    assert ahead.finish() == []
