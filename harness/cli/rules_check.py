"""`harness rules check`: what the compiler says of rules files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli import render
from harness.files import read_text_file
from harness.project_rules import issue_text
from harness.rules.issues import Issue, Severity
from harness.rules.ruleset import load_ruleset


@click.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "firebase"]),
    default="text",
    show_default=True,
    help="firebase prints the lines that `firebase deploy` prints.",
)
def command(files: tuple[Path, ...], form: str) -> int:
    """Load rules files; print what is wrong with them, each with its place.

    Exit status: 0 they load; 1 they load, with warnings; 2 one does not load.
    """
    worst = 0
    for path in files:
        source = read_text_file(path)
        issues = load_ruleset(source).issues
        worst = max([worst, *(2 if _is_error(issue) else 1 for issue in issues)])
        if form == "firebase":
            render.text(_as_deploy_prints(path, issues))
            continue
        for issue in issues:
            kind = "error" if _is_error(issue) else "warning"
            render.text(f"{issue.position}: {kind}: {issue_text(source, issue)}")
        if not issues:
            render.text(f"{path}: loads")
    return worst


def _is_error(issue: Issue) -> bool:
    return issue.severity is Severity.ERROR


def _as_deploy_prints(path: Path, issues: Sequence[Issue]) -> str:
    """Return warnings, then errors under a head line or the line of success.

    Source: firebase-tools 15.34, `src/rulesDeploy.ts`.
    """
    errors = [_line(issue) for issue in issues if _is_error(issue)]
    warnings = [_line(issue) for issue in issues if not _is_error(issue)]
    if not errors:
        return "\n".join([*warnings, f"rules file {path} compiled successfully"])
    plural = "" if len(errors) == 1 else "s"
    return "\n".join([*warnings, f"Compilation error{plural} in {path}:", *errors])


def _line(issue: Issue) -> str:
    position = issue.position
    return f"[{issue.severity.value[0]}] {position.line}:{position.column} - {issue.description}"
