"""`harness begin`: a new workflow document from the template, filled from a phase file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli import options, render
from harness.config import Settings
from harness.errors import ConfigError, HarnessError, WorkflowError
from harness.files import create_text_file, lock_file, read_text_file, write_text_file
from harness.project import find_project_folder, load_settings, load_template, load_workflow
from harness.reports.escaping import one_line
from harness.source import SourceText
from harness.workflow.address import slug
from harness.workflow.backend_tasks import Decision, Fate, Selection, select_backend_tasks
from harness.workflow.begin import DESCRIPTION, Begun, begin_document
from harness.workflow.phase import PhaseFile, parse_phase

_DEFAULT_DOCUMENT = "workflow/backend-workflow.md"


@click.command("begin")
@click.option(
    "--phase",
    "phase_path",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The phase file: Markdown with the tasks of this phase.",
)
@click.option(
    "--feature", metavar="NAME", help='The section to take the tasks of: its title, or "line 14".'
)
@click.option(
    "--take",
    metavar="LINES",
    help='Lines that are backend work though they do not say so: "14,18-20", or "all" questions.',
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"The new document. Default: that of harness.yaml, else {_DEFAULT_DOCUMENT}.",
)
@click.option("--overwrite", is_flag=True, help="Replace the document if it exists.")
@click.option(
    "--template",
    "template_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A template of your own with the same placeholders.",
)
@options.project
def command(
    phase_path: Path,
    feature: str | None,
    take: str | None,
    output: Path | None,
    overwrite: bool,
    template_path: Path | None,
    project_dir: Path | None,
) -> int:
    """Make a new workflow document from the template, for one feature of a phase file.

    Every line of the feature's section is accounted for: taken, left out with the reason, or a
    question to you (docs/begin.md). No box is ticked.
    """
    folder, settings = _project(project_dir)
    path = output or _default_output(folder, settings)
    if path.exists() and not overwrite:
        raise _exists(path, feature)
    read = read_text_file(phase_path)
    phase = parse_phase(SourceText(os.path.relpath(phase_path), read.text))
    if not (feature or "").strip():
        raise phase.feature_is_needed()
    section = phase.feature(feature or "")
    selection = select_backend_tasks(phase, section, _lines_to_take(take))
    _refuse_nothing(phase, selection)
    begun = begin_document(
        load_workflow(template_path) if template_path is not None else load_template(),
        phase,
        selection,
        phase_path=_from(folder, phase_path),
        document_path=_from(folder, path),
    )
    _write(path, begun, feature, overwrite=overwrite)
    render.text("\n".join(_summary(path, phase, selection, begun)))
    return 0


def _project(project_dir: Path | None) -> tuple[Path, Settings]:
    """Return the project's folder and settings; one may begin before there is a firebase.json."""
    try:
        folder = find_project_folder(project_dir or Path.cwd())
    except ConfigError:
        if project_dir is not None:
            raise
        folder = Path.cwd()
    return folder, load_settings(folder)


def _default_output(folder: Path, settings: Settings) -> Path:
    named = [folder / name for name in settings.workflow_documents]
    missing = [path for path in named if not path.exists()]
    return next(iter(missing or named), folder / _DEFAULT_DOCUMENT)


def _exists(path: Path, feature: str | None) -> WorkflowError:
    other = Path(os.path.relpath(path)).with_name(f"{slug(feature or 'feature')}.md")
    return WorkflowError(
        f"{os.path.relpath(path)} exists already",
        fix=f"name another file (-o {other}), or replace it with --overwrite",
    )


def _lines_to_take(text: str | None) -> frozenset[int] | None:
    """Return the lines that `--take` names; None for all."""
    if text is None:
        return frozenset()
    if text.strip().lower() == "all":
        return None
    lines: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,7})(?:\s*-\s*(\d{1,7}))?\s*", part)
        if found is None or int(found[2] or found[1]) - int(found[1]) > 10_000:
            raise HarnessError(
                f'--take: "{one_line(part)}" is not a line', fix='write lines as in "14,18-20"'
            )
        lines.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return frozenset(lines)


def _refuse_nothing(phase: PhaseFile, selection: Selection) -> None:
    if selection.of(Fate.TAKEN):
        return
    name, line = selection.section.name, selection.section.line
    where = f'"{one_line(name)}" ({phase.source.file_name}:{line})'
    asked = selection.of(Fate.ASKED)
    if asked:
        raise WorkflowError(
            f"none of the {_count(len(asked), 'line')} of {where} says that it is backend work, "
            f"beginning with line {asked[0].task.line}: {one_line(asked[0].task.text)}",
            fix="tag them [Backend], or take all: --take all",
        )
    if selection.decisions:
        first = selection.decisions[0]
        raise WorkflowError(
            f"{where} has no backend task; line {first.task.line} is left out: {first.reason}",
            fix="name another section with --feature, or take lines: --take LINES",
        )
    raise WorkflowError(
        f"{where} has no task", fix="name a section that has, or write them as `- [ ] text`"
    )


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _write(path: Path, begun: Begun, feature: str | None, *, overwrite: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkflowError(
            f"{path.parent} cannot be made: {error.strerror}", fix="name another file with -o"
        ) from error
    if overwrite:
        with lock_file(path):
            write_text_file(path, begun.text)
    elif not create_text_file(path, begun.text):
        raise _exists(path, feature)


def _summary(path: Path, phase: PhaseFile, selection: Selection, begun: Begun) -> Iterator[str]:
    section = selection.section
    file_name = phase.source.file_name
    yield (
        f"{os.path.relpath(path)}: begun for "
        f'"{one_line(section.name)}" ({file_name}:{section.line})'
    )
    description = section.description
    if description is not None:
        yield f"  description from line {description[0]}: {_short(description[1])}"
    for fate, title in (
        (Fate.TAKEN, "taken"),
        (Fate.LEFT_OUT, "left out"),
        (Fate.ASKED, "not taken, and a question to you: is it backend work?"),
    ):
        decisions = selection.of(fate)
        if not decisions:
            continue
        yield f"{_count(len(decisions), 'line')} {title}"
        yield from (_decision(decision) for decision in decisions)
    bare = [
        found for found in section.walk() if found is not section and not any(found.all_tasks())
    ]
    if bare:
        names = ", ".join(f'"{_short(found.name)}" (line {found.line})' for found in bare)
        yield f"without a task in them: {names}"
    asked = selection.of(Fate.ASKED)
    if asked:
        lines = ",".join(str(decision.task.line) for decision in asked)
        yield f"those that are: harness begin … --overwrite --take {lines}"
    done = [decision for decision in selection.of(Fate.TAKEN) if decision.task.is_done]
    if done:
        yield (
            f"{_count(len(done), 'line')} taken {'is' if len(done) == 1 else 'are'} done, says the "
            "phase file; boxes are empty all the same: what supports a tick is evidence"
        )
    if DESCRIPTION in begun.unfilled:
        yield f"{DESCRIPTION} is left for you to fill in: the section has no text before its tasks"


def _decision(decision: Decision) -> str:
    task = decision.task
    return f"  line {task.line}: {_short(task.text) or '(nothing)'}  ({one_line(decision.reason)})"


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
