"""The queries of the last run, in `.harness/queries/`, which the index commands ask.

One file for each run, no part of a repository: every process of a run writes the whole, the last
one has it all.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.backend.query_uses import DatabaseUse
from harness.errors import ConfigError, HarnessError, HarnessErrors
from harness.files import read_text_file, write_text_file
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.project import Project
from harness.source import SourceText
from harness.tolerant_json import parse_json

_FOLDER = Path(".harness") / "queries"
_NAME = "last-run.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class IndexFile:
    """The index file of a database.

    Attributes:
        database: The database's id.
        name: The file's name, as in firebase.json; None: firebase.json names none.
    """

    database: str
    name: str | None
    source: SourceText
    definitions: IndexDefinitions


def write_queries(project_folder: Path, databases: Mapping[str, Any]) -> None:
    """Keep what the databases of a run were asked: the answer of `GET /harness/v1/queries`.

    Raises:
        EnvironmentLacking: The file cannot be written.
    """
    path = project_folder / _FOLDER / _NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nothing that belongs into a repository.
    (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    write_text_file(path, json.dumps({"version": _VERSION, "databases": databases}) + "\n")


def clear_queries(project_folder: Path) -> None:
    """Delete what the last run left."""
    with contextlib.suppress(FileNotFoundError):
        (project_folder / _FOLDER / _NAME).unlink()


def read_queries(project_folder: Path) -> dict[str, DatabaseUse] | None:
    """Return what the last run asked, by database id; None where no run has left anything.

    Raises:
        HarnessError: The file is not what this module wrote.
    """
    path = project_folder / _FOLDER / _NAME
    if not path.is_file():
        return None
    try:
        content = json.loads(read_text_file(path).text)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        return {name: DatabaseUse.from_json(each) for name, each in content["databases"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{path} cannot be read: {error}", fix="delete it, and run the checks again"
        ) from error


def read_index_files(project: Project) -> list[IndexFile]:
    """Return the index file of each database that firebase.json has.

    Raises:
        HarnessError: One is missing or does not load; several problems come as a group.
    """
    found = []
    problems: list[HarnessError] = []
    for database in project.firebase.firestore:
        name = database.indexes
        if name is None:
            empty = SourceText("firestore.indexes.json", "")
            found.append(IndexFile(database.database, None, empty, IndexDefinitions()))
            continue
        path = project.folder / name
        if not path.is_file():
            problems.append(
                ConfigError(
                    f"firebase.json names {path}, and there is no such file",
                    fix='make the file with the content {"indexes": []}, or correct firebase.json',
                )
            )
            continue
        try:
            text = read_text_file(path).text
            source = SourceText(name, text)
            definitions = parse_index_file(parse_json(source).value(), name)
            found.append(IndexFile(database.database, name, source, definitions))
        except HarnessErrors as group:
            problems += group.errors
        except HarnessError as error:
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise HarnessErrors(problems)
    return found
