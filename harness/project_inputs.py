"""What checks and sign-offs depend on: the names of a project's inputs, and digests of them.

An input's name is the `name` of a subject in evidence. Most are files, by their path in the
project. A codebase of functions and an app are folders, `functions/`. What is in a folder, by names
alone, is `docs/*`. A workflow document without its ticks is `workflow.md#without-ticks`, since
evidence leads to ticks. `harness` is this package, by its version.

Must not live here: which of them a check looked at (the pytest plugin finds out), and what a change
means (`workflow/states.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable
from enum import Enum, auto
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from harness.errors import ConfigError, EnvironmentLacking, HarnessError
from harness.project import (
    FIREBASE_JSON,
    Project,
    files_below,
    is_skipped,
    load_workflow,
    workflow_paths,
)
from harness.workflow.edit import set_ticks

HARNESS = "harness"
FOLDER_SUFFIX = "/"
LISTING_SUFFIX = "/*"
WITHOUT_TICKS = "#without-ticks"

_CHUNK_BYTES = 1 << 16
_PACKAGE = Path(__file__).resolve().parent


class Part(Enum):
    """A part of a project that checks depend on by what they use, not by files that they open."""

    FIREBASE_JSON = auto()
    FIRESTORE_RULES = auto()
    INDEXES = auto()
    STORAGE_RULES = auto()
    FUNCTIONS = auto()
    ACCESS_MATRIX = auto()
    APP = auto()


BACK_END = frozenset(
    {
        Part.FIREBASE_JSON,
        Part.FIRESTORE_RULES,
        Part.INDEXES,
        Part.STORAGE_RULES,
        Part.FUNCTIONS,
    }
)
"""What the emulators run."""


def harness_version() -> str:
    """Return the version of this package."""
    return version("firebase-workflow-harness")


class ProjectInputs:
    """The inputs of a project, by name. Each name is found and each digest taken once: make a new
    one to look again.
    """

    def __init__(self, project: Project, documents: Iterable[Path] = ()) -> None:
        """Args:
        documents: Workflow documents that harness.yaml does not name.
        """
        self.project = project
        self._more_documents = tuple(documents)
        self._digests: dict[str, str | None] = {}
        self._names: dict[tuple[str, bool], str | None] = {}

    def names_of(self, parts: Collection[Part]) -> tuple[str, ...]:
        """Return the names of parts, whether they are there or not.

        Raises:
            HarnessError: The access matrix does not load.
        """
        firebase = self.project.firebase
        names: list[str | None] = []
        if Part.FIREBASE_JSON in parts:
            names.append(FIREBASE_JSON)
        for database in firebase.firestore:
            names.append(database.rules if Part.FIRESTORE_RULES in parts else None)
            names.append(database.indexes if Part.INDEXES in parts else None)
        if Part.STORAGE_RULES in parts:
            names += [bucket.rules for bucket in firebase.storage]
        if Part.FUNCTIONS in parts:
            names += [self._folder_name(codebase.source) for codebase in firebase.functions]
        if Part.ACCESS_MATRIX in parts:
            names += self._access_names
        if Part.APP in parts:
            names.append(self._app_name())
        paths = (name for name in names if name)
        return tuple(dict.fromkeys(os.path.normpath(p) + p[len(p.rstrip("/")) :] for p in paths))

    def check_names(self) -> tuple[str, ...]:
        """Return the names of all files in the folder of checks."""
        return self._check_names

    @cached_property
    def _check_names(self) -> tuple[str, ...]:
        project = self.project
        return tuple(project.relative(path) for path in files_below(project.checks_folder))

    def name_of(self, path: Path, *, is_listing: bool = False) -> str | None:
        """Return the name of a file that was read, or of a folder that was listed.

        None is what is no input: outside of the project, hidden, other people's, or ours.
        """
        plain = os.path.abspath(path)  # noqa: PTH100  Path.absolute leaves ".." where it is
        key = plain, is_listing
        if key not in self._names:
            self._names[key] = self._name_of(plain, is_listing=is_listing)
        return self._names[key]

    def _name_of(self, plain: str, *, is_listing: bool) -> str | None:
        # Thousands of files are read in a run, and few of them are inputs: links are followed, for
        # which the file system is asked, behind all that a path's own words can say.
        inside = self._inside(plain)
        if inside is None:
            return None
        folders = inside.parts if is_listing else inside.parts[:-1]
        if any(map(is_skipped, folders)):
            return None
        if not is_listing and not (inside.name and _is_source(inside.name)):
            return None
        real = Path(plain).resolve()
        if real.is_relative_to(_PACKAGE):
            return None
        if is_listing:
            return f"{inside.as_posix()}{LISTING_SUFFIX}"
        return inside.as_posix() + (WITHOUT_TICKS if real in self._documents else "")

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return SHA-256 in hexadecimal of each input that is there, by its name."""
        found = {}
        for name in names:
            if name not in self._digests:
                self._digests[name] = self._digest(name)
            digest = self._digests[name]
            if digest is not None:
                found[name] = digest
        return found

    def _digest(self, name: str) -> str | None:
        if name == HARNESS:
            return _text_digest(f"firebase-workflow-harness {harness_version()}")
        inside = Path(os.path.normpath(name.removesuffix(WITHOUT_TICKS).removesuffix("*")))
        if inside.is_absolute() or (os.pardir in inside.parts and name != self._app_name()):
            # Evidence is a file like any other: it must not lead out of the project, but to the app
            # that harness.yaml names.
            return None
        path = self.project.folder / inside
        try:
            if name.endswith(LISTING_SUFFIX):
                return _listing_digest(path) if path.is_dir() else None
            if name.endswith(FOLDER_SUFFIX):
                return _tree_digest(path) if path.is_dir() else None
            if not path.is_file():
                return None
            return _document_digest(path) if name.endswith(WITHOUT_TICKS) else _file_digest(path)
        except (OSError, ValueError, HarnessError):
            return None

    def _inside(self, plain: str) -> Path | None:
        """Return a path from the project's folder, by whichever name that folder goes; links below
        it are not followed, since the project names them so.
        """
        for folder in self._folders:
            if plain == folder:
                return Path()
            if plain.startswith(f"{folder.rstrip(os.sep)}{os.sep}"):
                return Path(plain[len(folder) :].lstrip(os.sep))
        return None

    @cached_property
    def _folders(self) -> tuple[str, str]:
        folder = self.project.folder
        return os.path.abspath(folder), str(folder.resolve())  # noqa: PTH100  as in name_of

    @cached_property
    def _documents(self) -> frozenset[Path]:
        try:
            paths = workflow_paths(self.project.folder, self.project.settings)
        except HarnessError:
            paths = ()
        return frozenset(path.resolve() for path in (*paths, *self._more_documents))

    def _folder_name(self, source: str) -> str:
        return f"{source.rstrip('/')}{FOLDER_SUFFIX}"

    # What an audit does not need is imported by those who do: an audit is to be quick.

    @cached_property
    def _access_names(self) -> tuple[str, ...]:
        from harness.access_table import access_files

        return access_files(self.project)

    def _app_name(self) -> str | None:
        from harness.flutter_project import find_flutter_folder

        try:
            app = find_flutter_folder(self.project.folder, self.project.settings.flutter_folder)
        except (ConfigError, EnvironmentLacking):
            return None
        # The app may lie beside the folder of firebase.json.
        return self._folder_name(Path(os.path.relpath(app / "lib", self.project.folder)).as_posix())


def without_covered(names: Collection[str]) -> frozenset[str]:
    """Return names without the files and listings in a folder that is an input as a whole."""
    folders = tuple(name for name in names if name.endswith(FOLDER_SUFFIX))
    return frozenset(name for name in names if name in folders or not name.startswith(folders))


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _document_digest(path: Path) -> str:
    document = load_workflow(path)
    return _text_digest(set_ticks(document, {item.item_id: False for item in document.items}))


def _listing_digest(folder: Path) -> str:
    """Digest the names in a folder, without those that a run leaves there."""
    names = sorted(
        entry.name + (FOLDER_SUFFIX if entry.is_dir() else "")
        for entry in folder.iterdir()
        if not (is_skipped(entry.name) if entry.is_dir() else not _is_source(entry.name))
    )
    return _text_digest("".join(f"{name}\n" for name in names))


def _tree_digest(folder: Path) -> str:
    """Digest a folder's source: names and contents, without what a build or an installation leaves
    there.
    """
    digest = hashlib.sha256()
    built = _built_folder(folder)
    for path in files_below(folder):
        name = path.relative_to(folder).as_posix()
        if (built and name.startswith(built)) or path.suffix in (".log", ".tsbuildinfo"):
            continue
        digest.update(f"{len(name)}:{name}:{_file_digest(path)}\n".encode())
    return digest.hexdigest()


def _built_folder(folder: Path) -> str:
    """Return where TypeScript is compiled to, with a slash; empty where there is none."""
    if not (folder / "tsconfig.json").is_file():
        return ""
    try:
        main = json.loads((folder / "package.json").read_text(encoding="utf-8")).get("main")
    except (OSError, ValueError, AttributeError):
        main = None
    first, slash, _ = main.removeprefix("./").partition("/") if isinstance(main, str) else ("",) * 3
    return f"{first}/" if slash else "lib/"


def _is_source(file_name: str) -> bool:
    is_hidden = file_name[0] == "." and file_name not in (".env", ".firebaserc")
    return not is_hidden and not file_name.endswith(".log")
