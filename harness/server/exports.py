"""Exports on disk: written so that a kill leaves the old one or none, read with every byte checked.

What is in the files is `firestore/exports/`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.backend.databases import Backend
from harness.backend.service import DatabaseService
from harness.errors import ConfigError, StatusCode, StatusError
from harness.firestore.exports.archive import OVERALL_SUFFIX, export_files, import_documents
from harness.firestore.exports.log_format import ExportError
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Fields, Timestamp
from harness.seeds.model import SeedFile

SUITE_METADATA = "firebase-export-metadata.json"
"""What `firebase emulators:export` writes beside the exports of the single emulators."""

DEFAULT_NAME = "firestore_export"
_FORMAT_OF = "1.19.8"  # of the emulator whose format this is; firebase-tools asks for a version


def exported_with(backend: Backend, name: DatabaseName) -> list[DatabaseService]:
    """Return what an export of a database holds: that one, and for `(default)` all others of its
    project too, since firebase-tools exports only that.
    """
    others = [
        service
        for other, service in backend.databases.items()
        if other.project == name.project and other != name and name.database == "(default)"
    ]
    return [backend.databases[name], *others]


def write_export(
    services: Sequence[DatabaseService],
    directory: Path,
    name: str,
    started: Timestamp,
    now: Timestamp,
) -> None:
    """Write databases into `directory/name`, in place of an export that is there.

    Raises:
        StatusError: With the official emulator's words.
    """
    if not directory.is_dir():
        raise StatusError(StatusCode.FAILED_PRECONDITION, "export_directory must be a directory")
    if not name or "/" in name or "\\" in name or name in (".", "..") or "\0" in name:
        raise StatusError(StatusCode.INTERNAL, "failed to write export")
    databases = {service.name: service.store.snapshot().values() for service in services}
    files = export_files(name, databases, started, now)
    try:
        _write_folder(directory / name, files)
    except OSError as error:
        raise StatusError(
            StatusCode.INTERNAL, f"failed to write export: {error.strerror}"
        ) from error


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside a folder, then put them in its place."""
    import shutil  # most servers write no export, and start the sooner
    import tempfile

    from harness.server.exchange import exchange

    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if folder.is_dir() and exchange(fresh, folder):
            return  # what is `fresh` now is the old export
        if folder.is_dir():  # on other systems there is a moment without any
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            folder.replace(old)
            fresh.replace(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def write_suite_export(
    services: Sequence[DatabaseService], folder: Path, started: Timestamp, now: Timestamp
) -> None:
    """Write a folder that `firebase emulators:start --import` takes, with Firestore's part only.

    Raises:
        StatusError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StatusError(
            StatusCode.INTERNAL, f"failed to write export: {error.strerror}"
        ) from error
    write_export(services, folder, DEFAULT_NAME, started, now)
    metadata = {
        "version": _FORMAT_OF,
        "firestore": {
            "version": _FORMAT_OF,
            "path": DEFAULT_NAME,
            "metadata_file": f"{DEFAULT_NAME}/{DEFAULT_NAME}{OVERALL_SUFFIX}",
        },
    }
    unfinished = folder / f".{SUITE_METADATA}"
    unfinished.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(folder / SUITE_METADATA)


@dataclass(frozen=True, slots=True)
class Seed:
    """What databases hold when they are first asked for.

    Args:
        documents: Of an export, by the id of the database.
        file: What comes on top of that.
    """

    documents: Mapping[str, Mapping[ResourcePath, Fields]] = field(default_factory=dict)
    file: SeedFile = field(default_factory=SeedFile)

    def sow(self, service: DatabaseService, now: Timestamp) -> None:
        """Put the documents into a database that has their database's id."""
        exported = self.documents.get(service.name.database, {})
        documents = {**exported, **self.file.documents(service.name)}
        if documents:
            service.store.load(documents, now)

    def holds(self, name: DatabaseName) -> bool:
        """Whether there are documents for a database."""
        return name.database in self.documents or name.database in self.file.databases


def read_export(overall: Path) -> Seed:
    """Read an export, all of it or nothing.

    Raises:
        ExportError: It is damaged; the text is the official emulator's.
    """
    folder = overall.parent

    def read(name: str) -> bytes:
        return (folder / name).read_bytes()

    databases: dict[str, dict[ResourcePath, Fields]] = {}
    for database, path, fields in import_documents(read, overall.name):
        databases.setdefault(database.database, {})[path] = fields
    return Seed(databases)


def read_seed(path: Path) -> Seed:
    """Read the export that a user names: its overall metadata, its folder, or the folder of a
    whole suite's export.

    Raises:
        ConfigError: There is none, or it is damaged.
    """
    overall = _find_overall(path)
    try:
        return read_export(overall)
    except ExportError as error:
        raise ConfigError(
            f"{overall} cannot be imported: {error}",
            fix="export again with `firebase emulators:export`, or start without the import",
        ) from error


def _exports_in(folder: Path) -> list[Path]:
    """Return the overall metadata in a folder, or in those below it that are not hidden: those are
    what a kill has left of an export that was not finished.
    """
    here = sorted(folder.glob(f"*{OVERALL_SUFFIX}"))
    below = sorted(folder.glob(f"*/*{OVERALL_SUFFIX}"))
    return here or [path for path in below if not path.parent.name.startswith(".")]


def _find_overall(path: Path) -> Path:
    if path.is_file():
        return path
    metadata = path / SUITE_METADATA
    if metadata.is_file():
        try:
            name = json.loads(metadata.read_text(encoding="utf-8"))["firestore"]["metadata_file"]
            return path / str(name)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{metadata} names no Firestore export",
                fix="name the folder with the *.overall_export_metadata",
            ) from error
    found = _exports_in(path)
    if not found:
        raise ConfigError(
            f"{path} is no export: it has neither {SUITE_METADATA} nor a *{OVERALL_SUFFIX}",
            fix="name a folder that `firebase emulators:export` wrote",
        )
    return found[0]
