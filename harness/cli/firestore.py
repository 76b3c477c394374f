"""`harness firestore`: the embedded Firestore alone."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import render
from harness.emulators.ports import hold_ports
from harness.emulators.suite import check_project_id
from harness.firestore.profile import PRODUCTION, PROFILES
from harness.server.capabilities import (
    capabilities_json,
    capabilities_markdown,
    capabilities_text,
    load_capabilities,
)
from harness.server.options import ServerOptions
from harness.server.run import run_server

_DEFAULT_PORT = 8080
_OFF = "off"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CAPABILITIES_AS = {
    "text": capabilities_text,
    "json": capabilities_json,
    "markdown": capabilities_markdown,
}


@click.command("firestore")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="H", help="A loopback address."
)
@click.option(
    "--port",
    default=_DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="N",
    help="gRPC, REST and control routes, all on this port; 0 picks a free one.",
)
@click.option("--rules", type=click.Path(path_type=Path), metavar="FILE", help="Security rules.")
@click.option(
    "--indexes",
    metavar="FILE",
    help="firestore.indexes.json; loaded again when it changes, as are the rules. "
    "`off`: no query needs a composite index.",
)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default=PRODUCTION.name,
    show_default=True,
    help="Answer like production, or like Google's emulator (docs/profiles.md).",
)
@click.option(
    "--capabilities",
    is_flag=True,
    help="Print what is supported, partly supported and refused, and do nothing else.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_CAPABILITIES_AS)),
    default="text",
    show_default=True,
    help="How --capabilities prints.",
)
@click.option(
    "--import",
    "seed",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR",
    help="What `firebase emulators:export` wrote: its documents are there from the start.",
)
@click.option(
    "--seed",
    "seed_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A seed file (docs/seeds.md): its documents are there from the start.",
)
@click.option(
    "--export-on-exit",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Export the project's documents when the server ends.",
)
@click.option(
    "--log", "log_requests", is_flag=True, help="Print each request in a line as it is served."
)
@click.option(
    "--websocket-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Where the Emulator UI's request view asks; 0 picks a free port.",
)
@click.option("--project", "project_id", default="demo-harness", show_default=True, metavar="ID")
@click.option(
    "--allow-real-project-id",
    is_flag=True,
    help="Accept a project id that does not begin with demo-.",
)
def command(
    host: str,
    port: int,
    rules: Path | None,
    indexes: str | None,
    profile: str,
    capabilities: bool,
    form: str,
    seed: Path | None,
    seed_file: Path | None,
    export_on_exit: Path | None,
    log_requests: bool,
    websocket_port: int | None,
    project_id: str,
    allow_real_project_id: bool,
) -> int:
    """Run the embedded Firestore by itself, until interrupted."""
    if capabilities:
        render.text(_CAPABILITIES_AS[form](load_capabilities()))
        return 0
    if host not in _LOOPBACK:
        raise click.BadParameter(
            f"emulators listen on loopback only ({', '.join(_LOOPBACK)})", param_hint="--host"
        )
    check_project_id(project_id, allow_real=allow_real_project_id)
    if port:
        hold_ports(["firestore"], fixed={"firestore": port}).release()  # says so if it is taken
    return run_server(
        ServerOptions(
            host=host,
            port=port,
            project_id=project_id,
            rules=rules,
            indexes=Path(indexes) if indexes and indexes != _OFF else None,
            enforce_indexes=False if indexes == _OFF else None,
            profile=PROFILES[profile],
            seed=seed,
            seed_file=seed_file,
            export_on_exit=export_on_exit,
            websocket_port=websocket_port,
            log_requests=log_requests,
        )
    )
