"""Every way in which a check can end gives the outcome that the verdict counts on."""

import pytest

from harness.workflow.evidence import Outcome
from tests.pytest_plugin.checks import make_project, outcomes_of, results_of

pytest_plugins = "pytester"

RULES_ITEM = "testing/verify-security-rules"
MARK = 'pytestmark = pytest.mark.workflow("Verify security rules")'

ENDINGS = f"""
import pytest
import harness

{MARK}

@pytest.fixture
def broken():
    raise RuntimeError("no set-up")

@pytest.fixture
def breaks_after():
    yield
    raise RuntimeError("no clean-up")

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_raises(): raise ValueError("first line\\nsecond line")
def test_setup(broken): pass
def test_cleanup(breaks_after): pass
def test_fails_and_cleanup(breaks_after): assert False
def test_skips(): pytest.skip("no time")
@pytest.mark.skip(reason="not now")
def test_skip_mark(): pass
def test_not_verified(): harness.not_verified("no budget\\n  is given")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert False
@pytest.mark.xfail(reason="known")
def test_xpasses(): pass
@pytest.mark.xfail(strict=True)
def test_xpasses_strictly(): pass
def test_xfail_call(): pytest.xfail("in the middle")
def test_exits_in_cleanup(request): request.addfinalizer(lambda: pytest.fail("late"))
"""

EXPECTED = {
    "test_passes": ("PASSED", ""),
    "test_fails": ("FAILED", "assert 1 == 2 (test_endings.py:"),
    "test_raises": ("FAILED", "ValueError: first line (test_endings.py:"),
    "test_setup": ("ERROR", "set-up failed: RuntimeError: no set-up"),
    "test_cleanup": ("ERROR", "clean-up failed: RuntimeError: no clean-up"),
    "test_fails_and_cleanup": ("FAILED", "assert False"),
    "test_skips": ("SKIPPED", "no time"),
    "test_skip_mark": ("SKIPPED", "not now"),
    "test_not_verified": ("SKIPPED", "no budget is given"),
    "test_xfails": ("XFAILED", "expected to fail: known"),
    "test_xpasses": ("FAILED", "passed, although it is marked as expected to fail"),
    "test_xpasses_strictly": ("FAILED", "[XPASS(strict)]"),
    "test_xfail_call": ("XFAILED", "expected to fail: in the middle"),
    "test_exits_in_cleanup": ("ERROR", "clean-up failed: Failed: late"),
}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_every_ending_has_its_outcome_and_reason(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    make_project(pytester, test_endings=ENDINGS)
    pytester.runpytest_subprocess("-q", "--harness-evidence", "out", *workers)
    results = {
        result.nodeid.partition("::")[2]: result for result in results_of(pytester.path / "out")
    }
    assert set(results) == set(EXPECTED)
    for name, (outcome, reason) in EXPECTED.items():
        assert results[name].outcome.value == outcome, name
        assert results[name].reason.startswith(reason), results[name].reason
        assert bool(reason) == bool(results[name].reason), name
        assert results[name].item_id == RULES_ITEM


def test_a_failing_subtest_refutes_and_a_passing_one_adds_nothing(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_subtests=f"""
        import pytest
        {MARK}

        def test_some(subtests):
            for number in range(3):
                with subtests.test(number=number):
                    assert number != 1

        def test_all(subtests):
            with subtests.test():
                pass

        def test_one_skipped(subtests):
            with subtests.test():
                pytest.skip("not this one")
        """,
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    assert {name: outcome for (name, _), outcome in outcomes_of(pytester.path / "out").items()} == {
        "test_some": "FAILED",
        "test_all": "PASSED",
        "test_one_skipped": "SKIPPED",
    }


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_statements_proofs_and_metrics_are_recorded(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    make_project(
        pytester,
        test_proofs=f"""
        import pytest
        {MARK}

        def test_documented(record_proof, record_metric):
            '''Rules decide as the matrix says.

            More words.
            '''
            record_proof("37 decisions\\n agreed")
            record_proof("none differed")
            record_metric("decisions", 37)
            record_metric("reads_billed", 21)

        def test_name_in_words(): pass

        def test_a_metric_is_no_flag(record_metric):
            record_metric("ok", True)
        """,
    )
    pytester.runpytest_subprocess("-q", "--harness-evidence", "out", *workers)
    results = {
        result.nodeid.partition("::")[2]: result for result in results_of(pytester.path / "out")
    }
    documented = results["test_documented"]
    assert documented.states == (
        "Rules decide as the matrix says (37 decisions agreed; none differed)"
    )
    assert documented.metrics == {"decisions": 37, "reads_billed": 21}
    assert documented.duration_s >= 0
    assert results["test_name_in_words"].states == "name in words"
    assert results["test_a_metric_is_no_flag"].outcome is Outcome.FAILED


UNCOLLECTED = {
    "test_import": """
        import pytest
        pytestmark = pytest.mark.workflow("Test Cloud Functions")
        import nothing_of_this_name
        def test_never(): pass
    """,
    "test_syntax": """
        import pytest
        pytestmark = pytest.mark.workflow("Test Cloud Functions")
        def test_never(:
    """,
    "test_skips_itself": """
        import pytest
        pytestmark = pytest.mark.workflow("Performance testing")
        pytest.skip("not on this machine", allow_module_level=True)
    """,
    "test_fine": f"import pytest\n{MARK}\ndef test_fine(): pass",
}


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("test_import", ("test_import.py", "testing/test-cloud-functions", "ERROR")),
        ("test_syntax", ("test_syntax.py", None, "ERROR")),
        ("test_skips_itself", ("test_skips_itself.py", "testing/performance-testing", "SKIPPED")),
    ],
)
def test_a_file_that_cannot_be_collected_is_on_record(
    pytester: pytest.Pytester,
    workers: list[str],
    module: str,
    expected: tuple[str, str | None, str],
) -> None:
    make_project(
        pytester,
        **{name: text for name, text in UNCOLLECTED.items() if name in (module, "test_fine")},
    )
    pytester.runpytest_subprocess(
        "-q", "--harness-evidence", "out", "--continue-on-collection-errors", *workers
    )
    outcomes = outcomes_of(pytester.path / "out")
    name, item_id, outcome = expected
    assert outcomes[name, item_id] == outcome
    if not (workers and outcome == "ERROR"):  # xdist runs nothing where a worker cannot collect
        assert outcomes["test_fine", RULES_ITEM] == "PASSED"


def test_what_was_left_out_or_not_reached_is_on_record(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_three=f"""
        import pytest
        {MARK}

        def test_a_left_out(): pass
        def test_b_fails(): assert False
        def test_c_not_reached(): pass
        """,
    )
    pytester.runpytest_inprocess("-q", "-x", "-k", "not left_out", "--harness-evidence", "out")
    results = {
        result.nodeid.partition("::")[2]: result for result in results_of(pytester.path / "out")
    }
    assert {name: result.outcome.value for name, result in results.items()} == {
        "test_a_left_out": "DESELECTED",
        "test_b_fails": "FAILED",
        "test_c_not_reached": "NOT_RUN",
    }
    assert results["test_c_not_reached"].reason == "the run ended before this check"


def test_an_interrupted_check_has_not_passed(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_two=f"""
        import pytest
        {MARK}

        def test_first(): pass
        def test_interrupted(): raise KeyboardInterrupt
        """,
    )
    pytester.runpytest_subprocess("-q", "--harness-evidence", "out")
    assert outcomes_of(pytester.path / "out") == {
        ("test_first", RULES_ITEM): "PASSED",
        ("test_interrupted", RULES_ITEM): "NOT_RUN",
    }


def test_a_check_of_no_item_is_recorded_as_such(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_unmapped="""
        import pytest

        @pytest.fixture
        def broken():
            raise RuntimeError

        def test_fine(): pass
        def test_error(broken): pass
        """,
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    # Not ERROR: without an item that would say that a file could not be collected.
    assert outcomes_of(pytester.path / "out") == {
        ("test_fine", None): "PASSED",
        ("test_error", None): "FAILED",
    }


def test_a_worker_that_dies_leaves_its_check_refuted(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_crash=f"""
        import os
        import pytest
        {MARK}

        def test_dies(): os._exit(3)
        """,
    )
    pytester.runpytest_subprocess("-q", "-n", "1", "--harness-evidence", "out")
    results = results_of(pytester.path / "out")
    assert [result.outcome for result in results] == [Outcome.FAILED]
    assert results[0].item_id == RULES_ITEM
    assert "crashed" in results[0].reason


def test_the_summary_says_what_is_verified_and_why_the_rest_is_not(
    pytester: pytest.Pytester,
) -> None:
    make_project(
        pytester,
        test_items="""
        import pytest

        @pytest.mark.workflow("Verify security rules")
        def test_rules(): pass

        @pytest.mark.workflow("Test Cloud Functions")
        def test_functions(): pytest.skip("no Node")

        @pytest.mark.workflow("Performance testing")
        @pytest.mark.parametrize("size", [1, 2])
        def test_size(size): pass
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-k", "not 2")
    result.stdout.fnmatch_lines(
        [
            "workflow/feature.md: 1 of 3 items with checks in this run verified",
            "  testing/verify-security-rules: 1 check passed",
            "  testing/test-cloud-functions: not verified, 1 of 1 check did not pass:"
            " test_items.py::test_functions: no Node",
            "  testing/performance-testing: not verified: 1 of 2 checks left out of this run",
        ]
    )


def test_nothing_is_verified_where_a_file_could_not_be_read(pytester: pytest.Pytester) -> None:
    make_project(
        pytester, test_syntax=UNCOLLECTED["test_syntax"], test_fine=UNCOLLECTED["test_fine"]
    )
    result = pytester.runpytest_inprocess("-q", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        [
            "workflow/feature.md: 0 of 1 item with checks in this run verified",
            "  test_syntax.py: cannot be collected: *",
            "  testing/verify-security-rules: 1 check passed",
        ]
    )


def test_naming_one_check_leaves_the_others_of_its_item_out(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_two=f"""
        import pytest
        {MARK}

        def test_named(): pass
        def test_other(): pass
        """,
    )
    pytester.runpytest_inprocess("-q", "test_two.py::test_named", "--harness-evidence", "out")
    assert outcomes_of(pytester.path / "out") == {
        ("test_named", RULES_ITEM): "PASSED",
        ("test_other", RULES_ITEM): "DESELECTED",
    }


def test_reasons_name_files_from_the_projects_folder(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_paths=f"""
        import pathlib
        import pytest
        {MARK}

        def test_path():
            raise OSError(f"cannot read {{pathlib.Path.cwd()}}/data/x.json")
        """,
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    (result,) = results_of(pytester.path / "out")
    assert result.reason == "OSError: cannot read data/x.json (test_paths.py:6)"
