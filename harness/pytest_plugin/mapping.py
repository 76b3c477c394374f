"""From `workflow` marks to items of the workflow document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import ConfigError, HarnessError, WorkflowError
from harness.project import (
    find_project_folder,
    load_settings,
    load_template,
    load_workflow,
    workflow_paths,
)
from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.marks import MARK, addresses_in_source


class ItemIndex:
    """The items that marks may name: those of all the project's workflow documents, or of the
    template if it has none.
    """

    def __init__(self, documents: Sequence[WorkflowDocument]) -> None:
        self.documents = tuple(documents)
        self._found: dict[str, ChecklistItem] = {}

    def find(self, address: str) -> ChecklistItem:
        """Return the item that an address names.

        Raises:
            WorkflowError: None has it, or it fits several; with the nearest names of the first
                document.
        """
        if address not in self._found:
            self._found[address] = self._search(address)
        return self._found[address]

    def _search(self, address: str) -> ChecklistItem:
        first_error: WorkflowError | None = None
        for document in self.documents:
            try:
                return document.find(address)
            except WorkflowError as error:
                first_error = first_error or error
        if first_error is None:
            raise WorkflowError(
                f"no workflow document has an item {address!r}: there is no document",
                fix="name one with --harness-workflow FILE",
            )
        raise first_error


def load_items(start: Path, project_dir: Path | None, workflow_files: Sequence[str]) -> ItemIndex:
    """Read the documents that marks refer to.

    Args:
        start: Where to look upwards for a project when none is named.
        project_dir: The folder that the user named, if any.
        workflow_files: The documents that the user named; counted from the working directory.
    """
    try:
        folder = project_dir or find_project_folder(start)
    except ConfigError:
        folder = (
            start  # checks of something that is no Firebase project may still follow a document
        )
    paths = workflow_paths(folder, load_settings(folder), workflow_files)
    return ItemIndex([load_workflow(path) for path in paths] or [load_template()])


def item_ids_of(node: pytest.Item, items: ItemIndex) -> tuple[str, ...]:
    """Return the ids of the items that a check's marks name, each once, nearest mark last.

    Raises:
        HarnessError: A mark names no item, or names it wrongly.
    """
    ids: dict[str, None] = {}
    for mark in reversed(list(node.iter_markers(MARK))):
        if not mark.args or mark.kwargs:
            raise HarnessError(
                "a workflow mark takes the names of items, and at least one",
                fix='write it as pytest.mark.workflow("Heading/Item text")',
            )
        for address in mark.args:
            if not isinstance(address, str):
                raise HarnessError(
                    f"a workflow mark names an item by text, not by {address!r}",
                    fix='write it as pytest.mark.workflow("Heading/Item text")',
                )
            ids[items.find(address).item_id] = None
    return tuple(ids)


def item_ids_in_source(path: Path, items: ItemIndex) -> tuple[str, ...] | None:
    """Return the items that a file of checks names, from its text alone.

    For a file that cannot be imported: its items are not verified, and the others need not suffer.
    None means that the text does not tell: it does not parse, or a mark is written with something
    else than plain text.
    """
    try:
        addresses = addresses_in_source(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ids: dict[str, None] = {}
    for address in addresses or ():
        try:
            ids[items.find(address).item_id] = None
        except WorkflowError:
            continue  # nothing in the document to leave unticked
    return tuple(ids) or None
