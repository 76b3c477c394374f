r"""Rules text to tokens, and the values of string and number tokens.

Paths are why this is more than one regular expression: a `/` with a non-blank character right after
it begins a path, even after an operand (`4/2` is no division), and a path's segments follow other
rules than the code around them. Inside `$(...)` code begins again. What tokens mean together is the
parser's business.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# Kinds of token. OPERATOR tokens are told apart by their text.
NAME: Final = "name"
INT: Final = "int"
FLOAT: Final = "float"
STRING: Final = "string"
BYTES: Final = "bytes"
OPERATOR: Final = "operator"
PATH_TEXT: Final = "path text"  # /users, /(default)
PATH_WILDCARD: Final = "path wildcard"  # /{id}
PATH_RECURSIVE: Final = "path recursive wildcard"  # /{rest=**}
PATH_OPEN: Final = "path interpolation"  # /$(  up to the CLOSE of the same path
PATH_CLOSE: Final = "path interpolation end"
BAD: Final = "bad"  # the rest of the text cannot be read; `text` says why
END: Final = "end"


class Token(NamedTuple):
    """A piece of rules text, `[start, end)` in code points.

    For path tokens `text` is the segment's text or the wildcard's name; for all others it is what
    the user wrote.
    """

    kind: str
    text: str
    start: int
    end: int


_BLANK = r"(?:[ \t\r\n]+|//[^\n]*|/\*[\s\S]*?\*/)*"
_CODE = re.compile(
    _BLANK
    + r"""(?:
      (?P<bytes>[bB](?:'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator>&&|\|\||==|!=|<=|>=|[-+*%!<>=?:;,.(){}\[\]]|/(?=[ \t\r\n]|\Z))
    | (?P<path>/)
    | (?P<string>'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*")
    | (?P<float>[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?)
    | (?P<int>[0-9]+)
    | (?P<end>\Z)
    | (?P<bad>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
# A literal segment's characters. Source: the sets of third-party grammars agree on these.
_SEGMENT = re.compile(
    r"""/(?:
      \{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<recursive>=\*\*)?\}
    | (?P<open>\$\()
    | (?P<text>[A-Za-z0-9_.~%&':+-]+|\(default\))
    )""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[Token]:
    """Split rules text into tokens. The last one is END, or BAD where the text cannot be read
    further.
    """
    tokens: list[Token] = []
    append = tokens.append
    # A large ruleset has 50,000 tokens; the class's own constructor would be a quarter of the time.
    new, token_class = tuple.__new__, Token
    match_code = _CODE.match
    # For each `$(` that is open: how many plain parentheses are open inside it.
    interpolations: list[int] = []
    position = 0
    while True:
        match = match_code(text, position)
        assert match is not None  # the last alternative matches anything
        kind = match.lastgroup
        start, position = match.span(kind)  # type: ignore[arg-type]
        if (
            kind == "name"
            or kind == "int"
            or kind == "string"
            or kind == "float"
            or kind == "bytes"
        ):
            append(new(token_class, (kind, text[start:position], start, position)))
        elif kind == "operator":
            operator = text[start:position]
            if interpolations:
                if operator == "(":
                    interpolations[-1] += 1
                elif operator == ")":
                    if interpolations[-1] == 0:
                        interpolations.pop()
                        append(Token(PATH_CLOSE, ")", start, position))
                        position = _read_segments(text, position, tokens, interpolations)
                        if position < 0:
                            return tokens
                        continue
                    interpolations[-1] -= 1
            append(new(token_class, (OPERATOR, operator, start, position)))
        elif kind == "path" and not text.startswith("/*", start):
            position = _read_segments(text, start, tokens, interpolations)
            if position < 0:
                return tokens
        elif kind == "end":
            append(Token(END, "<EOF>", start, start))
            return tokens
        else:
            append(_bad_token(text, start))
            return tokens


def _read_segments(text: str, position: int, tokens: list[Token], interpolations: list[int]) -> int:
    """Read path segments up to the path's end or the next `$(`; return where to go on, -1 after a
    BAD token.
    """
    size = len(text)
    while position < size and text[position] == "/":
        after = text[position + 1 : position + 2]
        if after in ("", " ", "\t", "\r", "\n", "/", "*"):
            break
        match = _SEGMENT.match(text, position)
        if match is None:
            problem = (
                "Forward slash '/' found where identifier expected"
                if after not in "{$"
                else f"Unexpected '{after}'."
            )
            tokens.append(Token(BAD, problem, position, position + 1))
            return -1
        start, position = match.span()
        kind = match.lastgroup
        if kind == "text":
            tokens.append(Token(PATH_TEXT, text[start + 1 : position], start, position))
        elif kind == "open":
            tokens.append(Token(PATH_OPEN, "$(", start, position))
            interpolations.append(0)
            return position
        else:
            recursive = match["recursive"] is not None
            tokens.append(
                Token(
                    PATH_RECURSIVE if recursive else PATH_WILDCARD, match["name"], start, position
                )
            )
    return position


def _bad_token(text: str, start: int) -> Token:
    char = text[start]
    if char in "'\"":
        return Token(BAD, "Missing closing quote: a string ends on its line.", start, start + 1)
    if text.startswith("/*", start):
        return Token(BAD, "Missing '*/': the comment does not end.", start, start + 2)
    return Token(BAD, f"Unexpected '{char}'.", start, start + 1)


# --- literals ---------------------------------------------------------------------------------


class BadEscape(ValueError):
    """An escape that rules do not have. `offset` is the backslash's place in the token."""

    def __init__(self, escape: str, offset: int) -> None:
        super().__init__(f"Unexpected '{escape}'.")
        self.escape = escape
        self.offset = offset


_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9A-Fa-f]{2})|u(?P<unit>[0-9A-Fa-f]{4})|(?P<octal>[0-3]?[0-7]{1,2})|(?P<char>.))"
)
_SIMPLE_ESCAPES = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "`": "`",
    "?": "?",
}


def string_value(token_text: str) -> str:
    r"""Return what a string literal stands for; two `\u` halves of a pair make one character.

    Raises:
        BadEscape: An escape that rules do not have, such as `\d` or `\/`.
    """
    body = token_text[1:-1]
    if "\\" not in body:
        return body
    parts: list[str] = []
    position = 0
    for match in _ESCAPE.finditer(body):
        parts.append(body[position : match.start()])
        position = match.end()
        if match["unit"]:
            parts.append(chr(int(match["unit"], 16)))
        elif match["hex"]:
            parts.append(chr(int(match["hex"], 16)))
        elif match["octal"]:
            parts.append(chr(int(match["octal"], 8)))
        else:
            parts.append(_simple_escape(match))
    parts.append(body[position:])
    text = "".join(parts)
    if any("\ud800" <= char <= "\udfff" for char in text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return text


def bytes_value(token_text: str) -> bytes:
    r"""Return what a bytes literal stands for: characters as UTF-8, `\xHH` and octal escapes as one
    byte.

    Raises:
        BadEscape: An escape that rules do not have.
    """
    body = token_text[2:-1]
    result = bytearray()
    position = 0
    for match in _ESCAPE.finditer(body):
        result += body[position : match.start()].encode("utf-8", "surrogatepass")
        position = match.end()
        if match["unit"]:
            result += chr(int(match["unit"], 16)).encode("utf-8", "surrogatepass")
        elif match["hex"]:
            result.append(int(match["hex"], 16))
        elif match["octal"]:
            result.append(int(match["octal"], 8))
        else:
            result += _simple_escape(match).encode("utf-8")
    result += body[position:].encode("utf-8", "surrogatepass")
    return bytes(result)


def _simple_escape(match: re.Match[str]) -> str:
    char = match["char"]
    value = _SIMPLE_ESCAPES.get(char)
    if value is None:
        raise BadEscape(f"\\{char}", match.start())
    return value
