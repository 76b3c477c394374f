"""A phase file's text -> its sections, and every task line in them.

Phase files are loose Markdown: tasks are boxes, signs (`✅`, `⬜`), tags (`[Backend]`), numbered or
plain list items, rows of tables; sections are headings of any level, or a line that is all bold.
So this reads line by line, and `blocks.py` has the last word on what is a heading or a box: no box
of the text is lost. Must not live here: whose work a task is (`backend_tasks.py`), the document
that is made of them (`begin.py`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import WorkflowError
from harness.source import SourcePosition, SourceText
from harness.workflow.address import address_key, nearest_names
from harness.workflow.blocks import Box, Heading, scan_blocks

_BOLD_LINE_LEVEL = 7  # below every heading
_ITEM_LEVEL = 8
_NO_HEADINGS = "give each feature of it a heading: ## Name"
_NESTS_FROM = 2  # columns further in than the item above
_MAX_NESTING = 20  # a guard: what is nested deeper stands beside what it is in
_MAX_SHOWN_NAMES = 12

_DONE_SIGNS = "✅☑✔🗹✓"
_OPEN_SIGNS = "⬜☐🔲🔳◻◽▢⏳🚧🔜🟡🔄⌛❌⭕"
_SIGNS = _DONE_SIGNS + _OPEN_SIGNS
_SIGN = re.compile(rf"([{_SIGNS}])\ufe0f?\s*")
_LOOSE_BOX = re.compile(r"\[([ xX]?)\](?=\s|$)\s*")
# A tag before the text, perhaps behind an id or a picture (`T021 [P] [US5] …`), or at its end.
_TAG = re.compile(r"(?P<bold>\*\*|`)?\[(?P<tag>[^\[\]()]{1,40})\](?P=bold)?:?(?![(\[:])(?=\s|$)\s*")
_BEFORE_TAGS = re.compile(r"[^\w\s\[\]()*`\"'~#]*\s*(?:[A-Z]{1,4}-?\d[\d.]*:?\s+(?=\[))?")
_TRAILING_TAG = re.compile(r"\s\*{0,2}[\[(]([^\[\]()]{1,40})[\])]\*{0,2}[.:]?$")
_BETWEEN_TAGS = re.compile(r"[,/&+|]|\band\b")
# A line that is no heading, and says whose work the list under it is: `Backend tasks:`.
_SIDE_LINE = re.compile(
    r"(?:back[- ]?end|front[- ]?end|server|client|ui|flutter)(?:[- ]?side)?"
    r"(?: (?:tasks?|work|items?|to-?dos?))?\s*:?",
    re.IGNORECASE,
)
_SIDE_COLUMN = re.compile(r"(?P<back>back ?end|server)|front ?end|client|ui|flutter")
# A paragraph that is a task: `**Backend:** keep the date on the loan`.
_SIDE_FIELD = re.compile(r"\*\*\s*(?:back|front)[- ]?end\b", re.IGNORECASE)
_BULLET = re.compile(r"(?P<indent> *)(?P<bullet>[-*+•]|\d{1,4}[.)])(?: +|$)(?P<text>.*)")
_QUOTE = re.compile(r" {0,3}> ?")
_BOLD_LINE = re.compile(r" {0,3}(?:\*\*(?P<stars>[^*]+)\*\*|__(?P<lines>[^_]+)__)\s*:?\s*$")
_FIELD = re.compile(r"\*\*(?P<name>[^*]{1,40}?):?\*\*:?\s*(?P<value>.*)")
_FENCE = re.compile(r" *(`{3,}(?=[^`]*$)|~{3,})")
_DELIMITER_ROW = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_RULE = re.compile(r" {0,3}([-*_])(?: *\1){2,} *$")

_NUMBERING = re.compile(r"(?:\d+(?:\.\d+)*[.):]?|[A-Z]{1,4}-?\d+(?:\.\d+)*:?)\s+")
_KIND = r"(?:feature|phase|epic|story|user story|milestone|module|component|section|step|part|task)"
_KIND_OF_SECTION = re.compile(rf"{_KIND}(?:\s+\d+(?:\.\d+)*)?\s*[:.–—-]\s+", re.IGNORECASE)
_KIND_AND_NUMBER = re.compile(rf"{_KIND}\s+\d+(?:\.\d+)*", re.IGNORECASE)
_AFTER_A_DASH = re.compile(r"\s+[—–-]\s.*$")
_IN_PARENTHESES = re.compile(r"\s*\([^()]*\)\s*$")
_NOT_WORDS_BEFORE = re.compile(r"^[^\w\[(\"'`*]+")
_NOT_WORDS_AFTER = re.compile(r"[^\w\])\"'`*!?.%+:]+$")
_ALL_BOLD = re.compile(r"^(\*\*|__)([^*]+?)\1:?$")

_TASK_COLUMNS = ("task", "feature", "item", "todo", "title", "work", "name", "description")
_STATUS_COLUMNS = ("status", "state", "done", "progress")
_TAG_COLUMNS = ("area", "side", "category", "type", "tag", "layer", "team", "owner", "component")
_DONE_WORDS = re.compile(r"\b(?:done|complete|completed|finished|yes)\b", re.IGNORECASE)
_UNDONE_WORDS = re.compile(r"\b(?:not|in progress|to ?do|incomplete)\b", re.IGNORECASE)


@dataclass(slots=True)
class PhaseTask:
    """One line of work: a list item, a row of a table, or a line that begins with a sign or tag.

    Attributes:
        text: What is to be done, in one line, without bullet, box and signs; tags stay.
        line: Counted from 1.
        is_done: What its box or sign says; None where it has neither.
        tags: What stands in brackets before the text or at its end, or in a column for that.
        details: Paragraphs under the item, one line each.
        children: What is nested in it.
    """

    text: str
    line: int
    is_done: bool | None
    tags: tuple[str, ...]
    details: list[str] = field(default_factory=list)
    children: list[PhaseTask] = field(default_factory=list)

    @property
    def is_marked(self) -> bool:
        """Whether it says of itself that it is a task: by a box, a sign or a tag."""
        return self.is_done is not None or bool(self.tags)

    def walk(self) -> Iterator[PhaseTask]:
        """Yield the task and all that is nested in it, in the file's order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True)
class PhaseSection:
    """A heading, or a line in bold, and what stands under it.

    Attributes:
        title: As written, without signs at its end.
        level: 1 to 6; 7 for a line in bold, 8 for an item; 0 for the whole file.
        tasks: Its own, without those of the sections under it.
        paragraphs: Its own text, one line each, with the line that it begins on.
    """

    title: str
    level: int
    line: int
    above: PhaseSection | None = None
    tasks: list[PhaseTask] = field(default_factory=list)
    paragraphs: list[tuple[int, str]] = field(default_factory=list)
    sections: list[PhaseSection] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The title without numbering and without `Feature:` and the like."""
        return plain_title(self.title)

    @property
    def names(self) -> Iterator[str]:
        """Yield what people call it: also without what is in parentheses, or by its number alone:
        `Phase 2`."""
        yield self.title
        yield self.name
        yield _IN_PARENTHESES.sub("", self.name)
        yield _AFTER_A_DASH.sub("", self.name)
        numbered = _KIND_AND_NUMBER.match(_NOT_WORDS_BEFORE.sub("", self.title))
        if numbered is not None:
            yield numbered[0]

    def walk(self) -> Iterator[PhaseSection]:
        """Yield the section and all sections under it, in the file's order."""
        yield self
        for section in self.sections:
            yield from section.walk()

    def all_tasks(self) -> Iterator[PhaseTask]:
        """Yield every task of the section and of those under it, nested ones too."""
        for section in self.walk():
            for task in section.tasks:
                yield from task.walk()

    def headings_above(self) -> Iterator[PhaseSection]:
        """Yield the sections that this one is in, innermost first, without the file."""
        section = self.above
        while section is not None and section.level:
            yield section
            section = section.above

    @property
    def description(self) -> tuple[int, str] | None:
        """What the section says of itself, with its line: a `**Description:**`, else the first
        paragraph before its tasks."""
        first_task = min((task.line for task in self.tasks), default=None)
        plain = None
        for line, text in self.paragraphs:
            found = _FIELD.fullmatch(text)
            if found is not None:
                if address_key(found["name"]) in ("description", "goal", "summary"):
                    return (line, found["value"].strip()) if found["value"].strip() else None
            elif plain is None and (first_task is None or line < first_task):
                plain = line, text
        return plain


@dataclass(frozen=True, slots=True)
class PhaseFile:
    """A phase file as read. `whole` is the section around all others."""

    source: SourceText
    whole: PhaseSection

    @property
    def title(self) -> str:
        """The file's first heading; empty if it has none."""
        return next((found.title for found in self.whole.walk() if 0 < found.level < 7), "")

    def feature(self, name: str) -> PhaseSection:
        """Return the one section that a name means.

        A name is the section's title, with or without its numbering, and with as many titles of
        the sections around it as it takes, between slashes; or its line: `line 14`; or the text
        of an item, where no section has it. Case, punctuation and signs do not count.

        Raises:
            WorkflowError: None fits (with the nearest names) or several do, with their lines.
        """
        sections = [section for section in self.whole.walk() if section.level]
        wanted = name.strip()
        by_line = re.fullmatch(r"(?:line\s*|L|:)(\d+)", wanted, re.IGNORECASE)
        fitting = [
            section
            for section in sections
            if (by_line is not None and section.line == int(by_line[1]))
            or _tail_fits(section, address_key(wanted))
        ]
        if not fitting:
            fitting = [
                section
                for section in self._items_as_sections()
                if address_key(section.name) == address_key(wanted)
            ]
        if not fitting:
            raise self._unknown(wanted, sections)
        if len(fitting) > 1:
            # A section that is alone in the one above it, and named like it, is the same feature.
            outermost = fitting[0]
            inner = set(map(id, outermost.walk()))
            if all(id(section) in inner for section in fitting):
                return outermost
            names = "; ".join(f'"line {found.line}" ({_path(found)})' for found in fitting[:10])
            raise WorkflowError(
                f'"{wanted}" fits {len(fitting)} sections of {self.source.file_name}',
                fix=f"say which: --feature {names}",
            )
        return fitting[0]

    def feature_is_needed(self) -> WorkflowError:
        """Return the error for a feature that was not named: it lists the sections."""
        sections = [section for section in self.whole.walk() if section.level]
        fix = f"name it with --feature: {self._shown(sections)}" if sections else _NO_HEADINGS
        return WorkflowError("which feature is meant is not said", fix=fix)

    def _shown(self, sections: Sequence[PhaseSection]) -> str:
        with_tasks = [section for section in sections if any(section.all_tasks())] or sections
        shown = ", ".join(
            f'"{section.name}" (line {section.line})' for section in with_tasks[:_MAX_SHOWN_NAMES]
        )
        return f"{shown} …" if len(with_tasks) > _MAX_SHOWN_NAMES else shown

    def _items_as_sections(self) -> Iterator[PhaseSection]:
        """Yield each item as the section that it is in a file whose features are items."""
        for section in self.whole.walk():
            for task in section.tasks:
                for found in task.walk():
                    title = re.sub(r"(\*\*|__)", "", found.text)
                    paragraphs = [(found.line, text) for text in found.details]
                    yield PhaseSection(title, _ITEM_LEVEL, found.line, section, [found], paragraphs)

    def _unknown(self, wanted: str, sections: Sequence[PhaseSection]) -> WorkflowError:
        by_name: dict[str, PhaseSection] = {}
        for section in (*sections, *self._items_as_sections()):
            by_name.setdefault(section.name, section)
        near = nearest_names(wanted, by_name)
        file_name = self.source.file_name
        if near:
            names = " or ".join(f'"{name}" (line {by_name[name].line})' for name in near)
            fix = f"did you mean {names}?"
        elif sections:
            fix = f"its sections are {self._shown(sections)}"
        else:
            fix = _NO_HEADINGS
        at = SourcePosition(file_name, 1, 1) if not sections else None
        return WorkflowError(f'no section of {file_name} is named "{wanted}"', fix=fix, at=at)


def plain_title(title: str) -> str:
    """Return a heading's words without numbering, signs, and what kind of section it is."""
    text = title.strip()
    for _ in range(4):
        before = text
        text = _NOT_WORDS_BEFORE.sub("", _NOT_WORDS_AFTER.sub("", text)).rstrip(":").strip()
        text = _ALL_BOLD.sub(r"\2", text)
        for pattern in (_LOOSE_BOX, _NUMBERING, _KIND_OF_SECTION):
            found = pattern.match(text)
            if found is not None and found.end() < len(text):
                text = text[found.end() :]
        if text == before:
            break
    return text or title.strip()


def parse_phase(source: SourceText) -> PhaseFile:
    """Read a phase file. Never fails: every text is some Markdown, if perhaps without tasks."""
    text = source.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return PhaseFile(source, _Reader(text).read())


def _tail_fits(section: PhaseSection, key: str) -> bool:
    names = [section, *section.headings_above()]
    ends = [""]
    for level in names:
        titles = {address_key(title) for title in level.names}
        ends = [f"{title}/{end}" if end else title for title in titles for end in ends]
        if key in ends:
            return True
    return False


def _path(section: PhaseSection) -> str:
    titles = [section.name, *(found.name for found in section.headings_above())]
    return " / ".join(reversed(titles))


class _Reader:
    """Goes over the lines once, with the section and the list items that are open."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.blocks: dict[int, Heading | Box] = {}
        for block in scan_blocks(text):
            self.blocks.setdefault(block.line, block)
        self.whole = PhaseSection("", 0, 1)
        self.section = self.whole
        self.open_items: list[tuple[int, PhaseTask]] = []  # with their indentation, outermost first
        self.columns: list[str] | None = None  # of the table that is open
        self.fence = ""
        self.in_comment = False
        self.after_blank = True
        self.paragraph: list[str] = []
        self.paragraph_line = 0

    def read(self) -> PhaseSection:
        for number, raw in enumerate(self.lines, start=1):
            line = _QUOTE.sub("", raw.expandtabs(4).rstrip())
            block = self.blocks.get(number)
            if isinstance(block, Heading) and self._is_meant(block):
                self._end_paragraph()
                self._open_section(block.title, block.level, number)
            elif isinstance(block, Box):
                self._box(block, line, number)
            elif not self._is_verbatim(line):
                self._line(line, number)
        self._end_paragraph()
        return self.whole

    def _is_meant(self, heading: Heading) -> bool:
        """Return whether someone meant a heading. A text above `---` is one in Markdown, and mostly
        a text above a rule to whoever wrote it, unless the rule is as long as a heading's line."""
        line = self.lines[heading.line - 1]
        if line.lstrip("> ").startswith("#"):
            return True
        following = self.lines[heading.line] if heading.line < len(self.lines) else ""
        under = following.strip()
        is_underlined = set(under) == {"-"} and (len(under) > 3 or len(under) == len(line.strip()))
        return is_underlined or set(under) == {"="}

    def _is_verbatim(self, line: str) -> bool:
        fence = _FENCE.match(line)
        if self.fence:
            if fence is not None and fence[1].startswith(self.fence):
                self.fence = ""
            return True
        if self.in_comment:
            self.in_comment = "-->" not in line
            return True
        if fence is not None:
            self.fence = fence[1]
            return True
        if line.lstrip().startswith("<!--"):
            self.in_comment = "-->" not in line
            return True
        return False

    def _line(self, line: str, number: int) -> None:
        stripped = line.strip()
        if not stripped:
            self._end_paragraph()
            self.columns = None
            self.after_blank = True
            return
        after_blank, self.after_blank = self.after_blank, False
        following = self.lines[number].strip() if number < len(self.lines) else ""
        bullet = _BULLET.fullmatch(line)
        bold = _BOLD_LINE.fullmatch(line)
        if set(stripped) <= {"=", "-"} and isinstance(self.blocks.get(number - 1), Heading):
            self._end_paragraph()
            return  # what underlines a heading, or a rule
        if _RULE.fullmatch(line):
            self._end_paragraph()
            self.open_items.clear()
        elif bullet is not None and not (self.columns and _DELIMITER_ROW.fullmatch(line.strip())):
            self._item(len(bullet["indent"]), bullet["text"], number)
        elif "|" in stripped and (self.columns is not None or _DELIMITER_ROW.fullmatch(following)):
            self._row(stripped, number, is_header=self.columns is None)
        elif bold is not None and (
            after_blank
            or stripped.endswith((":", ":**", ":__"))
            or _SIDE_LINE.fullmatch((bold["stars"] or bold["lines"]).strip())
        ):
            self._end_paragraph()
            self._open_section(bold["stars"] or bold["lines"], _BOLD_LINE_LEVEL, number)
        elif stripped.endswith(":") and _SIDE_LINE.fullmatch(stripped) and not line[0].isspace():
            self._end_paragraph()
            self._open_section(stripped, _BOLD_LINE_LEVEL, number)
        elif _begins_with_mark(stripped) and not self._continues(line, after_blank):
            self._item(len(line) - len(stripped), stripped, number)
        else:
            self._text(line, number, after_blank)

    def _continues(self, line: str, after_blank: bool) -> bool:
        """Return whether a line goes on with the item above it."""
        indent = len(line) - len(line.lstrip())
        return bool(self.open_items) and not after_blank and indent > self.open_items[-1][0]

    def _open_section(self, title: str, level: int, number: int) -> None:
        above = self.section
        while above.level >= level and above.above is not None:
            above = above.above
        self.section = PhaseSection(_split_signs(title.strip())[0], level, number, above)
        above.sections.append(self.section)
        self.open_items.clear()
        self.columns = None
        self.fence = ""
        self.in_comment = False
        self.after_blank = True

    def _box(self, box: Box, line: str, number: int) -> None:
        bullet = _BULLET.fullmatch(line)
        indent = len(bullet["indent"]) if bullet is not None else len(line) - len(line.lstrip())
        self.fence = ""
        self.in_comment = False
        self.after_blank = False
        # The text on the line that follows a bare box is the scanner's to find.
        self._item(indent, box.text, number, is_done=box.mark != " ")

    def _item(self, indent: int, text: str, number: int, *, is_done: bool | None = None) -> None:
        self._end_paragraph()
        self.columns = None
        task = _task(text, number, is_done)
        while self.open_items and (
            self.open_items[-1][0] + _NESTS_FROM > indent or len(self.open_items) >= _MAX_NESTING
        ):
            self.open_items.pop()
        siblings = self.open_items[-1][1].children if self.open_items else self.section.tasks
        siblings.append(task)
        self.open_items.append((indent, task))

    def _row(self, line: str, number: int, *, is_header: bool) -> None:
        self._end_paragraph()
        self.open_items.clear()
        cells = _cells(line)
        if is_header:
            self.columns = [" ".join(re.findall(r"\w+", cell.lower())) for cell in cells]
            return
        if _DELIMITER_ROW.fullmatch(line.strip()) or not any(cells):
            return
        self.section.tasks += _tasks_of_row(self.columns or [], cells, number)

    def _text(self, line: str, number: int, after_blank: bool) -> None:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if after_blank:
            while self.open_items and indent <= self.open_items[-1][0]:
                self.open_items.pop()
        if self.open_items:
            task = self.open_items[-1][1]
            if after_blank or self.paragraph:
                if not self.paragraph:
                    self.paragraph_line = number
                self.paragraph.append(stripped)
            elif not task.text.endswith(stripped):  # a box's text may come from this very line
                task.text = f"{task.text} {stripped}".strip()
            return
        field_name = _FIELD.match(stripped)
        if self.paragraph and field_name is not None:
            self._end_paragraph()
        if not self.paragraph:
            self.paragraph_line = number
        self.paragraph.append(stripped)

    def _end_paragraph(self) -> None:
        if not self.paragraph:
            return
        text = " ".join(self.paragraph)
        self.paragraph = []
        if self.open_items:
            self.open_items[-1][1].details.append(text)
        else:
            self.section.paragraphs.append((self.paragraph_line, text))


def _begins_with_mark(text: str) -> bool:
    if _SIGN.match(text) is not None or _SIDE_FIELD.match(text) is not None:
        return True
    found = _LOOSE_BOX.match(text) or _TAG.match(text)
    return found is not None and bool(text[found.end() :].strip())


def _task(text: str, line: int, is_done: bool | None) -> PhaseTask:
    """Take boxes and signs off an item's text, and note its tags."""
    rest = " ".join(text.split())
    for pattern in (_LOOSE_BOX, _SIGN, _LOOSE_BOX, _SIGN):
        found = pattern.match(rest)
        if found is not None:
            done = found[1] in ("x", "X") if pattern is _LOOSE_BOX else found[1] in _DONE_SIGNS
            is_done = done if is_done is None else is_done
            rest = rest[found.end() :]
    before, signs = _split_signs(rest)
    if before and signs:
        is_done = signs[-1] in _DONE_SIGNS if is_done is None else is_done
        rest = before
    rest = rest.strip()
    return PhaseTask(rest, line, is_done, _tags(rest))


def _split_signs(text: str) -> tuple[str, str]:
    """Return a text and the signs that stand at its end."""
    before = text.rstrip(f"{_SIGNS}\ufe0f \t")
    return before, "".join(char for char in text[len(before) :] if char in _SIGNS)


def _tags(text: str) -> tuple[str, ...]:
    tags: list[str] = []
    start = found.end() if (found := _BEFORE_TAGS.match(text)) else 0
    while (tag := _TAG.match(text, start)) is not None and tag.end() < len(text):
        tags += _parts(tag["tag"])
        start = tag.end()
    last = _TRAILING_TAG.search(text)
    if last is not None:
        tags += _parts(last[1])
    return tuple(tags)


def _parts(tag: str) -> list[str]:
    return [part.strip() for part in _BETWEEN_TAGS.split(tag) if part.strip()]


def _tasks_of_row(columns: Sequence[str], cells: Sequence[str], line: int) -> list[PhaseTask]:
    """Make a task of a table's row; where columns are named after sides, one of each such cell."""
    of_sides = {
        index: found
        for index, name in enumerate(columns)
        if (found := _SIDE_COLUMN.fullmatch(name))
    }
    task = _task_of_row(
        [name for index, name in enumerate(columns) if index not in of_sides],
        [cell for index, cell in enumerate(cells) if index not in of_sides],
        line,
    )
    tasks = []
    for index, found in of_sides.items():
        cell = _task(cells[index], line, None) if index < len(cells) else None
        if cell is not None and cell.text.strip("-–— "):
            text = f"{task.text}: {cell.text}" if task.text else cell.text
            tags = (*task.tags, "Backend" if found["back"] else "Frontend")
            is_done = task.is_done if cell.is_done is None else cell.is_done
            tasks.append(PhaseTask(text, line, is_done, tags, list(task.details)))
    return tasks or [task]


def _task_of_row(columns: Sequence[str], cells: Sequence[str], line: int) -> PhaseTask:
    """Make a task of a table's row: its text, its status and its tags by the names of columns."""
    named = dict(zip(columns, cells, strict=False))
    text_column = next((name for name in _columns(columns, _TASK_COLUMNS) if named.get(name)), None)
    status = next((named[name] for name in _columns(columns, _STATUS_COLUMNS) if name in named), "")
    used = {text_column, *_columns(columns, _STATUS_COLUMNS), *_columns(columns, _TAG_COLUMNS)}
    text = named[text_column] if text_column is not None else ""
    if not text:
        text, used = max(cells, key=len, default=""), set(columns)
    task = _task(text, line, _status(status))
    more = [
        f"{name}: {cell}"
        for name, cell in named.items()
        if cell and name not in used and name and cell != text
    ]
    tags = [named[name] for name in _columns(columns, _TAG_COLUMNS) if named.get(name)]
    parts = [part for tag in tags for part in _parts(tag)]
    details = ["; ".join(more)] if more else []
    return PhaseTask(task.text, line, task.is_done, (*task.tags, *parts), details)


def _columns(columns: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return the columns that have one of the wanted words, the most wanted first."""
    present = list(columns)
    found = [name for word in wanted for name in present if word in name.split()]
    found += [name for word in wanted for name in present if f"{word}s" in name.split()]
    return list(dict.fromkeys(found))


def _status(cell: str) -> bool | None:
    cell = cell.strip()
    if not cell:
        return None
    sign = next((char for char in cell if char in _SIGNS), None)
    if sign is not None:
        return sign in _DONE_SIGNS
    box = _LOOSE_BOX.match(cell)
    if box is not None:
        return box[1] in ("x", "X")
    return bool(_DONE_WORDS.search(cell)) and not _UNDONE_WORDS.search(cell)


def _cells(line: str) -> list[str]:
    inner = line.strip()
    inner = inner.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]
