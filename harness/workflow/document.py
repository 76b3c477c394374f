"""Markdown -> WorkflowDocument of Sections and ChecklistItems, with the place of every box.

Lives here: the records, and how an item is found by its name. Must not live here: how Markdown is
read (`blocks.py`), changes to the text (`edit.py`), results of checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.errors import WorkflowError
from harness.records import record
from harness.source import SourceText, Span
from harness.workflow.address import address_key, nearest_names, slug, unique_ids
from harness.workflow.blocks import Box, Heading, scan_blocks

_PLACEHOLDER = re.compile(r"\[[^\[\]]*\]")


@record()
class ChecklistItem:
    """One task-list item.

    Attributes:
        item_id: Unique in the document, made of slugs: `testing/verify-security-rules`. Moving the
            item within its section or editing other sections keeps it.
        heading_path: Titles of the headings above it, outermost first.
        ancestors: Texts of the checklist items that it is nested in, outermost first.
        text: The item's first line, as written, without the box.
        box_span: The one character between the brackets.
        line: Counted from 1.
        depth: How many checklist items it is nested in.
        is_placeholder: It still says what to fill in, `[Component Feature Name]`, or nothing at
            all.
    """

    item_id: str
    heading_path: tuple[str, ...]
    ancestors: tuple[str, ...]
    text: str
    is_ticked: bool
    box_span: Span
    line: int
    depth: int
    parent_id: str | None
    is_placeholder: bool

    @property
    def title(self) -> str:
        """What a person types to name it: the last heading, the items around it, its text."""
        return "/".join((*self.heading_path[-1:], *self.ancestors, self.text))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written behind the box."""
        return not self.text


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands between it and the next heading of any level.

    Attributes:
        level: 1 to 6; 0 for what comes before the first heading.
        heading_path: Titles from the outermost heading to this one, both included.
        span: From the heading's first character to the next heading.
        items: Its own items, without those of the sections under it.
    """

    title: str
    level: int
    heading_path: tuple[str, ...]
    line: int
    span: Span
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, slots=True)
class WorkflowDocument:
    """A workflow document as read: its text untouched, and what is in it, in the document's
    order."""

    source: SourceText
    sections: tuple[Section, ...]
    items: tuple[ChecklistItem, ...]
    _by_id: dict[str, ChecklistItem] = field(repr=False, compare=False)
    _by_key: dict[str, list[ChecklistItem]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The whole document, character for character."""
        return self.source.text

    def item(self, item_id: str) -> ChecklistItem:
        """Return the item of an id.

        Raises:
            KeyError: No item has it.
        """
        return self._by_id[item_id]

    def find(self, address: str) -> ChecklistItem:
        """Return the one item that an address names.

        An address is an item id, or the item's text with as many of the headings before it as make
        it unique, between slashes: `Testing/Verify security rules`. Case, punctuation and spacing
        do not count.

        Raises:
            WorkflowError: None fits (with the nearest names) or several do (with an address for
                each).
        """
        found = self._fitting(address)
        if len(found) == 1:
            return found[0]
        raise self._not_one(address, found)

    def find_if_there(self, address: str) -> ChecklistItem | None:
        """Return the one item that an address names, or None where none fits.

        Raises:
            WorkflowError: Several do.
        """
        found = self._fitting(address)
        if len(found) > 1:
            raise self._not_one(address, found)
        return found[0] if found else None

    def _fitting(self, address: str) -> list[ChecklistItem]:
        exact = self._by_id.get(address.strip())
        if exact is not None:
            return [exact]
        if not self._by_key:
            self._fill_keys()
        return self._by_key.get(address_key(address), [])

    def select(self, address: str) -> tuple[ChecklistItem, ...]:
        """Return the items that an address names: one item, or all that stand under a heading.

        A heading is addressed as items are: `Testing`, `Verification Phase/Quality Check`.

        Raises:
            WorkflowError: As `find`, or several headings fit.
        """
        key = address_key(address)
        paths = {
            section.heading_path[:end]
            for section in self.sections
            for end in range(1, len(section.heading_path) + 1)
        }
        fitting = [path for path in paths if f"/{_path_key(path)}".endswith(f"/{key}")]
        under = [path for path in fitting if self._under(path)]
        if not under or address.strip() in self._by_id:
            return (self.find(address),)
        if len(under) > 1:
            names = "; ".join(f'"{"/".join(path)}"' for path in sorted(under)[:10])
            raise WorkflowError(
                f'"{address}" fits {len(under)} headings of {self.source.file_name}',
                fix=f"use one of: {names}",
            )
        return self._under(under[0])

    def _under(self, path: tuple[str, ...]) -> tuple[ChecklistItem, ...]:
        return tuple(item for item in self.items if item.heading_path[: len(path)] == path)

    def _not_one(self, address: str, found: list[ChecklistItem]) -> WorkflowError:
        name = self.source.file_name
        if found:
            candidates = "; ".join(f'"{item.item_id}" (line {item.line})' for item in found[:10])
            more = " …" if len(found) > 10 else ""
            return WorkflowError(
                f'"{address}" fits {len(found)} items of {name}',
                fix=f"use one of: {candidates}{more}",
            )
        nearest = nearest_names(address, (item.title for item in self.items if item.text))
        if nearest:
            fix = "did you mean " + " or ".join(f'"{near}"' for near in nearest) + "?"
        elif self.items:
            fix = 'name an item by heading and text, as in "Testing/Verify security rules"'
        else:
            fix = f"{name} has no checklist item yet: write one as `- [ ] text`"
        return WorkflowError(f'no item of {name} matches "{address}"', fix=fix)

    def _fill_keys(self) -> None:
        """List each item under every tail of its path, with and without the items that it is nested
        in."""
        for item in self.items:
            last = (address_key(item.text),)
            paths = {tuple(map(address_key, item.heading_path)) + last}
            if item.ancestors:
                paths.add(tuple(map(address_key, item.heading_path + item.ancestors)) + last)
                paths.add(tuple(map(address_key, item.ancestors)) + last)
            for key in {"/".join(path[start:]) for path in paths for start in range(len(path))}:
                self._by_key.setdefault(key, []).append(item)


def _path_key(path: tuple[str, ...]) -> str:
    return "/".join(map(address_key, path))


def parse_workflow(source: SourceText) -> WorkflowDocument:
    """Read a workflow document. Never fails: every text is some Markdown, if perhaps without
    items."""
    blocks = scan_blocks(source.text)
    sections = _open_sections(blocks, source.text)
    items = _items(blocks, sections)
    done = []
    for section in sections:
        own = tuple(items[section.first_box : section.end_box])
        if section.level or own:
            done.append(
                Section(section.title, section.level, section.path, section.line, section.span, own)
            )
    return WorkflowDocument(
        source, tuple(done), tuple(items), {item.item_id: item for item in items}
    )


@dataclass(slots=True)
class _OpenSection:
    title: str
    level: int
    path: tuple[str, ...]
    line: int
    span: Span
    first_box: int
    end_box: int


def _open_sections(blocks: list[Heading | Box], text: str) -> list[_OpenSection]:
    """Give the sections with the range of boxes in each; the first is what precedes all
    headings."""
    sections = [_OpenSection("", 0, (), 1, Span(0, len(text)), 0, 0)]
    above: list[tuple[int, str]] = []
    boxes = 0
    for block in blocks:
        if isinstance(block, Box):
            boxes += 1
            continue
        while above and above[-1][0] >= block.level:
            above.pop()
        above.append((block.level, block.title))
        last = sections[-1]
        last.end_box = boxes
        last.span = Span(last.span.start, block.start)
        path = tuple(title for _, title in above)
        span = Span(block.start, len(text))
        sections.append(_OpenSection(block.title, block.level, path, block.line, span, boxes, 0))
    sections[-1].end_box = boxes
    return sections


def _items(blocks: list[Heading | Box], sections: list[_OpenSection]) -> list[ChecklistItem]:
    boxes = [block for block in blocks if isinstance(block, Box)]
    ancestors: list[tuple[str, ...]] = []
    paths: list[tuple[int, tuple[str, ...]]] = []
    slugs: list[tuple[str, ...]] = []  # of the item's ancestors and itself
    for section in sections:
        heading_slugs = tuple(map(slug, section.path))
        for box in boxes[section.first_box : section.end_box]:
            if box.parent is None:
                ancestors.append(())
                slugs.append((slug(box.text),))
            else:
                ancestors.append((*ancestors[box.parent], boxes[box.parent].text))
                slugs.append((*slugs[box.parent], slug(box.text)))
            own = slugs[-1]
            paths.append((len(own) + 1, heading_slugs + own))
    ids = unique_ids(paths)
    items = []
    for section in sections:
        path = section.path
        for index in range(section.first_box, section.end_box):
            box = boxes[index]
            text = box.text
            items.append(
                ChecklistItem(
                    ids[index],
                    path,
                    ancestors[index],
                    text,
                    box.mark != " ",
                    Span(box.offset, box.offset + 1),
                    box.line,
                    len(ancestors[index]),
                    None if box.parent is None else ids[box.parent],
                    not text or (text[0] == "[" and _PLACEHOLDER.fullmatch(text) is not None),
                )
            )
    return items
