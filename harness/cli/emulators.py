"""`harness emulators`: the Emulator Suite around a command, or until interrupted."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from harness.cli import options, render
from harness.config import DEFAULT_PROJECT_ID, FIRESTORE_PROFILES
from harness.emulators.auth import AuthEmulator
from harness.emulators.exec import command_line, is_shell_line, run_command
from harness.emulators.firebase_config import FILE_NAME
from harness.emulators.hub import Hub
from harness.emulators.lacking_indexes import queries_without_index
from harness.emulators.seed_users import create_users
from harness.emulators.suite import EmulatorSuite, SuiteOptions
from harness.errors import ConfigError, EnvironmentLacking, HarnessError
from harness.files import read_text_file
from harness.project import demo_project_id, find_project_folder, load_settings
from harness.seeds.model import SeedUser
from harness.seeds.reader import parse_seed

_LOOK_S = 0.5
_SHOWN_QUERIES = 3
_DEMO = re.compile(r"demo-[a-z0-9-]+")

_project_id = click.option(
    "--project-id",
    metavar="ID",
    help="The emulators' project. Default: that of harness.yaml, else the demo- project that the "
    "scripts of package.json name.",
)
_config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file to read in place of firebase.json. Its folder is the project's.",
)
_only = click.option(
    "--only",
    metavar="LIST",
    help="Which emulators, with commas: auth,functions,firestore,storage. "
    "Default: all that firebase.json has.",
)

_profile = click.option(
    "--profile",
    type=click.Choice(FIRESTORE_PROFILES),
    help="Answer like production, or like Google's emulator (docs/profiles.md), which serves "
    "queries without their index. Default: that of harness.yaml, else production.",
)
_import = click.option(
    "--import",
    "import_dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Data to begin with: what `firebase emulators:export` wrote.",
)
_seed = click.option(
    "--seed",
    "seed_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A seed file (docs/seeds.md): documents and users to begin with.",
)
_export = click.option(
    "--export-on-exit",
    "export_dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the data at the end, for --import.",
)


class _ExecCommand(click.Command):
    """Leaves what follows the command's first word to the command: `--config` may be its own.

    Behind a line for the shell come options of ours again, as with `firebase emulators:exec`.
    """

    allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" not in args:
            found, _, _ = self.make_parser(ctx).parse_args(list(args))
            words = found.get("words")  # not a list where there are none
            if isinstance(words, (list, tuple)) and words[1:] and is_shell_line(words[0]):
                before = args[: len(args) - len(words)]
                args = [*before, *words[1:], "--", words[0]]
        return super().parse_args(ctx, args)


@click.group("emulators")
def command() -> None:
    """The Emulator Suite around a command, or until interrupted."""


@command.command("exec", cls=_ExecCommand)
@options.project
@_config
@_project_id
@options.firestore
@_profile
@options.allow_real
@_only
@_import
@_seed
@_export
@click.option(
    "--keep-ports",
    is_flag=True,
    help="Insist on the ports that firebase.json gives, where others would be taken if those are "
    "not free.",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
def exec_(
    project_dir: Path | None,
    config_file: Path | None,
    project_id: str | None,
    firestore: Literal["embedded", "official", "attach"],
    profile: str | None,
    allow_real_project_id: bool,
    only: str | None,
    import_dir: Path | None,
    seed_file: Path | None,
    export_dir: Path | None,
    keep_ports: bool,
    words: Sequence[str],
) -> int:
    """Run a command beside the suite; the exit status is the command's.

    A single word with spaces is a line for the shell: "npm test && npm run lint".

    The suite has the ports of firebase.json, or firebase-tools' own, as far as they are free, and
    others where they are not: several runs go side by side. The command finds them in its
    environment.
    """
    suite_options = _options(
        project_dir,
        config_file,
        project_id,
        firestore,
        only,
        profile=profile,
        allow_real_project_id=allow_real_project_id,
        import_dir=import_dir,
        seed_file=seed_file,
        keep_ports=keep_ports,
    )
    users = _seed_users(seed_file, firestore)
    with EmulatorSuite(suite_options) as suite:
        # Before the wait; what the suite itself lacks is said first.
        argv = command_line(words)
        suite.wait_until_ready()
        _create_users(suite, users)
        status = run_command(argv, suite.env)
        if firestore == "embedded":
            _say_lacking_indexes(suite)
        _export_data(suite, export_dir)
        return status


@command.command("start")
@options.project
@_config
@_project_id
@options.firestore
@_profile
@options.allow_real
@_only
@_import
@_seed
@_export
def start(
    project_dir: Path | None,
    config_file: Path | None,
    project_id: str | None,
    firestore: Literal["embedded", "official", "attach"],
    profile: str | None,
    allow_real_project_id: bool,
    only: str | None,
    import_dir: Path | None,
    seed_file: Path | None,
    export_dir: Path | None,
) -> int:
    """Run the suite on the ports that firebase.json gives, until interrupted."""
    suite_options = _options(
        project_dir,
        config_file,
        project_id,
        firestore,
        only,
        profile=profile,
        allow_real_project_id=allow_real_project_id,
        import_dir=import_dir,
        seed_file=seed_file,
        keep_ports=True,
    )
    users = _seed_users(seed_file, firestore)
    with EmulatorSuite(suite_options) as suite:
        suite.wait_until_ready()
        _create_users(suite, users)
        lines = [f"export {name}={shlex.quote(value)}" for name, value in suite.env.items()]
        render.text("\n".join(lines))
        render.note("the suite runs; Ctrl-C ends it")
        try:
            while suite.is_ready:
                time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            _export_data(suite, export_dir)
            raise
        said = "".join(f"\n  | {line}" for line in suite.log_tail(12))
        raise EnvironmentLacking(
            f"the suite has ended by itself; its last words:{said}", fix="start it again"
        )


def _seed_users(
    file: Path | None, firestore: Literal["embedded", "official", "attach"]
) -> tuple[SeedUser, ...]:
    """Read a seed file before anything is started, and return its users."""
    if file is None:
        return ()
    if firestore != "embedded":
        raise ConfigError(
            "--seed is for the embedded Firestore", fix="leave out --firestore, or use --import"
        )
    return parse_seed(read_text_file(file)).users


def _create_users(suite: EmulatorSuite, users: Sequence[SeedUser]) -> None:
    if users and suite.endpoints.auth is None:
        render.note("the seed's users are left out: the Auth emulator does not run")
    elif users:
        create_users(AuthEmulator(suite.endpoints), users)


def _say_lacking_indexes(suite: EmulatorSuite) -> None:
    """Say which queries failed that Google's emulator would have served."""
    address = suite.endpoints.firestore
    if address is None:
        return
    try:
        shapes = queries_without_index(address)
    except HarnessError:
        return  # the command may have ended the emulator
    if shapes:
        shown = "; ".join(shapes[:_SHOWN_QUERIES])
        more = f"; and {len(shapes) - _SHOWN_QUERIES} more" if len(shapes) > _SHOWN_QUERIES else ""
        render.note(
            f"refused for want of an index, as in production: {shown}{more}\n"
            "  fix: add the index to firestore.indexes.json, or try --profile emulator, which "
            "needs none"
        )


def _export_data(suite: EmulatorSuite, folder: Path | None) -> None:
    if folder is None:
        return
    endpoints = suite.endpoints
    running = [name for name in ("auth", "firestore", "storage") if getattr(endpoints, name)]
    Hub(endpoints).export(folder, running)
    render.note(f"exported to {folder}")


def _options(
    project_dir: Path | None,
    config_file: Path | None,
    project_id: str | None,
    firestore: Literal["embedded", "official", "attach"],
    only: str | None,
    *,
    profile: str | None,
    allow_real_project_id: bool,
    import_dir: Path | None = None,
    seed_file: Path | None = None,
    keep_ports: bool = False,
) -> SuiteOptions:
    folder = _folder(project_dir) if config_file is None else _folder_of(config_file, project_dir)
    settings = load_settings(folder)
    if project_id is None and settings.project_id == DEFAULT_PROJECT_ID:
        project_id = demo_project_id(folder)
    answers = settings.firestore
    if profile is not None:
        answers = replace(answers, profile=profile)
    return SuiteOptions(
        folder,
        project_id=project_id or settings.project_id,
        firestore_arguments=(
            *answers.arguments,
            *(("--seed", str(seed_file.absolute())) if seed_file is not None else ()),
        ),
        only=tuple(name.strip() for name in only.split(",") if name.strip()) if only else None,
        firestore=firestore,
        allow_real_project_id=allow_real_project_id,
        import_dir=import_dir,
        keep_ports=keep_ports,
        config_name=FILE_NAME if config_file is None else config_file.name,
        prefer_ports=True,
        lenient=True,
        progress=render.note,
    )


def _folder_of(config_file: Path, project_dir: Path | None) -> Path:
    """The project of a file that is named: firebase-tools takes its folder too."""
    if project_dir is not None:
        raise ConfigError(
            "--config and --project are both given", fix="leave one out: the file names its folder"
        )
    if not config_file.is_file():
        raise ConfigError(f"there is no file {config_file}", fix="correct what --config names")
    return config_file.absolute().parent


def _folder(project_dir: Path | None) -> Path:
    if project_dir is not None and not project_dir.exists() and _DEMO.fullmatch(str(project_dir)):
        raise ConfigError(
            f"--project names a folder, and there is no folder {project_dir}",
            fix=f"give a project's id as --project-id {project_dir}",
        )
    return find_project_folder(project_dir or Path.cwd())
