"""Which items the text of a file of checks names."""

import pytest

from harness.workflow.marks import addresses_in_source


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("", ()),
        ("def test_a(): pass\n", ()),
        ('pytestmark = pytest.mark.workflow("A/b")\n', ("A/b",)),
        ('@pytest.mark.workflow("A", "C")\n@mark.workflow("A")\ndef test(): pass\n', ("A", "C")),
        ('x = [pytest.param(1, marks=pytest.mark.workflow("A"))]\n', ("A",)),
        ("# pytest.mark.workflow(\n", ()),
        ("pytestmark = pytest.mark.workflow(NAME)\n", None),
        ("pytestmark = pytest.mark.workflow()\n", None),
        ('pytest.mark.workflow("A"\n', None),
        ('"mark.workflow(\\0"\0', None),
        ('other.workflow("A"); mark.workflow(\n', None),
    ],
)  # fmt: skip
def test_marks_are_found_where_they_are_plain_text(text, addresses):
    assert addresses_in_source(text) == addresses
