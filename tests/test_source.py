"""Places in a text: lines and columns from 1, offsets from 0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.source import SourcePosition, SourceText, Span


@pytest.mark.parametrize(
    ("text", "offset", "line", "column"),
    [
        ("", 0, 1, 1),
        ("ab", 1, 1, 2),
        ("a\nb", 1, 1, 2),
        ("a\nb", 2, 2, 1),
        ("a\r\nb", 3, 2, 1),
        ("é\n😀x", 3, 2, 2),
        ("a\n", 2, 2, 1),
    ],
)
def test_an_offset_has_a_line_and_a_column(text: str, offset: int, line: int, column: int) -> None:
    assert SourceText("f", text).position(offset) == SourcePosition("f", line, column)


def test_a_position_prints_as_editors_follow_it() -> None:
    assert str(SourcePosition("a/b.rules", 3, 14)) == "a/b.rules:3:14"


def test_the_marker_stands_under_the_span() -> None:
    source = SourceText("f", "one\n\tallow red;\n")
    assert source.caret(Span(11, 14)) == "\tallow red;\n\t      ^^^"


def test_a_span_over_lines_is_marked_to_the_end_of_its_first() -> None:
    assert SourceText("f", "abc\ndef").caret(Span(1, 6)) == "abc\n ^^"


@given(st.text(alphabet="ab\r\n\t", max_size=60), st.data())
def test_every_offset_is_where_splitting_says(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    before = text[:offset].split("\n")
    position = SourceText("f", text).position(offset)
    assert (position.line, position.column) == (len(before), len(before[-1]) + 1)
