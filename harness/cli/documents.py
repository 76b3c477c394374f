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
    one_workflow_path,
    workflow_paths,
)
from harness.source import SourceText
from harness.workflow.document import WorkflowDocument, parse_workflow


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


def one_document(project_dir: Path | None, workflow: Path | None) -> ProjectDocument:
    """Return the one document that is meant.

    Raises:
        HarnessError: There is no project, no document, or several and none was chosen.
    """
    project = _project(project_dir)
    path = one_workflow_path(project.folder, project.settings, workflow)
    return ProjectDocument(project, path, project.relative(path))


def all_documents(project_dir: Path | None, workflow: Path | None) -> Iterator[ProjectDocument]:
    """Yield the document that was chosen, or all of the project.

    Raises:
        HarnessError: There is no project, or no document.
    """
    project = _project(project_dir)
    chosen = [workflow] if workflow is not None else []
    paths = workflow_paths(project.folder, project.settings, chosen)
    if not paths:
        raise WorkflowError(
            f"no workflow document in {project.folder}",
            fix="name it with --workflow FILE, or under `workflow:` in harness.yaml",
        )
    for path in paths:
        yield ProjectDocument(project, path, project.relative(path))


def _project(project_dir: Path | None) -> Project:
    return load_project(find_project_folder(project_dir or Path.cwd()))
