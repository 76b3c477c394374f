"""`harness rules mutate`: which faults in the rules would the matrix and the checks notice?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from harness.access.decide import record_cells
from harness.access.model import AccessMatrix, MatrixCell
from harness.access_table import read_access_matrix
from harness.backend.bridge import rules_time
from harness.cli import options, render
from harness.errors import EnvironmentLacking, HarnessError
from harness.files import write_text_file
from harness.mutation.confirm import MutantChecks
from harness.mutation.run import run_mutation
from harness.project import Project, find_project_folder, load_project
from harness.project_rules import ProjectRulesets, load_rulesets
from harness.recordings import read_recordings
from harness.review.example_rows import RowMaker
from harness.review.mutants import Mutant, find_mutants
from harness.review.mutation_report import (
    floor_percent,
    no_row,
    operator_table,
    report_json,
    score_text,
    survivor_text,
    survivors,
)
from harness.review.scoring import Evidence, Finding, Standing, tally
from harness.review.seeds import seeds
from harness.rules.recorded import RecordedRequest
from harness.rules.request import FIRESTORE, RulesAuth
from harness.rules.ruleset import CompiledRuleset
from harness.rules.values import RulesTimestamp

EXIT_BELOW = 1
_SHOWN = 20
_MOST_CALLERS = 8


@click.command("mutate")
@options.project
@click.option(
    "--min",
    "least",
    type=click.FloatRange(0, 100),
    metavar="N",
    help="Percent of the mutants that must be noticed. Default: rules: mutation_score of"
    " harness.yaml.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE"
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many processes. Default: the machine's cores.",
)
@click.option("--no-run", is_flag=True, help="Run no checks: only ask what was asked before.")
@click.option(
    "--only",
    multiple=True,
    metavar="LINE|OPERATOR|ID",
    help="Only these mutants: of a line, [FILE:]LINE; of an operator; or one. Several may be"
    " given.",
)
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=_SHOWN,
    show_default=True,
    metavar="N",
    help="How many survivors to print; 0 for all.",
)
def command(
    project_dir: Path | None,
    least: float | None,
    json_file: Path | None,
    jobs: int | None,
    no_run: bool,
    only: tuple[str, ...],
    show: int,
) -> int:
    """Put faults into the security rules, one at a time, and see which ones the access matrix and
    the checks notice.

    Each survivor is printed as a diff, with a request that it answers otherwise: a row for the
    access matrix.

    Exit status: 0 enough are noticed; 1 the score is below --min or harness.yaml's; 2 rules or
    matrix do not load; 3 there is nothing to ask.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    jobs = jobs or os.cpu_count() or 1
    with render.Progress() as progress:
        asked = _evidence(project, progress)
        files = [
            _examine(project, ruleset, asked, _Choice(only), jobs, progress, runs=not no_run)
            for ruleset in load_rulesets(project).by_service().values()
        ]
    files = [file for file in files if file.findings]
    if not files:
        raise HarnessError(
            f"no mutant fits --only {' '.join(only)}" if only else "the rules have no mutants",
            fix="give a line of a rules file, an operator of docs/rules-mutation.md or an id",
        )
    left = show or None
    for file in files:
        render.text(_file_text(file, left))
    counted = tally(finding for file in files for finding in file.findings)
    render.text(score_text(counted))
    if json_file is not None:
        answer = {
            **report_json([(file.ruleset.source, file.findings) for file in files]),
            "surprises": sum(file.surprises for file in files),
            "stale": sum(file.stale for file in files),
        }
        write_text_file(json_file, f"{json.dumps(answer, indent=2, ensure_ascii=False)}\n")
    wanted = project.settings.rules.mutation_score if least is None else least
    if wanted is None or counted.score is None or counted.score >= wanted:
        return 0
    render.note(
        f"harness: the mutation score is {floor_percent(counted.score)} %, and at least"
        f" {wanted:g} % is wanted\n"
        "  fix: add rows to the access matrix, or checks, that notice survivors"
    )
    return EXIT_BELOW


@dataclass(frozen=True, slots=True)
class _Asked:
    """What mutants are asked.

    Args:
        evidence: Requests of both services.
        rows: Makes rows of the access matrix for a ruleset; None without a matrix.
    """

    evidence: Evidence
    rows: Callable[[CompiledRuleset], RowMaker] | None


@dataclass(frozen=True, slots=True)
class _File:
    """What was found in one rules file."""

    ruleset: CompiledRuleset
    findings: Sequence[Finding]
    row: Callable[[Finding], str | None]
    surprises: int
    stale: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """`--only`."""

    words: tuple[str, ...]

    def takes(self, mutant: Mutant) -> bool:
        """Say whether a mutant is wanted."""
        position = mutant.position
        names = {mutant.operator, mutant.id, str(position.line)}
        for name in (position.file_name, position.file_name.rsplit("/", 1)[-1]):
            names.add(f"{name}:{position.line}")
        return not self.words or not names.isdisjoint(self.words)


def _evidence(project: Project, progress: render.Progress) -> _Asked:
    rulesets = load_rulesets(project)
    matrix = read_access_matrix(project)
    cells: tuple[MatrixCell, ...] = ()
    if matrix is not None:
        cells = record_cells(matrix, rulesets.firestore, rulesets.storage)
    recorded = read_recordings(project.folder)
    if not cells and not recorded:
        raise EnvironmentLacking(
            "there is nothing that could notice a mutant: no access matrix, no recorded requests",
            fix="write an access matrix (docs/access-matrix.md), or run the checks: harness verify",
        )
    progress.phase(f"{len(cells)} cells of the access matrix, {len(recorded)} recorded requests")
    personas = {cell.persona: cell.recorded.decisions[0].request.auth for cell in cells}
    sample = next((cell.recorded.documents.before for cell in cells), {})
    callers = tuple(personas.values()) or _callers(recorded)
    return _Asked(
        Evidence(cells, recorded, callers, _generated(rulesets, matrix)),
        (lambda ruleset: RowMaker(ruleset, personas, sample)) if cells else None,
    )


def _generated(
    rulesets: ProjectRulesets, matrix: AccessMatrix | None
) -> tuple[RecordedRequest, ...]:
    now = RulesTimestamp(time.time_ns()) if matrix is None else rules_time(matrix.now)
    return tuple(
        seed
        for service, ruleset in rulesets.by_service().items()
        for seed in seeds(ruleset, service, now)
    )


def _callers(recorded: Sequence[RecordedRequest]) -> tuple[RulesAuth | None, ...]:
    """Return a few of those who asked."""
    found: dict[str | None, RulesAuth | None] = {}
    for each in recorded:
        auth = each.decisions[0].request.auth
        found.setdefault(None if auth is None else auth.uid, auth)
    return tuple(found.values())[:_MOST_CALLERS]


def _examine(
    project: Project,
    ruleset: CompiledRuleset,
    asked: _Asked,
    choice: _Choice,
    jobs: int,
    progress: render.Progress,
    *,
    runs: bool,
) -> _File:
    name = ruleset.source.file_name
    mutants = [mutant for mutant in find_mutants(ruleset) if choice.takes(mutant)]
    run = run_mutation(
        ruleset,
        asked.evidence,
        mutants=mutants,
        jobs=jobs,
        on_progress=lambda done, total: progress.now(f"{name}: {done} of {total} mutants asked"),
    )
    findings: Sequence[Finding] = run.findings
    progress.phase(f"{name}: {len(findings)} mutants asked, {_open(findings)} open")
    if runs and FIRESTORE in ruleset.services and _open(findings):
        with MutantChecks(project, ruleset) as checks:
            findings = checks.confirm(
                findings,
                jobs=jobs,
                on_progress=lambda done, total: progress.now(
                    f"{name}: checks run against {done} of {total} mutants"
                ),
            )
        progress.phase(f"{name}: checks run, {_open(findings)} still open")
    if run.surprises:
        render.note(
            f"harness: {name}: {run.surprises} cells of the access matrix are not as it says, and"
            " notice nothing\n  fix: harness rules matrix shows them"
        )
    if run.stale:
        render.note(
            f"harness: {name}: {run.stale} recorded requests are of other rules, or looked at"
            " documents that were not recorded, and notice nothing\n  fix: run the checks again"
        )
    return _File(ruleset, findings, _row_writer(ruleset, asked), run.surprises, run.stale)


def _open(findings: Sequence[Finding]) -> int:
    return sum(finding.standing is Standing.OPEN for finding in findings)


def _row_writer(ruleset: CompiledRuleset, asked: _Asked) -> Callable[[Finding], str | None]:
    if asked.rows is None:
        return no_row
    maker = asked.rows(ruleset)

    def row(finding: Finding) -> str | None:
        return None if finding.example is None else maker.row(finding.example.recorded)

    return row


def _file_text(file: _File, most: int | None) -> str:
    source = file.ruleset.source
    found = survivors(file.findings)
    blocks = [survivor_text(finding, source, file.row) for finding in found[:most]]
    if most is not None and len(found) > most:
        blocks.append(f"{len(found) - most} more survivors: --show 0 prints them all")
    slow = [each for each in file.findings if each.standing is Standing.TIMED_OUT]
    blocks += [
        f"{each.mutant.position}: timed out: {each.mutant.description}"
        f" [{each.mutant.operator}, {each.mutant.id}]"
        for each in slow
    ]
    table = "\n".join(operator_table(file.findings))
    score = score_text(tally(file.findings))
    return "\n\n".join([*blocks, f"{source.file_name}\n{table}\n{score}", ""])
