"""Every project and database that somebody has asked for: made when it is named, and forgotten when
there are too many and it holds nothing.

What one database does is `service.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from harness.backend.metering import KeptRecords
from harness.backend.service import DatabaseService, Project
from harness.errors import StatusCode, StatusError
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName
from harness.firestore.profile import PRODUCTION, Profile

if TYPE_CHECKING:
    from harness.backend.monitor import EvaluationMonitor
    from harness.rules.ruleset import CompiledRuleset

MAX_DATABASES: Final = 10_000
"""Databases of all projects together; and projects."""


@dataclass(slots=True)
class Backend:
    """Every project and database that has been asked for.

    Args:
        definitions: Indexes of a project that has not been given its own.
        ruleset: Rules of a project that has not been given its own; None allows everything.
        profile: Whom databases answer like, indexes aside.
        monitor: Who is told of each decision of the rules; None: nobody.
    """

    definitions: IndexDefinitions
    ruleset: CompiledRuleset | None = None
    enforce_indexes: bool = True
    profile: Profile = PRODUCTION
    monitor: EvaluationMonitor | None = None
    projects: dict[str, Project] = field(default_factory=dict)
    databases: dict[DatabaseName, DatabaseService] = field(default_factory=dict)
    _kept_records: KeptRecords = field(default_factory=KeptRecords)
    _made: int = 0

    def project(self, name: str) -> Project:
        """Return a project, making it when it is asked for first.

        Raises:
            StatusError: RESOURCE_EXHAUSTED where there are too many.
        """
        project = self.projects.get(name)
        if project is None:
            if len(self.projects) >= MAX_DATABASES:
                self._forget_projects()
            project = Project(name, self.definitions, self.ruleset, monitor=self.monitor)
            self.projects[name] = project
        return project

    def database(self, name: DatabaseName) -> DatabaseService:
        """Return a database, making it when it is asked for first."""
        service = self.databases.get(name)
        if service is None:
            self._made += 1
            service = DatabaseService(
                name,
                self.project(name.project),
                self.enforce_indexes,
                self.profile,
                serial=self._made,
                kept_records=self._kept_records,
            )
            self.databases[name] = service
        return service

    def make_room(self, is_needed: Callable[[DatabaseService], bool]) -> None:
        """Where there are too many databases, forget some that hold nothing, longest unused first.

        With a database go its past versions and the log of its requests.

        Args:
            is_needed: Says of a database that holds nothing that it is to stay.
        Raises:
            StatusError: RESOURCE_EXHAUSTED; none can be forgotten.
        """
        if len(self.databases) < MAX_DATABASES:
            return
        unused = [each for each in self.databases.values() if each.is_unused]
        unused = [each for each in unused if not is_needed(each)]
        unused.sort(key=lambda each: each.last_used)
        # Some at once, so that not each request for a new one looks for one.
        for service in unused[: 1 + MAX_DATABASES // 10]:
            service.close()
            del self.databases[service.name]
        if len(self.databases) >= MAX_DATABASES:
            raise StatusError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"This server holds {MAX_DATABASES:,} databases with documents or listeners, and "
                "no more; delete the documents of some, or restart it.",
            )

    def _forget_projects(self) -> None:
        """Forget the projects that have no database and nothing of their own.

        Raises:
            StatusError: RESOURCE_EXHAUSTED; there is none.
        """
        used = {name.project for name in self.databases}
        for name, project in tuple(self.projects.items()):
            if (
                name not in used
                and project.ruleset is self.ruleset
                and project.definitions is self.definitions
                and project.recording is None
                and not project.coverage.all()
            ):
                del self.projects[name]
        if len(self.projects) >= MAX_DATABASES:
            raise StatusError(
                StatusCode.RESOURCE_EXHAUSTED,
                f"This server holds {MAX_DATABASES:,} projects with databases or rules of their "
                "own, and no more; use a project again, or restart it.",
            )

    def set_rules(self, project_name: str, ruleset: CompiledRuleset | None) -> None:
        """Replace the rules of a project."""
        project = self.project(project_name)
        project.ruleset = ruleset
        project.rules_version += 1

    def set_definitions(self, project_name: str, definitions: IndexDefinitions) -> None:
        """Replace the index definitions of a project."""
        self.project(project_name).definitions = definitions
        for name, service in self.databases.items():
            if name.project == project_name:
                service.engine.definitions = definitions
