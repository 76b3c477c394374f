"""Which functions are started before they are called, and what becomes of those that do not start.

That real ones start without being run is in `test_suite.py`; here the emulator is a stand-in, so
that functions can hang and fail.
"""

import time

import pytest

from harness.emulators.functions import DeployedFunction
from harness.emulators.warm_up import MOST_FUNCTIONS, WarmUp, can_warm_up, chosen, keys_in
from tests.emulators.functions_stand_in import REGION, Emulator, running


def function(name, kind="callable"):
    return DeployedFunction(name, REGION, kind, 2)


def warm_up_of(endpoints, *wanted, at_once=1, at_once_in_the_end=1, start_s=10):
    return WarmUp(
        endpoints,
        wanted,
        with_events=True,
        at_once=at_once,
        at_once_in_the_end=at_once_in_the_end,
        start_s=start_s,
    )


def test_each_is_asked_for_its_health_by_its_newest_key():
    emulator = Emulator(echo=False, onUser=True, other=False)
    with running(emulator) as endpoints:
        warm_up = warm_up_of(endpoints, "echo")
        warm_up.begin()
        assert warm_up.finish(20) == []
    assert emulator.asked == [
        f"/demo-x/{REGION}/echo/__/health",
        f"/demo-x/{REGION}/onUser-1/__/health",
    ]


def test_more_start_at_the_same_time_once_they_are_waited_for():
    emulator = Emulator(**{f"f{number}": True for number in range(9)})
    with running(emulator) as endpoints:
        warm_up = warm_up_of(endpoints, at_once_in_the_end=3)
        warm_up.begin()
        while len(emulator.asked) < 2:
            time.sleep(0.01)
        assert emulator.most_at_once == 1
        assert warm_up.finish(20) == []
    assert 1 < emulator.most_at_once <= 3
    assert len(emulator.asked) == 9


def test_those_that_fail_or_hang_are_named():
    emulator = Emulator(fails=True, echo=True, hangs=True)
    with running(emulator) as endpoints:
        warm_up = warm_up_of(endpoints, start_s=0.5)
        warm_up.begin()
        assert warm_up.finish(20) == ["fails", "hangs"]


def test_nothing_is_waited_for_longer_than_the_limit_and_nothing_starts_after_it():
    emulator = Emulator(hangs=True, left=True)
    with running(emulator) as endpoints:
        warm_up = warm_up_of(endpoints, start_s=1)
        warm_up.begin()
        began = time.monotonic()
        assert warm_up.finish(0.3) == ["hangs", "left"]
        assert time.monotonic() - began < 1
        emulator.is_over.set()
        time.sleep(1.2)
    assert not any("left" in path for path in emulator.asked)


def test_an_emulator_that_has_gone_is_for_the_checks_to_report():
    with running(Emulator()) as endpoints:
        pass
    warm_up = warm_up_of(endpoints)
    warm_up.begin()
    assert warm_up.finish(20) == []


def test_named_functions_come_first_and_there_is_a_limit():
    functions = [*(function(f"on{n}", "event") for n in range(MOST_FUNCTIONS)), function("echo")]
    found = chosen([*functions, function("other")], {"echo"}, with_events=True)
    assert found[0].name == "echo"
    assert len(found) == MOST_FUNCTIONS
    assert "other" not in {each.name for each in found}
    assert [each.name for each in chosen(functions, {"echo"}, with_events=False)] == ["echo"]


def test_an_emulator_of_other_words_names_no_keys():
    assert keys_in("Not Found") == []


@pytest.fixture
def tools_lib(tmp_path):
    runtime = tmp_path / "lib" / "emulator" / "functionsEmulatorRuntime.js"
    runtime.parent.mkdir(parents=True)
    runtime.write_text('app.get("/__/health", (req, res) => {', encoding="utf-8")
    return tmp_path / "lib"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "package.json").write_text("{}", encoding="utf-8")
    return tmp_path / "functions"


def test_only_functions_in_node_can_be_started_without_running_them(tools_lib, folder, tmp_path):
    assert can_warm_up(tools_lib, {"source": "functions"}, [folder])
    assert can_warm_up(tools_lib, [{"runtime": "nodejs22"}, {}], [folder, folder])
    # The others' servers know no such path: a function would be run.
    assert not can_warm_up(tools_lib, {"runtime": "python312"}, [folder])
    (tmp_path / "python").mkdir()
    assert not can_warm_up(tools_lib, [{}, {}], [folder, tmp_path / "python"])


def test_a_firebase_tools_without_that_path_is_left_alone(tools_lib, folder, tmp_path):
    assert not can_warm_up(tmp_path, {}, [folder])
    (tools_lib / "emulator" / "functionsEmulatorRuntime.js").write_text("", encoding="utf-8")
    assert not can_warm_up(tools_lib, {}, [folder])
