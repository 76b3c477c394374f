"""JSON as firebase-tools reads it, with the place of every value: comments are allowed, nothing
else is.

Text in, `JsonValue` out. Must not live here: what the values mean.

Source: observed: firebase-tools 15.34 reads firebase.json and firestore.indexes.json through cjson
0.3, which removes `//` and `/* */` comments and then is strict: a trailing comma, a single quote or
a bare key is a parse error there too. The last of several equal keys wins, as there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, NoReturn

from harness.errors import ConfigError
from harness.source import SourceText, Span

MAX_NESTING = 100
MAX_LENGTH = (
    4_000_000  # code points; the largest firestore.indexes.json (1,000 indexes) is a tenth of it
)

_SPACE = re.compile(r"[ \t\r\n]*+")
_LINE_COMMENT = re.compile(r"//[^\n]*+")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+)"')
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*+")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_EXACT_DIGITS = 18  # more become a float, as JavaScript has it


class JsonKind(StrEnum):
    """The kinds of JSON value, by the names that error messages use."""

    OBJECT = "an object"
    ARRAY = "an array"
    STRING = "a string"
    NUMBER = "a number"
    BOOLEAN = "a boolean"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A JSON value and where it stands.

    Attributes:
        scalar: The value of a string, number or boolean; None for the other kinds.
        members: Of an object, in the file's order.
        key_spans: Where each member's name stands, quotes included.
        elements: Of an array.
    """

    kind: JsonKind
    span: Span
    scalar: str | int | float | bool | None = None
    members: Mapping[str, JsonValue] = field(default_factory=dict)
    key_spans: Mapping[str, Span] = field(default_factory=dict)
    elements: tuple[JsonValue, ...] = ()

    def value(self) -> Any:
        """Return it as plain Python: dict, list, str, int, float, bool, None."""
        if self.kind is JsonKind.OBJECT:
            return {name: member.value() for name, member in self.members.items()}
        if self.kind is JsonKind.ARRAY:
            return [element.value() for element in self.elements]
        return self.scalar


def parse_json(source: SourceText) -> JsonValue:
    """Parse a JSON file that may hold comments.

    Raises:
        ConfigError: It is not JSON, or nested deeper or longer than any sane file; with the
            position.
    """
    return _Parser(source).parse()


class _Parser:
    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.text = source.text
        self.at = 0

    def parse(self) -> JsonValue:
        if len(self.text) > MAX_LENGTH:
            self._fail(
                f"{len(self.text):,} characters are too many",
                "split the file or remove what is generated",
            )
        if self.text.startswith("\ufeff"):
            self.at = 1
        self._skip()
        if self.at == len(self.text):
            self._fail("the file is empty", "write at least {}")
        value = self._value(0)
        self._skip()
        if self.at < len(self.text):
            self._fail(
                f"{self._found()} after the end of the value",
                "remove it, or check the brackets before it",
            )
        return value

    def _value(self, depth: int) -> JsonValue:
        """Parse object | array | string | number | `true` | `false` | `null`."""
        start = self.at
        first = self.text[start : start + 1]
        if first in ("{", "["):
            if depth >= MAX_NESTING:
                self._fail(f"nested more than {MAX_NESTING} deep", "flatten it")
            return self._object(depth) if first == "{" else self._array(depth)
        if first == '"':
            text = self._string()
            return JsonValue(JsonKind.STRING, Span(start, self.at), text)
        number = _NUMBER.match(self.text, start)
        if number is not None:
            self.at = number.end()
            return JsonValue(JsonKind.NUMBER, Span(start, self.at), self._number(number, start))
        word = _WORD.match(self.text, start)
        if word is not None and word[0] in ("true", "false", "null"):
            self.at = word.end()
            kind = JsonKind.NULL if word[0] == "null" else JsonKind.BOOLEAN
            scalar = None if word[0] == "null" else word[0] == "true"
            return JsonValue(kind, Span(start, self.at), scalar)
        raise self._not_a_value(first)

    def _object(self, depth: int) -> JsonValue:
        """Parse `{` [string `:` value {`,` string `:` value}] `}`."""
        start = self.at
        members: dict[str, JsonValue] = {}
        key_spans: dict[str, Span] = {}
        self.at += 1
        self._skip()
        if self._take("}"):
            return JsonValue(JsonKind.OBJECT, Span(start, self.at))
        while True:
            key_start = self.at
            if self.text[key_start : key_start + 1] != '"':
                self._refuse_key(start)
            name = self._string()
            key_spans[name] = Span(key_start, self.at)
            self._skip()
            if not self._take(":"):
                self._fail(
                    f'{self._found()} after the name "{name}"',
                    "write a colon between name and value",
                )
            self._skip()
            members[name] = self._value(depth + 1)
            self._skip()
            if self._take("}"):
                return JsonValue(
                    JsonKind.OBJECT, Span(start, self.at), members=members, key_spans=key_spans
                )
            self._comma("object", start, "}")

    def _array(self, depth: int) -> JsonValue:
        """Parse `[` [value {`,` value}] `]`."""
        start = self.at
        elements: list[JsonValue] = []
        self.at += 1
        self._skip()
        if self._take("]"):
            return JsonValue(JsonKind.ARRAY, Span(start, self.at))
        while True:
            elements.append(self._value(depth + 1))
            self._skip()
            if self._take("]"):
                return JsonValue(JsonKind.ARRAY, Span(start, self.at), elements=tuple(elements))
            self._comma("array", start, "]")

    def _comma(self, what: str, start: int, closing: str) -> None:
        """Take a comma and make sure that something follows it."""
        comma = self.at
        if not self._take(","):
            if self.at == len(self.text):
                self._unclosed(what, start, closing)
            self._fail(
                f"{self._found()} where a comma or {closing} should be",
                "put a comma between the entries",
            )
        self._skip()
        if self.text[self.at : self.at + 1] == closing:
            self.at = comma
            self._fail(
                f"trailing comma in {what}", "remove the comma: firebase-tools refuses it too"
            )

    def _string(self) -> str:
        string = _STRING.match(self.text, self.at)
        if string is None:
            self._refuse_string()
        start, self.at = self.at, string.end()
        if "\\" not in string[1]:
            return string[1]
        text = _ESCAPE.sub(_unescape, string[1])
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.at = start
            self._fail(
                "half a surrogate pair is no character",
                r"write both halves, \ud83d\ude00, or the character itself",
            )

    def _number(self, number: re.Match[str], start: int) -> int | float:
        if number[1] is None and number[2] is None and len(number[0]) <= _EXACT_DIGITS:
            value: int | float = int(number[0])
        else:
            value = float(number[0])
        if not isfinite(value):
            self.at = start
            self._fail("the number is too large", "write one that a double can hold")
        following = self.text[self.at : self.at + 1]
        if following.isalnum() or following in ("_", "."):
            self.at = start
            self._fail(
                "this is not a JSON number",
                "write it in decimal, without leading zeros, or in quotes",
            )
        return value

    def _skip(self) -> None:
        """Pass white space and comments."""
        while True:
            space = _SPACE.match(self.text, self.at)
            if space is not None:
                self.at = space.end()
            if self.text.startswith("/*", self.at):
                end = self.text.find("*/", self.at + 2)
                if end < 0:
                    self._fail("the comment is never closed", "close it with */")
                self.at = end + 2
                continue
            comment = _LINE_COMMENT.match(self.text, self.at)
            if comment is None:
                return
            self.at = comment.end()

    def _take(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True

    def _not_a_value(self, first: str) -> ConfigError:
        if first == "'":
            return self._error("strings need double quotes", "write \"…\" instead of '…'")
        return self._error(
            f"{self._found()} where a value should be",
            "write a string, number, object, array, true, false or null",
        )

    def _refuse_key(self, start: int) -> NoReturn:
        if self.at == len(self.text):
            self._unclosed("object", start, "}")
        if self.text[self.at] == "'" or _WORD.match(self.text, self.at):
            self._fail("names of members need double quotes", 'write "name": value')
        self._fail(f"{self._found()} where the name of a member should be", 'write "name": value')

    def _refuse_string(self) -> NoReturn:
        start = self.at
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in "\r\n":
                break
            if char < " ":
                self._fail(
                    "a control character inside a string", r"write it as an escape, \t for a tab"
                )
            if char == '"':
                break
            if char == "\\" and not re.match(
                r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})', self.text[self.at : self.at + 6]
            ):
                self._fail("an escape that JSON does not have", r"write \\ for a backslash")
            self.at += 2 if char == "\\" else 1
        self.at = start
        self._fail("the string is never closed", "close it with a double quote on the same line")

    def _unclosed(self, what: str, start: int, closing: str) -> NoReturn:
        self.at = start
        self._fail(f"the {what} is never closed", f"close it with {closing}")

    def _found(self) -> str:
        if self.at >= len(self.text):
            return "the end of the file"
        word = _WORD.match(self.text, self.at)
        return repr(word[0][:40] if word else self.text[self.at])

    def _fail(self, problem: str, fix: str) -> NoReturn:
        raise self._error(problem, fix)

    def _error(self, problem: str, fix: str) -> ConfigError:
        return ConfigError(problem, fix=fix, at=self.source.position(self.at))


def _unescape(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 16))
    return _ESCAPED.get(match[2], match[2])
