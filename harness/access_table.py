"""A project's access matrix, from its files.

The command line and the pytest plugin share it. What the files mean is decided in `access` and
`rules`; here they are only found and read.
"""

from __future__ import annotations

import time

from harness.access.decide import record_cells
from harness.access.model import AccessMatrix, MatrixCell
from harness.access.reader import read_matrix
from harness.access.table import SERVICE_NAMES, DecidedMatrix, Surprise, grouped
from harness.config import HARNESS_YAML
from harness.errors import ConfigError
from harness.files import read_text_file
from harness.firestore.values import Timestamp
from harness.project import Project
from harness.project_rules import ProjectRulesets
from harness.rules.explain_request import explain_request
from harness.rules.explain_text import reasons
from harness.rules.recorded import ReplaySource
from harness.source import SourcePosition, SourceText

_INLINE_KEY = "access"
_CSV = ".csv"


def read_access_matrix(project: Project, now: Timestamp | None = None) -> AccessMatrix | None:
    """Read a project's access matrix; None when its harness.yaml has no `access`.

    Args:
        now: When the requests arrive, unless the matrix says it; by default the present.
    Raises:
        HarnessError: A file is missing or does not hold what it should.
    """
    settings = project.settings
    if settings.access is None:
        return None

    def read_text(name: str) -> SourceText:
        return _read_as_named(project, name)

    key: str | None = None
    if settings.has_inline_access:
        source, key = read_text(HARNESS_YAML), _INLINE_KEY
    elif settings.access.lower().endswith(_CSV):
        # A table that needs no documents: its rows are all there is.
        source = SourceText(HARNESS_YAML, f'rows: "{settings.access}"')
    else:
        source = read_text(settings.access)
    return read_matrix(
        source,
        key=key,
        personas=settings.personas,
        project_id=settings.project_id,
        now=now or Timestamp(time.time_ns() // 1_000),
        read_text=read_text,
    )


def access_files(project: Project) -> tuple[str, ...]:
    """Return the files that a project's access matrix is made of, personas included.

    Raises:
        HarnessError: As `read_access_matrix`.
    """
    matrix = read_access_matrix(project)
    return () if matrix is None else tuple(dict.fromkeys((HARNESS_YAML, *matrix.files)))


def decide_matrix(matrix: AccessMatrix, rulesets: ProjectRulesets) -> DecidedMatrix:
    """Ask a project's rulesets every cell of its matrix, and find out why for each surprise.

    Raises:
        ConfigError: It has rows of a service that the project has no rules for, or a row does not
            ask what it says.
    """
    for row in matrix.rows:
        if rulesets.of_service(row.service) is None:
            name = SERVICE_NAMES[row.service].lower()
            raise ConfigError(
                f'"{row.name}" asks rules of {name}, and firebase.json names none',
                fix=f'add "{name}": {{"rules": …}} to firebase.json, or remove the row',
                at=row.at,
            )
    cells = record_cells(matrix, rulesets.firestore, rulesets.storage)
    surprises = grouped(
        Surprise(
            cell.row,
            (cell.persona,),
            cell.allowed,
            matrix.row(cell.row).at,
            _reasons(cell, rulesets),
        )
        for cell in cells
        if cell.is_surprise
    )
    return DecidedMatrix(matrix, cells, surprises)


def _reasons(cell: MatrixCell, rulesets: ProjectRulesets) -> tuple[str, ...]:
    """Return what granted a cell's request, or what denied it."""
    ruleset = rulesets.of_service(cell.recorded.service)
    assert ruleset is not None
    decisions = cell.recorded.decisions
    # One that is denied denies them all.
    asked = [each for each in decisions if not each.allowed][:1] or decisions
    source = ReplaySource(cell.recorded.documents)
    return tuple(
        str(reason)
        for each in asked
        for reason in reasons(explain_request(ruleset, each.request, source))
    )


def _read_as_named(project: Project, name: str) -> SourceText:
    """Read a file; places in it are named as in the project, so that they can stand in evidence."""
    return SourceText(name, read_text_file(project.folder / name).text)


def no_matrix(project: Project) -> ConfigError:
    """Make the error for a project that has no access matrix where one is needed."""
    path = project.folder / HARNESS_YAML
    return ConfigError(
        f"{HARNESS_YAML} names no access matrix",
        fix="add `access: access.yaml` to it; docs/access-matrix.md says what is in the file",
        at=SourcePosition(HARNESS_YAML, 1, 1) if path.is_file() else None,
    )
