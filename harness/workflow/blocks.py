"""Markdown text -> the headings and task-list boxes in it, each with its offset.

Lives here: which line is a heading, a list item, code, HTML or plain text, and nothing more. One
pass over the lines, in time that grows with the text. Must not live here: what a heading or a box
means (see `document.py`), inline Markdown, and files.

Source: CommonMark 0.31, "Container blocks" and "Leaf blocks"; GitHub Flavored Markdown 0.29, "Task
list items". Beyond GFM, an item without text (`- [ ]` alone) is a box too: the workflow template
ends in two of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_NESTING = 100
"""List items and block quotes inside each other; what is nested deeper is plain text. A guard
against hostile input."""

_QUOTE = (
    0  # A container is the indentation that its lines need, in columns; a block quote has none.
)

_NO_LEAF, _PARAGRAPH, _FENCE, _HTML = range(4)

_PLAIN_ITEMS = tuple(f"{bullet} [{mark}] " for bullet in "-*+" for mark in " xX")
_LINE_END = re.compile(r"(\r\n|\n|\r)")
_ATX_HEADING = re.compile(r"(#{1,6})(?: +|$)(.*)")
_CLOSING_SEQUENCE = re.compile(r"(?:^| )#+ *$")
_SETEXT_UNDERLINE = re.compile(r"(?:=++|-++) *+$")
_THEMATIC_BREAK = re.compile(r"(?:(?:\* *+){3,}+|(?:- *+){3,}+|(?:_ *+){3,}+)$")
_LIST_MARKER = re.compile(r"(?:[-+*]|(\d{1,9})[.)])(?=( *)([^ ]?))", re.ASCII)
_BOX = re.compile(r"\[([ xX])\](?=[ \t\x0b\x0c]|$)")
_OPENING_FENCE = re.compile(r"`{3,}+(?=[^`]*+$)|~{3,}+")
_CLOSING_FENCE = re.compile(r"(`{3,}+|~{3,}+) *+$")
_LINK_DEFINITION = re.compile(r" {0,3}\[[^\]]+\]:")
_FRONT_MATTER_KEY = re.compile(r"[\w\"'-]+ *:(?: |$)")

_HTML_START = re.compile(
    r"<(?:(?P<raw>(?:script|pre|textarea|style)(?=[ >]|$))"
    r"|(?P<comment>!--)|(?P<instruction>\?)|(?P<cdata>!\[CDATA\[)|(?P<declaration>![a-z])"
    r"|(?P<block>/?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog"
    r"|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li"
    r"|link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th"
    r"|thead|title|tr|track|ul)(?= |/?>|$))"
    r"|(?P<any>/[a-z][a-z0-9-]*+ *+> *+$"
    r"|[a-z][a-z0-9-]*+"
    r"(?: ++[a-z_:][a-z0-9:._-]*+(?: *+= *+(?:[^ \"'=<>`]++|'[^']*+'|\"[^\"]*+\"))?)*+"
    r" *+/?> *+$))",
    re.IGNORECASE,
)
_HTML_END = {
    "raw": re.compile(r"</(?:script|pre|textarea|style)>", re.IGNORECASE),
    "comment": re.compile(r"-->"),
    "instruction": re.compile(r"\?>"),
    "declaration": re.compile(r">"),
    "cdata": re.compile(r"\]\]>"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading outside of lists and quotes. `start` is the offset of its first line."""

    level: int
    title: str
    start: int
    line: int


@dataclass(slots=True)
class Box:
    """A task-list box. `offset` is that of the character between the brackets; `parent` indexes the
    boxes before it."""

    offset: int
    mark: str
    text: str
    line: int
    parent: int | None


def scan_blocks(text: str) -> list[Heading | Box]:
    """Find the headings and boxes of a Markdown text, in its order.

    Never fails: every text is some Markdown. `Box.parent` counts boxes only, from 0. Lines count
    from 1, by line feeds."""
    return _Scanner(text).scan()


class _Scanner:
    """The block structure that is open at the current line: containers, outermost first, and one
    leaf."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Heading | Box] = []
        self.box_count = 0
        self.containers: list[int] = []
        self.owners: list[int | None] = []  # the box of each container, if it has one
        self.leaf = _NO_LEAF
        self.fence = ""
        self.html_end: re.Pattern[str] | None = None  # None: a blank line ends it
        self.paragraph: list[str] = []
        self.paragraph_start = self.paragraph_line = 0
        self.item_is_bare = False  # the last line opened a list item and put nothing into it
        self.textless_box: Box | None = None  # its text may follow on the next line

    def scan(self) -> list[Heading | Box]:
        for offset, number, line in _skip_front_matter(_lines(self.text)):
            if line.startswith(_PLAIN_ITEMS) and self._plain_item(line, offset, number):
                continue
            shadow = line.expandtabs(4) if "\t" in line else line
            self._line(shadow, line, offset, number)
        return self.found

    def _plain_item(self, line: str, offset: int, number: int) -> bool:
        """Take in an item that begins at the margin, as `_line` would: most lines of a checklist
        are such."""
        if self.leaf > _PARAGRAPH and not self.containers:
            return False
        text = line[6:].strip()
        if not text:
            return False
        self.found.append(Box(offset + 3, line[3], text, number, None))
        self.containers = [2]
        self.owners = [self.box_count]
        self.box_count += 1
        self.leaf = _PARAGRAPH
        self.item_is_bare = False
        self.textless_box = None
        return True

    def _line(self, shadow: str, line: str, offset: int, number: int) -> None:
        """Take one line in. `shadow` is the line with tabs as the spaces they stand for: its index
        is the column."""
        content = len(shadow) - len(shadow.lstrip(" "))
        end = len(shadow)
        containers = self.containers
        column = matched = 0
        if containers:
            for container in containers:
                if container == _QUOTE:
                    if content == end or content - column > 3 or shadow[content] != ">":
                        break
                    column, content = _past_quote_mark(shadow, content)
                elif content != end:
                    if content - column < container:
                        break
                    column += container
                elif self.item_is_bare and matched == len(containers) - 1:
                    break  # an item can begin with at most one blank line
                matched += 1
        all_matched = matched == len(containers)
        self.item_is_bare = False
        leaf = self.leaf
        if leaf > _PARAGRAPH:
            if all_matched:
                self._continue_verbatim(shadow, column, content)
                return
            leaf = self.leaf = _NO_LEAF
        if content == end:
            del containers[matched:], self.owners[matched:]
            self.leaf = _NO_LEAF
            self.textless_box = None
            return

        in_paragraph = leaf == _PARAGRAPH and all_matched
        depth_before = matched
        while content - column <= 3 and content < end:
            first = shadow[content]
            if first in "-+*0123456789":
                if first == "-" and in_paragraph and self._setext_heading(shadow, content):
                    return
                if first in "-*" and _THEMATIC_BREAK.match(shadow, content):
                    self._close(matched)
                    return
                marker = _LIST_MARKER.match(shadow, content)
                if marker is None or matched >= MAX_NESTING:
                    break
                number_text, spaces, following = marker.groups()
                if following and not spaces:
                    break
                if in_paragraph and (not following or (number_text and int(number_text) != 1)):
                    break
                self._close(matched)
                width = marker.end() - content + 1
                is_code = len(spaces) > 4
                if following and not is_code:
                    width += len(spaces) - 1
                containers.append(content - column + width)
                self.owners.append(None)
                matched += 1
                column = content + width
                if not following:
                    self.item_is_bare = True
                    return
                content = marker.end() + len(spaces)
                if following == "[" and not is_code:
                    index = content if shadow is line else _index_of_column(line, content)
                    if _BOX.match(line, index):
                        self._box(line, index, offset, number)
                        return
            elif first == ">":
                if matched >= MAX_NESTING:
                    break
                self._close(matched)
                column, content = _past_quote_mark(shadow, content)
                containers.append(_QUOTE)
                self.owners.append(None)
                matched += 1
            elif first == "#":
                heading = _ATX_HEADING.match(shadow, content)
                if heading is None:
                    break
                self._close(matched)
                if not containers:
                    title = _CLOSING_SEQUENCE.sub("", heading[2].rstrip(" ")).strip()
                    self.found.append(Heading(len(heading[1]), title, offset, number))
                return
            elif first in "`~":
                fence = _OPENING_FENCE.match(shadow, content)
                if fence is None:
                    break
                self._close(matched)
                self.leaf, self.fence = _FENCE, fence[0]
                return
            elif first == "<":
                html = _HTML_START.match(shadow, content)
                if html is None or (html["any"] and leaf == _PARAGRAPH and matched == depth_before):
                    break
                self._close(matched)
                self.html_end = _HTML_END.get(html.lastgroup or "")
                self.leaf = _HTML
                self._continue_verbatim(shadow, column, content)
                return
            elif first == "=" and in_paragraph:
                if not self._setext_heading(shadow, content):
                    break
                return
            elif first == "_" and _THEMATIC_BREAK.match(shadow, content):
                self._close(matched)
                return
            else:
                break
            in_paragraph = False

        if matched == depth_before and self.leaf == _PARAGRAPH:
            # More of an open paragraph; with unmatched containers it is a lazy line, and they stay
            # open.
            if self.textless_box is not None:
                self.textless_box.text = shadow[content:].strip()
                self.textless_box = None
            if not containers:
                self.paragraph.append(line)
            return
        self._close(matched)
        if content < end and content - column <= 3:
            self.leaf = _PARAGRAPH
            self.paragraph = [line]
            self.paragraph_start, self.paragraph_line = offset, number

    def _close(self, depth: int) -> None:
        """Close the leaf, and the containers deeper than `depth`."""
        del self.containers[depth:], self.owners[depth:]
        self.leaf = _NO_LEAF
        self.textless_box = None

    def _continue_verbatim(self, shadow: str, column: int, content: int) -> None:
        """Take one more line of fenced code or HTML, and see whether it is the last."""
        if self.leaf == _FENCE:
            closing = _CLOSING_FENCE.match(shadow, content) if content - column <= 3 else None
            if closing and closing[1].startswith(self.fence):
                self.leaf = _NO_LEAF
        elif self.html_end is None:
            if content == len(shadow):
                self.leaf = _NO_LEAF
        elif self.html_end.search(shadow, content):
            self.leaf = _NO_LEAF

    def _box(self, line: str, index: int, offset: int, number: int) -> None:
        """Note the box at an index of the line; what follows it begins the item's paragraph."""
        parent = next((owner for owner in reversed(self.owners) if owner is not None), None)
        box = Box(offset + index + 1, line[index + 1], line[index + 3 :].strip(), number, parent)
        self.found.append(box)
        self.owners[-1] = self.box_count
        self.box_count += 1
        self.leaf = _PARAGRAPH
        if not box.text:
            self.textless_box = box

    def _setext_heading(self, shadow: str, content: int) -> bool:
        """Make the open paragraph a heading if this line underlines it; one that only defines links
        cannot be."""
        if not _SETEXT_UNDERLINE.match(shadow, content):
            return False
        if not self.containers:
            if all(_LINK_DEFINITION.match(line) for line in self.paragraph):
                return False
            title = " ".join(line.strip() for line in self.paragraph)
            level = 1 if shadow[content] == "=" else 2
            self.found.append(Heading(level, title, self.paragraph_start, self.paragraph_line))
        self._close(len(self.containers))
        return True


def _lines(text: str) -> Iterator[tuple[int, int, str]]:
    """Give each line's offset, number and text without its end. A lone CR ends a line but is not
    counted."""
    offset = 0
    number = 1
    if text.startswith("\ufeff"):
        offset, text = 1, text[1:]
    if "\r" not in text:
        for line in text.split("\n"):
            yield offset, number, line
            offset += len(line) + 1
            number += 1
        return
    pieces = _LINE_END.split(text)
    pieces.append("")
    for line, end in zip(pieces[::2], pieces[1::2], strict=True):
        yield offset, number, line
        offset += len(line) + len(end)
        number += end != "\r"


def _skip_front_matter(lines: Iterator[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Leave out YAML front matter, which GitHub shows as a table: `---`, a key, and all up to the
    next `---`."""
    first = next(lines)
    if first[2].rstrip() != "---":
        yield first
        yield from lines
        return
    held = [first]
    for entry in lines:
        held.append(entry)
        if len(held) == 2 and not _FRONT_MATTER_KEY.match(entry[2]):
            break
        if len(held) > 2 and entry[2].rstrip() in ("---", "..."):
            held.clear()
            break
    yield from held
    yield from lines


def _past_quote_mark(shadow: str, content: int) -> tuple[int, int]:
    """Return the column after a `>` and its optional space, and that of the next thing on the
    line."""
    column = content + 1
    if shadow.startswith(" ", column):
        column += 1
    rest = shadow[column:]
    return column, column + len(rest) - len(rest.lstrip(" "))


def _index_of_column(line: str, column: int) -> int:
    """Return the index of the character at a column of a line that has tabs."""
    at = 0
    for index, char in enumerate(line):
        if at >= column:
            return index
        at += 4 - at % 4 if char == "\t" else 1
    return len(line)
