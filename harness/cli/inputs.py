"""Looks at the project's rules, indexes and access matrix before anything is started: what does
not load is said at once.
"""

from __future__ import annotations

from pathlib import Path

from harness.access_table import read_access_matrix
from harness.errors import ConfigError, HarnessError, HarnessErrors, RulesSyntaxError
from harness.files import read_text_file
from harness.firestore.index_definitions import parse_index_file
from harness.project import Project
from harness.rules.issues import Issue, Severity
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from harness.tolerant_json import parse_json


def check_inputs(project: Project) -> None:
    """Load every rules and index file that firebase.json names, and the access matrix.

    Raises:
        HarnessError: One is missing or does not load; several problems come as a group.
    """
    problems: list[HarnessError] = []
    for database in project.firebase.firestore:
        if database.rules:
            problems += _rules_problems(project.folder / database.rules)
        if database.indexes:
            problems += _index_problems(project.folder / database.indexes)
    for bucket in project.firebase.storage:
        problems += _rules_problems(project.folder / bucket.rules)
    problems += _matrix_problems(project)
    if problems:
        raise HarnessErrors(problems) if len(problems) > 1 else problems[0]


def issue_text(source: SourceText, issue: Issue) -> str:
    """Return what is wrong and where, with the line and a caret under the place."""
    caret = "".join(f"\n  {line}" for line in source.caret(issue.span).splitlines())
    return f"{issue.description}{caret}"


def _rules_problems(path: Path) -> list[HarnessError]:
    if not path.is_file():
        return [_not_there(path)]
    source = read_text_file(path)
    return [
        RulesSyntaxError(issue_text(source, issue), fix="correct the rules", at=issue.position)
        for issue in load_ruleset(source).issues
        if issue.severity is Severity.ERROR
    ]


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
