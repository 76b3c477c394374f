"""`harness init`: harness.yaml, checks and a CI job for a repository that has a firebase.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

import click

from harness.cli import render
from harness.cli.found_project import find_project_to_init, look, repository_of
from harness.errors import ConfigError
from harness.files import write_text_file
from harness.project import load_template, projects_inside, relative_name
from harness.reports.escaping import one_line
from harness.scaffold.found import FoundProject
from harness.scaffold.plan import PlannedFile, plan_files


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def command(folder: Path, dry_run: bool) -> int:
    """Write what a Firebase project needs to be verified: harness.yaml, checks, a CI job, and the
    workflow document from the template if there is none. Nothing that is there is overwritten.

    DIR holds firebase.json, or has it below. Checks that can prove something do; the others say
    what is missing, and verify nothing until somebody fills them in.
    """
    project = find_project_to_init(folder)
    repository = repository_of(project)
    found = look(project, repository)
    planned = plan_files(found, _templates(), load_template())
    lines = [f"Firebase project in {relative_name(Path.cwd(), project)}: {_summary(found)}"]
    for file in planned:
        path = (repository if file.in_repository else project) / file.name
        lines.append(_write(path, file, dry_run=dry_run))
    lines += _notes(found)
    for other in map(partial(relative_name, Path.cwd()), projects_inside(project)):
        lines.append(f"! {other}/firebase.json is another project: harness init {other}")
    if dry_run:
        lines.append("nothing was written (--dry-run)")
    else:
        option = "" if found.in_repository == "" else f" --project {found.in_repository}"
        lines.append(f"next: harness verify{option if repository != Path.cwd() else ''}")
    render.text("\n".join(lines))
    return 0


def _templates() -> dict[str, str]:
    folder = files("harness.scaffold").joinpath("files")
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}


def _write(path: Path, file: PlannedFile, *, dry_run: bool) -> str:
    shown = relative_name(Path.cwd(), path)
    if path.exists() or path.is_symlink():
        return f"  kept   {shown}"
    if dry_run:
        return f"  would write {shown}: {file.about}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{shown} cannot be written: {error.strerror}",
            fix="make room for its folder; what was written before it stays",
        ) from error
    write_text_file(path, file.text)
    return f"  wrote  {shown}: {file.about}"


def _summary(found: FoundProject) -> str:
    parts = [f"rules {', '.join(rules.name for rules in found.rules)}" if found.rules else ""]
    parts += [
        f"functions in {each.source}/" + (f" ({each.language})" if each.language else "")
        for each in found.functions
    ]
    if found.apps:
        parts.append(f"Flutter app in {', '.join(found.apps)}")
    names = ", ".join(document.source.file_name for document in found.documents)
    parts.append(f"workflow document {names}" if names else "no workflow document")
    return one_line("; ".join(part for part in parts if part))


def _notes(found: FoundProject) -> Iterator[str]:
    """Say what stands in the way of checks, and what can be done besides."""
    for problem in found.problems:
        yield f"! {_first_lines(problem)}"
    for each in found.functions:
        if each.lacks:
            yield f"! functions in {one_line(each.source)} {each.lacks}: {one_line(each.command)}"
    public = found.firestore.public if found.firestore is not None else ()
    if public:
        yield (
            f"! without signing in, the rules allow {len(public)} kinds of request: read PUBLIC in "
            f"{found.checks_folder}/test_security_rules.py"
        )
    if found.phase_files and not found.documents:
        yield (
            f"phase files: {_names(found.phase_files)}; harness begin --phase FILE --feature NAME "
            "makes a workflow document from one"
        )


def _first_lines(text: str) -> str:
    return "\n  ".join(text.splitlines()[:4])


def _names(names: Iterable[str]) -> str:
    return one_line(", ".join(names))
