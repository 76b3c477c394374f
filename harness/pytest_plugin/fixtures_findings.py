"""What checks observed, and what all of them reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.emulators.handover import HandedSuite
    from harness.rules.coverage_report import CoverageSummary


@pytest.fixture
def rules_coverage(
    request: pytest.FixtureRequest, harness_suite: HandedSuite
) -> tuple[CoverageSummary, ...]:
    """What all other checks of this run evaluated of the security rules, a summary for each rules
    file: `summary.evaluated.percent`, `summary.both.percent`, `summary.unevaluated`.

    A check that asks for this runs behind all others. It is not verified when some were left out.
    """
    from harness.pytest_plugin.recorder import findings_of
    from harness.pytest_plugin.rules_coverage import summaries_of_whole_run

    summaries = summaries_of_whole_run(request.config, request.session, harness_suite)
    for summary in summaries:
        percent = int(summary.evaluated.percent)  # rounded down, so that 100 means all
        findings_of(request.node).add_metric(f"percent_of {summary.file_name}", percent)
    return summaries


@pytest.fixture
def record_proof(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that takes a sentence on what was observed: "37 decisions agreed with the
    matrix".
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_proof


@pytest.fixture
def record_warning(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that takes a sentence on what is no failure, and should not stay so: the check
    passes with a warning.
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_warning


@pytest.fixture
def record_metric(request: pytest.FixtureRequest) -> Callable[[str, int | float | str], None]:
    """A function that takes a name and a value that the same inputs give again: ("reads_billed",
    21).
    """
    from harness.pytest_plugin.recorder import findings_of

    return findings_of(request.node).add_metric
