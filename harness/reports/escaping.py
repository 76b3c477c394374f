"""Text from users' files, made safe to print: it cannot move the cursor, forge markup, or hide
behind direction marks.

Must not live here: layout.
"""

from __future__ import annotations

import re
import unicodedata

# Categories: control, surrogate, private use, unassigned, line and paragraph separators; and the
# marks that turn the direction of what follows, with which a line can read as another one than it
# is.
_HARMFUL = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]#|~$])")
_MENTION = re.compile(r"@(?=\w)")
_BLOCK_START = re.compile(r"^(\d*)([-+=.)])")  # of a list, an underline, a rule
_BACKTICKS = re.compile(r"`+")


def one_line(text: str) -> str:
    """Return a text as one printable line: white space becomes a space, what could do harm its
    escape."""
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) if _is_harmful(char) else char for char in text)


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line: no links, HTML, emphasis, or
    mentions come of it."""
    text = _MARKDOWN_SPECIAL.sub(r"\\\1", one_line(text))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _MENTION.sub("@<!-- -->", text)
    return _BLOCK_START.sub(r"\1\\\2", text)


def markdown_code(text: str) -> str:
    """Return a text as a code span."""
    text = one_line(text)
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def width_of(text: str) -> int:
    """Return how many terminal columns a line of `one_line` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def wrap(text: str, width: int) -> list[str]:
    """Break a line at spaces into lines of at most `width` columns; a longer word is cut. Never
    empty."""
    lines = [""]
    used = 0
    for word in text.split():
        size = width_of(word)
        if used and used + 1 + size <= width:
            lines[-1] += f" {word}"
            used += 1 + size
            continue
        if used:
            lines.append("")
            used = 0
        for char in word if size > width else ():
            if used + _columns(char) > max(width, 2):
                lines.append("")
                used = 0
            lines[-1] += char
            used += _columns(char)
        if size <= width:
            lines[-1] = word
            used = size
    return lines


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _is_harmful(char: str) -> bool:
    return unicodedata.category(char) in _HARMFUL or char in _DIRECTION_MARKS


def _visible(char: str) -> str:
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
