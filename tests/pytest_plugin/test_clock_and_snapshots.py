"""Checks that move the clock and keep snapshots, against a real embedded Firestore."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from harness.emulators.firestore_alone import EmbeddedFirestore
from tests.pytest_plugin.checks import make_project

pytest_plugins = "pytester"

PROJECT = "demo-control"


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


def test_a_check_has_the_clock_to_itself_and_the_next_one_the_real_time(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_clock="""
        from datetime import UTC, datetime, timedelta
        import pytest
        from google.cloud import firestore
        from harness.emulators.tokens import token_claims

        NEW_YEAR = datetime(2031, 1, 1, tzinfo=UTC)

        def test_moves(emulator_clock, firestore_admin, harness_check):
            assert emulator_clock.freeze(NEW_YEAR) == NEW_YEAR
            firestore_admin.document("c/1").set({"at": firestore.SERVER_TIMESTAMP})
            assert firestore_admin.document("c/1").get().get("at") == NEW_YEAR
            assert emulator_clock.advance(timedelta(days=1)) == datetime(2031, 1, 2, tzinfo=UTC)
            assert emulator_clock.advance(0.5) == emulator_clock.now()
            claims = token_claims(harness_check.token("ana", {}))
            assert claims["iat"] == datetime(2031, 1, 2, tzinfo=UTC).timestamp()
            assert emulator_clock.set("2040-01-01T00:00:00Z") < emulator_clock.now()
            assert emulator_clock.freeze() == emulator_clock.now()
            assert emulator_clock.resume() < emulator_clock.now()
            with pytest.raises(ValueError, match="lacks its time zone"):
                emulator_clock.freeze(datetime(2031, 1, 1))
            with pytest.raises(ValueError, match="lacks its time zone"):
                emulator_clock.freeze("2031-01-01T00:00:00")
            with pytest.raises(ValueError, match="a clock advances"):
                emulator_clock.advance(-1)
            firestore_admin.document("c/1").set({"n": 1})

        def test_next(firestore_admin):
            written = firestore_admin.document("c/1").set({"n": 1}).update_time
            assert abs(written - datetime.now(UTC)) < timedelta(minutes=5)
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=2)


def test_a_snapshot_is_filled_once_and_brought_back_in_every_check(
    pytester: pytest.Pytester, address: str
) -> None:
    make_project(
        pytester,
        test_snapshots="""
        import pytest

        FILLED = []

        @pytest.fixture
        def orders(firestore_admin, firestore_snapshot):
            def fill():
                FILLED.append(1)
                batch = firestore_admin.batch()
                for number in range(100):
                    batch.set(firestore_admin.document(f"orders/{number}"), {"n": number})
                batch.commit()
            firestore_snapshot.once("hundred orders", fill)

        @pytest.mark.parametrize("turn", range(3))
        def test_orders(turn, orders, firestore_admin):
            assert len(list(firestore_admin.collection("orders").stream())) == 100
            assert len(FILLED) == 1
            firestore_admin.document("orders/0").delete()
            firestore_admin.document(f"orders/more{turn}").set({"n": -1})

        def test_by_name(firestore_admin, firestore_snapshot):
            firestore_admin.document("c/1").set({"n": 1})
            firestore_snapshot.save("one")
            firestore_admin.document("c/1").set({"n": 2})
            firestore_snapshot.restore("one")
            assert firestore_admin.document("c/1").get().get("n") == 1
            with pytest.raises(KeyError, match="no snapshot 'two' has been saved"):
                firestore_snapshot.restore("two")
        """,
    )
    for _ in range(2):  # the second run does not meet the snapshots of the first
        pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=4)
    path = f"/harness/v1/projects/{PROJECT}-checks/databases/(default)/snapshots"
    assert requests.get(f"http://{address}{path}", timeout=10).json() == {"snapshots": []}


def define_indexes(address: str, content: object) -> None:
    answer = requests.put(f"http://{address}/harness/v1/indexes", json=content, timeout=10)
    assert answer.ok, answer.text


def test_what_has_expired_by_the_checks_clock_is_deleted_and_billed(
    pytester: pytest.Pytester, address: str
) -> None:
    policy = {"collectionGroup": "sessions", "fieldPath": "until", "ttl": True, "indexes": []}
    define_indexes(address, {"fieldOverrides": [policy]})
    make_project(
        pytester,
        test_expiry="""
        from datetime import timedelta

        def test_a_session_goes(firestore_admin, emulator_clock, expire_documents, query_cost):
            until = emulator_clock.now() + timedelta(days=1)
            session = firestore_admin.document("sessions/1")
            session.set({"until": until})
            with query_cost() as early:
                assert expire_documents() == 0
            emulator_clock.advance(timedelta(days=2))
            assert session.get().exists
            with query_cost() as cost:
                assert expire_documents() == 1
            assert not session.get().exists
            assert (early.ttl_deletes, cost.ttl_deletes, cost.deletes) == (0, 1, 0)
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=1)


def test_a_users_token_expires_when_the_check_says_that_tokens_do(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_tokens="""
        import pytest
        from google.api_core.exceptions import Unauthenticated

        def test_an_hour(firestore_as, emulator_clock):
            emulator_clock.freeze("2031-01-01T00:00:00Z")
            ana = firestore_as("ana")
            emulator_clock.advance(3600)
            ana.document("c/1").get()
            emulator_clock.expire_tokens()
            with pytest.raises(Unauthenticated):
                ana.document("c/1").get()
            firestore_as("ana").document("c/1").get()
        """,
    )
    pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=1)


def test_without_a_policy_the_check_is_told_how_to_make_one(
    pytester: pytest.Pytester, address: str
) -> None:
    define_indexes(address, {})
    make_project(pytester, test_expiry="def test_none(expire_documents): expire_documents()")
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*no field has a TTL policy: set "ttl": true*'])
