import json

import pytest

from harness.errors import ConfigError
from tests.conformance.distribution import pinned_version
from tests.conformance.outcomes import (
    KnownFailure,
    Outcome,
    read_exceptions,
    read_outcomes,
    render,
    sort_out,
)
from tests.conformance.run import HERE, REPOSITORY

KNOWN = KnownFailure(("test_a.py::test_known",), "is reserved", "of another edition")
PASSED = Outcome("test_a.py::test_fine", "passed")


def test_a_failure_that_no_row_names_is_a_failure() -> None:
    report = sort_out([PASSED, Outcome("test_a.py::test_new", "failed", "boom")], [KNOWN])
    assert [item.test for item in report.failed] == ["test_a.py::test_new"]
    assert not report.is_conformant
    assert "FAILED test_a.py::test_new (failed)\n  | boom" in render(report)


@pytest.mark.parametrize("parameters", ["", "[enterprise]"])
def test_a_known_failure_is_an_exception(parameters: str) -> None:
    known = Outcome(f"test_a.py::test_known{parameters}", "failed", "400 `x` is reserved")
    report = sort_out([PASSED, known], [KNOWN])
    assert report.is_conformant
    assert report.excepted == ((known, KNOWN),)
    assert "1 exceptions: of another edition" in render(report)


def test_a_known_failure_with_other_words_is_a_failure() -> None:
    report = sort_out([PASSED, Outcome("test_a.py::test_known", "failed", "boom")], [KNOWN])
    assert not report.is_conformant
    assert not report.outlived


def test_an_exception_that_passes_is_reported_and_fails_the_run() -> None:
    report = sort_out([Outcome("test_a.py::test_known", "passed")], [KNOWN])
    assert report.outlived == ("test_a.py::test_known",)
    assert not report.is_conformant
    assert "PASSES test_a.py::test_known: take it out of the exceptions" in render(report)


def test_a_test_of_which_one_variant_fails_has_not_outlived_its_row() -> None:
    report = sort_out(
        [
            Outcome("test_a.py::test_known[1]", "passed"),
            Outcome("test_a.py::test_known[2]", "failed", "is reserved"),
        ],
        [KNOWN],
    )
    assert report.is_conformant


def test_an_exception_that_was_skipped_says_nothing() -> None:
    report = sort_out([PASSED, Outcome("test_a.py::test_known", "skipped", "no")], [KNOWN])
    assert report.is_conformant
    assert "   1 no" in render(report)


def test_what_was_not_reached_is_a_failure() -> None:
    lines = [
        json.dumps({"collected": ["test_a.py::test_1", "test_a.py::test_2"]}),
        json.dumps({"test": "test_a.py::test_1", "outcome": "passed", "reason": ""}),
    ]
    report = sort_out(read_outcomes(lines), [])
    assert [item.test for item in report.failed] == ["test_a.py::test_2"]
    assert "test_2 (not run)" in render(report)


def test_nothing_at_all_is_not_conformant() -> None:
    assert not sort_out(read_outcomes([]), []).is_conformant


def test_a_row_without_its_reason_is_refused() -> None:
    with pytest.raises(ConfigError, match="keys"):
        read_exceptions("- {tests: [a], fails_with: b}")
    with pytest.raises(ConfigError, match="keys"):
        read_exceptions("- {tests: [a], fails_with: b, reason: ''}")


def test_the_table_of_exceptions_can_be_read_and_the_version_is_pinned() -> None:
    assert read_exceptions((HERE / "exceptions.yaml").read_text(encoding="utf-8"))
    assert pinned_version((REPOSITORY / "constraints.txt").read_text(encoding="utf-8"))
    with pytest.raises(ConfigError, match="does not pin"):
        pinned_version("google-cloud-firestore-bundle==1\n")
