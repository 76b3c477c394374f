"""Which project and which workflow document a command is about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import WorkflowError
from harness.project import (
    Project,
    find_project_folder,
    load_project,
    load_workflow,
    workflow_paths,
)
from harness.source import SourceText
from harness.workflow.document import ChecklistItem, WorkflowDocument, parse_workflow
from harness.workflow.documents import WorkflowDocuments


@dataclass(frozen=True, slots=True)
class ProjectDocument:
    """A workflow document of a project.

    Attributes:
        path: Where it is.
        name: Its path in the project: what evidence calls it.
    """

    project: Project
    path: Path
    name: str

    def load(self) -> WorkflowDocument:
        """Read it as it is now."""
        return self.named(load_workflow(self.path))

    def named(self, document: WorkflowDocument) -> WorkflowDocument:
        """Return the same document under its name in the project, which messages show."""
        return parse_workflow(SourceText(self.name, document.text))


def find_item(
    project_dir: Path | None, workflow: Path | None, address: str
) -> tuple[ProjectDocument, ChecklistItem]:
    """Return the one item that an address names in the project's documents, and its document.

    Raises:
        HarnessError: There is no project, no document, or not exactly one such item.
    """
    documents = list(all_documents(project_dir, workflow))
    found = WorkflowDocuments([document.load() for document in documents]).find_one(address)
    return next(each for each in documents if each.name == found.name), found.item


def all_documents(project_dir: Path | None, workflow: Path | None) -> Iterator[ProjectDocument]:
    """Yield the document that was chosen, or all of the project.

    Raises:
        HarnessError: There is no project, or no document.
    """
    yield from documents_of(_project(project_dir), workflow)


def documents_of(project: Project, workflow: Path | None) -> tuple[ProjectDocument, ...]:
    """Return the document that was chosen, or all of a project.

    Raises:
        WorkflowError: There is none.
    """
    chosen = [workflow] if workflow is not None else []
    paths = workflow_paths(project.folder, project.settings, chosen)
    if not paths:
        raise WorkflowError(
            f"no workflow document in {project.folder}"
            " (looked for workflow/*.md and backend-workflow*.md)",
            fix="name it with --workflow FILE, or under `workflow:` in harness.yaml; "
            "harness init writes one from the template",
        )
    return tuple(ProjectDocument(project, path, project.relative(path)) for path in paths)


def _project(project_dir: Path | None) -> Project:
    return load_project(find_project_folder(project_dir or Path.cwd()))
