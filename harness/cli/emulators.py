"""`harness emulators`: the Emulator Suite around a command, or until interrupted."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from harness.cli import options, render
from harness.emulators.exec import run_command
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.errors import EnvironmentLacking
from harness.project import find_project_folder, load_settings

_LOOK_S = 0.5

_only = click.option(
    "--only",
    metavar="LIST",
    help="Which emulators, with commas: auth,functions,firestore,storage. "
    "Default: all that firebase.json has.",
)


@click.group("emulators")
def command() -> None:
    """The Emulator Suite around a command, or until interrupted."""


@command.command("exec", context_settings={"ignore_unknown_options": True})
@options.project
@options.firestore
@options.allow_real
@_only
@click.option(
    "--keep-ports",
    is_flag=True,
    help="Use the ports that firebase.json gives, for a command that has them written down.",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
def exec_(
    project_dir: Path | None,
    firestore: Literal["embedded", "official", "attach"],
    allow_real_project_id: bool,
    only: str | None,
    keep_ports: bool,
    words: Sequence[str],
) -> int:
    """Run a command beside the suite; the exit status is the command's.

    Ports are chosen freely, so that several runs go side by side; the command finds them in its
    environment.
    """
    suite_options = _options(
        project_dir,
        firestore,
        only,
        allow_real_project_id=allow_real_project_id,
        keep_ports=keep_ports,
    )
    with EmulatorSuite(suite_options) as suite:
        suite.wait_until_ready()
        return run_command(words, suite.env)


@command.command("start")
@options.project
@options.firestore
@options.allow_real
@_only
def start(
    project_dir: Path | None,
    firestore: Literal["embedded", "official", "attach"],
    allow_real_project_id: bool,
    only: str | None,
) -> int:
    """Run the suite on the ports that firebase.json gives, until interrupted."""
    suite_options = _options(
        project_dir,
        firestore,
        only,
        allow_real_project_id=allow_real_project_id,
        keep_ports=True,
    )
    with EmulatorSuite(suite_options) as suite:
        suite.wait_until_ready()
        lines = [f"export {name}={shlex.quote(value)}" for name, value in suite.env.items()]
        render.text("\n".join(lines))
        render.note("the suite runs; Ctrl-C ends it")
        while suite.is_ready:
            time.sleep(_LOOK_S)
        said = "".join(f"\n  | {line}" for line in suite.log_tail(12))
        raise EnvironmentLacking(
            f"the suite has ended by itself; its last words:{said}", fix="start it again"
        )


def _options(
    project_dir: Path | None,
    firestore: Literal["embedded", "official", "attach"],
    only: str | None,
    *,
    allow_real_project_id: bool,
    keep_ports: bool = False,
) -> SuiteOptions:
    folder = find_project_folder(project_dir or Path.cwd())
    return SuiteOptions(
        folder,
        project_id=load_settings(folder).project_id,
        only=tuple(name.strip() for name in only.split(",") if name.strip()) if only else None,
        firestore=firestore,
        allow_real_project_id=allow_real_project_id,
        keep_ports=keep_ports,
        progress=render.note,
    )
