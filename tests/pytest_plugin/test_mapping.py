"""Marks are resolved when checks are collected."""

from pathlib import Path

import pytest

from harness.pytest_plugin.mapping import ItemIndex, item_ids_in_source
from harness.source import SourceText
from harness.workflow.document import parse_workflow
from tests.pytest_plugin.checks import WORKFLOW, make_project, outcomes_of

pytest_plugins = "pytester"


def test_marks_of_module_class_and_function_add_up(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_marks="""
        import pytest

        pytestmark = pytest.mark.workflow("Testing/Verify security rules")

        @pytest.mark.workflow("Test Cloud Functions")
        class TestBoth:
            @pytest.mark.workflow("testing/performance-testing")
            def test_three(self):
                pass

        @pytest.mark.workflow("Verify security rules", "Test Cloud Functions")
        def test_same_item_twice():
            pass
        """,
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out").assert_outcomes(passed=2)
    assert outcomes_of(pytester.path / "out") == {
        ("TestBoth::test_three", "testing/verify-security-rules"): "PASSED",
        ("TestBoth::test_three", "testing/test-cloud-functions"): "PASSED",
        ("TestBoth::test_three", "testing/performance-testing"): "PASSED",
        ("test_same_item_twice", "testing/verify-security-rules"): "PASSED",
        ("test_same_item_twice", "testing/test-cloud-functions"): "PASSED",
    }


UNKNOWN = """
    import pytest

    @pytest.mark.parametrize("number", range(3))
    @pytest.mark.workflow("Testing/Verify securty rules")
    def test_mapped(number):
        pass

    @pytest.mark.workflow("Nowhere/Nothing")
    def test_also():
        pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_a_name_that_matches_nothing_fails_collection_with_the_nearest(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    make_project(pytester, test_unknown=UNKNOWN, test_fine="def test_fine(): pass")
    result = pytester.runpytest_subprocess("-q", *workers)
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.INTERRUPTED or (workers and result.ret != 0)
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output
    assert "Testing/Verify securty rules" in output
    assert "Testing/Verify security rules" in output  # the nearest name
    assert "Nowhere/Nothing" in output  # all wrong names of a file at once
    assert output.count("Verify securty rules") == output.count("Nowhere/Nothing")  # once each


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("pytest.mark.workflow", "takes the names of items"),
        ("pytest.mark.workflow()", "takes the names of items"),
        ("pytest.mark.workflow(item='Verify security rules')", "takes the names of items"),
        ("pytest.mark.workflow(3)", "by text, not by 3"),
    ],
)
def test_a_mark_without_a_name_is_refused(pytester: pytest.Pytester, mark: str, said: str) -> None:
    make_project(
        pytester,
        test_mark=f"""
        import pytest

        @{mark}
        @pytest.mark.slow
        def test_mapped():
            pass
        """,
    )
    result = pytester.runpytest_inprocess("-q", "-W", "ignore")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*{said}*"])


def test_the_template_is_used_where_there_is_no_document(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.workflow("Quality Check/Cost optimization review")
        def test_mapped():
            pass
        """
    )
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*quality-check/cost-optimization-review: 1 check passed"])


def test_the_option_names_another_document(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_other="""
        import pytest

        @pytest.mark.workflow("Only here")
        def test_mapped():
            pass
        """,
    )
    (pytester.path / "other.md").write_text("- [ ] Only here\n", encoding="utf-8")
    assert pytester.runpytest_inprocess("-q").ret == pytest.ExitCode.INTERRUPTED
    result = pytester.runpytest_inprocess("-q", "--harness-workflow", "other.md")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["other.md: 1 of 1 item with checks in this run verified"])


def test_a_document_that_is_not_there_is_said_in_two_lines(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_one="""
        import pytest
        pytestmark = pytest.mark.workflow("Verify security rules")
        def test_mapped(): pass
        """,
    )
    result = pytester.runpytest_inprocess("-q", "--harness-workflow", "none.md")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*there is no workflow document none.md", "  fix: *"])


def test_an_item_of_any_of_several_documents_may_be_named(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_two="""
        import pytest

        @pytest.mark.workflow("Verify security rules")
        def test_first(): pass

        @pytest.mark.workflow("Only in the second")
        def test_second(): pass
        """,
    )
    (pytester.path / "workflow" / "second.md").write_text("- [ ] Only in the second\n")
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2)


def test_only_the_checks_of_the_chosen_item_run(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        test_items="""
        import pytest

        @pytest.mark.workflow("Verify security rules")
        def test_rules(): pass

        @pytest.mark.workflow("Test Cloud Functions")
        def test_functions(): pass

        def test_unmapped(): pass
        """,
    )
    result = pytester.runpytest_inprocess(
        "-q", "--harness-item", "Test Cloud Functions", "--harness-evidence", "out"
    )
    result.assert_outcomes(passed=1, deselected=2)
    assert outcomes_of(pytester.path / "out") == {
        ("test_rules", "testing/verify-security-rules"): "DESELECTED",
        ("test_functions", "testing/test-cloud-functions"): "PASSED",
    }


def test_an_unknown_chosen_item_is_a_usage_error(pytester: pytest.Pytester) -> None:
    make_project(pytester, test_one="def test_one(): pass")
    result = pytester.runpytest_inprocess(
        "-q", "--harness-item", "None", "--harness-evidence", "out"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stdout.str()


def test_a_mark_that_a_conftest_adds_counts(pytester: pytest.Pytester) -> None:
    make_project(
        pytester,
        conftest="""
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.workflow("Verify security rules"))
        """,
        test_one="def test_one(): pass",
    )
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*testing/verify-security-rules: 1 check passed"])


ITEMS = ItemIndex([parse_workflow(SourceText("feature.md", WORKFLOW))])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (
            'import pytest, gone\npytestmark = pytest.mark.workflow("Verify security rules")\n',
            ("testing/verify-security-rules",),
        ),
        (
            "from pytest import mark\n"
            '@mark.workflow("Test Cloud Functions", "Nothing")\ndef f(): 1\n',
            ("testing/test-cloud-functions",),
        ),
        ("NAME = 'x'\n@pytest.mark.workflow(NAME)\ndef f(): 1\n", None),
        ("@pytest.mark.workflow()\ndef f(): 1\n", None),
        ('@pytest.mark.workflow("Verify security rules")\ndef f(:\n', None),
        ("import gone\n", None),
    ],
    ids=["module mark", "unknown name aside", "variable", "no name", "syntax error", "no mark"],
)
def test_items_of_a_file_that_does_not_import_are_read_from_its_text(
    tmp_path: Path, text: str, ids: tuple[str, ...] | None
) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(text, encoding="utf-8")
    assert item_ids_in_source(path, ITEMS) == ids
