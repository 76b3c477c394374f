"""Tokens and literals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rules import lexer
from harness.rules.lexer import tokenize
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.rules.corpus import condition_ruleset
from tests.rules.expressions import fragments

# All that begins, ends or breaks off a path, a comment or an interpolation, besides what rules are
# made of.
_soup = st.lists(
    fragments
    | st.sampled_from(
        [
            *("/a/*", "/*", "*", "*/", "//", "/a//", "/$(", "$", "$(a)/", "/{a=**}/*", "/{", "}/"),
            *(
                "/(default)",
                "(default)",
                "/(",
                "..",
                "1/",
                "1/*",
                "\f",
                "\r",
                "\0",
                "\u00a0",
                "\ud800",
            ),
        ]
    ),
    max_size=60,
).map("".join)


@contextmanager
def ended_within(seconds: float) -> Iterator[None]:
    """Break a loop that does not end: a hang should fail as a test, and not stop the suite."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise AssertionError(f"Not read within {seconds} s.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokenize(text)[:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a && b||c", ["a", "&&", "b", "||", "c"]),
        ("a<=b >= c==d != e", ["a", "<=", "b", ">=", "c", "==", "d", "!=", "e"]),
        ("1.5 1 .5", ["1.5", "1", ".", "5"]),
        ("1.matches", ["1", ".", "matches"]),
        ("2.5e-3x", ["2.5e-3", "x"]),
        ("'a\\'b' \"c'd\"", ["'a\\'b'", '"c\'d"']),
        ("b'x' B\"y\" b", ["b'x'", 'B"y"', "b"]),
        ("a // b\nc /* d\n */ e", ["a", "c", "e"]),
        ("a/**/b", ["a", "b"]),
        ("4 / 2", ["4", "/", "2"]),
        ("!-x", ["!", "-", "x"]),
    ],
)
def test_code_is_split_into_tokens(text: str, expected: list[str]) -> None:
    assert [text for _, text in kinds(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/users/{id}", [(lexer.PATH_TEXT, "users"), (lexer.PATH_WILDCARD, "id")]),
        ("/{all=**}", [(lexer.PATH_RECURSIVE, "all")]),
        ("/(default)/a-b.c", [(lexer.PATH_TEXT, "(default)"), (lexer.PATH_TEXT, "a-b.c")]),
        (
            "/a/$(f(x))/b",
            [
                (lexer.PATH_TEXT, "a"),
                (lexer.PATH_OPEN, "$("),
                (lexer.NAME, "f"),
                ("(", "("),
                (lexer.NAME, "x"),
                (")", ")"),
                (lexer.PATH_CLOSE, ")"),
                (lexer.PATH_TEXT, "b"),
            ],
        ),
        (
            "/$(/a/$(b))",
            [
                (lexer.PATH_OPEN, "$("),
                (lexer.PATH_TEXT, "a"),
                (lexer.PATH_OPEN, "$("),
                (lexer.NAME, "b"),
                (lexer.PATH_CLOSE, ")"),
                (lexer.PATH_CLOSE, ")"),
            ],
        ),
        ("4/2", [(lexer.INT, "4"), (lexer.PATH_TEXT, "2")]),
        ("/a{", [(lexer.PATH_TEXT, "a"), ("{", "{")]),
        ("/a // b", [(lexer.PATH_TEXT, "a")]),
        ("/a//b", [(lexer.PATH_TEXT, "a")]),
    ],
)
def test_a_slash_begins_a_path(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    ("text", "start", "problem"),
    [
        ("a # b", 2, "Unexpected '#'."),
        ("a & b", 2, "Unexpected '&'."),
        ("x = 'abc", 4, "Missing closing quote: a string ends on its line."),
        ("x = 'abc\n'", 4, "Missing closing quote: a string ends on its line."),
        ("a /* b", 2, "Missing '*/': the comment does not end."),
        ("/* b", 0, "Missing '*/': the comment does not end."),
        ("a /) b", 2, "Forward slash '/' found where identifier expected"),
        ("/{a b}", 0, "Unexpected '{'."),
        ("/{a=*}", 0, "Unexpected '{'."),
        ("/$x", 0, "Unexpected '$'."),
    ],
)
def test_what_cannot_be_read_is_one_bad_token_at_its_place(
    text: str, start: int, problem: str
) -> None:
    last = tokenize(text)[-1]
    assert (last.kind, last.start, last.text) == (lexer.BAD, start, problem)


@given(_soup)
def test_every_token_takes_text_until_the_end(text: str) -> None:
    with ended_within(20):
        tokens = tokenize(text)
    assert tokens[-1].kind in (lexer.END, lexer.BAD)
    assert all(token.kind not in (lexer.END, lexer.BAD) for token in tokens[:-1])
    position = 0
    for token in tokens[:-1]:
        assert position <= token.start < token.end
        position = token.end
    assert position <= tokens[-1].start <= tokens[-1].end <= len(text)


@given(_soup)
def test_any_text_is_read_to_an_end(text: str) -> None:
    with ended_within(20):
        for whole in (text, condition_ruleset(text)):
            loaded = load_ruleset(SourceText("firestore.rules", whole))
            assert loaded.ruleset is not None or loaded.issues


@pytest.mark.parametrize(
    "text", ["/a/*", "/a/* b */", "4/*", "/$(a)/*", "/{x=**}/*", "/*", "/a/**"]
)
def test_a_comment_behind_a_path_is_read_to_an_end(text: str) -> None:
    with ended_within(20):
        assert tokenize(text)[-1].kind in (lexer.END, lexer.BAD)


def test_spans_count_code_points() -> None:
    tokens = tokenize("'😀' é".replace("é", "e"))
    assert [(token.start, token.end) for token in tokens] == [(0, 3), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r"'a\\b'", "a\\b"),
        (r"'\'\"'", "'\""),
        (r"'\n\r\t\b\f'", "\n\r\t\b\f"),
        (r"'\x41\u00e9\101\0'", "A\u00e9A\0"),
        (r"'\ud83d\ude00'", "\U0001f600"),
        (r"'\ud83d'", "\ud83d"),
        ("'\t'", "\t"),
    ],
)
def test_strings_are_unescaped(literal: str, value: str) -> None:
    assert lexer.string_value(literal) == value


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("b'é'", b"\xc3\xa9"),
        (r"b'\xff\377\0'", b"\xff\xff\x00"),
        (r"b'\n'", b"\n"),
        (r"b'\u00e9'", b"\xc3\xa9"),
    ],
)
def test_bytes_are_unescaped(literal: str, value: bytes) -> None:
    assert lexer.bytes_value(literal) == value


@pytest.mark.parametrize("literal", [r"'\d'", r"'\/'", r"'a\.'", r"'\x4'", r"'\u12'", r"'\8'"])
def test_other_escapes_do_not_exist(literal: str) -> None:
    with pytest.raises(lexer.BadEscape):
        lexer.string_value(literal)
