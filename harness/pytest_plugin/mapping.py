"""From `workflow` marks, and patterns of harness.yaml, to items of the workflow documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.config import HARNESS_YAML
from harness.errors import ConfigError, HarnessError, WorkflowError
from harness.project import (
    find_project_folder,
    load_settings,
    load_template,
    named_workflow,
    workflow_paths,
)
from harness.workflow.document import WorkflowDocument
from harness.workflow.documents import WorkflowDocuments
from harness.workflow.marks import MARK, addresses_in_source
from harness.workflow.patterns import CheckMap


class ItemIndex:
    """The items that checks may name: those of all the project's workflow documents, or of the
    template if it has none.

    Items go by references: their ids, with the document's name before where there are several.
    """

    def __init__(
        self,
        documents: Sequence[WorkflowDocument],
        patterns: CheckMap | None = None,
        folder: Path | None = None,
    ) -> None:
        """Args:
        documents: Named by their paths in the project.
        patterns: What harness.yaml says of checks.
        folder: The project's.
        """
        self.documents = WorkflowDocuments(documents)
        self._patterns = patterns or CheckMap({}, "")
        self._folder = folder
        self._found: dict[str, tuple[str, ...]] = {}

    @property
    def has_patterns(self) -> bool:
        """Whether harness.yaml maps checks to items."""
        return bool(self._patterns.patterns)

    def find(self, address: str) -> tuple[str, ...]:
        """Return the references of the items that an address names, one for each document.

        Raises:
            WorkflowError: None has it, or it fits several of one document; with the nearest names.
        """
        if address not in self._found:
            found = self.documents.find(address)
            self._found[address] = tuple(map(self.documents.reference, found))
        return self._found[address]

    def mapped(self, path: Path, nodeid: str) -> tuple[str, ...] | None:
        """Return the references of the items that harness.yaml says a check verifies; None where no
        pattern fits.

        Raises:
            ConfigError: harness.yaml names an item that no document has.
        """
        addresses = self._patterns.addresses(self._name(path, nodeid))
        return None if addresses is None else self._of_settings(addresses)

    def in_source(self, path: Path, text: str) -> tuple[str, ...]:
        """Return the references of the items that a file of checks names, from its text alone."""
        by_pattern, is_all = self._patterns.addresses_of_file(self._name(path, ""), text)
        references = dict.fromkeys(self._of_settings(by_pattern))
        for address in () if is_all else addresses_in_source(text) or ():
            try:
                references |= dict.fromkeys(self.find(address))
            except WorkflowError:
                continue  # nothing in the documents to leave unticked
        return tuple(references)

    def _name(self, path: Path, nodeid: str) -> str:
        """Return a check's name from the project's folder, wherever pytest counts from."""
        folder = self._folder
        if folder is None or not path.is_relative_to(folder):
            return nodeid
        _, mark, inside = nodeid.partition("::")
        return f"{path.relative_to(folder).as_posix()}{mark}{inside}"

    def _of_settings(self, addresses: Sequence[str]) -> tuple[str, ...]:
        references: dict[str, None] = {}
        for address in addresses:
            try:
                references |= dict.fromkeys(self.find(address))
            except WorkflowError as error:
                raise ConfigError(
                    f"`checks:` of {HARNESS_YAML}: {error.problem}", fix=error.fix
                ) from error
        return tuple(references)


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
    settings = load_settings(folder)
    documents = [
        named_workflow(folder, path) for path in workflow_paths(folder, settings, workflow_files)
    ]
    patterns = CheckMap(settings.check_items, settings.checks_folder)
    return ItemIndex(documents or [load_template()], patterns, folder.resolve())


def item_ids_of(node: pytest.Item, items: ItemIndex) -> tuple[str, ...]:
    """Return the references of the items that a check verifies, each once: those of harness.yaml,
    else those that its marks name, nearest mark last.

    Raises:
        HarnessError: A mark names no item, or names it wrongly.
    """
    mapped = items.mapped(node.path, node.nodeid)
    if mapped is not None:
        return mapped
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
            ids |= dict.fromkeys(items.find(address))
    return tuple(ids)


def item_ids_in_source(path: Path, items: ItemIndex) -> tuple[str, ...] | None:
    """Return the items that a file of checks names, from its text alone.

    For a file that cannot be imported: its items are not verified, and the others need not suffer.
    None means that the text does not tell: it does not parse, or a mark is written with something
    else than plain text.
    """
    try:
        return items.in_source(path, path.read_text(encoding="utf-8")) or None
    except (OSError, ValueError):
        return None
