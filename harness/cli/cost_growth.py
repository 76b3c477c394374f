"""`harness cost growth`: how the cost of scenarios grows with the data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness.billing.growth import ORDERS
from harness.billing.report import aligned
from harness.billing.scenario_growth import BILLED
from harness.billing.scenarios import GrowthCost
from harness.cli import options, render
from harness.costs import read_costs
from harness.errors import HarnessError
from harness.project import find_project_folder, load_project

EXIT_GROWS = 1
_LIMIT_S = 1_800
_SHOWN = ("reads", "writes", "index entries", "requests", "time")
# pytest's own statuses. Source: pytest, "Exit codes".
_PASSED, _FAILED, _NONE_COLLECTED = 0, 1, 5


@click.command("growth")
@click.argument("names", nargs=-1)
@options.project
@click.option(
    "--sizes",
    metavar="N,N,N",
    help="How many documents there shall be, in place of what the checks say.",
)
@click.option("--last", is_flag=True, help="Only show what the last run measured.")
def command(names: Sequence[str], project_dir: Path | None, sizes: str | None, last: bool) -> int:
    """Run the scenarios that checks give to `cost_growth`, all or those named, and say how their
    cost grows.

    Exit status: 0 nothing grows faster than its budget allows; 1 something does, or a check failed.
    """
    folder = find_project_folder(project_dir or Path.cwd())
    status = 0 if last else _run(folder, names, _sizes(sizes))
    found = [each for each in read_costs(folder).growth if not names or each.name in names]
    if not found and names:
        raise HarnessError(
            f"no check measures how the cost of {', '.join(names)} grows",
            fix="name scenarios as checks give them to cost_growth, or none for all",
        )
    if not found:
        raise HarnessError(
            "no check has measured how a cost grows",
            fix="use the fixture cost_growth in a check; docs/cost.md shows how",
        )
    render.text(growth_text(found))
    return status or (EXIT_GROWS if any(map(_is_over, found)) else 0)


def growth_text(found: Sequence[GrowthCost]) -> str:
    """Return a table of what was measured, and below it the requests that make it grow and what
    costs more than it must at the largest size.
    """
    rows = [("", "figure", "grows", "allowed")]
    for each in found:
        for figure in _SHOWN:
            growth = each.growth.get(figure)
            if growth is None or (figure != "time" and not any(growth.figures)):
                continue
            words = growth.order.words if figure == "time" else str(growth)
            allowed = ORDERS[each.allowed].words if each.allowed and figure in BILLED else ""
            over = "  ← too fast" if _grows_too_fast(each, figure) else ""
            rows.append((each.name, figure, words + over, allowed))
    lines = aligned(rows, left=len(rows[0]))
    for each in found:
        for title, notes in (("what grows", each.parts), ("findings", each.findings)):
            if notes:
                lines += ["", f"{each.name}: {title}", *(f"  {note}" for note in notes)]
    return "\n".join(lines)


def _is_over(each: GrowthCost) -> bool:
    return any(_grows_too_fast(each, figure) for figure in BILLED)


def _grows_too_fast(each: GrowthCost, figure: str) -> bool:
    if each.allowed is None or figure not in BILLED or figure not in each.growth:
        return False
    return each.growth[figure].order > ORDERS[each.allowed]


def _sizes(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    numbers = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(numbers) < 3 or len(numbers) < len(parts) or list(numbers) != sorted(set(numbers)):
        raise HarnessError(
            f"--sizes {text} is not three numbers or more that ascend",
            fix="write such as --sizes 10,100,1000,10000",
        )
    return numbers


def _run(folder: Path, names: Sequence[str], sizes: tuple[int, ...] | None) -> int:
    """Run the checks that measure growth; return 1 if one failed."""
    project = load_project(folder)
    if not project.checks_folder.is_dir():
        raise HarnessError(
            f"there is no folder {project.relative(project.checks_folder)}/ with checks",
            fix="write one that uses the fixture cost_growth; docs/cost.md shows how",
        )
    command = [
        *(sys.executable, "-P", "-m", "pytest", str(project.checks_folder)),
        *("-p", "harness", "-p", "no:cacheprovider", "-q", "--color=no"),
        f"--rootdir={folder}",
        f"--harness-project={folder}",
        "--harness-growth",
        *(f"--harness-growth-name={name}" for name in names),
        *([f"--harness-growth-sizes={','.join(map(str, sizes))}"] if sizes else []),
    ]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"the checks took longer than {_LIMIT_S // 60} minutes", fix="name fewer, or --sizes"
        ) from error
    if done.returncode not in (_PASSED, _NONE_COLLECTED):
        render.note(done.stdout)
        render.note(done.stderr)
    if done.returncode not in (_PASSED, _FAILED, _NONE_COLLECTED):
        raise HarnessError("pytest did not come to its end", fix="see its words above")
    return 0 if done.returncode in (_PASSED, _NONE_COLLECTED) else 1
