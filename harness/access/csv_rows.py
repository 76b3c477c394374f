"""Rows of the access matrix from a CSV file: one column a persona, a mark in each cell.

The other columns have the names that rows in YAML have; data, where and order hold JSON. Source of
the format: RFC 4180.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from harness.access.rows import ROW_KEYS, RowDraft, raise_all
from harness.config import Persona
from harness.errors import ConfigError, HarnessError
from harness.source import SourcePosition, SourceText

ALLOWED_MARKS = frozenset({"allow", "✓", "✔", "✅", "yes"})
DENIED_MARKS = frozenset({"deny", "✗", "✘", "❌", "no", ""})
_COLUMNS = tuple(key for key in ROW_KEYS if key not in ("allow", "deny", "batch"))
_BYTE_ORDER_MARK = "\ufeff"

DraftOfTexts = Callable[[Mapping[str, str], Mapping[str, SourcePosition], SourcePosition], RowDraft]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell's content, and where it begins."""

    text: str
    at: SourcePosition


def csv_drafts(
    source: SourceText, personas: Mapping[str, Persona], draft_of_texts: DraftOfTexts
) -> list[RowDraft]:
    """Read a CSV file's rows. A row without a name is called after its request.

    Raises:
        ConfigError: Something does not fit; several problems come as a group.
    """
    lines = read_cells(source)
    header = next(lines, None)
    if header is None:
        raise ConfigError("an empty table", fix="begin with path,method,…", at=source.position(0))
    _check_header(header, personas)
    names = [cell.text.strip() for cell in header]
    drafts: list[RowDraft] = []
    problems: list[HarnessError] = []
    for cells in lines:
        try:
            drafts.append(_draft(names, cells, personas, draft_of_texts))
        except HarnessError as error:
            problems.append(error)
    raise_all(problems)
    return drafts


def _check_header(header: Iterable[Cell], personas: Mapping[str, Persona]) -> None:
    seen: set[str] = set()
    for cell in header:
        name = cell.text.strip()
        if name not in personas and name not in _COLUMNS:
            near = get_close_matches(name, [*personas, *_COLUMNS], n=1)
            known = ", ".join([*personas, *_COLUMNS])
            fix = f'did you mean "{near[0]}"?' if near else f"known columns: {known}"
            raise ConfigError(f'"{name}" is neither a persona nor a column', fix=fix, at=cell.at)
        if name in seen:
            raise ConfigError(f'two columns "{name}"', fix="keep one of them", at=cell.at)
        seen.add(name)
    missing = next((name for name in personas if name not in seen), None)
    if missing is not None:
        first = next(iter(header))
        fix = "add it: what is not in the table would not be asked"
        raise ConfigError(f'no column for the persona "{missing}"', fix=fix, at=first.at)


def _draft(
    names: list[str],
    cells: list[Cell],
    personas: Mapping[str, Persona],
    draft_of_texts: DraftOfTexts,
) -> RowDraft:
    at = cells[0].at
    if len(cells) != len(names):
        raise ConfigError(
            f"{len(cells)} cells below {len(names)} columns",
            fix="put a text with a comma in double quotes, and double the quotes within it",
            at=at,
        )
    allowed = []
    texts: dict[str, str] = {}
    places: dict[str, SourcePosition] = {"allow": at}
    for name, cell in zip(names, cells, strict=True):
        text = cell.text.strip()
        if name in personas:
            if _is_allowed(cell, text):
                allowed.append(name)
        elif text:
            texts[name] = text
            places[name] = cell.at
    draft = draft_of_texts(texts, places, at)
    draft.values["allow"] = tuple(allowed)
    if "name" not in draft.values:
        about = [texts.get("method", ""), texts.get("path", texts.get("group", ""))]
        draft.values["name"] = " ".join(part for part in about if part) or "a row without a name"
    return draft


def _is_allowed(cell: Cell, text: str) -> bool:
    word = text.casefold()
    if word in ALLOWED_MARKS:
        return True
    if word in DENIED_MARKS:
        return False
    raise ConfigError(
        f'"{text}" is neither allowed nor denied',
        fix="write allow or ✓; deny, ✗ or nothing",
        at=cell.at,
    )


def read_cells(source: SourceText) -> Iterator[list[Cell]]:
    """Yield the cells of each line that is not empty, each with its place."""
    text = source.text
    position = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
    while position < len(text):
        cells = []
        while True:
            start = position
            content, position = _content(source, position)
            cells.append(Cell(content, source.position(start)))
            if position < len(text) and text[position] == ",":
                position += 1
                continue
            break
        position = _after_line_end(text, position)
        if any(cell.text.strip() for cell in cells):
            yield cells


def _content(source: SourceText, start: int) -> tuple[str, int]:
    """Return one cell's content, and where it ends."""
    text = source.text
    if not text.startswith('"', start):
        end = start
        while end < len(text) and text[end] not in ",\r\n":
            end += 1
        return text[start:end], end
    parts = []
    position = start + 1
    while True:
        quote = text.find('"', position)
        if quote == -1:
            raise ConfigError(
                "a quote that is not closed",
                fix="close it; a quote within a cell is written twice",
                at=source.position(start),
            )
        parts.append(text[position:quote])
        if not text.startswith('""', quote):
            position = quote + 1
            break
        parts.append('"')
        position = quote + 2
    if position < len(text) and text[position] not in ",\r\n":
        raise ConfigError(
            "text after a closing quote",
            fix="a quote within a cell is written twice",
            at=source.position(position),
        )
    return "".join(parts), position


def _after_line_end(text: str, position: int) -> int:
    if text.startswith("\r\n", position):
        return position + 2
    return position + 1
