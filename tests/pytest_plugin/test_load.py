"""A steady load, made by threads, on a real embedded Firestore."""

import json

import pytest

from tests.pytest_plugin.checks import make_project, results_of
from tests.pytest_plugin.test_fixtures import address, running  # noqa: F401

pytest_plugins = "pytester"

pytestmark = pytest.mark.usefixtures("running")


def run(pytester: pytest.Pytester, check: str) -> pytest.RunResult:
    make_project(pytester, test_load=f"import time\nimport pytest\n\n{check}")
    return pytester.runpytest_inprocess("-q", "-W", "ignore", "--harness-evidence=out")


def test_a_pause_makes_every_call_late_that_was_due_in_it(pytester: pytest.Pytester) -> None:
    # One caller; the fourth call takes 0.4 s. A closed loop would measure one slow call of 20.
    result = run(
        pytester,
        """
        def test_pause(steady_load):
            load = steady_load(
                "pause",
                lambda number: time.sleep(0.4 if number == 4 else 0.001),
                noop=lambda: time.sleep(0.001),
                per_second=40, seconds=0.5, callers=1,
            )
            assert sum(latency > 0.05 for latency in load.latencies_s) >= 10
            assert load.late_s > 0.2
            assert load.p95.value > 50
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=1)


def test_a_call_that_is_surely_too_slow_fails_the_check_without_a_time_in_its_reason(
    pytester: pytest.Pytester,
) -> None:
    result = run(
        pytester,
        """
        @pytest.mark.workflow("Testing/Performance testing")
        def test_slow(steady_load):
            steady_load(
                "slow", lambda number: time.sleep(0.05), noop=lambda: time.sleep(0.002),
                per_second=20, seconds=1, p50=5,
            )
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ['*"slow": p50 is over 5 times a call of nothing', "*times (*to*20 calls at 20 a second*"]
    )
    (checked,) = results_of(pytester.path / "out")
    assert checked.reason == 'Failed: "slow": p50 is over 5 times a call of nothing'
    (table,) = checked.tables
    assert table.title == "Latency: slow"
    assert [row[0] for row in table.rows] == ["p50", "p95"]
    assert table.flagged == (0,)
    assert "ms" not in json.dumps(checked.metrics)


def test_calls_that_fail_or_never_end_fail_the_check_in_time(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def work(number):
            if number == 2:
                raise LookupError("no such group")
            if number == 3:
                time.sleep(60)

        def test_broken(steady_load):
            steady_load("broken", work, per_second=20, seconds=0.5, timeout_s=1)
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '*"broken": calls failed: LookupError: no such group',
            "*1 of 10",
            '*"broken": calls were not answered in time',
            "*1 of 10",
        ]
    )


def test_a_document_that_all_write_is_hot(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_counter(firestore_admin, steady_load):
            def work(number):
                firestore_admin.document(f"votes/{number}").set({"n": number})
                firestore_admin.document("counters/all").set({"n": number})

            load = steady_load("vote", work, per_second=20, seconds=1)
            assert load.hot_documents() == {"counters/all": 20.0}
            assert load.failures == {}
        """.replace("\n        ", "\n"),
    )
    result.assert_outcomes(passed=1)
