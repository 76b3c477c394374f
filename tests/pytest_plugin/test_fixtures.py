"""The fixtures, against a real embedded Firestore in a process of its own."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.pytest_plugin.checks import RULES, make_project, outcomes_of, results_of

pytest_plugins = "pytester"

PROJECT = "demo-plugin"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    rules = tmp_path_factory.mktemp("rules") / "firestore.rules"
    rules.write_text(RULES, encoding="utf-8")
    with EmbeddedFirestore(PROJECT, rules=rules) as firestore:
        firestore.wait_until_ready()
        assert firestore.endpoints.firestore is not None
        yield firestore.endpoints.firestore


@pytest.fixture
def running(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Firestore that runs already, as `emulators:exec` would have named it."""
    monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)
    return address


@pytest.fixture
def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which no suite runs and Node is not installed."""
    for name in ("FIREBASE_EMULATOR_HUB", "FIRESTORE_EMULATOR_HOST", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


@pytest.mark.usefixtures("running")
def test_rules_apply_to_users_and_not_to_administrators(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_rules="""
        import pytest
        from google.api_core.exceptions import PermissionDenied

        def test_owner(firestore_as):
            profile = firestore_as("alice").document("users/alice")
            profile.set({"name": "Alice"})
            assert profile.get().to_dict() == {"name": "Alice"}

        def test_stranger(firestore_as):
            with pytest.raises(PermissionDenied):
                firestore_as("bob").document("users/alice").get()

        def test_signed_out(firestore_unauthenticated):
            with pytest.raises(PermissionDenied):
                firestore_unauthenticated.document("users/alice").get()

        def test_claims(firestore_as):
            with pytest.raises(PermissionDenied):
                firestore_as("ada").document("admins/1").get()
            client = firestore_as("ada", admin=True, email="a@b.c")
            assert not client.document("admins/1").get().exists

        def test_administrator(firestore_admin):
            firestore_admin.document("elsewhere/1").set({"n": 1})
            assert firestore_admin.document("elsewhere/1").get().exists
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=5)


@pytest.mark.usefixtures("running")
def test_each_check_starts_empty_in_a_project_of_its_own(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_empty=f"""
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_is_empty(turn, firestore_admin, clear_firestore, project_id, suite):
            assert project_id == "{PROJECT}-checks"
            assert suite.project_id == "{PROJECT}"
            document = firestore_admin.document("things/one")
            assert not document.get().exists
            document.set({{"turn": turn}})
            clear_firestore()
            assert not document.get().exists
            document.set({{"turn": turn}})
        """,
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2)


@pytest.mark.usefixtures("running")
def test_what_does_not_run_is_not_verified_with_its_reason(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_lacking="""
        import pytest
        pytestmark = pytest.mark.workflow("Test Cloud Functions")

        def test_call(call_function): call_function("hello")
        def test_events(drain_events): drain_events()
        def test_log(functions_log): functions_log.lines()
        def test_user(auth_user): auth_user()
        def test_storage(storage_as): storage_as("alice").list()
        """,
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out").assert_outcomes(skipped=5)
    reasons = {
        result.nodeid.rpartition("_")[2]: result.reason
        for result in results_of(pytester.path / "out")
    }
    for name, emulator in [
        ("call", "functions"),
        ("events", "functions"),
        ("log", "functions"),
        ("user", "auth"),
        ("storage", "storage"),
    ]:
        assert reasons[name] == (
            f"the {emulator} emulator does not run: firebase.json does not configure it"
        )


@pytest.mark.usefixtures("running")
def test_functions_asked_for_too_late_are_refused(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_late="""
        def test_late(firestore_admin, request):
            request.getfixturevalue("call_function")
        """,
    )
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*name the fixture among the check's arguments*"])


@pytest.mark.usefixtures("running")
def test_the_meter_bills_what_is_asked_within_the_block(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_cost="""
        import pytest

        def test_bill(firestore_admin, firestore_as, query_cost):
            things = firestore_admin.collection("things")
            for number in range(5):
                things.document(str(number)).set({"n": number})
            with query_cost() as cost:
                list(things.where("n", ">=", 2).limit(2).stream())
                list(things.where("n", ">=", 3).limit(2).stream())
                things.document("0").get()
                firestore_as("alice").document("users/alice").set({})
                things.document("4").delete()
            things.document("0").get()
            assert (cost.reads, cost.writes, cost.deletes) == (5, 1, 1)
            assert cost.rules_reads == 0
            assert cost.index_entries_scanned >= 4
            dearest = cost.by_query()[0]
            assert dearest.label.startswith("RunQuery things where n >= ? ")
            assert (dearest.requests, dearest.reads, dearest.documents_returned) == (2, 4, 4)

        def test_too_early(query_cost):
            with query_cost() as cost:
                with pytest.raises(RuntimeError, match="has ended"):
                    cost.reads
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=2)


def test_no_check_sees_credentials(
    pytester: pytest.Pytester, running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/somewhere/key.json")
    make_project(
        pytester,
        test_environment=f"""
        import os

        def test_environment(suite):
            assert "GOOGLE_APPLICATION_CREDENTIALS" not in os.environ
            assert os.environ["FIRESTORE_EMULATOR_HOST"] == suite.firestore == "{running}"
            assert os.environ["GCLOUD_PROJECT"] == "{PROJECT}"
        """,
    )
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


@pytest.mark.usefixtures("without_node")
def test_without_node_the_embedded_firestore_alone_is_started_and_ended(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_alone="""
        import pathlib
        import pytest
        from google.api_core.exceptions import PermissionDenied

        def test_firestore(suite, firestore_unauthenticated):
            pathlib.Path("address").write_text(suite.firestore)
            with pytest.raises(PermissionDenied):
                firestore_unauthenticated.document("users/alice").get()

        @pytest.mark.workflow("Test Cloud Functions")
        def test_user(auth_user): pass
        """,
    )
    result = pytester.runpytest_subprocess("-q", "--harness-evidence", "out")
    result.assert_outcomes(passed=1, skipped=1)
    (reason,) = [result.reason for result in results_of(pytester.path / "out") if result.item_id]
    assert reason.startswith("Node is not installed")
    host, _, port = (pytester.path / "address").read_text().partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


@pytest.mark.usefixtures("without_node")
def test_xdist_workers_share_one_suite_and_no_documents(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_workers="""
        import os
        import pathlib
        import pytest

        @pytest.mark.parametrize("turn", range(6))
        def test_alone(turn, suite, project_id, firestore_admin):
            worker = os.environ["PYTEST_XDIST_WORKER"]
            assert project_id == f"demo-harness-{worker}"
            pathlib.Path(f"seen-{worker}").write_text(suite.firestore)
            things = firestore_admin.collection("things")
            for number in range(20):
                things.document().set({"worker": worker})
            assert {document.get("worker") for document in things.stream()} == {worker}
            assert len(list(things.stream())) == 20
        """,
    )
    pytester.runpytest_subprocess("-q", "-n", "2").assert_outcomes(passed=6)
    addresses = {path.read_text() for path in pytester.path.glob("seen-*")}
    assert len(addresses) == 1
    host, _, port = addresses.pop().partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


@pytest.mark.usefixtures("without_node")
def test_nothing_that_could_run_is_not_verified_with_the_reason(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_one="""
        import pytest

        @pytest.mark.workflow("Test Cloud Functions")
        def test_one(firestore_admin): pass
        """,
    )
    pytester.makefile(".json", firebase='{"functions": {"source": "functions"}}')
    pytester.runpytest_subprocess("-q", "--harness-evidence", "out").assert_outcomes(skipped=1)
    (result,) = results_of(pytester.path / "out")
    assert result.reason.startswith("Node is not installed")


@pytest.mark.usefixtures("without_node")
def test_a_malformed_firebase_json_is_an_error_and_not_a_skip(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_one="""
        import pytest

        @pytest.mark.workflow("Verify security rules")
        def test_one(firestore_admin): pass
        """,
    )
    pytester.makefile(".json", firebase='{"firestore": ')
    result = pytester.runpytest_subprocess("-q", "--harness-evidence", "out")
    result.assert_outcomes(errors=1)
    assert outcomes_of(pytester.path / "out") == {
        ("test_one", "testing/verify-security-rules"): "ERROR"
    }
    result.stdout.fnmatch_lines(["*firebase.json:1:*"])
    assert "Traceback" not in result.stdout.str()


class _ForeignFirestore(http.server.BaseHTTPRequestHandler):
    """Another implementation: it has the official emulator's routes and none of ours."""

    def do_DELETE(self) -> None:
        self._answer(200 if self.path.startswith("/emulator/v1/") else 404)

    def do_GET(self) -> None:
        self._answer(404)

    def do_POST(self) -> None:
        self._answer(404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_cost_is_not_verified_on_another_firestore(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(
        pytester,
        test_cost="""
        import pytest

        @pytest.mark.workflow("Performance testing")
        def test_cost(query_cost):
            with query_cost():
                pass
        """,
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _ForeignFirestore) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)
        monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
        pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
        server.shutdown()
    (result,) = results_of(pytester.path / "out")
    assert result.outcome.value == "SKIPPED"
    assert result.reason.startswith("this Firestore cannot say what a request costs")
