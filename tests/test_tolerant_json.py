import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.source import SourceText
from harness.tolerant_json import MAX_LENGTH, MAX_NESTING, JsonKind, JsonValue, parse_json

# observed: firebase-tools 15.34, loadCJSON: each of these reads as the value, or is a parse error.
ACCEPTED = [
    ('{"a": 1 /* x */ // y\n}', {"a": 1}),
    ('// first\n/* second\n */ {"a": "x//y", "b": "/* z */"}', {"a": "x//y", "b": "/* z */"}),
    ('{"a": 1, "a": 2}', {"a": 2}),
    ("\ufeff{}", {}),
    (" [1, -0, 2.5, 1e3, true, false, null, []] ", [1, 0, 2.5, 1000.0, True, False, None, []]),
    ('"\\u00e9\\ud83d\\ude00\\n\\/\\""', 'é😀\n/"'),
    ("123456789012345678901234567890", 123456789012345678901234567890.0),
    ("{}// to the end of the file", {}),
]
REFUSED = [
    ("", 1, 1, "the file is empty"),
    ("// nothing\n", 2, 1, "the file is empty"),
    ('{"a": 1,}', 1, 8, "trailing comma in object"),
    ('{"a": [1, 2, ], "b": 1}', 1, 12, "trailing comma in array"),
    ("{a: 1}", 1, 2, "double quotes"),
    ("{'a': 1}", 1, 2, "double quotes"),
    ("{\n  \"a\": 'b'\n}", 2, 8, "double quotes"),
    ('{"a": NaN}', 1, 7, "'NaN' where a value should be"),
    ('{"a": tru}', 1, 7, "'tru' where a value should be"),
    ('{"a": 1}}', 1, 9, "after the end"),
    ('{"a": 1 "b": 2}', 1, 9, "where a comma or } should be"),
    ('{"a" 1}', 1, 6, "after the name"),
    ('{"a": }', 1, 7, "where a value should be"),
    ('{"a": 1,, "b": 2}', 1, 9, "name of a member"),
    ('# note\n{"a": 1}', 1, 1, "where a value should be"),
    ('{"a": 0x10}', 1, 7, "not a JSON number"),
    ("[01]", 1, 2, "not a JSON number"),
    ("[1.]", 1, 2, "not a JSON number"),
    ("[1e999]", 1, 2, "too large"),
    ("[.5]", 1, 2, "where a value should be"),
    ("[+1]", 1, 2, "where a value should be"),
    ('["a\tb"]', 1, 4, "control character"),
    ('["a\\x41"]', 1, 4, "an escape that JSON does not have"),
    ('["a\\u12g4"]', 1, 4, "an escape that JSON does not have"),
    ('["a\nb"]', 1, 2, "never closed"),
    ('["a', 1, 2, "never closed"),
    ('["\\ud800"]', 1, 2, "surrogate"),
    ('{"a": [1, {', 1, 11, "the object is never closed"),
    ('{"a": [1', 1, 7, "the array is never closed"),
    ("/* open", 1, 1, "the comment is never closed"),
    ("[" * (MAX_NESTING + 1), 1, MAX_NESTING + 1, "nested more than"),
]


def read(text: str) -> JsonValue:
    return parse_json(SourceText("firebase.json", text))


@pytest.mark.parametrize(("text", "value"), ACCEPTED)
def test_comments_are_allowed(text, value):
    assert read(text).value() == value


@pytest.mark.parametrize(("text", "line", "column", "words"), REFUSED)
def test_what_firebase_tools_refuses_is_refused_with_its_place(text, line, column, words):
    with pytest.raises(ConfigError, match=words) as caught:
        read(text)
    assert (caught.value.at.line, caught.value.at.column) == (line, column)
    assert caught.value.fix


def test_a_file_that_is_too_long_is_refused():
    with pytest.raises(ConfigError, match="too many"):
        read(" " * (MAX_LENGTH + 1))


def test_values_and_names_know_where_they_are():
    text = '{\n  "a": [10, {"b": "c"}]\n}'
    root = read(text)
    array = root.members["a"]
    inner = array.elements[1].members["b"]
    assert text[array.span.start : array.span.end] == '[10, {"b": "c"}]'
    assert text[inner.span.start : inner.span.end] == '"c"'
    assert text[root.key_spans["a"].start : root.key_spans["a"].end] == '"a"'
    assert [root.kind, array.kind, inner.kind] == [JsonKind.OBJECT, JsonKind.ARRAY, JsonKind.STRING]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)  # fmt: skip


@given(values, st.booleans(), st.sampled_from([None, 2, "\t"]))
def test_whatever_python_writes_reads_back(value, ensure_ascii, indent):
    assert read(json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)).value() == value


@given(st.text(alphabet='{}[],:"\\/*\n1e.-tu a') | st.text())
def test_any_text_is_read_as_python_reads_it_or_refused(text):
    error = None
    found = expected = None
    try:
        found = [read(text).value()]
    except ConfigError as refused:
        error = refused
    with contextlib.suppress(ValueError, RecursionError):
        # As in JavaScript, more digits than a double holds are not kept.
        expected = [json.loads(text, parse_int=lambda n: int(n) if len(n) <= 18 else float(n))]
    if error is not None:
        assert error.at is not None
        assert expected is None or "surrogate" in error.problem or "too large" in error.problem
    elif "/" not in text and not text.startswith("\ufeff"):
        assert found == expected
