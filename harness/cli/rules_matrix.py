"""`harness rules matrix`: decide the access matrix in process and print it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.access.table import blind_spots
from harness.access.table_text import render_markdown, render_text, to_json
from harness.access.yaml_values import timestamp_of
from harness.access_table import decide_matrix, no_matrix, read_access_matrix
from harness.cli import options, render
from harness.errors import ConfigError
from harness.files import write_text_file
from harness.firestore.values import Timestamp
from harness.project import find_project_folder, load_project
from harness.project_rules import load_rulesets


@click.command("matrix")
@options.project
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it as Markdown.")
@click.option("--surprises", "only_surprises", is_flag=True, help="Only rows with a surprise.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write it to FILE.",
)
@click.option(
    "--now",
    metavar="TIME",
    help="When the requests arrive, such as 2026-01-31T12:00:00Z, unless the matrix says it."
    " Default: the present.",
)
def command(
    project_dir: Path | None,
    as_markdown: bool,
    only_surprises: bool,
    json_file: Path | None,
    now: str | None,
) -> int:
    """Decide the access matrix: who may do what, as `access:` of harness.yaml expects it.

    Exit status: 0 the rules agree with it; 1 there is a surprise; 2 the matrix or the rules do not
    load.
    """
    project = load_project(find_project_folder(project_dir or Path.cwd()))
    matrix = read_access_matrix(project, _moment(now))
    if matrix is None:
        raise no_matrix(project)
    rulesets = load_rulesets(project)
    decided = decide_matrix(matrix, rulesets)
    if as_markdown:
        render.text(render_markdown(decided))
    else:
        render.text(render_text(decided, only_surprises=only_surprises))
    for spot in blind_spots(matrix, rulesets.by_service()):
        render.note(f"harness: the matrix would not notice: {spot}")
    if json_file is not None:
        write_text_file(json_file, to_json(decided))
    return 1 if decided.surprises else 0


def _moment(text: str | None) -> Timestamp | None:
    if text is None:
        return None
    moment = timestamp_of(text)
    if moment is None:
        raise ConfigError(f"--now {text} is not a time", fix="write it as 2026-01-31T12:00:00Z")
    return moment
