"""`harness verify --against PROJECT`: the checks that only read, asked of a real project.

Nothing comes of it but what is printed. A tick says that the back end in this repository does what
it should; a staging project runs what was deployed some time, on data that nobody laid out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.cli import render
from harness.cli.checks_run import run_checks
from harness.errors import ConfigError
from harness.project import Project
from harness.workflow.evidence import CheckResult, Outcome

_SHOWN_REASONS = 5


def verify_against(
    against: str,
    project: Project,
    workflows: Sequence[Path],
    items: Sequence[str],
    shard: tuple[int, int] | None,
) -> int:
    """Run the checks, print what they found, and return the exit status.

    Raises:
        ConfigError: harness.yaml does not name the project.
    """
    named = project.settings.staging
    if named != against:
        words = "names no staging project" if named is None else f"names {named}"
        raise ConfigError(
            f"--against {against}: harness.yaml {words}",
            fix=f"if {against} is a staging project, add `staging: {against}` to harness.yaml",
        )
    with render.Progress() as progress:
        run = run_checks(
            project,
            workflows=workflows,
            items=items,
            shard=shard,
            handover=None,
            progress=progress,
            suite_phase=lambda: "",
            against=against,
        )
    found = list({result.nodeid: result for result in run.results}.values())
    render.text(_text(against, found))
    outcomes = {result.outcome for result in found}
    return 0 if Outcome.PASSED in outcomes and outcomes <= {Outcome.PASSED, Outcome.SKIPPED} else 1


def _text(against: str, results: Sequence[CheckResult]) -> str:
    lines = [f"against {against}, reading only: nothing is ticked, no evidence is kept"]
    for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.ERROR):
        lines += [
            f"  {outcome.value.lower()}  {result.nodeid}"
            + (f"\n    {_first_line(result.reason)}" if result.reason else "")
            for result in results
            if result.outcome is outcome
        ]
    skipped = Counter(each.reason for each in results if each.outcome is Outcome.SKIPPED)
    for reason, count in skipped.most_common(_SHOWN_REASONS):
        lines.append(f"  not verified  {count} {'check' if count == 1 else 'checks'}: {reason}")
    rest = sum(count for _, count in skipped.most_common()[_SHOWN_REASONS:])
    if rest:
        lines.append(f"  not verified  {rest} more, for other reasons")
    if not results:
        lines.append("  no check was found")
    return "\n".join(lines)


def _first_line(reason: str) -> str:
    return reason.splitlines()[0] if reason else ""
