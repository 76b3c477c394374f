"""The links of a Markdown text, and the anchors that links can lead to.

Lives here: text -> Links with their lines; code is left out. Must not live here: whether a target
is there (a shell looks)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from harness.workflow.blocks import Heading, scan_blocks

_INLINE = re.compile(
    r"\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"\(\s*(?:<(?P<angled>[^<>\n]*)>|(?P<bare>[^\s()]*(?:\([^\s()]*\)[^\s()]*)*))"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
)
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<text>[^\[\]^]+)\]:\s*<?(?P<target>[^\s<>]+)>?", re.MULTILINE
)
_BACKTICKS = re.compile(r"`+")
_FENCE = re.compile(r"^ *(?:> ?)*(`{3,}|~{3,})")
_COMMENT = re.compile(r"<!--|-->")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_WEB_ADDRESS = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?::\d{1,5})?"
    r"(?:[/?#][^\s<>\"{}|\\^`]*)?",
    re.IGNORECASE,
)
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_HTML_ANCHOR = re.compile(r"<a\s[^>]*?(?:name|id)=[\"']([^\"']+)[\"']", re.IGNORECASE)


class LinkKind(Enum):
    """Where a link leads."""

    FILE = auto()
    """To a file of the project, perhaps at an anchor."""
    ANCHOR = auto()
    """To a place in the same document."""
    WEB = auto()
    """To a well-formed address on the web."""
    MALFORMED = auto()
    """To a web address that is none, or nowhere."""
    OTHER = auto()
    """To something else: `mailto:` and the like."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its text, its target as written, and its line."""

    text: str
    target: str
    line: int

    @property
    def kind(self) -> LinkKind:
        """Where it leads."""
        if self.target.startswith("#"):
            return LinkKind.ANCHOR
        if not self.target:
            return LinkKind.MALFORMED
        if re.match(r"https?:", self.target, re.IGNORECASE):
            fits = _WEB_ADDRESS.fullmatch(self.target)
            return LinkKind.WEB if fits else LinkKind.MALFORMED
        return LinkKind.OTHER if _SCHEME.match(self.target) else LinkKind.FILE

    @property
    def path(self) -> str:
        """The target without its anchor, and with `%20` as the character that it stands for."""
        return _unquoted(self.target.partition("#")[0].partition("?")[0])

    @property
    def anchor(self) -> str:
        """What follows `#`."""
        return _unquoted(self.target.partition("#")[2])


def links_in(text: str) -> tuple[Link, ...]:
    """Return the links of a Markdown text, in its order."""
    plain = _without_code(text)
    found = []
    for match in _INLINE.finditer(plain):
        target = match["angled"] if match["angled"] is not None else match["bare"]
        found.append((match.start(), match["text"], target))
    found += [
        (match.start(), match["text"], match["target"]) for match in _DEFINITION.finditer(plain)
    ]
    return tuple(
        Link(words.strip(), target, plain.count("\n", 0, start) + 1)
        for start, words, target in sorted(found)
    )


def anchors_in(text: str) -> frozenset[str]:
    """Return the anchors that GitHub gives a Markdown text: of its headings, and those in HTML."""
    seen: Counter[str] = Counter()
    anchors = set(_HTML_ANCHOR.findall(text))
    for block in scan_blocks(text):
        if isinstance(block, Heading):
            words = _INLINE.sub(r"\g<text>", block.title).replace("`", "").lower()
            anchor = _NOT_IN_ANCHORS.sub("", words).replace(" ", "-")
            anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    return frozenset(anchors)


def _without_code(text: str) -> str:
    """Return a text in which code is blank, line for line."""
    lines = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            if found is not None and found[1].startswith(fence):
                fence = ""
            lines.append("")
        elif found is not None:
            fence = found[1]
            lines.append("")
        else:
            lines.append(line)
    return _without(_comments, _without(_code_spans, "\n".join(lines)))


def _without(spans: Callable[[str], Iterator[tuple[int, int]]], text: str) -> str:
    """Return a text without spans of it, line for line."""
    pieces = []
    end = 0
    for start, stop in spans(text):
        pieces += [text[end:start], "\n" * text.count("\n", start, stop)]
        end = stop
    return "".join([*pieces, text[end:]])


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans between backticks: as many as it began with end one."""
    runs = [(found.start(), found.end()) for found in _BACKTICKS.finditer(text)]
    later: dict[int, list[int]] = {}  # by length, the last first
    for index in reversed(range(len(runs))):
        later.setdefault(runs[index][1] - runs[index][0], []).append(index)
    index = 0
    while index < len(runs):
        start, end = runs[index]
        same = later[end - start]
        while same and same[-1] <= index:
            same.pop()
        if same:
            yield start, runs[same[-1]][1]
            index = same[-1]
        index += 1


def _comments(text: str) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for found in _COMMENT.finditer(text):
        if found[0] == "<!--":
            start = found.start() if start is None else start
        elif start is not None:
            yield start, found.end()
            start = None


def _unquoted(text: str) -> str:
    parts: Iterator[bytes] = (
        bytes([int(part[1:], 16)]) if re.fullmatch(r"%[0-9A-Fa-f]{2}", part) else part.encode()
        for part in re.split(r"(%[0-9A-Fa-f]{2})", text)
    )
    return b"".join(parts).decode("utf-8", "replace")
