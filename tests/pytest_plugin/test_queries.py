"""The queries of a run's checks are left for `harness indexes`."""

import pytest

from harness.query_records import read_queries, write_queries
from tests.pytest_plugin.checks import make_project
from tests.pytest_plugin.test_fixtures import address, running  # noqa: F401

pytest_plugins = "pytester"

CHECK = """
def test_feed(firestore_admin):
    posts = firestore_admin.collection("posts")
    posts.document("a").set({"n": 1})
    list(posts.order_by("n").stream())
"""


@pytest.mark.usefixtures("running")
def test_a_run_leaves_its_queries_and_not_those_before(pytester: pytest.Pytester) -> None:
    make_project(pytester, test_feed=CHECK)
    for _ in range(2):
        pytester.runpytest_inprocess("-q", "-W", "ignore").assert_outcomes(passed=1)
        found = read_queries(pytester.path)
        assert found is not None
        (use,) = found["(default)"].queries
        assert (use.shape, use.requests, use.at) == ("posts order by n", 1, ["test_feed.py:4"])


@pytest.mark.usefixtures("running")
def test_a_rehearsal_leaves_the_last_run_s(pytester: pytest.Pytester) -> None:
    make_project(pytester, test_feed=CHECK)
    write_queries(pytester.path, {})
    pytester.runpytest_inprocess("-q", "-W", "ignore", "--harness-rehearsal")
    assert read_queries(pytester.path) == {}
