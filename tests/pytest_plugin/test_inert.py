"""In a project that does not use the harness nothing of it is loaded, and nothing is printed."""

import subprocess
import sys

import pytest

pytest_plugins = "pytester"


def test_nothing_is_printed_and_nothing_is_loaded(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_what_is_loaded():
            loaded = {name for name in sys.modules if name.startswith("harness")}
            assert loaded <= {
                "harness",
                "harness.pytest_plugin",
                "harness.pytest_plugin.fixtures",
                "harness.pytest_plugin.xdist",
            } | {name for name in loaded if name.startswith("harness.pytest_plugin.fixtures_")}
            assert "google.cloud.firestore" not in sys.modules
            assert "grpc" not in sys.modules
        """
    )
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*harness*")
    result.stdout.no_fnmatch_line("*workflow*")


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import harness; "
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('harness.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import harness

    for name in harness.__all__:
        assert getattr(harness, name) is not None
    assert set(harness.__all__) == set(harness._HOMES)


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import harness

    with pytest.raises(AttributeError, match="has no attribute 'not_there'"):
        _ = harness.not_there


def test_a_broken_file_that_names_no_item_stays_pytests_own_business(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(test_broken="import nothing_of_this_name")
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*harness*")


def test_the_mark_is_known_under_strict_markers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.workflow("Testing/Verify security rules")
        def test_mapped():
            pass
        """
    )
    pytester.runpytest_inprocess("-q", "--strict-markers").assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [(), ("-p", "harness")])
def test_pytest_does_not_rewrite_the_package(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        from importlib.machinery import SourceFileLoader

        def test_it_is_imported_as_it_is():
            from harness import config
            assert type(config.__loader__) is SourceFileLoader

        def test_checks_are_rewritten():
            assert type(__loader__) is not SourceFileLoader
        """
    )
    result = pytester.runpytest_subprocess("-q", *arguments)
    result.assert_outcomes(passed=2)
