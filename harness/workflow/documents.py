"""The workflow documents of a project together: which items an address names in them.

A check that names an item verifies it in every document that has the item: two features made from
one template share the checks that are about both. `feature.md#Testing/Verify security rules` names
the item of one document alone. Must not live here: finding and reading the files (`project.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.errors import WorkflowError
from harness.workflow.address import nearest_names
from harness.workflow.document import ChecklistItem, WorkflowDocument

_MARK = ".md#"


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, and the name of the document that it is in."""

    document: WorkflowDocument
    item: ChecklistItem

    @property
    def name(self) -> str:
        """The document's path, as its source is named."""
        return self.document.source.file_name


class WorkflowDocuments:
    """Several documents, whose sources are named by their paths in the project."""

    def __init__(self, documents: Iterable[WorkflowDocument]) -> None:
        self.documents = tuple(documents)

    def find(self, address: str) -> tuple[FoundItem, ...]:
        """Return the item that an address names in each document that has it.

        Raises:
            WorkflowError: No document has it, with the nearest names of all; or it fits several
                items of one.
        """
        documents, rest = self._meant(address)
        found = []
        for document in documents:
            item = document.find_if_there(rest)
            if item is not None:
                found.append(FoundItem(document, item))
        if found:
            return tuple(found)
        raise self._nowhere(address, documents, rest)

    def find_one(self, address: str) -> FoundItem:
        """Return the one item that an address names.

        Raises:
            WorkflowError: As `find`, or several documents have it.
        """
        found = self.find(address)
        if len(found) == 1:
            return found[0]
        names = "; ".join(f'"{each.name}#{each.item.item_id}"' for each in found)
        raise WorkflowError(
            f'"{address}" is an item of {len(found)} workflow documents', fix=f"use one of: {names}"
        )

    def reference(self, found: FoundItem) -> str:
        """Return the shortest address that means one item for sure: its id, behind the document's
        name where there are several documents."""
        if len(self.documents) == 1:
            return found.item.item_id
        return f"{found.name}#{found.item.item_id}"

    def split(self, reference: str) -> tuple[str, str]:
        """Return the document's name and the item's id of what `reference` gave."""
        if len(self.documents) == 1:
            return self.documents[0].source.file_name, reference
        for document in self.documents:
            name = document.source.file_name
            if reference.startswith(f"{name}#"):
                return name, reference[len(name) + 1 :]
        return "", reference

    def _meant(self, address: str) -> tuple[Sequence[WorkflowDocument], str]:
        """Return the documents that an address is about, and the address in them."""
        name, mark, rest = address.partition(_MARK)
        if not mark:
            return self.documents, address
        name = f"{name.strip()}.md"
        named = [
            document
            for document in self.documents
            if f"/{document.source.file_name}".endswith(f"/{name}")
        ]
        if len(named) == 1:
            return named, rest
        known = ", ".join(document.source.file_name for document in named or self.documents)
        problem = f"fits {len(named)} workflow documents" if named else "is no workflow document"
        raise WorkflowError(f'"{name}" of "{address}" {problem}', fix=f"use one of: {known}")

    def _nowhere(
        self, address: str, documents: Sequence[WorkflowDocument], rest: str
    ) -> WorkflowError:
        if len(documents) == 1:
            try:
                documents[0].find(rest)
            except WorkflowError as error:
                return error
        if not documents:
            return WorkflowError(
                f'no workflow document has an item "{address}": there is no document',
                fix="name one with --workflow FILE",
            )
        titles = (item.title for document in documents for item in document.items if item.text)
        nearest = nearest_names(rest, titles)
        names = ", ".join(document.source.file_name for document in documents)
        fix = "did you mean " + " or ".join(f'"{near}"' for near in nearest) + "?"
        return WorkflowError(
            f'no item of {names} matches "{address}"',
            fix=fix if nearest else 'name an item as in "Testing/Verify security rules"',
        )
