"""`harness rules coverage`: what the last run's checks reached of the security rules."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path

import click

from harness.cli import options, render
from harness.errors import HarnessError
from harness.files import write_text_file
from harness.project import find_project_folder, load_project
from harness.reports.rules_coverage import coverage_lines, shortfalls
from harness.reports.rules_coverage_html import coverage_page
from harness.rules.coverage_report import official_report
from harness.rules_coverage import (
    RULES_JSON,
    FileCoverage,
    RunCoverage,
    coverage_folder,
    coverage_of_matrix,
    coverage_of_project,
    lcov_of,
    read_run,
)


@click.command("coverage")
@click.argument("records", nargs=-1, type=click.Path(path_type=Path), metavar="[RULES.JSON…]")
@options.project
@click.option("--matrix", "of_matrix", is_flag=True,
              help="Count the access matrix instead, here and now: needs no run.")  # fmt: skip
@click.option("--min", "minimum", type=click.FloatRange(0, 100), metavar="PERCENT",
              help="Exit with 1 if less of a file's expressions was evaluated. "
              "Default: rules.coverage of harness.yaml, if it is there.")  # fmt: skip
@click.option("--file", "only", metavar="NAME", help="Only the rules file of this name.")
@click.option("--all", "all_gaps", is_flag=True,
              help="List also what was never true, or never false.")  # fmt: skip
@click.option("--lcov", type=click.Path(path_type=Path), metavar="FILE",
              help="Write an LCOV tracefile.")  # fmt: skip
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE",
              help="Write a page that shows the rules. One rules file: see --file.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the official JSON report. One rules file: see --file.")  # fmt: skip
def command(
    records: tuple[Path, ...],
    project_dir: Path | None,
    of_matrix: bool,
    minimum: float | None,
    only: str | None,
    all_gaps: bool,
    lcov: Path | None,
    html: Path | None,
    json_file: Path | None,
) -> int:
    """Show what the last run's checks evaluated of the security rules, and what they did not.

    Several RULES.JSON, such as those of the jobs of a CI run, are added up; without any, it is the
    one that the last run left in .harness/coverage.

    Exit status: 0; 1 if less than the minimum was evaluated.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    if of_matrix:
        run = RunCoverage(tuple(coverage_of_matrix(project)))
    else:
        paths = records or (coverage_folder(project) / RULES_JSON,)
        run = reduce(RunCoverage.merged, map(read_run, paths))
    files = _chosen(coverage_of_project(project, run.rulesets), only)
    for index, file in enumerate(files):
        if index:
            render.text("")
        render.text("\n".join(coverage_lines(file.summary, all_gaps=all_gaps)))
        if not file.has_counts:
            render.note(
                f"{file.counts.file_name}: no request was counted for its present text: "
                "none was made, or the file has changed since the checks ran"
            )
    if run.partial is not None:
        render.note(f"this is not the whole: {run.partial}")
    if lcov is not None:
        write_text_file(lcov, lcov_of(files))
    if html is not None:
        file = _one(files, "--html")
        write_text_file(html, coverage_page(file.layout, file.counts))
    if json_file is not None:
        file = _one(files, "--json")
        report = official_report(file.layout, file.counts)
        write_text_file(json_file, json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    wanted = project.settings.rules.coverage if minimum is None else minimum
    low = [] if wanted is None else shortfalls([file.summary for file in files], wanted)
    for line in low:
        render.error(line)
    return 1 if low else 0


def _chosen(files: tuple[FileCoverage, ...], only: str | None) -> tuple[FileCoverage, ...]:
    """Return the files that were asked for.

    Raises:
        HarnessError: There is none of that name.
    """
    chosen = tuple(
        file
        for file in files
        if only is None or only in (file.counts.file_name, Path(file.counts.file_name).name)
    )
    if not chosen:
        names = ", ".join(file.counts.file_name for file in files)
        problem = "firebase.json names no rules" if only is None else f"no rules file is {only}"
        fix = "name one in firebase.json" if not files else f"the project's are: {names}"
        raise HarnessError(problem, fix=fix)
    return chosen


def _one(files: tuple[FileCoverage, ...], option: str) -> FileCoverage:
    """Return the only file.

    Raises:
        HarnessError: There are several.
    """
    if len(files) > 1:
        names = ", ".join(file.counts.file_name for file in files)
        raise HarnessError(
            f"{option} is of one rules file, and there are several",
            fix=f"choose one with --file: {names}",
        )
    return files[0]
