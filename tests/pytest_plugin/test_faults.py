"""Checks that inject faults, against a real embedded Firestore in a process of its own."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.pytest_plugin.checks import make_project, results_of
from tests.pytest_plugin.test_fixtures import _ForeignFirestore as ForeignFirestore

pytest_plugins = "pytester"

PROJECT = "demo-faults"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with EmbeddedFirestore(PROJECT) as firestore:
        firestore.wait_until_ready()
        assert firestore.endpoints.firestore is not None
        yield firestore.endpoints.firestore


@pytest.fixture(autouse=True)
def running(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIREBASE_EMULATOR_HUB", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    monkeypatch.setenv("GCLOUD_PROJECT", PROJECT)


def test_a_fault_strikes_ends_with_its_check_and_is_in_the_evidence(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_faults="""
        import pytest
        from google.api_core import exceptions

        pytestmark = pytest.mark.workflow("Verify security rules")

        def test_retried(firestore_admin, inject_fault):
            '''An order survives'''
            fault = inject_fault("Commit", times=2, collection="orders")
            firestore_admin.document("orders/1").set({"n": 1})
            assert fault.fired == 2

        def test_is_over(firestore_admin):
            '''Nothing is left'''
            firestore_admin.document("orders/1").set({"n": 1}, retry=None)

        def test_lost(firestore_admin, inject_fault):
            '''An order is found'''
            inject_fault("Commit", lost_response=True)
            inject_fault("BatchGetDocuments", delay_s=0.001, times=None)
            with pytest.raises(exceptions.AlreadyExists):
                firestore_admin.document("orders/1").create({"n": 1})
            assert firestore_admin.document("orders/1").get().exists

        def test_removed(firestore_as, inject_fault):
            '''Ana waits'''
            fault = inject_fault(status="PERMISSION_DENIED", caller="ana", times=None)
            with pytest.raises(exceptions.PermissionDenied):
                firestore_as("ana").document("orders/1").get()
            firestore_as("bob").document("orders/1").get()
            fault.remove()
            firestore_as("ana").document("orders/1").get()
            assert fault.fired == 1
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore", "--harness-evidence", "out")
    result.assert_outcomes(passed=4)
    found = {
        result.nodeid.rpartition("::")[2]: (result.states, dict(result.metrics))
        for result in results_of(pytester.path / "out")
    }
    assert found == {
        "test_retried": (
            "An order survives (fault injected: Commit on orders: refused with UNAVAILABLE, "
            "2 times)",
            {"faults_fired": 2},
        ),
        "test_is_over": ("Nothing is left", {}),
        "test_lost": (
            "An order is found (fault injected: Commit: carried out but answered UNAVAILABLE, "
            "once; fault injected: BatchGetDocuments: 1 ms late)",
            {},
        ),
        "test_removed": (
            "Ana waits (fault injected: any request by user:ana: refused with PERMISSION_DENIED)",
            {},
        ),
    }


def test_a_check_whose_fault_met_nothing_has_shown_nothing(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_faults="""
        import pytest

        pytestmark = pytest.mark.workflow("Verify security rules")

        def test_missed(firestore_admin, inject_fault):
            inject_fault("Commit", collection="order")
            firestore_admin.document("orders/1").set({"n": 1})

        def test_meant(firestore_admin, inject_fault):
            inject_fault("Commit", collection="order", must_fire=False)
            firestore_admin.document("orders/1").set({"n": 1})

        def test_misspelt(firestore_admin, inject_fault):
            inject_fault("Comit")
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore", "--harness-evidence", "out")
    result.assert_outcomes(passed=2, errors=1, failed=1)
    reasons = [each.reason for each in results_of(pytester.path / "out")]
    assert reasons[0].startswith(
        "clean-up failed: Failed: a fault was injected that no request has met: Commit on order: "
        "refused with UNAVAILABLE"
    )
    assert reasons[1] == ""
    assert "rpc 'Comit' is not known; known are" in reasons[2]


def test_what_a_killed_check_has_left_does_not_reach_the_next(
    pytester: pytest.Pytester, address: str
) -> None:
    import requests

    url = f"http://{address}/harness/v1/projects/{PROJECT}-checks/faults"
    rule = {"status": "PERMISSION_DENIED", "times": None}
    assert requests.post(url, json=rule, timeout=10).ok
    make_project(
        pytester,
        test_next="""
        def test_next(firestore_admin):
            firestore_admin.document("orders/1").set({"n": 1})
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=1)


def test_what_only_ours_can_do_is_not_verified_on_another_firestore(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(
        pytester,
        test_foreign="""
        import pytest
        pytestmark = pytest.mark.workflow("Verify security rules")

        def test_faults(inject_fault): inject_fault("Commit")
        def test_clock(emulator_clock): pass
        def test_snapshots(firestore_snapshot): firestore_snapshot.save("one")
        """,
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), ForeignFirestore) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{server.server_address[1]}")
        pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
        server.shutdown()
    reasons = [each.reason for each in results_of(pytester.path / "out")]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "this Firestore cannot inject faults",
        "this Firestore cannot be given another time",
        "this Firestore cannot keep a snapshot",
    ]
