"""What is found in a repository, as plain records. Must not live here: looking (a shell does)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.workflow.document import WorkflowDocument


@dataclass(frozen=True, slots=True)
class FoundFunctions:
    """A codebase of Cloud Functions.

    Attributes:
        source: Its folder, from the project's.
        language: `JavaScript`, `TypeScript`, `Python`, or empty.
        lacks: What is missing before it can be loaded, as a sentence; empty if nothing is.
        command: What mends that.
    """

    source: str
    language: str
    lacks: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class FoundRules:
    """A file of security rules.

    Attributes:
        public: Of Firestore's default database: what it allows to whoever is not signed in, pairs
            of method and example document.
    """

    name: str
    public: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FoundProject:
    """A project, and what is around it. Paths count from the project's folder.

    Attributes:
        name: Of the folder.
        in_repository: The project's folder from the repository's; empty if they are the same.
        firestore: Rules of the default database; None without.
        rules: All rules files.
        files: What firebase.json names, files and folders.
        services: What of firebase.json the suite can start.
        apps: Folders of Flutter apps.
        documents: Workflow documents, under their names.
        is_discovered: Whether the harness finds them without being told where.
        phase_files: Markdown files of phases, which a workflow document can be filled from.
        checks_folder: Where checks go.
        problems: What of the project's files does not load, each with its place.
        has_gitlab: Whether the repository has a `.gitlab-ci.yml`.
        demo_project: The demo project that its own scripts run the emulators for, if any.
    """

    name: str
    in_repository: str
    firestore: FoundRules | None
    rules: tuple[FoundRules, ...]
    files: tuple[str, ...]
    services: tuple[str, ...]
    functions: tuple[FoundFunctions, ...]
    apps: tuple[str, ...]
    documents: tuple[WorkflowDocument, ...]
    is_discovered: bool
    phase_files: tuple[str, ...]
    checks_folder: str
    problems: tuple[str, ...]
    has_gitlab: bool
    demo_project: str | None = None
