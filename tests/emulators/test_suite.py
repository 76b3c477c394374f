"""The official Emulator Suite for real: one suite for most of it, since a start takes seconds."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import requests

from harness.emulators.auth import AuthEmulator, AuthError
from harness.emulators.diagnosis import SuiteFailed
from harness.emulators.functions import FunctionsEmulator, FunctionsError
from harness.emulators.hub import Hub, SuiteEndpoints
from harness.emulators.node import find_node_tools
from harness.emulators.ports import LOOPBACK
from harness.emulators.storage import StorageDenied, StorageEmulator, StorageObjectMissing
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.emulators.tokens import ADMIN_TOKEN, id_token
from harness.emulators.warm_up import WarmUp
from harness.errors import ConfigError, EnvironmentLacking, HarnessError

pytestmark = pytest.mark.suite

_REPOSITORY = Path(__file__).parents[2]
_SHOP = Path(__file__).parent / "projects" / "shop"
_SDK = _REPOSITORY / "backend" / "functions" / "node_modules"
_LIMIT_S = 30.0


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    try:
        find_node_tools(_REPOSITORY)
    except EnvironmentLacking as error:
        pytest.skip(f"{error.problem}; {error.fix}")
    if not (_SDK / "firebase-functions").is_dir():
        pytest.skip("firebase-functions is not installed; run: npm ci  (in backend/functions)")


def _shop(folder: Path) -> Path:
    project = folder / "shop"
    shutil.copytree(_SHOP, project)
    (project / "functions" / "node_modules").symlink_to(_SDK)
    return project


@pytest.fixture(scope="module")
def suite(tmp_path_factory, _tools) -> Iterator[EmulatorSuite]:
    options = SuiteOptions(
        _shop(tmp_path_factory.mktemp("project")),
        project_id="demo-shop",
        tools_dir=_REPOSITORY,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/secret.json")
        with EmulatorSuite(options) as running:
            running.wait_until_ready()
            yield running


def _wait(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < limit, f"not within {_LIMIT_S:g} s: {what}"
        time.sleep(0.05)


def _listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Everything whose temporary folder is the suite's."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_everything_that_is_configured_runs_and_answers(suite):
    assert suite.is_ready
    running = Hub(suite.endpoints).running()
    for name in ("auth", "functions", "firestore", "storage", "eventarc", "tasks", "hub"):
        assert running[name] == suite.endpoints[name]
    assert requests.get(f"http://{suite.endpoints.firestore}/", timeout=10).text == "Ok\n"


def test_the_suite_is_found_by_the_environment_that_it_gives(suite):
    assert SuiteEndpoints.from_environment(suite.env) == suite.endpoints


def test_the_users_firebase_json_is_as_it_was(suite):
    original = (_SHOP / "firebase.json").read_bytes()
    assert (suite.options.project_dir / "firebase.json").read_bytes() == original
    assert not list(suite.options.project_dir.glob("*.log"))


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, "home/.cache/firebase-workflow-harness/node"),
        ({"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/firebase-workflow-harness/node"),
        ({"NODE_COMPILE_CACHE": "/chosen"}, "/chosen"),
    ],
)
def test_node_keeps_what_it_has_compiled_beside_other_caches(
    environment: dict[str, str],
    folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("XDG_CACHE_HOME", "NODE_COMPILE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path / "home"), **environment}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "run").mkdir()
    given = EmulatorSuite(SuiteOptions(tmp_path))._child_environment(tmp_path / "run")
    assert given["NODE_COMPILE_CACHE"] == str(tmp_path / folder)


def test_callable_functions_are_started_without_being_called(suite):
    mark = suite.log_mark()
    assert FunctionsEmulator(suite.endpoints).warm_up() == ["echo"]
    assert suite.function_logs(mark) == []


def test_functions_of_every_kind_are_started_without_being_run(suite):
    mark = suite.log_mark()
    assert suite.can_warm_up
    names = {function.name for function in FunctionsEmulator(suite.endpoints).deployed()}
    warm_up = WarmUp(
        suite.endpoints, names, with_events=True, at_once=1, at_once_in_the_end=2, start_s=_LIMIT_S
    )
    warm_up.begin()
    assert warm_up.finish(_LIMIT_S) == []
    folder = Path(suite.log_file).parent
    started = {process.environ().get("K_SERVICE") for process in _processes_of(folder)}
    assert started - {None} == names
    assert suite.function_logs(mark) == []


def test_callable_functions_answer_with_data_and_caller_and_without_credentials(suite):
    functions = FunctionsEmulator(suite.endpoints)
    assert functions.call("echo", {"n": 1}) == {"data": {"n": 1}, "uid": None, "hidden": []}
    token = id_token("ana", project_id="demo-shop", now_s=int(time.time()))
    assert functions.call("echo", token=token)["uid"] == "ana"


def test_a_callable_functions_error_keeps_code_message_and_details(suite):
    with pytest.raises(FunctionsError) as caught:
        FunctionsEmulator(suite.endpoints).call("echo", {"fail": "x"})
    error = caught.value
    assert (error.code, error.message, error.details) == (
        "failed-precondition",
        "asked to fail",
        {"asked": "x"},
    )


def test_a_function_that_is_not_there_is_no_answer_of_a_function(suite):
    with pytest.raises(ConfigError, match='"ecko" is not loaded') as caught:
        FunctionsEmulator(suite.endpoints).call("ecko")
    assert "echo" in caught.value.fix
    with pytest.raises(ConfigError, match='"echo" is not loaded') as caught:
        FunctionsEmulator(suite.endpoints).call("echo", region="us-east1")
    assert "europe-west1-echo" in caught.value.fix


def test_http_functions_get_method_path_and_body(suite):
    answer = FunctionsEmulator(suite.endpoints).request(
        "hello", "/a/b", method="PUT", json={"x": 1}
    )
    assert answer.status == 201
    assert answer.json() == {"method": "PUT", "path": "/a/b", "body": {"x": 1}}


def test_scheduled_functions_of_both_generations_run_when_told(suite):
    functions = FunctionsEmulator(suite.endpoints)
    mark = suite.log_mark()
    functions.run_scheduled("nightly", schedule_time="2026-01-02T03:00:00Z")
    functions.run_scheduled("weekly", schedule_time="2026-01-05T09:00:00Z")
    expected = ["nightly ran for 2026-01-02T03:00:00Z", "weekly ran for 2026-01-05T09:00:00Z"]
    _wait(lambda: suite.function_logs(mark) == expected, "both have logged")
    with pytest.raises(ConfigError, match="choose from: nightly, weekly"):
        functions.run_scheduled("echo", schedule_time="2026-01-02T03:00:00Z")


def test_a_message_reaches_its_function(suite):
    mark = suite.log_mark()
    FunctionsEmulator(suite.endpoints).publish(
        "onShipment",
        data_base64=base64.b64encode(b'{"id": 7}').decode(),
        publish_time="2026-01-02T03:00:00Z",
    )
    _wait(lambda: suite.function_logs(mark) == ["shipment 7"], "it has logged")


def test_a_written_document_calls_its_function_unless_triggers_are_disabled(suite):
    def write(order: str) -> None:
        response = requests.patch(
            f"http://{suite.endpoints.firestore}/v1/projects/demo-shop/databases/(default)"
            f"/documents/orders/{order}",
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            json={"fields": {"n": {"integerValue": "1"}}},
            timeout=10,
        )
        assert response.ok, response.text

    mark = suite.log_mark()
    write("o1")
    _wait(lambda: suite.function_logs(mark) == ["order o1 was written"], "it has logged")
    hub, functions = Hub(suite.endpoints), FunctionsEmulator(suite.endpoints)
    hub.disable_background_triggers()
    write("o2")
    with pytest.raises(HarnessError, match="background triggers are disabled"):
        functions.run_scheduled("nightly", schedule_time="2026-01-02T03:00:00Z")
    hub.enable_background_triggers()
    functions.run_scheduled("nightly", schedule_time="2026-01-03T03:00:00Z")
    write("o3")
    expected = ["nightly ran for 2026-01-03T03:00:00Z", "order o3 was written"]
    _wait(lambda: suite.function_logs(mark)[1:] == expected, "o3 has called it, o2 has not")


def test_users_sign_in_with_their_claims_and_are_kept_apart_by_project(suite):
    auth = AuthEmulator(suite.endpoints)
    other = AuthEmulator(suite.endpoints, "demo-other")
    uid = auth.create_user("bo", email="bo@example.org", password="secret!", claims={"role": "x"})
    user = auth.sign_in("bo@example.org", "secret!")
    assert (uid, user.uid, user.email) == ("bo", "bo", "bo@example.org")
    assert user.claims["role"] == "x"
    assert other.users() == []
    assert other.sign_in_as("eve").claims["aud"] == "demo-other"
    assert other.sign_in_anonymously().claims["provider_id"] == "anonymous"
    assert auth.sign_in_anonymously().claims["provider_id"] == "anonymous"
    with pytest.raises(AuthError) as caught:
        auth.sign_in("bo@example.org", "wrong!")
    assert caught.value.code == "INVALID_PASSWORD"
    auth.clear()
    assert auth.users() == []
    assert len(other.users()) == 2


def test_storage_rules_decide_over_files(suite):
    token = id_token("ana", project_id="demo-shop", now_s=int(time.time()))
    ana = StorageEmulator(suite.endpoints, token=token)
    written = ana.upload("users/ana/a b.txt", b"hi", content_type="text/plain")
    assert (written.size_bytes, written.content_type) == (2, "text/plain")
    assert ana.download("users/ana/a b.txt") == b"hi"
    with pytest.raises(StorageDenied):
        StorageEmulator(suite.endpoints).download("users/ana/a b.txt")
    with pytest.raises(StorageDenied):
        ana.upload("users/eve/a.txt", b"no")
    admin = StorageEmulator(suite.endpoints, token=ADMIN_TOKEN)
    assert admin.list("users/") == ["users/ana/a b.txt"]
    admin.delete("users/ana/a b.txt")
    with pytest.raises(StorageObjectMissing):
        ana.download("users/ana/a b.txt")


def test_a_second_suite_runs_beside_the_first_and_leaves_nothing_behind(suite, tmp_path):
    options = SuiteOptions(
        _shop(tmp_path), project_id="demo-shop", only=("auth",), tools_dir=_REPOSITORY
    )
    with EmulatorSuite(options) as second:
        folder = second._folder
        assert folder is not None
        second.wait_until_ready()
        AuthEmulator(second.endpoints).create_user("only-there")
        assert all(
            user["localId"] != "only-there" for user in AuthEmulator(suite.endpoints).users()
        )
        assert len(_processes_of(folder)) >= 1
    assert _processes_of(folder) == []
    assert not folder.exists()
    assert not _listens(second.endpoints["auth"])
    assert second.log_tail(3)
    assert suite.is_ready


def test_nothing_is_left_when_the_harness_is_killed(tmp_path):
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from harness.emulators.suite import EmulatorSuite, SuiteOptions
        suite = EmulatorSuite(SuiteOptions(Path({str(_shop(tmp_path))!r}), only=("firestore",),
                                           tools_dir=Path({str(_REPOSITORY)!r})))
        suite.start()
        suite.wait_until_ready()
        print(suite._folder, suite.endpoints.firestore, flush=True)
        time.sleep(600)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    try:
        name, address = owner.stdout.readline().split()
        folder = Path(name)
        # firebase-tools, and the Firestore that it has started in a session of its own
        assert len(_processes_of(folder)) >= 2
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait(_LIMIT_S)
        owner.stdout.close()
    _wait(lambda: not _processes_of(folder), "its processes end")
    _wait(lambda: not folder.exists(), "its folder is deleted")
    assert not _listens(address)


def test_functions_that_throw_while_loading_are_reported_with_file_and_line(tmp_path):
    project = _shop(tmp_path)
    source = project / "functions" / "index.js"
    source.write_text('"use strict";\nconst shop = undefined;\nshop.open();\n')
    suite = EmulatorSuite(SuiteOptions(project, only=("functions", "auth"), tools_dir=_REPOSITORY))
    suite.start()
    folder = suite._folder
    with pytest.raises(SuiteFailed) as caught:
        suite.wait_until_ready()
    assert "TypeError: Cannot read properties of undefined" in caught.value.problem
    assert str(caught.value.at) == f"{source}:3:6"
    assert caught.value.exit_status == 2
    assert folder is not None
    assert not folder.exists()


def _refused(options: SuiteOptions) -> HarnessError:
    suite = EmulatorSuite(options)
    with pytest.raises(HarnessError) as caught:
        suite.start()
    assert suite._folder is None
    return caught.value


def test_a_lenient_run_says_which_emulators_it_goes_without(tmp_path):
    (tmp_path / "firebase.json").write_text('{"firestore": {}}')
    said: list[str] = []
    options = SuiteOptions(
        *(tmp_path, "demo-shop", ("firestore", "storage", "hosting")),
        lenient=True,
        tools_dir=tmp_path / "none",
        progress=said.append,
    )
    assert "firebase-tools is not installed" in _refused(options).problem
    assert said == [
        "not started, since firebase.json does not configure them or the harness has none: "
        "storage, hosting"
    ]
    strict = replace(options, only=("firestore", "storage"), lenient=False)
    assert "storage emulator is asked for" in _refused(strict).problem


def test_what_is_wrong_is_said_before_anything_starts(tmp_path):
    project = _shop(tmp_path)
    real = _refused(SuiteOptions(project, project_id="my-shop", tools_dir=_REPOSITORY))
    assert "does not begin with demo-" in real.problem
    missing = _refused(SuiteOptions(project, tools_dir=tmp_path))
    assert "firebase-tools is not installed" in missing.problem
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        taken = _refused(SuiteOptions(project, ports={"auth": port}, tools_dir=_REPOSITORY))
    assert f"port {port}, fixed for the auth emulator" in taken.problem
    (project / "firebase.json").write_text('{"firestore": }')
    malformed = _refused(SuiteOptions(project, tools_dir=_REPOSITORY))
    assert (malformed.at.line, malformed.at.column) == (1, 15)
