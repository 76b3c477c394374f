"""`harness report`: the last run's report with what is known now, or what is known before the first
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.records import read_last_run
from harness.cli.supports import audit_project
from harness.errors import ConfigError, HarnessError
from harness.files import write_text_file
from harness.project import (
    FIREBASE_JSON,
    find_project_folder,
    load_project,
    load_settings,
    load_template,
    load_workflow,
    one_workflow_path,
    workflow_paths,
)
from harness.reports.model import RunReport, build_report
from harness.source import SourceText
from harness.workflow.audit import Audit
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.edit import set_ticks
from harness.workflow.verdict import Verdict, decide

_FORMATS = ("terminal", "markdown", "json", "junit", "badge")
_LATER_FORMATS = ("html",)


@click.command("report")
@options.project
@options.workflow
@click.option(
    "--format",
    "format_name",
    type=click.Choice([*_FORMATS, *_LATER_FORMATS]),
    default="terminal",
    show_default=True,
)
@click.option(
    "--unchecked",
    is_flag=True,
    help="Only what is not verified, why, what would verify it, and what to run.",
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
    """Show the last run's report, with what is known now: what went stale, what was signed off.

    Before the first run: every item, with what would verify it.
    """
    if format_name in _LATER_FORMATS:
        raise HarnessError(
            f"the format {format_name} is not available yet",
            fix=f"use --format {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}",
        )
    report = known_report(project_dir, workflow)
    text = _rendered(report, format_name, unchecked=unchecked, verbose=verbose, to_file=output)
    if output is None:
        render.text(text)
    else:
        write_text_file(output, text)
    return 0


def known_report(project_dir: Path | None, workflow: Path | None) -> RunReport:
    """Return the last run's report on a document, or one of a run without results, with what files
    say now.
    """
    folder = _folder(project_dir)
    last = read_last_run(folder / ".harness")
    document = _document(folder, workflow)
    name = document.source.file_name
    audit = _audit(folder, document)
    if last is None or last.workflow_path != name:
        return build_report(
            document,
            decide(document, []),
            project=load_settings(folder).project_id,
            started_at="",
            suite="",
            audit=audit,
        )
    return build_report(
        _as_found(document, last),
        _verdicts(last),
        project=last.project,
        started_at=last.started_at,
        suite=last.suite,
        missing=last.missing,
        unmapped=last.unmapped,
        audit=audit,
    )


def _audit(folder: Path, document: WorkflowDocument) -> Audit | None:
    """Return what files say; None outside of a project, where nothing says anything."""
    if not (folder / FIREBASE_JSON).is_file():
        return None
    return audit_project(load_project(folder), document, document.source.file_name)


def _as_found(document: WorkflowDocument, last: RunReport) -> WorkflowDocument:
    """Return the document with the ticks that the run found in it, where it still has the items."""
    ids = {item.item_id for item in document.items}
    was = {item.item_id: item.was_ticked for item in last.items if item.item_id in ids}
    return parse_workflow(SourceText(document.source.file_name, set_ticks(document, was)))


def _verdicts(last: RunReport) -> list[Verdict]:
    return [
        Verdict(item.item_id, item.verdict, item.reason, item.checks, None) for item in last.items
    ]


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
    if format_name == "junit":
        from harness.reports.junit import report_to_junit

        return report_to_junit(report)
    if format_name == "badge":
        from harness.reports.badge import report_to_badge

        return report_to_badge(report)
    from harness.reports.terminal import render_terminal

    return render_terminal(
        report,
        unchecked=unchecked,
        color=to_file is None and render.uses_color(),
        width=render.width(),
        verbose=verbose,
    )
