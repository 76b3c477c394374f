"""`harness verify`: suite, checks, verdicts, evidence, boxes, report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import click

from harness.cli import options, render
from harness.cli.checks_run import run_checks
from harness.cli.documents import ProjectDocument, documents_of
from harness.cli.inputs import check_inputs
from harness.cli.lost_ticks import take_back_lost_ticks
from harness.cli.records import read_records, write_evidence, write_last_run
from harness.cli.supports import audit_project
from harness.cli.verify_against import verify_against
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
)
from harness.project_inputs import BACK_END, Part, ProjectInputs
from harness.reports.escaping import one_line
from harness.reports.json import reports_to_json
from harness.reports.model import build_report
from harness.reports.terminal import render_terminal
from harness.workflow.audit import Audit
from harness.workflow.document import WorkflowDocument
from harness.workflow.documents import WorkflowDocuments
from harness.workflow.edit import set_ticks
from harness.workflow.evidence import CheckResult, Evidence, Outcome
from harness.workflow.verdict import Verdict, decide, wanted_ticks

_SUITE_NAMES = {"embedded": "embedded", "official": "official", "attach": "attached"}


class _InputsChanged(HarnessError):
    exit_status = 1


@dataclass(frozen=True, slots=True)
class _Request:
    """What the user asked for, checked as far as it can be before anything is started.

    Attributes:
        selected: References of the items that were chosen; None: all.
    """

    project: Project
    documents: tuple[ProjectDocument, ...]
    items: WorkflowDocuments
    selected: frozenset[str] | None
    shard: tuple[int, int] | None
    firestore: Literal["embedded", "official", "attach"]
    allow_real_project_id: bool


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the run found.

    Attributes:
        results: Items by their references.
        chosen: References of the items that the run was about; None: all.
    """

    results: tuple[CheckResult, ...]
    chosen: frozenset[str] | None
    suite: str
    lacking: HarnessError | None

    def of_document(self, items: WorkflowDocuments, name: str) -> list[CheckResult]:
        """Return what was found about a document's items, by their ids, and what belongs to no item
        of any document."""
        found = []
        for result in self.results:
            if result.item_id is None:
                found.append(result)
                continue
            document, item_id = items.split(result.item_id)
            if document == name:
                found.append(replace(result, item_id=item_id))
        return found

    def chosen_of(self, items: WorkflowDocuments, name: str) -> frozenset[str] | None:
        """Return the ids of a document's items that the run was about; None: all."""
        if self.chosen is None:
            return None
        pairs = map(items.split, self.chosen)
        return frozenset(item_id for document, item_id in pairs if document == name)


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
@options.shard
@options.firestore
@click.option("--no-tick", is_flag=True, help="Leave the workflow documents as they are.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the report there, as JSON.",
)
@options.allow_real
@click.option(
    "--against",
    metavar="PROJECT",
    help="Ask this real project, reading only: `staging:` in harness.yaml has to name it too. "
    "Nothing is ticked.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every check in the report.")
def command(
    project_dir: Path | None,
    workflow: Path | None,
    items: Sequence[str],
    shard: tuple[int, int] | None,
    firestore: Literal["embedded", "official", "attach"],
    no_tick: bool,
    json_file: Path | None,
    allow_real_project_id: bool,
    against: str | None,
    verbose: bool,
) -> int:
    """Run the checks against the Emulator Suite; tick the items that they prove, untick those that
    they do not.

    Exit status: 0 all mapped checks passed; 1 one did not; 2 wrong usage or a malformed file; 3 the
    environment lacks something.
    """
    request = _request(
        project_dir, workflow, items, shard, firestore, allow_real_project_id=allow_real_project_id
    )
    project = request.project
    if against is not None:
        paths = [document.path for document in request.documents]
        return verify_against(against, project, paths, sorted(request.selected or ()), shard)
    for document in () if no_tick else request.documents:
        _refuse_read_only(document.path)
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise ConfigError(
            f"there is no folder for {json_file}", fix=f"mkdir -p {json_file.absolute().parent}"
        )
    for document in request.documents:
        read_records(project, document.name)  # what is malformed is said before anything is started
    began = datetime.now().astimezone()
    try:
        check_inputs(project)
        inputs = ProjectInputs(project)
        before = inputs.digests(_watched(inputs))
        findings = _run(request)
        inputs = ProjectInputs(project, [document.path for document in request.documents])
        _refuse_changes(project, before, inputs, findings, began.timestamp())
    except HarnessError:
        if not no_tick:
            _take_back(request)
        raise
    reports = []
    for document in request.documents:
        settled = _settle(request, document, findings, inputs, ticks=not no_tick)
        report = build_report(
            settled.before,
            settled.verdicts,
            project=project.settings.project_id,
            started_at=began.isoformat(timespec="seconds"),
            suite=findings.suite,
            missing=_missing(project, findings),
            unmapped=_unmapped(request, document, settled.before, findings),
            audit=settled.audit,
        )
        reports.append(report)
    write_last_run(project, reports)
    is_whole = request.selected is None and request.shard is None and workflow is None
    save_costs(project.folder, whole=is_whole)
    if json_file is not None:
        write_text_file(json_file, reports_to_json(reports))
    looks: dict[str, Any] = {"color": render.uses_color(), "width": render.width()}
    texts = [render_terminal(report, verbose=verbose, **looks) for report in reports]
    render.text("\n".join(texts))
    return _exit_status(request, findings)


def _request(
    project_dir: Path | None,
    workflow: Path | None,
    items: Sequence[str],
    shard: tuple[int, int] | None,
    firestore: Literal["embedded", "official", "attach"],
    *,
    allow_real_project_id: bool,
) -> _Request:
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    check_project_id(project.settings.project_id, allow_real=allow_real_project_id)
    documents = documents_of(project, workflow)
    known = WorkflowDocuments([document.load() for document in documents])
    found = [each for item in items for each in known.find(item)]
    selected = frozenset(map(known.reference, found)) if items else None
    return _Request(project, documents, known, selected, shard, firestore, allow_real_project_id)


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
        return _Findings((), request.selected, "", None)
    with render.Progress() as progress, _suite(request, progress) as (owner, folder):
        run = run_checks(
            project,
            workflows=[document.path for document in request.documents],
            items=sorted(request.selected or ()),
            shard=request.shard,
            handover=folder,
            progress=progress,
            suite_phase=lambda: "" if owner.wait(0) else "starting the suite",
        )
        handed, failure = owner.handed, owner.failure
    suite = _SUITE_NAMES[handed.firestore] if handed is not None else ""
    chosen = request.selected
    if run.shard is not None:
        chosen = run.shard if chosen is None else run.shard & chosen
    return _Findings(run.results, chosen, suite, failure)


def _take_back(request: _Request) -> None:
    """Leave no tick behind that this run would not have left, had it come to its end."""
    for document in request.documents:
        chosen = None
        if request.selected is not None:
            pairs = map(request.items.split, request.selected)
            chosen = {item_id for name, item_id in pairs if name == document.name}
        try:
            titles = take_back_lost_ticks(document, chosen)
        except HarnessError:
            continue  # what ended the run is said; `harness audit` says this
        for title in titles:
            render.note(f"unticked, since what supported it has changed: {one_line(title)}")


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
    request: _Request,
    document: ProjectDocument,
    findings: _Findings,
    inputs: ProjectInputs,
    *,
    ticks: bool,
) -> _Settled:
    """Decide on a document as it is now, write the evidence, and then tick: killed in between, it
    leaves a box without its tick, and never a tick without evidence.
    """
    settled: list[_Settled] = []

    def transform(read: WorkflowDocument) -> str:
        named = document.named(read)
        verdicts = _verdicts(request, named, findings)
        write_evidence(request.project, document.name, verdicts, findings.suite, inputs)
        audit = audit_project(request.project, named, document.name, inputs)
        wanted = {
            item_id: is_wanted and audit.wanted[item_id]
            for item_id, is_wanted in wanted_ticks(verdicts).items()
        }
        after = set_ticks(named, wanted) if ticks else named.text
        settled.append(_Settled(named, verdicts, audit.of_text(after)))
        return after

    if ticks:
        update_workflow(document.path, transform)
    else:
        transform(load_workflow(document.path))
    return settled[-1]


def _verdicts(
    request: _Request, document: WorkflowDocument, findings: _Findings
) -> tuple[Verdict, ...]:
    name = document.source.file_name
    ids = {item.item_id for item in document.items}
    records = read_records(request.project, name)
    chosen = findings.chosen_of(request.items, name)
    results = findings.of_document(request.items, name)
    return decide(
        document,
        [result for result in results if result.item_id in {*ids, None}],
        selected=None if chosen is None else chosen & ids,
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


def _unmapped(
    request: _Request, document: ProjectDocument, before: WorkflowDocument, findings: _Findings
) -> list[CheckResult]:
    """Return what belongs to no item: of an item that has gone meanwhile, and in the first
    document's report what never named one.
    """
    ids = {item.item_id for item in before.items}
    if document is not request.documents[0]:
        ids.add("")
    return [
        result
        for result in findings.of_document(request.items, document.name)
        if (result.item_id or "") not in ids
    ]


def _exit_status(request: _Request, findings: _Findings) -> int:
    chosen = findings.chosen
    outcomes = {
        result.outcome
        for result in findings.results
        if chosen is None or result.item_id is None or result.item_id in chosen
    }
    if outcomes - {Outcome.PASSED, Outcome.SKIPPED}:
        return 1
    if findings.lacking is not None and Outcome.SKIPPED in outcomes:
        return findings.lacking.exit_status
    if not outcomes and request.shard is not None:
        return 0  # more machines than work
    return 0 if outcomes == {Outcome.PASSED} else 1
