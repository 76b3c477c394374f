"""`harness report`: the last run's report with what is known now, or what is known before the first
run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.git_history import path_in_repository
from harness.cli.records import read_last_run
from harness.cli.supports import audit_project
from harness.errors import ConfigError
from harness.files import write_text_file
from harness.project import (
    FIREBASE_JSON,
    find_project_folder,
    load_project,
    load_settings,
    load_template,
    named_workflow,
    workflow_paths,
)
from harness.reports.model import RunReport, build_report
from harness.source import SourceText
from harness.workflow.audit import Audit
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.edit import set_ticks
from harness.workflow.evidence import CheckResult, Evidence
from harness.workflow.states import State
from harness.workflow.verdict import Verdict, decide

_FORMATS = ("terminal", "markdown", "html", "json", "junit", "github", "badge")


@click.command("report")
@options.project
@options.workflow
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
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
    reports = known_reports(project_dir, workflow)
    if format_name == "terminal":
        text = _for_terminal(reports, unchecked=unchecked, verbose=verbose, to_file=output)
    else:
        text = _rendered(reports, format_name, unchecked=unchecked, folder=_folder(project_dir))
    if output is None:
        render.text(text)
    else:
        write_text_file(output, text)
    return 0


def known_reports(project_dir: Path | None, workflow: Path | None) -> tuple[RunReport, ...]:
    """Return for each document the last run's report, or one of a run without results, with what
    files say now.
    """
    folder = _folder(project_dir)
    last = {report.workflow_path: report for report in read_last_run(folder / ".harness")}
    return tuple(
        _known_report(folder, document, last.get(document.source.file_name))
        for document in _documents(folder, workflow)
    )


def _known_report(folder: Path, document: WorkflowDocument, last: RunReport | None) -> RunReport:
    audit = _audit(folder, document)
    if last is None:
        return build_report(
            document,
            _with_evidence(decide(document, []), audit),
            project=load_settings(folder).project_id,
            started_at="",
            suite="",
            audit=audit,
        )
    return build_report(
        _as_found(document, last),
        _with_evidence(_verdicts(last), audit),
        project=last.project,
        started_at=last.started_at,
        suite=last.suite,
        missing=last.missing,
        unmapped=last.unmapped,
        audit=audit,
    )


def _with_evidence(verdicts: Iterable[Verdict], audit: Audit | None) -> list[Verdict]:
    """Show the checks of evidence where the last run had none that say the same: evidence of other
    machines, or of a run before.
    """
    return [
        verdict if audit is None else replace(verdict, checks=_known_checks(verdict, audit))
        for verdict in verdicts
    ]


def _known_checks(verdict: Verdict, audit: Audit) -> tuple[CheckResult, ...]:
    found = audit.states.get(verdict.item_id)
    if found is None or found.state is State.STALE or not isinstance(found.record, Evidence):
        return verdict.checks
    known, shown = (
        {(check.nodeid, check.outcome) for check in checks}
        for checks in (found.record.checks, verdict.checks)
    )
    return verdict.checks if known == shown else found.record.checks


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


def _documents(folder: Path, workflow: Path | None) -> tuple[WorkflowDocument, ...]:
    settings = load_settings(folder)
    chosen: Sequence[Path] = [workflow] if workflow is not None else []
    paths = workflow_paths(folder, settings, chosen)
    if not paths:
        render.note("no workflow document here: this is the harness's own template")
        return (load_template(),)
    return tuple(named_workflow(folder, path) for path in paths)


def _rendered(
    reports: Sequence[RunReport], format_name: str, *, unchecked: bool, folder: Path
) -> str:
    if format_name == "json":
        from harness.reports.json import reports_to_json

        return reports_to_json(reports, unchecked=unchecked)
    if format_name == "markdown":
        from harness.reports.markdown import render_markdown

        return "\n".join(render_markdown(report, unchecked=unchecked) for report in reports)
    if format_name == "html":
        from harness.reports.html import render_html

        return render_html(reports, unchecked=unchecked)
    if format_name == "junit":
        from harness.reports.junit import report_to_junit

        shown = [replace(report, items=report.left) for report in reports]
        return report_to_junit(*(shown if unchecked else reports))
    if format_name == "github":
        from harness.reports.github import render_annotations

        return render_annotations(reports, folder=path_in_repository(folder))
    from harness.reports.badge import report_to_badge

    return report_to_badge(*reports)


def _for_terminal(
    reports: Sequence[RunReport], *, unchecked: bool, verbose: bool, to_file: Path | None
) -> str:
    from harness.reports.terminal import render_terminal

    return "\n".join(
        render_terminal(
            report,
            unchecked=unchecked,
            color=to_file is None and render.uses_color(),
            width=render.width(),
            verbose=verbose,
        )
        for report in reports
    )
