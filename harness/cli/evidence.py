"""`harness evidence show` and `harness evidence merge`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.documents import find_item
from harness.cli.git_revision import GitRevision
from harness.cli.records import EVIDENCE_FOLDER
from harness.cli.supports import audit_project
from harness.costs import SAVED, merge_saved_costs
from harness.errors import HarnessError, WorkflowError, joined
from harness.files import read_text_file, write_text_file
from harness.project import Project, find_project_folder, load_project
from harness.project_inputs import ProjectInputs
from harness.reports.escaping import one_line
from harness.reports.model import metrics_text
from harness.source import SourceText
from harness.workflow.evidence import CheckResult, Evidence, Outcome
from harness.workflow.merge import MergeConflict, merge_evidence
from harness.workflow.sign_off import SignOff, record_from_statement
from harness.workflow.statement import EVIDENCE_SUFFIX, evidence_path
from harness.workflow.states import ItemState

_RECORD_FOLDER = ".harness"
_SHOWN_DIGITS = 12


class _Conflict(HarnessError):
    exit_status = 1


@click.group("evidence")
def command() -> None:
    """Show an item's evidence; merge the evidence of several machines."""


@command.command("show")
@click.argument("address", metavar="ITEM")
@options.project
@options.workflow
def show(address: str, project_dir: Path | None, workflow: Path | None) -> int:
    """Show what supports ITEM: its checks or who signed, and whether the inputs are still the same.

    Exit status: 0 it is supported; 1 it is not.
    """
    document, item = find_item(project_dir, workflow, address)
    read = document.load()
    inputs = ProjectInputs(document.project)
    found = audit_project(document.project, read, document.name, inputs).states[item.item_id]
    lines = [
        f"{one_line(document.name)}:{item.line}: {one_line(item.title)}",
        f"{found.state.words}: {one_line(found.reason)}",
        *_record_lines(found, inputs),
    ]
    render.text("\n".join(lines))
    return 0 if found.state.supports_tick else 1


@command.command("merge")
@click.argument("folders", nargs=-1, required=True, metavar="DIR…", type=click.Path(path_type=Path))
@options.project
def merge(folders: tuple[Path, ...], project_dir: Path | None) -> int:
    """Join the evidence of several machines into the project's own, and their costs.json.

    DIR is a folder of evidence, or a project or .harness that has one. What a machine left as it is
    committed says nothing; what two changed in different ways is an error, and nothing is written.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    target = project.record_folder / EVIDENCE_FOLDER
    own = _read_folder(target)
    sides = {str(folder): _read_folder(_evidence_in(folder)) for folder in folders}
    base = _committed(project, {path for side in sides.values() for path in (*side, *own)})
    if base is None:
        base = {path: source.text for path, source in own.items()}
    merged = merge_evidence(base, {str(target): own, **sides})
    if merged.conflicts:
        raise joined([_conflict(conflict) for conflict in merged.conflicts])
    count = 0
    for name, source in sorted(merged.changed.items()):
        if name in own and own[name].text == source.text:
            continue
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_file(path, source.text)
        count += 1
    has_new_costs = merge_saved_costs(project.folder, _committed_costs(project), folders)
    render.text(
        f"{count} {'item has' if count == 1 else 'items have'} new evidence"
        + (": harness audit --fix ticks by it" if count else "")
        + (f"\n{SAVED} has new costs" if has_new_costs else "")
    )
    return 0


def _record_lines(found: ItemState, inputs: ProjectInputs) -> list[str]:
    record = found.record
    if record is None:
        return []
    lines = []
    if isinstance(record, SignOff):
        lines += [f"  by:     {one_line(record.by)}", f"  at:     {one_line(record.at)}"]
        lines += [f"  commit: {record.commit}"] if record.commit else []
        lines += [f"  note:   {one_line(record.note)}"] if record.note else []
    else:
        made_by = one_line(f"Firestore: {record.suite or 'none'}, {_made_by(record)}")
        lines += ["", f"Checks ({made_by})"]
        for check in record.checks:
            lines += _check_lines(check)
    lines += ["", "Inputs"]
    now = inputs.digests(record.subjects)
    for name, digest in sorted(record.subjects.items()):
        change = ("" if now[name] == digest else "  changed") if name in now else "  gone"
        lines.append(f"  {digest[:_SHOWN_DIGITS]}  {one_line(name)}{change}")
    return lines


def _check_lines(check: CheckResult) -> list[str]:
    said = check.states if check.outcome is Outcome.PASSED else check.reason
    lines = [f"  {check.outcome.value.lower()} {one_line(check.nodeid)}"]
    warnings = (f"warning: {warning}" for warning in check.warnings)
    lines += [f"      {one_line(part)}" for part in (said, *warnings, metrics_text(check)) if part]
    return lines


def _made_by(evidence: Evidence) -> str:
    return f"harness {evidence.harness_version or 'of an unknown version'}"


def _committed(project: Project, paths: Collection[str]) -> dict[str, str] | None:
    """Return the evidence of the commit that is checked out, from which all machines began; None
    outside of git.
    """
    try:
        head = GitRevision(project.folder, "HEAD")
    except HarnessError:
        return None
    folder = project.relative(project.record_folder / EVIDENCE_FOLDER)
    found = {path: head.read(f"{folder}/{path}") for path in sorted(paths)}
    return {path: source.text for path, source in found.items() if source is not None}


def _committed_costs(project: Project) -> SourceText | None:
    try:
        return GitRevision(project.folder, "HEAD").read(SAVED.as_posix())
    except HarnessError:
        return None


def _evidence_in(folder: Path) -> Path:
    """Return the folder of evidence that a folder is, or holds."""
    if not folder.is_dir():
        raise WorkflowError(f"there is no folder {folder}", fix="name a folder of evidence")
    for inside in (folder / _RECORD_FOLDER / EVIDENCE_FOLDER, folder / EVIDENCE_FOLDER):
        if inside.is_dir():
            return inside
    return folder


def _read_folder(folder: Path) -> dict[str, SourceText]:
    """Return the evidence in a folder, by path below it.

    Raises:
        WorkflowError: A file is no evidence, or not where its item's is.
    """
    found = {}
    for path in sorted(folder.glob(f"*/*{EVIDENCE_SUFFIX}")):
        source = read_text_file(path)
        record = record_from_statement(source)
        name = path.relative_to(folder).as_posix()
        if evidence_path(record.document, record.item_id) != name:
            raise WorkflowError(
                f"{path} holds evidence of {record.item_id} in {record.document or 'no document'}",
                fix="give the file back the name it had, or remove it",
            )
        found[name] = source
    return found


def _conflict(conflict: MergeConflict) -> HarnessError:
    return _Conflict(
        f"{conflict.first} and {conflict.second} disagree about {conflict.item_id}: {conflict.why}",
        fix="let one machine verify the item, and all of them the same commit",
    )
