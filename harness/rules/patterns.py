"""Regular expressions of rules: RE2's, which run in linear time and so may come from anyone.

The engine is the google-re2 package. What it accepts beyond the official runtime is refused here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from harness.rules import limits
from harness.rules.runtime import EvaluationStopped, RulesError, RulesValue

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


class BadPattern(ValueError):
    """The text is no RE2 pattern, or too long a one. Its own text is for the user."""

    def __init__(self, pattern: str) -> None:
        text = f"Invalid regular expression pattern. Pattern: {_printable(pattern)}."
        if len(pattern) > limits.PATTERN_LENGTH:
            text = (
                f"A regular expression of more than {limits.PATTERN_LENGTH} characters is not "
                "supported by this engine."
            )
        super().__init__(text)


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """Return the pattern, ready to match.

    Raises:
        BadPattern: It is not valid RE2: look-around, back-references, an unclosed group or class.
            Or it is longer than `limits.PATTERN_LENGTH`.
    """
    if len(pattern) > limits.PATTERN_LENGTH:
        raise BadPattern(pattern)
    # `\C` matches one byte of a character: RE2 for C++ has it, the official RE2/J does not.
    for escape in re.finditer(r"\\(.)", pattern, re.DOTALL):
        if escape[1] == "C":
            raise BadPattern(pattern)
    try:
        return re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(pattern) from error


def _compiled(pattern: str) -> Any:
    try:
        return compile_pattern(pattern)
    except BadPattern as error:
        raise RulesError(str(error)) from None


def matches(text: str, pattern: str) -> bool:
    """Say whether the pattern matches the entire text."""
    try:
        return _compiled(pattern).fullmatch(text) is not None
    except UnicodeEncodeError:
        raise _lone_surrogate() from None


def replace(text: str, pattern: str, replacement: str) -> str:
    r"""Replace every match; in the replacement `$1` is a group and `\$` a dollar."""
    expression = _compiled(pattern)
    parts: list[str] = []
    position = length = 0
    try:
        for match in expression.finditer(text):
            parts.append(text[position : match.start()])
            parts.append(_expand(match, replacement, expression.groups))
            length += len(parts[-1])
            if length > limits.TEXT_LENGTH:
                raise EvaluationStopped(limits.MEMORY_TEXT)
            position = match.end()
    except UnicodeEncodeError:
        raise _lone_surrogate() from None
    parts.append(text[position:])
    return "".join(parts)


def split(text: str, pattern: str) -> list[RulesValue]:
    """Split on every match; empty pieces at the end are dropped.

    Source: RE2/J's Pattern.split, which is what the emulator's `'abc'.split('')` agrees with.
    """
    expression = _compiled(pattern)
    parts: list[RulesValue] = []
    position = 0
    try:
        for match in expression.finditer(text):
            parts.append(text[position : match.start()])
            position = match.end()
    except UnicodeEncodeError:
        raise _lone_surrogate() from None
    if not parts:
        return [text]
    parts.append(text[position:])
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _expand(match: Any, replacement: str, groups: int) -> str:
    """Fill a replacement in, as Java's Matcher.appendReplacement does."""
    result: list[str] = []
    position = length = 0
    while position < len(replacement):
        char = replacement[position]
        position += 1
        if char == "\\":
            if position >= len(replacement):
                raise _bad_replacement(replacement)
            result.append(replacement[position])
            position += 1
        elif char == "$":
            if position >= len(replacement) or not "0" <= replacement[position] <= "9":
                raise _bad_replacement(replacement)
            group = int(replacement[position])
            position += 1
            # Further digits belong to the number as long as there is such a group.
            while position < len(replacement) and "0" <= replacement[position] <= "9":
                longer = group * 10 + int(replacement[position])
                if longer > groups:
                    break
                group = longer
                position += 1
            if group > groups:
                raise _bad_replacement(replacement)
            result.append(match.group(group) or "")
            length += len(result[-1])
            if length > limits.TEXT_LENGTH:
                raise EvaluationStopped(limits.MEMORY_TEXT)
        else:
            result.append(char)
    return "".join(result)


def _bad_replacement(replacement: str) -> RulesError:
    return RulesError(f"Invalid replacement string: {_printable(replacement)}.")


def _lone_surrogate() -> RulesError:
    return RulesError("Invalid string: it holds half of a surrogate pair.")


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
