"""`harness rules lint`: what loads, and is hardly meant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

import click

from harness.cli import options, render
from harness.config import Settings
from harness.errors import ConfigError, HarnessError, joined
from harness.files import read_text_file, write_text_file
from harness.project import find_project_folder, load_project, load_settings
from harness.project_rules import rules_errors, rules_names
from harness.reports.lint import LintedFile, lint_to_github, lint_to_json, lint_to_text
from harness.reports.sarif import lint_to_sarif
from harness.rules.lint.linter import LINT_RULES, lint_ruleset, unknown_rules
from harness.rules.lint.model import Level
from harness.rules.ruleset import load_ruleset

_LEVELS = [level.value for level in Level]


@click.command("lint")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE…]")
@options.project
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="sarif is for code scanning, github for annotations of a workflow run.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the findings there, and print only how many there are.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*_LEVELS, "never"]),
    default=Level.WARNING.value,
    show_default=True,
    help="The least level at which a finding fails the run.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="Judge rules with dates as on this day. Default: today, in UTC.",
)
def command(
    files: tuple[Path, ...],
    project_dir: Path | None,
    form: str,
    output: Path | None,
    fail_on: str,
    today: datetime | None,
) -> int:
    """Find what is open, pointless or wrong in rules that load.

    Without FILE: the rules files of firebase.json. docs/rules-lint.md lists what is looked for.

    Exit status: 0 nothing at or above --fail-on; 1 something; 2 a file does not load.
    """
    settings, paths = _what_to_lint(files, project_dir)
    _check_names(settings)
    day = (today or datetime.now(UTC)).date()
    linted = _lint(paths, settings, day)
    text = _text(linted, form)
    if output is None:
        render.text(text)
    else:
        write_text_file(output, text)
        render.text(lint_to_text(linted).splitlines()[-1])
    found = [finding.level for file in linted for finding in file.findings]
    return int(fail_on != "never" and any(level.reaches(Level(fail_on)) for level in found))


def _text(linted: list[LintedFile], form: str) -> str:
    if form == "json":
        return lint_to_json(linted)
    if form == "github":
        return lint_to_github(linted)
    if form == "sarif":
        rules = tuple(LINT_RULES.values())
        return lint_to_sarif(linted, rules, version("firebase-workflow-harness"))
    return lint_to_text(linted)


def _what_to_lint(
    files: tuple[Path, ...], project_dir: Path | None
) -> tuple[Settings, tuple[Path, ...]]:
    """Return the settings and the rules files; named files need no project around them."""
    if files and project_dir is None:
        try:
            return load_settings(find_project_folder(Path.cwd())), files
        except ConfigError as error:
            if error.at is not None:
                raise
            return Settings(), files
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    paths = files or tuple(project.folder / name for name in rules_names(project))
    if not paths:
        raise ConfigError(
            "firebase.json names no rules", fix="name the files: harness rules lint FILE"
        )
    return project.settings, paths


def _check_names(settings: Settings) -> None:
    problems = [
        ConfigError(
            f"harness.yaml: rules.lint.off: {problem}",
            fix="name lint rules as docs/rules-lint.md does",
        )
        for problem in unknown_rules(settings.rules.lint_off)
    ]
    if problems:
        raise joined(problems)


def _lint(paths: tuple[Path, ...], settings: Settings, day: date) -> list[LintedFile]:
    linted = []
    problems: list[HarnessError] = []
    for path in paths:
        source = read_text_file(path)
        made = load_ruleset(source)
        ruleset = made.ruleset
        if ruleset is None:
            problems += rules_errors(source, made)
            continue
        findings = lint_ruleset(
            source,
            ruleset.tree,
            ruleset.resolved,
            made.issues,
            today=day,
            off=settings.rules.lint_off,
        )
        linted.append(LintedFile(_uri(path), source, findings))
    if problems:
        raise joined(problems)
    return linted


def _uri(path: Path) -> str:
    """Return a path from the working directory; a whole URI if it is not below it."""
    resolved = path.resolve()
    try:
        return resolved.relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return resolved.as_uri()
