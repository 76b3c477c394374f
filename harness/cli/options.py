"""Options that several commands have, worded once."""

from __future__ import annotations

from pathlib import Path

import click

from harness.workflow.shards import parse_shard

project = click.option(
    "--project",
    "project_dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The project's folder, which holds firebase.json. Default: the nearest one upwards.",
)
workflow = click.option(
    "--workflow",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The workflow document. Default: those of harness.yaml, else workflow/*.md, "
    "else backend-workflow*.md.",
)


def _parse_shard(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    try:
        return None if value is None else parse_shard(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


shard = click.option(
    "--shard",
    metavar="I/N",
    callback=_parse_shard,
    help="Run only the I-th of N parts, on as many machines; harness evidence merge joins them.",
)
firestore = click.option(
    "--firestore",
    type=click.Choice(["embedded", "official", "attach"]),
    default="embedded",
    show_default=True,
    help="Whose Firestore emulator: the harness's own, Google's, "
    "or the one at FIRESTORE_EMULATOR_HOST.",
)
allow_real = click.option(
    "--allow-real-project-id",
    is_flag=True,
    help="Accept a project id that does not begin with demo-.",
)
