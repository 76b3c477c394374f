"""`checks:` of harness.yaml: patterns of checks to addresses of items."""

import pytest

from harness.workflow.patterns import CheckMap

CASES = [
    # pattern, check, whether it fits
    ("test_rules.py", "checks/test_rules.py::test_owner", True),
    ("test_rules.py", "checks/test_rules.py", True),
    ("checks/test_rules.py", "checks/test_rules.py::test_owner[alice]", True),
    ("test_rules.py", "checks/more/test_rules.py::test_owner", False),
    ("more/*", "checks/more/test_rules.py::test_owner", True),
    ("test_rules.py::test_owner", "checks/test_rules.py::test_owner", True),
    ("test_rules.py::test_owner", "checks/test_rules.py::test_owner[alice]", True),
    ("test_rules.py::test_owner", "checks/test_rules.py::test_owner_too", False),
    ("test_rules.py::test_owner[alice]", "checks/test_rules.py::test_owner[alice]", True),
    ("test_rules.py::test_owner[alice]", "checks/test_rules.py::test_owner[bob]", False),
    ("*::TestRules::*", "checks/test_rules.py::TestRules::test_owner", True),
    ("test_rule?.py", "checks/test_rules.py::test_owner", True),
    ("test_rules", "checks/test_rules.py::test_owner", False),
    ("test.rules.py", "checks/test_rules.py::test_owner", False),
    ("*", "elsewhere/test_any.py::test_any", True),
]


@pytest.mark.parametrize(("pattern", "nodeid", "fits"), CASES)
def test_a_pattern_fits_files_and_checks(pattern: str, nodeid: str, fits: bool) -> None:
    found = CheckMap({pattern: ("Release/Rules hold",)}, "checks").addresses(nodeid)
    assert found == (("Release/Rules hold",) if fits else None)


def test_several_patterns_add_up_and_name_an_item_once() -> None:
    patterns = CheckMap({"test_a.py": ("One", "Two"), "*::test_x": ("Two", "Three")}, "checks")
    assert patterns.addresses("checks/test_a.py::test_x") == ("One", "Two", "Three")
    assert patterns.addresses("checks/test_b.py::test_x") == ("Two", "Three")
    assert patterns.addresses("checks/test_b.py::test_y") is None


SOURCE = "class TestIt:\n    def test_x(self): ...\n\ndef test_x(): ...\n\ndef helper(): ...\n"


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ({"test_a.py": ("One",)}, (("One",), True)),
        ({"*::test_x": ("One",)}, (("One",), True)),  # also of the class
        ({"test_a.py::test_x": ("One",)}, (("One",), False)),
        ({"*::test_y": ("One",)}, ((), False)),
    ],
)
def test_the_text_of_a_file_tells_which_of_its_checks_fit(
    patterns: dict[str, tuple[str, ...]], found: tuple[tuple[str, ...], bool]
) -> None:
    assert CheckMap(patterns, "checks").addresses_of_file("checks/test_a.py", SOURCE) == found


def test_a_file_that_does_not_parse_fits_only_as_a_whole() -> None:
    patterns = CheckMap({"*::test_x": ("One",), "test_b.py": ("Two",)}, "checks")
    assert patterns.addresses_of_file("checks/test_a.py", "def (") == ((), False)
    assert patterns.addresses_of_file("checks/test_b.py", "def (") == (("Two",), True)
