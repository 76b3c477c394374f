"""What the index commands look at: the project, its index files, the queries of the last run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.backend.query_uses import DatabaseUse
from harness.errors import EnvironmentLacking, HarnessError
from harness.firestore.index_needs import IndexNeed
from harness.flutter.contract import ClientContract
from harness.flutter_project import read_client_contract
from harness.project import Project, find_project_folder, load_project
from harness.query_records import IndexFile, read_index_files, read_queries


@dataclass(frozen=True, slots=True)
class SeenDatabase:
    """A database of firebase.json, and what the last run asked of it."""

    file: IndexFile
    use: DatabaseUse
    needs_of_app: tuple[IndexNeed, ...] = ()

    @property
    def needs(self) -> tuple[IndexNeed, ...]:
        """What its queries need of indexes, each once; those that were refused among them."""
        needs = (need for use in self.use.queries for need in use.needs)
        return tuple(dict.fromkeys((*needs, *self.needs_of_app)))

    @property
    def title(self) -> str:
        """How reports name it: by its index file."""
        return f"database {self.file.database} ({self.file.name or 'no index file'})"


@dataclass(frozen=True, slots=True)
class SeenProject:
    """A project and its databases. `has_run`: whether a run has left queries at all."""

    project: Project
    databases: Sequence[SeenDatabase]
    has_run: bool


def read_contract_of(project_dir: Path | None) -> ClientContract | None:
    """Return what the Flutter app's code asks for; None where there is no app."""
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    try:
        return read_client_contract(project.folder, project.settings.flutter_folder)
    except EnvironmentLacking:
        return None


def read_seen(project_dir: Path | None, *, needs_run: bool = True) -> SeenProject:
    """Read a project's index files, and what the last run asked.

    Raises:
        HarnessError: Something cannot be read; or there was no run, and one is needed.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    files = read_index_files(project)
    if not files:
        raise HarnessError(
            "firebase.json has no Firestore database",
            fix='run firebase init firestore; an empty "firestore": {} in firebase.json will do',
        )
    uses = read_queries(project.folder)
    if uses is None and needs_run:
        raise HarnessError(
            "no run has left any queries",
            fix="run harness verify, or pytest on the checks, with the embedded Firestore",
        )
    found = uses or {}
    return SeenProject(
        project,
        [SeenDatabase(file, found.get(file.database, DatabaseUse())) for file in files],
        uses is not None,
    )
