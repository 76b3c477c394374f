"""A project on disk: where it is, what it is made of, which workflow document it follows.

The command line and the pytest plugin share it. What the files mean is decided in `config` and
`workflow`, which of them a check depends on in `project_inputs`; here they are only found and read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config import (
    HARNESS_YAML,
    FirebaseConfig,
    Settings,
    parse_firebase_json,
    parse_settings,
)
from harness.errors import ConfigError, HarnessError, WorkflowError
from harness.files import read_text_file
from harness.source import SourceText
from harness.tolerant_json import JsonKind, parse_json
from harness.workflow.document import WorkflowDocument, parse_workflow

FIREBASE_JSON = "firebase.json"

# What a walk over a project never enters: other people's code, and what builds leave behind.
_SKIPPED_FOLDERS = frozenset(
    {"node_modules", "venv", "build", "dist", "site-packages", "__pycache__", "Pods", "coverage"}
)
# A walk for a document that nobody named stops here; a project that is larger names it in
# harness.yaml.
_MAX_WALK_FOLDERS = 2_000
_MAX_WALK_DEPTH = 6
_SHOWN_PROJECTS = 8
# Source: firebase-tools, global options `-P, --project <alias_or_project_id>`.
_DEMO_PROJECT = re.compile(r"(?:--project|-P)[ =]+[\"']?(demo-[a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder that holds firebase.json, with its settings."""

    folder: Path
    firebase: FirebaseConfig
    settings: Settings

    @property
    def checks_folder(self) -> Path:
        """Where the project's checks are; it may not exist."""
        return self.folder / self.settings.checks_folder

    @property
    def record_folder(self) -> Path:
        """Where evidence and the last run are kept."""
        return self.folder / ".harness"

    def relative(self, path: Path) -> str:
        """Return a path as a person in the project's folder would type it."""
        return relative_name(self.folder, path)


def relative_name(folder: Path, path: Path) -> str:
    """Return a path as a person in a project's folder would type it."""
    try:
        return path.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(path)


def find_project_folder(start: Path) -> Path:
    """Return the nearest folder upwards, `start` included, that holds firebase.json; where there is
    none, the only one below.

    Raises:
        ConfigError: There is none, or several below, or `start` is not a folder.
    """
    if not start.is_dir():
        raise ConfigError(
            f"there is no folder {start}", fix="name the folder that holds firebase.json"
        )
    folders = (start.resolve(), *start.resolve().parents)
    above = [folder for folder in folders if (folder / FIREBASE_JSON).is_file()]
    for folder in above:
        if not _is_of_app(folder):
            return folder
    below = project_folders_below(start.resolve())
    if above and (not below or _is_of_app(below[0])):
        return above[0]
    if len(below) == 1:
        return below[0]
    if below:
        names = ", ".join(relative_name(start, folder) for folder in below[:_SHOWN_PROJECTS])
        more = f" and {len(below) - _SHOWN_PROJECTS} more" if len(below) > _SHOWN_PROJECTS else ""
        raise ConfigError(
            f"there are several Firebase projects below {start}: {names}{more}",
            fix=f"choose one: --project {relative_name(Path.cwd(), below[0])}",
        )
    raise ConfigError(
        f"no {FIREBASE_JSON} in {start} or a folder above it",
        fix="run this in a Firebase project, or name its folder with --project",
    )


def project_folders_below(folder: Path) -> tuple[Path, ...]:
    """Return the folders below one that hold firebase.json, without those inside another of
    them; those that only tell a Flutter app where its back end is, if there are no others."""
    held = [parent for parent, names in _walk(folder) if FIREBASE_JSON in names]
    meant = [path for path in held if not _is_of_app(path)] or held
    found: list[Path] = []
    for path in meant:
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return tuple(found)


def projects_inside(folder: Path) -> tuple[Path, ...]:
    """Return the folders within a project's that hold another firebase.json of a back end."""
    inside = (parent for parent, names in _walk(folder) if FIREBASE_JSON in names)
    return tuple(path for path in inside if path != folder and not _is_of_app(path))


def _is_of_app(folder: Path) -> bool:
    """Whether a firebase.json is what `flutterfire configure` leaves in an app: no back end.

    Source: flutterfire_cli, which writes the key `flutter` alone where there is no file yet.
    """
    try:
        value = parse_json(read_text_file(folder / FIREBASE_JSON))
    except HarnessError:
        return False  # said when it is loaded
    return value.kind is JsonKind.OBJECT and set(value.members) == {"flutter"}


def load_project(folder: Path) -> Project:
    """Read a project's firebase.json and harness.yaml.

    Raises:
        ConfigError: firebase.json is missing, or one of the two cannot be used.
    """
    path = folder / FIREBASE_JSON
    if not path.is_file():
        raise ConfigError(
            f"no {FIREBASE_JSON} in {folder}",
            fix="name the folder that holds it with --project",
        )
    firebase = parse_firebase_json(read_text_file(path))
    return Project(folder, firebase, load_settings(folder))


def named_files(folder: Path) -> dict[str, bool]:
    """Return the files and folders of the back end that a project's firebase.json names, each with
    whether it is there; a folder is if it holds something. What Hosting serves is not asked for: a
    build makes it.

    Each is opened, so that it is an input of what a check says of it.
    """
    return {name: _is_there(folder / name) for name in files_of(load_project(folder).firebase)}


def files_of(firebase: FirebaseConfig) -> tuple[str, ...]:
    """Return the names of the back end's files and folders, each once."""
    names: list[str | None] = []
    for database in firebase.firestore:
        names += [database.rules, database.indexes]
    names += [bucket.rules for bucket in firebase.storage]
    names += [codebase.source for codebase in firebase.functions]
    names += firebase.other_files
    return tuple(dict.fromkeys(os.path.normpath(name) for name in names if name))


def _is_there(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(path.iterdir())
        with path.open("rb"):
            return True
    except OSError:
        return False


def load_settings(folder: Path) -> Settings:
    """Read harness.yaml; without one, return the defaults."""
    path = folder / HARNESS_YAML
    return parse_settings(read_text_file(path)) if path.is_file() else Settings()


def demo_project_id(folder: Path) -> str | None:
    """Return the demo project that a project's own files run the emulators for, if they name just
    one: in the scripts of package.json as `--project`, or in .firebaserc.

    Rules suites have its name written down, and Storage rules look documents up in the project of
    the suite.
    """
    scripts = _members(folder / "package.json", "scripts").values()
    named = {name for text in scripts for name in _DEMO_PROJECT.findall(str(text))}
    aliases = _members(folder / ".firebaserc", "projects").values()
    named |= {name for name in map(str, aliases) if name.startswith("demo-")}
    return named.pop() if len(named) == 1 else None


def _members(path: Path, key: str) -> Mapping[str, object]:
    """Return an object of a JSON file; nothing where there is none, which others complain about."""
    try:
        content = parse_json(read_text_file(path)).value()
    except HarnessError:
        return {}
    members = content.get(key) if isinstance(content, dict) else None
    return members if isinstance(members, dict) else {}


def workflow_paths(
    folder: Path, settings: Settings, chosen: Sequence[str | Path] = ()
) -> tuple[Path, ...]:
    """Return the workflow documents of a project: those chosen, else those of harness.yaml, else
    the ones found.

    Args:
        folder: The project's. Names in harness.yaml count from it.
        settings: What harness.yaml says.
        chosen: What the user named, counted from the working directory.
    Raises:
        WorkflowError: A document that was named is not there.
    """
    named = [Path(name) for name in chosen] or [
        folder / name for name in settings.workflow_documents
    ]
    for path in named:
        if not path.is_file():
            raise WorkflowError(
                f"there is no workflow document {path}",
                fix="correct --workflow, or `workflow:` in harness.yaml",
            )
    return tuple(named) or _discovered(folder)


def one_workflow_path(folder: Path, settings: Settings, chosen: str | Path | None = None) -> Path:
    """Return the one workflow document of a project.

    Raises:
        WorkflowError: There is none, or several and none was chosen.
    """
    paths = workflow_paths(folder, settings, [chosen] if chosen is not None else [])
    if not paths:
        raise WorkflowError(
            f"no workflow document in {folder} (looked for workflow/*.md and backend-workflow*.md)",
            fix="name it with --workflow FILE, or under `workflow:` in harness.yaml",
        )
    if len(paths) > 1:
        names = ", ".join(os.path.relpath(path, folder) for path in paths)
        raise WorkflowError(
            f"there are several workflow documents: {names}",
            fix="choose one with --workflow FILE",
        )
    return paths[0]


def load_workflow(path: Path) -> WorkflowDocument:
    """Read and parse a workflow document."""
    return parse_workflow(read_text_file(path))


def named_workflow(folder: Path, path: Path) -> WorkflowDocument:
    """Read and parse a workflow document under its name in a project, which messages show."""
    return parse_workflow(SourceText(relative_name(folder, path), read_text_file(path).text))


def load_template() -> WorkflowDocument:
    """Parse the template that the harness ships."""
    return load_workflow(Path(__file__).parent / "workflow" / "template.md")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield a folder's files in a fixed order, leaving out hidden ones (but `.env`) and other
    people's folders.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_skipped(name))
        yield from (
            Path(parent, name) for name in sorted(names) if name == ".env" or name[0] != "."
        )


def is_skipped(folder_name: str) -> bool:
    """Return whether a walk over a project leaves a folder out, by its name."""
    return folder_name.startswith(".") or folder_name in _SKIPPED_FOLDERS


def _discovered(folder: Path) -> tuple[Path, ...]:
    in_workflow = sorted((folder / "workflow").glob("*.md"))
    if in_workflow:
        return tuple(in_workflow)
    return tuple(markdown_files(folder, _is_workflow_name))


def markdown_files(folder: Path, is_meant: Callable[[str], bool]) -> list[Path]:
    """Return the Markdown files below a folder whose names are meant, in a fixed order; a large
    project is not searched to its end.
    """
    return sorted(
        parent / name
        for parent, names in _walk(folder)
        for name in names
        if name.endswith(".md") and is_meant(name)
    )


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders of a project with the names of their files, as far as is reasonable."""
    for seen, (parent, folders, names) in enumerate(os.walk(folder)):
        path = Path(parent)
        depth = len(path.relative_to(folder).parts)
        is_far = depth >= _MAX_WALK_DEPTH or seen >= _MAX_WALK_FOLDERS
        folders[:] = [] if is_far else sorted(name for name in folders if not is_skipped(name))
        yield path, names
        if seen >= _MAX_WALK_FOLDERS:
            break


def _is_workflow_name(name: str) -> bool:
    return name.startswith("backend-workflow")
