"""Looks at a repository for `harness init`: what is there goes into records, decided on in
`scaffold/`.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from harness.cli.inputs import check_inputs
from harness.emulators.firebase_config import choose_services, read_firebase_config
from harness.errors import ConfigError, EnvironmentLacking, HarnessError, HarnessErrors
from harness.flutter_project import flutter_folders
from harness.git import run_git
from harness.project import (
    FIREBASE_JSON,
    Project,
    demo_project_id,
    files_of,
    find_project_folder,
    load_project,
    load_workflow,
    markdown_files,
    named_workflow,
    project_folders_below,
    relative_name,
    workflow_paths,
)
from harness.project_rules import loaded, read_rules, rules_names
from harness.rules.examples import public_requests
from harness.rules.values import RulesTimestamp
from harness.scaffold.found import FoundFunctions, FoundProject, FoundRules
from harness.workflow.document import WorkflowDocument

_FEWEST_ITEMS = 3  # of a Markdown file that is taken for a workflow document by its name alone
_DOCUMENT_WORDS = ("workflow", "checklist")
_SHOWN_PHASES = 5
_INSTALLS = {
    "yarn.lock": "yarn install",
    "pnpm-lock.yaml": "pnpm install",
    "package-lock.json": "npm ci",
}


def find_project_to_init(start: Path) -> Path:
    """Return the folder to set up: the one that was named, the only one below it, or the nearest
    above.

    Raises:
        ConfigError: There is no firebase.json, or several are below.
    """
    if not start.is_dir():
        raise ConfigError(f"there is no folder {start}", fix="name a folder: harness init DIR")
    below = project_folders_below(start.resolve())
    if len(below) > 1:
        commands = "".join(
            f"\n    harness init {relative_name(Path.cwd(), each)}" for each in below
        )
        raise ConfigError(
            f"{len(below)} Firebase projects are below {start}", fix=f"choose one:{commands}"
        )
    try:
        return find_project_folder(start)
    except ConfigError as error:
        raise ConfigError(
            f"no {FIREBASE_JSON} in {start}, below or above it",
            fix="run firebase init there first, or name another folder: harness init DIR",
        ) from error


def repository_of(folder: Path) -> Path:
    """Return the git repository's folder; a project outside of git is a repository by itself."""
    try:
        found = run_git(folder, "rev-parse", "--show-toplevel")
    except EnvironmentLacking:
        return folder
    name = found.stdout.decode().strip()
    return Path(name).resolve() if found.returncode == 0 and name else folder


def look(folder: Path, repository: Path) -> FoundProject:
    """Return what there is in a project.

    Raises:
        ConfigError: firebase.json or harness.yaml cannot be used.
    """
    project = load_project(folder)
    rules = {name: _rules(project, name) for name in rules_names(project)}
    database = project.firebase.default_firestore
    documents, is_discovered = _documents(project)
    known = {document.source.file_name for document in documents}
    phases = markdown_files(folder, lambda name: "phase" in name.lower())
    return FoundProject(
        name=folder.name,
        in_repository="" if folder == repository else relative_name(repository, folder),
        firestore=rules.get(database.rules) if database and database.rules else None,
        rules=tuple(rules.values()),
        files=files_of(project.firebase),
        services=_services(folder),
        functions=tuple(_functions(folder, each.source) for each in project.firebase.functions),
        apps=_apps(folder, repository),
        documents=documents,
        is_discovered=is_discovered,
        phase_files=tuple(
            name for path in phases if (name := relative_name(folder, path)) not in known
        )[:_SHOWN_PHASES],
        checks_folder=project.settings.checks_folder.strip("/"),
        problems=_problems(project),
        has_gitlab=(repository / ".gitlab-ci.yml").is_file(),
        demo_project=demo_project_id(folder),
    )


def _apps(folder: Path, repository: Path) -> tuple[str, ...]:
    """Return the Flutter apps in a project; if it has none, those beside it in its repository."""
    apps = flutter_folders(folder) or flutter_folders(repository)
    return tuple(Path(os.path.relpath(app, folder)).as_posix() for app in apps)


def _rules(project: Project, name: str) -> FoundRules:
    database = project.firebase.default_firestore
    try:
        ruleset = loaded(read_rules(project, name))
    except HarnessError:
        return FoundRules(name)
    found = FoundRules(name)
    if database is None or database.rules != name:
        return found
    return replace(found, public=public_requests(ruleset, RulesTimestamp(time.time_ns())))


def _problems(project: Project) -> tuple[str, ...]:
    try:
        check_inputs(project)
    except HarnessErrors as group:
        return tuple(map(str, group.errors))
    except HarnessError as error:
        return (str(error),)
    return ()


def _services(folder: Path) -> tuple[str, ...]:
    try:
        return choose_services(read_firebase_config(folder), None)
    except ConfigError:
        return ()  # hosting alone, say


def _functions(folder: Path, source: str) -> FoundFunctions:
    path = folder / source
    if not path.is_dir():
        return FoundFunctions(
            source, "", "are not there", "correct functions.source in firebase.json"
        )
    if (path / "package.json").is_file():
        language = "TypeScript" if (path / "tsconfig.json").is_file() else "JavaScript"
        places = [path, *path.parents]
        inside = places[: places.index(folder) + 1] if folder in places else [path]
        if any((place / "node_modules").is_dir() for place in inside):
            return FoundFunctions(source, language)
        locks = (_INSTALLS[name] for name in _INSTALLS if (path / name).is_file())
        command = f"{next(locks, 'npm install')}  (in {source})"
        return FoundFunctions(source, language, "lack their packages", command)
    if (path / "main.py").is_file() or (path / "requirements.txt").is_file():
        if (path / "venv").is_dir():
            return FoundFunctions(source, "Python")
        install = "python3 -m venv venv && venv/bin/pip install -r requirements.txt"
        return FoundFunctions(source, "Python", "lack their packages", f"{install}  (in {source})")
    return FoundFunctions(source, "")


def _documents(project: Project) -> tuple[tuple[WorkflowDocument, ...], bool]:
    """Return the workflow documents, and whether they are found without being named."""
    folder = project.folder
    paths = workflow_paths(folder, project.settings)
    is_discovered = bool(paths)
    if not paths:
        named = markdown_files(
            folder, lambda name: any(word in name.lower() for word in _DOCUMENT_WORDS)
        )
        paths = tuple(path for path in named if _holds_items(path))
    return tuple(named_workflow(folder, path) for path in paths), is_discovered


def _holds_items(path: Path) -> bool:
    try:
        return len(load_workflow(path).items) >= _FEWEST_ITEMS
    except HarnessError:
        return False
