"""What a workflow document says of the feature that it is about, held against the phase file.

Lives here: which phase file, name, description and component features the document states, and
where they differ from the phase file. Must not live here: reading the phase file's Markdown
(`phase.py`), which of its tasks are backend work (`backend_tasks.py`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import WorkflowError
from harness.workflow.address import address_key
from harness.workflow.backend_tasks import Fate, Selection, select_backend_tasks
from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.links import Link, LinkKind, links_in
from harness.workflow.phase import PhaseFile

_FIELD = re.compile(r"^\*\*(?P<name>[^*\n]{1,40}?):?\*\*:?[ \t]*(?P<value>.*)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"\[[^\[\]]*\](?!\()")
COMPONENTS = "Component Features"


@dataclass(frozen=True, slots=True)
class StatedFeature:
    """What a document says of its feature. Lines count from 1; a field that is not there is empty.

    Attributes:
        phase: The text behind `Project Phase`.
        phase_link: The first link to a file in it.
        components: The items under *Component Features*.
    """

    phase: str
    phase_line: int
    phase_link: Link | None
    name: str
    name_line: int
    description: str
    description_line: int
    components: tuple[ChecklistItem, ...]


def stated_feature(document: WorkflowDocument) -> StatedFeature:
    """Read what a document says of its feature."""
    fields: dict[str, tuple[str, int]] = {}
    for found in _FIELD.finditer(document.text):
        line = document.text.count("\n", 0, found.start()) + 1
        fields.setdefault(address_key(found["name"]), (found["value"].strip(), line))
    phase, phase_line = fields.get("project-phase", ("", 1))
    name, name_line = fields.get("name", ("", 1))
    description, description_line = fields.get("description", ("", 1))
    links = (link for link in links_in(phase) if link.kind is LinkKind.FILE)
    return StatedFeature(
        phase,
        phase_line,
        next(links, None),
        name,
        name_line,
        description,
        description_line,
        tuple(item for item in document.items if COMPONENTS in item.heading_path),
    )


def is_filled(text: str) -> bool:
    """Return whether a field says something, and holds no placeholder of the template."""
    return bool(text) and _PLACEHOLDER.search(text) is None


def selection_for(feature: StatedFeature, phase: PhaseFile) -> Selection:
    """Return the backend tasks of the phase file's section that the document names.

    Raises:
        WorkflowError: The phase file has no such section, or several.
    """
    section = phase.feature(feature.name)
    taken = frozenset(_lines_in_document(feature, select_backend_tasks(phase, section)))
    return select_backend_tasks(phase, section, taken)


def differences(feature: StatedFeature, phase: PhaseFile) -> Iterator[tuple[int, str]]:
    """Yield what the *Primary Feature* section says otherwise than the phase file, by line."""
    if not is_filled(feature.name):
        yield feature.name_line, "Name is not filled in"
        return
    if not is_filled(feature.description):
        yield feature.description_line, "Description is not filled in"
    try:
        section = phase.feature(feature.name)
    except WorkflowError as error:
        yield feature.name_line, error.problem
        return
    described = section.description
    if (
        described is not None
        and is_filled(feature.description)
        and _words(feature.description) != _words(described[1])
    ):
        where = f"{phase.source.file_name}:{described[0]}"
        yield feature.description_line, f"Description is not that of the phase file ({where})"


def missing_tasks(feature: StatedFeature, selection: Selection) -> tuple[tuple[int, str], ...]:
    """Return the backend tasks of the phase file that no component feature names, by line."""
    present = {_words(item.text) for item in feature.components}
    return tuple(
        (task.line, task.text)
        for component in selection.components
        for task in component.walk()
        if not task.is_detail
        and task.line != selection.section.line  # the name for tasks that stand alone
        and _words(task.text) not in present
    )


def _lines_in_document(feature: StatedFeature, selection: Selection) -> Iterator[int]:
    """Yield the lines that are a question to the user and that the document has answered."""
    present = {_words(item.text) for item in feature.components}
    for decision in selection.of(Fate.ASKED):
        if _words(decision.task.text) in present:
            yield decision.task.line


def _words(text: str) -> str:
    """Return a text's words alone, of links their texts: how it is set does not count."""
    return address_key(text.replace("/", " "))
