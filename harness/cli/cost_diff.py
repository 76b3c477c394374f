"""`harness cost diff`: what has become dearer since a git revision, and by which requests."""

from __future__ import annotations

from pathlib import Path

import click

from harness.billing.comparison import Comparison, FigureChange, GrowthChange, compare
from harness.cli import options, render
from harness.cli.git_revision import GitRevision
from harness.costs import SAVED, MeasuredCosts, measured_costs, parse_saved
from harness.errors import HarnessError
from harness.files import read_text_file
from harness.project import find_project_folder

EXIT_DEARER = 1


@click.command("diff")
@click.argument("base", default="HEAD")
@options.project
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="PERCENT",
    help="By how much a figure may grow.",
)
def command(base: str, project_dir: Path | None, tolerance: float) -> int:
    """Compare the last run's costs with those saved at BASE: a git revision, or a file such as
    .harness/costs.json.

    `harness verify` saves them in .harness/costs.json, which belongs into the repository.

    Exit status: 0 nothing has become dearer; 1 something has; 2 there is nothing to compare.
    """
    folder = find_project_folder(project_dir or Path.cwd())
    before = _saved_at(folder, base)
    after = measured_costs(folder)
    comparison = compare(
        before.scenarios, after.scenarios, before.growth, after.growth, tolerance_percent=tolerance
    )
    render.text(_text(comparison, base))
    return EXIT_DEARER if comparison.has_regressions else 0


def _saved_at(folder: Path, base: str) -> MeasuredCosts:
    if Path(base).is_file():
        return parse_saved(read_text_file(Path(base)))
    revision = GitRevision(folder, base, instead="a costs.json file")
    saved = revision.read(SAVED.as_posix())
    if saved is None:
        raise HarnessError(
            f"{base} has no {SAVED.as_posix()}",
            fix="run harness verify there, and commit the file",
        )
    return parse_saved(saved)


def _text(comparison: Comparison, base: str) -> str:
    lines = [line for change in comparison.changes for line in _change(change)]
    lines += [line for change in comparison.growth for line in _growth(change)]
    lines += [f"new: {name}" for name in comparison.added]
    lines += [f"no longer measured: {name}" for name in comparison.gone]
    return "\n".join(lines or [f"every action costs what it did at {base}"])


def _change(change: FigureChange) -> list[str]:
    words = "DEARER" if change.is_regression else "changed"
    if change.after < change.before:
        words = "cheaper"
    lines = [f"{words}: {change.scenario}: {change.before:g} → {change.after:g} {change.figure}"]
    for request in change.requests:
        where = f"  at {', '.join(request.at)}" if request.at else ""
        by = f" (function {', '.join(request.functions)})" if request.functions else ""
        lines.append(f"    {request.before:g} → {request.after:g}  {request.label}{by}{where}")
    return lines


def _growth(change: GrowthChange) -> list[str]:
    words = "GROWS FASTER" if change.is_regression else "grows more slowly"
    return [
        f"{words}: {change.scenario}: {change.figure} {change.before} → {change.after}",
        *(f"    {part}" for part in change.parts if change.is_regression),
    ]
