r"""Rules text to tokens, and the values of string and number tokens.

One regular expression knows all tokens. Paths are what is special about it: a `/` with a non-blank
character right after it begins a segment of a path, even after an operand (`4/2` is no division).
Inside `$(...)` code begins again, and the parenthesis that ends it is told from others by counting.
What tokens mean together is the parser's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# Kinds of token, which are the names of groups in the regular expression. An operator's kind is its
# text.
NAME: Final = "name"
INT: Final = "int"
FLOAT: Final = "float"
STRING: Final = "string"
BYTES: Final = "bytes"
PATH_TEXT: Final = "path_text"  # /users, /(default)
PATH_WILDCARD: Final = "path_wildcard"  # /{id}
PATH_RECURSIVE: Final = "path_recursive"  # /{rest=**}
PATH_OPEN: Final = "path_open"  # /$(  up to the CLOSE of the same path
PATH_CLOSE: Final = "path_close"
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


# The characters of a literal segment. Source: the sets of third-party grammars agree on these.
_TOKEN = re.compile(
    r"""[ \t\r\n]*+ (?: /(?: /[^\n]*+ | \*[\s\S]*?\*/ ) [ \t\r\n]*+ )*+  # blanks and comments
    (?:
      (?P<bytes>[bB](?:'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*"))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<operator>&&|\|\||[=!<>]=|[-+*%!<>=?:;,.(){}\[\]]|/(?=[ \t\r\n]|\Z))
    | (?P<path_text>/(?:[A-Za-z0-9_.~%&':+-]+|\(default\)))
    | (?P<path_wildcard>/\{[A-Za-z_][A-Za-z0-9_]*\})
    | (?P<path_recursive>/\{[A-Za-z_][A-Za-z0-9_]*=\*\*\})
    | (?P<path_open>/\$\()
    | (?P<string>'(?:[^'\\\r\n]|\\.)*'|"(?:[^"\\\r\n]|\\.)*")
    | (?P<float>[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?)
    | (?P<int>[0-9]+)
    | (?P<end>\Z)
    | (?P<bad>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_AS_WRITTEN = frozenset({NAME, INT, FLOAT, STRING, BYTES})


def tokenize(text: str) -> list[Token]:
    """Split rules text into tokens. The last one is END, or BAD where the text cannot be read
    further.
    """
    return [Token(*fields) for fields in scan(text)]


def scan(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield the fields of each token of a rules text; a large one has 50,000, and to make them
    Tokens would take half of the time.
    """
    # For each `$(` that is open: how many plain parentheses are open inside it.
    interpolations: list[int] = []
    for match in _TOKEN.finditer(text):
        kind: str = match.lastgroup  # type: ignore[assignment]  # each alternative is a group
        written = match[kind]
        end = match.end()
        start = end - len(written)
        if kind == "operator":
            if interpolations:
                if written == "(":
                    interpolations[-1] += 1
                elif written == ")" and interpolations[-1]:
                    interpolations[-1] -= 1
                elif written == ")":
                    interpolations.pop()
                    yield PATH_CLOSE, written, start, end
                    continue
            yield written, written, start, end
        elif kind in _AS_WRITTEN:
            yield kind, written, start, end
        elif kind == PATH_TEXT:
            yield kind, written[1:], start, end
        elif kind == PATH_WILDCARD:
            yield kind, written[2:-1], start, end
        elif kind == PATH_RECURSIVE:
            yield kind, written[2:-4], start, end
        elif kind == PATH_OPEN:
            interpolations.append(0)
            yield kind, "$(", start, end
        elif kind == END:
            yield kind, "<EOF>", start, end
            return
        else:
            yield _bad_token(text, start)
            return


def _bad_token(text: str, start: int) -> tuple[str, str, int, int]:
    char = text[start]
    end = start + 1
    if char in "'\"":
        problem = "Missing closing quote: a string ends on its line."
    elif text.startswith("/*", start):
        problem = "Missing '*/': the comment does not end."
        end += 1
    elif char != "/":
        problem = f"Unexpected '{char}'."
    elif text[end] in "{$":
        problem = f"Unexpected '{text[end]}'."
    else:
        problem = "Forward slash '/' found where identifier expected"
    return BAD, problem, start, end


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
