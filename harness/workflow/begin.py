"""The template, filled from a feature of a phase file: a workflow document to begin with.

Fills by edits of the template's placeholders, so that all else of it stays to the byte. No box is
ticked: the phase file's own ticks are claims. Must not live here: reading phase files
(`phase.py`), choosing tasks (`backend_tasks.py`), writing files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.errors import WorkflowError
from harness.source import Span
from harness.workflow.backend_tasks import Selection, TakenTask
from harness.workflow.document import WorkflowDocument
from harness.workflow.edit import TextEdit, apply_edits
from harness.workflow.phase import PhaseFile

PHASE = "[Phase Number/Name]"
NAME = "[Feature Name]"
DESCRIPTION = "[Feature Description]"
COMPONENTS = "Component Features"

_MAX_DEPTH = 20
_LINK_TARGET = re.compile(r"(\]\(<?)(?![a-z][a-z0-9+.-]*:|[#/])([^\s()<>]+)", re.IGNORECASE)
# What would begin a block of its own at the start of a list item's text.
_BEGINS_BLOCK = re.compile(
    r"(?:#{1,6}(?:\s|$)|>|`{3}|~{3}|[-+*](?:\s|$)|<|\[[ xX]\]|\||(?:[-_*]\s*){3,}$)"
)
_BEGINS_NUMBER = re.compile(r"(\d{1,9})([.)](?:\s|$))")


@dataclass(frozen=True, slots=True)
class Begun:
    """A new workflow document, and what of the template it leaves to be filled in."""

    text: str
    unfilled: tuple[str, ...]


def begin_document(
    template: WorkflowDocument,
    phase: PhaseFile,
    selection: Selection,
    *,
    phase_path: str,
    document_path: str,
) -> Begun:
    """Fill the template.

    Args:
        template: The harness's own, or a team's with the same placeholders.
        phase: The phase file.
        selection: The feature's backend tasks.
        phase_path: Where the phase file is, from the project's folder, with `/`.
        document_path: Where the document will be, likewise: links are made from there.

    Raises:
        WorkflowError: The template has no place for the tasks.
    """
    there = posixpath.dirname(document_path) or "."
    link = posixpath.relpath(phase_path, there)
    title = _one_line(phase.title) or posixpath.basename(phase_path)
    description = selection.section.description

    def moved(text: str) -> str:
        return _relinked(text, posixpath.dirname(phase_path) or ".", there)

    target = f"<{link}>" if re.search(r"[\s()]", link) else link
    values = {
        PHASE: f"{moved(title)} ([phase file]({target}))",
        NAME: moved(selection.section.name),
        DESCRIPTION: moved(description[1]) if description is not None else "",
    }
    text = template.text
    edits = []
    unfilled = []
    for placeholder, value in values.items():
        start = text.find(placeholder)
        if start < 0:
            continue
        if value:
            edits.append(TextEdit(Span(start, start + len(placeholder)), value))
        else:
            unfilled.append(placeholder)
    span = _placeholder_list(template)
    lines = [line for component in selection.components for line in _lines(component, moved, 0)]
    edits.append(TextEdit(span, "\n".join(lines)))
    return Begun(apply_edits(text, edits), tuple(unfilled))


def _placeholder_list(template: WorkflowDocument) -> Span:
    """Return the span of the items that stand for component features, from bullet to last text."""
    section = next((found for found in template.sections if found.title == COMPONENTS), None)
    if section is None or not section.items:
        raise WorkflowError(
            f'{template.source.file_name} has no list under a heading "{COMPONENTS}"',
            fix="add one to the template: the tasks go there",
        )
    text = template.text
    first, last = section.items[0], section.items[-1]
    start = text.rfind("\n", 0, first.box_span.start) + 1
    end = text.find("\n", last.box_span.end)
    return Span(start, end if end >= 0 else len(text))


def _lines(task: TakenTask, moved: Callable[[str], str], depth: int) -> Iterator[str]:
    indent = "  " * min(depth, _MAX_DEPTH)
    text = moved(_one_line(task.text))
    yield f"{indent}- {_plain(text)}" if task.is_detail else f"{indent}- [ ] {text}"
    for child in task.children:
        yield from _lines(child, moved, depth + 1)


def _relinked(text: str, before: str, now: str) -> str:
    """Return a text whose relative links led from one folder, so that they lead from another."""

    def link(found: re.Match[str]) -> str:
        target, mark, anchor = found[2].partition("#")
        path = posixpath.relpath(posixpath.join(before, target), now)
        return f"{found[1]}{path}{'/' if target.endswith('/') else ''}{mark}{anchor}"

    return _LINK_TARGET.sub(link, text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Return a text that is no block of its own, and no box, behind a bullet."""
    if _BEGINS_BLOCK.match(text):
        return f"\\{text}"
    return _BEGINS_NUMBER.sub(r"\1\\\2", text, count=1) if _BEGINS_NUMBER.match(text) else text
