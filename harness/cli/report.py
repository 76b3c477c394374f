"""`harness report`: the last run's report, or what is known before the first run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.records import read_last_run
from harness.errors import ConfigError, HarnessError
from harness.files import write_text_file
from harness.project import (
    find_project_folder,
    load_settings,
    load_template,
    load_workflow,
    one_workflow_path,
    workflow_paths,
)
from harness.reports.model import RunReport, build_report
from harness.source import SourceText
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.verdict import decide

_LATER_FORMATS = ("html", "junit")


@click.command("report")
@options.project
@options.workflow
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["terminal", "markdown", "json", *_LATER_FORMATS]),
    default="terminal",
    show_default=True,
)
@click.option(
    "--unchecked", is_flag=True, help="Only what is not verified, why, and what would verify it."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it there."
)
@click.option("-v", "--verbose", is_flag=True, help="Show every check (terminal).")
def command(
    project_dir: Path | None,
    workflow: Path | None,
    format_name: str,
    unchecked: bool,
    output: Path | None,
    verbose: bool,
) -> int:
    """Show the last run's report. Before the first run: every item, with what would verify it."""
    if format_name in _LATER_FORMATS:
        raise HarnessError(
            f"the format {format_name} is not available yet",
            fix="use --format terminal, markdown or json",
        )
    report = last_report(project_dir, workflow)
    text = _rendered(report, format_name, unchecked=unchecked, verbose=verbose, to_file=output)
    if output is None:
        render.text(text)
    else:
        write_text_file(output, text)
    return 0


def last_report(project_dir: Path | None, workflow: Path | None) -> RunReport:
    """Return the last run's report, or, where there is none for this document, one of a run without
    results.
    """
    folder = _folder(project_dir)
    last = read_last_run(folder / ".harness")
    if last is not None and workflow is None:
        return last
    document = _document(folder, workflow)
    if last is not None and last.workflow_path == document.source.file_name:
        return last
    settings = load_settings(folder)
    return build_report(
        document, decide(document, []), project=settings.project_id, started_at="", suite=""
    )


def _folder(project_dir: Path | None) -> Path:
    try:
        return find_project_folder(project_dir or Path.cwd())
    except ConfigError:
        if project_dir is not None:
            raise
        return (
            Path.cwd()
        )  # a workflow document can be reported on before there is a Firebase project


def _document(folder: Path, workflow: Path | None) -> WorkflowDocument:
    settings = load_settings(folder)
    chosen: Sequence[Path] = [workflow] if workflow is not None else []
    if not workflow_paths(folder, settings, chosen):
        render.note("no workflow document here: this is the harness's own template")
        return load_template()
    path = one_workflow_path(folder, settings, workflow)
    document = load_workflow(path)
    resolved = path.resolve()
    name = str(path)
    if resolved.is_relative_to(folder.resolve()):
        name = resolved.relative_to(folder.resolve()).as_posix()
    return parse_workflow(SourceText(name, document.text))


def _rendered(
    report: RunReport,
    format_name: str,
    *,
    unchecked: bool,
    verbose: bool,
    to_file: Path | None,
) -> str:
    if format_name == "json":
        from harness.reports.json import report_to_json

        return report_to_json(report)
    if format_name == "markdown":
        from harness.reports.markdown import render_markdown

        return render_markdown(report, unchecked=unchecked)
    from harness.reports.terminal import render_terminal

    return render_terminal(
        report,
        unchecked=unchecked,
        color=to_file is None and render.uses_color(),
        width=render.width(),
        verbose=verbose,
    )
