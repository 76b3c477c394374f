"""The suite, and a check's place in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.emulators.handover import HandedSuite
    from harness.emulators.hub import SuiteEndpoints
    from harness.pytest_plugin.context import CheckContext


@pytest.fixture(scope="session")
def harness_suite(pytestconfig: pytest.Config) -> Iterator[HandedSuite]:
    """The suite that this run's checks use, and what of it is lacking."""
    from harness.emulators.handover import reason_of
    from harness.errors import EnvironmentLacking, HarnessError
    from harness.pytest_plugin.outcome import not_verified
    from harness.pytest_plugin.queries import kept_queries
    from harness.pytest_plugin.rules_coverage import kept_coverage
    from harness.pytest_plugin.suite import suite_for_checks

    with suite_for_checks(pytestconfig) as found:
        suite: HandedSuite | HarnessError
        try:
            suite = found.get()
        except HarnessError as error:
            suite = error
        if isinstance(suite, EnvironmentLacking):
            not_verified(reason_of(suite, pytestconfig.rootpath))
        if isinstance(suite, HarnessError):
            pytest.fail(str(suite), pytrace=False)
        with kept_coverage(pytestconfig, suite), kept_queries(pytestconfig, suite):
            yield suite


@pytest.fixture
def harness_check(
    request: pytest.FixtureRequest, harness_suite: HandedSuite
) -> Iterator[CheckContext]:
    """What the fixtures of one check share; from here on its database is empty."""
    from harness.pytest_plugin.context import check_context
    from harness.pytest_plugin.requests import kept_requests

    in_suite_project = "harness_suite_project" in request.fixturenames
    with (
        check_context(request.config, harness_suite, in_suite_project=in_suite_project) as context,
        kept_requests(request.node, context),
    ):
        yield context


@pytest.fixture
def harness_suite_project(harness_check: CheckContext) -> CheckContext:
    """The same, for what lives in the suite's own project only: functions, their events,
    Storage.
    """
    if not harness_check.is_suite_project:
        pytest.fail(
            "this check's project was chosen before it asked for functions or Storage\n"
            "  fix: name the fixture among the check's arguments instead of getfixturevalue()",
            pytrace=False,
        )
    return harness_check


@pytest.fixture(scope="session")
def suite(harness_suite: HandedSuite) -> SuiteEndpoints:
    """Where the emulators are: `suite.firestore` is "host:port", or None where there is none."""
    return harness_suite.endpoints


@pytest.fixture
def project_id(harness_check: CheckContext) -> str:
    """The project id that this check runs in."""
    return harness_check.project_id
