"""Looks at the project's rules, indexes and access matrix before anything is started: what does
not load is said at once.
"""

from __future__ import annotations

from pathlib import Path

from harness.access_table import read_access_matrix
from harness.errors import ConfigError, HarnessError, HarnessErrors, joined
from harness.files import read_text_file
from harness.firestore.index_definitions import parse_index_file
from harness.project import Project
from harness.project_rules import loaded, read_rules, rules_names
from harness.tolerant_json import parse_json


def check_inputs(project: Project) -> None:
    """Load every rules and index file that firebase.json names, and the access matrix.

    Raises:
        HarnessError: One is missing or does not load; several problems come as a group.
    """
    problems: list[HarnessError] = []
    for database in project.firebase.firestore:
        if database.indexes:
            problems += _index_problems(project.folder / database.indexes)
    for name in rules_names(project):
        try:
            loaded(read_rules(project, name))
        except HarnessErrors as group:
            problems += group.errors
        except HarnessError as error:
            problems.append(error)
    problems += _matrix_problems(project)
    if problems:
        raise joined(problems)


def _matrix_problems(project: Project) -> list[HarnessError]:
    try:
        read_access_matrix(project)
    except HarnessErrors as group:
        return list(group.errors)
    except HarnessError as error:
        return [error]
    return []


def _index_problems(path: Path) -> list[HarnessError]:
    if not path.is_file():
        return [_not_there(path)]
    try:
        parse_index_file(parse_json(read_text_file(path)).value(), str(path))
    except HarnessErrors as group:
        return list(group.errors)
    except HarnessError as error:
        return [error]
    return []


def _not_there(path: Path) -> ConfigError:
    return ConfigError(
        f"firebase.json names {path}, and there is no such file",
        fix="make the file, or correct firebase.json",
    )
