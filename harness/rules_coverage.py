"""The rules coverage that a run leaves below `.harness/coverage/`: `rules.json` and `rules.lcov`.

Here it is read, written, and matched with the project's rules. What the numbers mean is decided in
`rules/coverage_report.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.access.decide import record_cells
from harness.access.model import MatrixCell
from harness.access_table import read_access_matrix
from harness.errors import HarnessError
from harness.files import read_text_file, write_text_file
from harness.project import Project
from harness.project_rules import ProjectRulesets, load_rulesets, loaded, read_rules, rules_names
from harness.reports.rules_lcov import lcov_text
from harness.rules.coverage import CoverageCounts, RulesetCoverage, merged_counts
from harness.rules.coverage_layout import CoverageLayout, coverage_layout
from harness.rules.coverage_report import CoverageSummary, summarize

RULES_JSON = "rules.json"
RULES_LCOV = "rules.lcov"

_MARK = "harness_rules_coverage"
_VERSION = 1
# A run's report is 50 to 500 kB.
_MAX_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """What one run counted.

    Args:
        rulesets: Counts, one for each text of rules.
        checks: How many checks the run selected.
        partial: Why these are not all checks on a suite of their own, in words; None: they are.
    """

    rulesets: tuple[CoverageCounts, ...]
    checks: int = 0
    partial: str | None = None

    def merged(self, other: RunCoverage) -> RunCoverage:
        """Add what another run counted."""
        notes = {self.partial, other.partial} - {None}
        return RunCoverage(
            tuple(merged_counts((*self.rulesets, *other.rulesets))),
            self.checks + other.checks,
            "; ".join(sorted(map(str, notes))) or None,
        )


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One rules file of a project, with what was counted for its present text.

    Args:
        has_counts: Some run counted for this text. If not, either nothing was asked of these rules
            or the file has changed since.
    """

    layout: CoverageLayout
    counts: CoverageCounts
    has_counts: bool

    @property
    def summary(self) -> CoverageSummary:
        """The percentages."""
        return summarize(self.layout, self.counts)


def coverage_of_project(
    project: Project, counted: Iterable[CoverageCounts]
) -> tuple[FileCoverage, ...]:
    """Return each rules file that firebase.json names, with the counts of its text.

    Counts of other texts are left out: they are of rules that a check uploaded, or of an older
    version of the file.

    Raises:
        HarnessError: A file cannot be read, or does not load.
    """
    by_text = {counts.text: counts for counts in merged_counts(counted)}
    files = []
    for name in rules_names(project):
        source = read_rules(project, name)
        ruleset = loaded(source)
        found = by_text.get(source.text)
        counts = replace(found or CoverageCounts(name, source.text), file_name=name)
        layout = coverage_layout(source, ruleset.resolved)
        files.append(FileCoverage(layout, counts, found is not None))
    return tuple(files)


def coverage_of_matrix(project: Project) -> list[CoverageCounts]:
    """Count what the access matrix evaluates: its cells, asked of the project's rules in process.

    Nothing where there is no matrix.

    Raises:
        HarnessError: The matrix or the rules do not load.
    """
    matrix = read_access_matrix(project)
    if matrix is None:
        return []
    rulesets = load_rulesets(project)
    return coverage_of_cells(rulesets, record_cells(matrix, rulesets.firestore, rulesets.storage))


def coverage_of_cells(
    rulesets: ProjectRulesets, cells: Iterable[MatrixCell]
) -> list[CoverageCounts]:
    """Count what the cells of an access matrix, which these rules have decided, evaluate."""
    coverage = {
        service: RulesetCoverage(ruleset) for service, ruleset in rulesets.by_service().items()
    }
    for cell in cells:
        coverage[cell.recorded.service].observe_again(cell.recorded)
    return [each.counts() for each in coverage.values()]


def write_run(project: Project, run: RunCoverage, files: Sequence[FileCoverage]) -> None:
    """Replace what the last run left."""
    folder = coverage_folder(project)
    folder.mkdir(parents=True, exist_ok=True)
    # It is of this machine's last run; evidence of it is committed elsewhere.
    write_text_file(folder / ".gitignore", "*\n")
    content = {
        _MARK: _VERSION,
        "checks": run.checks,
        "partial": run.partial,
        "rulesets": [each.to_json() for each in run.rulesets],
    }
    write_text_file(folder / RULES_LCOV, lcov_of(files))
    write_text_file(folder / RULES_JSON, json.dumps(content, ensure_ascii=True) + "\n")


def forget_run(project: Project) -> None:
    """Delete what the last run left, when this run has nothing to put in its place."""
    for name in (RULES_JSON, RULES_LCOV):
        (coverage_folder(project) / name).unlink(missing_ok=True)


def read_run(path: Path) -> RunCoverage:
    """Read a `rules.json`.

    Raises:
        HarnessError: There is none, or it is something else.
    """
    if not path.is_file():
        raise HarnessError(
            f"no coverage was recorded: there is no {path}",
            fix="run the checks: harness verify, or pytest",
        )
    text = read_text_file(path, max_bytes=_MAX_BYTES).text
    try:
        content: Any = json.loads(text)
        if not isinstance(content, dict) or content.get(_MARK) != _VERSION:
            raise ValueError(f"it does not begin with {_MARK}")
        return RunCoverage(
            tuple(CoverageCounts.from_json(each) for each in content["rulesets"]),
            int(content["checks"]),
            None if content["partial"] is None else str(content["partial"]),
        )
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise HarnessError(
            f"{path} is no rules coverage: {error}", fix="delete it, and run the checks again"
        ) from error


def lcov_of(files: Iterable[FileCoverage]) -> str:
    """Return an LCOV tracefile of rules files."""
    return lcov_text((file.layout, file.counts) for file in files)


def coverage_folder(project: Project) -> Path:
    """Return where a run leaves its coverage."""
    return project.record_folder / "coverage"
