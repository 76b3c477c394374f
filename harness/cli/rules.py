"""`harness rules`: the security rules engine by itself."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import render
from harness.cli.inputs import issue_text
from harness.files import read_text_file
from harness.rules.issues import Severity
from harness.rules.ruleset import load_ruleset


@click.group("rules")
def command() -> None:
    """The security rules engine by itself."""


@command.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
def check(files: tuple[Path, ...]) -> int:
    """Load rules files; print what is wrong with them, each with its place.

    Exit status: 0 they load; 1 they load, with warnings; 2 one does not load.
    """
    worst = 0
    for path in files:
        source = read_text_file(path)
        issues = load_ruleset(source).issues
        for issue in issues:
            kind = "error" if issue.severity is Severity.ERROR else "warning"
            render.text(f"{issue.position}: {kind}: {issue_text(source, issue)}")
            worst = max(worst, 2 if kind == "error" else 1)
        if not issues:
            render.text(f"{path}: loads")
    return worst
