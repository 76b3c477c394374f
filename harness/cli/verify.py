"""`harness verify`: suite, checks, verdicts, evidence, boxes, report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import click

from harness.cli import options, render
from harness.cli.checks_run import run_checks
from harness.cli.inputs import check_inputs
from harness.cli.records import read_records, write_evidence, write_last_run
from harness.cli.supports import audit_project
from harness.costs import save_costs
from harness.emulators.handover import Handover, reason_of
from harness.emulators.owner import SuiteOwner
from harness.emulators.suite import SuiteOptions, check_project_id
from harness.errors import ConfigError, HarnessError, WorkflowError
from harness.files import update_workflow, write_text_file
from harness.project import (
    Project,
    find_project_folder,
    load_project,
    load_workflow,
    one_workflow_path,
)
from harness.project_inputs import BACK_END, Part, ProjectInputs
from harness.reports.json import report_to_json
from harness.reports.model import build_report
from harness.reports.terminal import render_terminal
from harness.source import SourceText
from harness.workflow.audit import Audit
from harness.workflow.document import WorkflowDocument, parse_workflow
from harness.workflow.edit import set_ticks
from harness.workflow.evidence import CheckResult, Evidence, Outcome
from harness.workflow.verdict import Verdict, decide, wanted_ticks

_SUITE_NAMES = {"embedded": "embedded", "official": "official", "attach": "attached"}


class _InputsChanged(HarnessError):
    exit_status = 1


@dataclass(frozen=True, slots=True)
class _Request:
    """What the user asked for, checked as far as it can be before anything is started."""

    project: Project
    workflow: Path
    name: str
    selected: frozenset[str] | None
    firestore: Literal["embedded", "official", "attach"]
    allow_real_project_id: bool


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the run found."""

    results: tuple[CheckResult, ...]
    suite: str
    lacking: HarnessError | None


@dataclass(frozen=True, slots=True)
class _Settled:
    """What came of it: the document as it was, the verdicts, and what is known afterwards."""

    before: WorkflowDocument
    verdicts: tuple[Verdict, ...]
    audit: Audit


@click.command("verify")
@options.project
@options.workflow
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="ITEM",
    help='Only this item, as "Heading/Item text" or its slug. May be given several times.',
)
@options.firestore
@click.option("--no-tick", is_flag=True, help="Leave the workflow document as it is.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the report there, as JSON.",
)
@options.allow_real
@click.option("-v", "--verbose", is_flag=True, help="Show every check in the report.")
def command(
    project_dir: Path | None,
    workflow: Path | None,
    items: Sequence[str],
    firestore: Literal["embedded", "official", "attach"],
    no_tick: bool,
    json_file: Path | None,
    allow_real_project_id: bool,
    verbose: bool,
) -> int:
    """Run the checks against the Emulator Suite; tick the items that they prove, untick those that
    they do not.

    Exit status: 0 all mapped checks passed; 1 one did not; 2 wrong usage or a malformed file; 3 the
    environment lacks something.
    """
    request = _request(
        project_dir, workflow, items, firestore, allow_real_project_id=allow_real_project_id
    )
    project = request.project
    if not no_tick:
        _refuse_read_only(request.workflow)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(
            f"there is no folder for {json_file}", fix=f"mkdir -p {json_file.absolute().parent}"
        )
    read_records(project, request.name)  # what is malformed is said before anything is started
    began = datetime.now().astimezone()
    inputs = ProjectInputs(project)
    before = inputs.digests(_watched(inputs))
    findings = _run(request)
    inputs = ProjectInputs(project, [request.workflow])
    _refuse_changes(project, before, inputs, findings, began.timestamp())
    settled = _settle(request, findings, inputs, ticks=not no_tick)
    report = build_report(
        settled.before,
        settled.verdicts,
        project=project.settings.project_id,
        started_at=began.isoformat(timespec="seconds"),
        suite=findings.suite,
        missing=_missing(project, findings),
        unmapped=_unmapped(settled.before, findings.results),
        audit=settled.audit,
    )
    write_last_run(project, report)
    save_costs(project.folder, whole=request.selected is None)
    if json_file is not None:
        write_text_file(json_file, report_to_json(report))
    render.text(
        render_terminal(report, color=render.uses_color(), width=render.width(), verbose=verbose)
    )
    return _exit_status(request, findings)


def _request(
    project_dir: Path | None,
    workflow: Path | None,
    items: Sequence[str],
    firestore: Literal["embedded", "official", "attach"],
    *,
    allow_real_project_id: bool,
) -> _Request:
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    check_project_id(project.settings.project_id, allow_real=allow_real_project_id)
    path = one_workflow_path(project.folder, project.settings, workflow)
    document = load_workflow(path)
    selected = frozenset(document.find(item).item_id for item in items) if items else None
    check_inputs(project)
    name = project.relative(path)
    return _Request(project, path, name, selected, firestore, allow_real_project_id)


def _refuse_read_only(path: Path) -> None:
    # Found out at once, not after the checks have run.
    if not path.stat().st_mode & 0o222:
        raise WorkflowError(
            f"{path} is read-only, so no box in it can be ticked",
            fix=f"chmod u+w {path}, or give --no-tick",
        )


def _run(request: _Request) -> _Findings:
    project = request.project
    if not project.checks_folder.is_dir():
        render.note(
            f"{project.checks_folder} is not there: nothing is verified without checks"
            " (`checks:` in harness.yaml names another folder)"
        )
        return _Findings((), "", None)
    with render.Progress() as progress, _suite(request, progress) as (owner, folder):
        results = run_checks(
            project,
            workflow=request.workflow,
            items=sorted(request.selected or ()),
            handover=folder,
            progress=progress,
            suite_phase=lambda: "" if owner.wait(0) else "starting the suite",
        )
        handed, failure = owner.handed, owner.failure
    suite = _SUITE_NAMES[handed.firestore] if handed is not None else ""
    return _Findings(tuple(results), suite, failure)


@contextmanager
def _suite(request: _Request, progress: render.Progress) -> Iterator[tuple[SuiteOwner, Path]]:
    """Start the suite while checks are collected; it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="harness-handover-"))
    owner = SuiteOwner(
        SuiteOptions(
            request.project.folder,
            project_id=request.project.settings.project_id,
            firestore=request.firestore,
            firestore_arguments=request.project.settings.firestore.arguments,
            allow_real_project_id=request.allow_real_project_id,
            progress=progress.phase,
        ),
        Handover(folder),
    )
    try:
        owner.start()
        yield owner, folder
    finally:
        progress.now("ending the suite")
        owner.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _watched(inputs: ProjectInputs) -> tuple[str, ...]:
    """Return the names of what must stay as it is during the run."""
    return (*inputs.names_of(BACK_END | {Part.ACCESS_MATRIX}), *inputs.check_names())


def _refuse_changes(
    project: Project,
    before: Mapping[str, str],
    inputs: ProjectInputs,
    findings: _Findings,
    began_s: float,
) -> None:
    """Raise an error if an input is not what it was when the run began.

    Emulators load some files anew when they change: the results are for neither version.
    """
    after = inputs.digests(_watched(inputs))
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    read = {name for result in findings.results for name in result.inputs}
    changed |= {
        name
        for name in read - after.keys()
        if (path := project.folder / name).is_file() and path.stat().st_mtime > began_s
    }
    if changed:
        raise _InputsChanged(
            f"{', '.join(sorted(changed))} changed while the checks ran, so nothing was ticked",
            fix="run harness verify again",
        )


def _settle(
    request: _Request, findings: _Findings, inputs: ProjectInputs, *, ticks: bool
) -> _Settled:
    """Decide on the document as it is now, write the evidence, and then tick: killed in between, it
    leaves a box without its tick, and never a tick without evidence.
    """
    settled: list[_Settled] = []

    def transform(document: WorkflowDocument) -> str:
        named = parse_workflow(SourceText(request.name, document.text))
        verdicts = _verdicts(request, named, findings)
        write_evidence(request.project, request.name, verdicts, findings.suite, inputs)
        audit = audit_project(request.project, named, request.name, inputs)
        wanted = {
            item_id: is_wanted and audit.wanted[item_id]
            for item_id, is_wanted in wanted_ticks(verdicts).items()
        }
        after = set_ticks(named, wanted) if ticks else named.text
        settled.append(_Settled(named, verdicts, audit.of_text(after)))
        return after

    if ticks:
        update_workflow(request.workflow, transform)
    else:
        transform(load_workflow(request.workflow))
    return settled[-1]


def _verdicts(
    request: _Request, document: WorkflowDocument, findings: _Findings
) -> tuple[Verdict, ...]:
    ids = {item.item_id for item in document.items}
    records = read_records(request.project, request.name)
    return decide(
        document,
        [result for result in findings.results if result.item_id in {*ids, None}],
        selected=None if request.selected is None else request.selected & ids,
        with_evidence={
            item_id for item_id, record in records.items() if isinstance(record, Evidence)
        },
    )


def _missing(project: Project, findings: _Findings) -> list[str]:
    missing = []
    if not project.checks_folder.is_dir():
        missing.append(f"there is no folder {project.relative(project.checks_folder)}/ with checks")
    if findings.lacking is not None:
        missing.append(reason_of(findings.lacking, project.folder))
    return missing


def _unmapped(document: WorkflowDocument, results: Iterable[CheckResult]) -> list[CheckResult]:
    ids = {item.item_id for item in document.items}
    return [result for result in results if result.item_id not in ids]


def _exit_status(request: _Request, findings: _Findings) -> int:
    chosen = request.selected
    outcomes = {
        result.outcome
        for result in findings.results
        if chosen is None or result.item_id is None or result.item_id in chosen
    }
    if outcomes - {Outcome.PASSED, Outcome.SKIPPED}:
        return 1
    if findings.lacking is not None and Outcome.SKIPPED in outcomes:
        return findings.lacking.exit_status
    return 0 if outcomes == {Outcome.PASSED} else 1
