"""The command line of `python -m harness.server`: the official emulator's flags, and ours.

Read the way the official emulator's parser does: each flag is followed by its value, a boolean may
stand alone, and what is not known is ignored, since firebase-tools adds flags as it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.firestore.profile import PRODUCTION, PROFILES, Profile

RETRY_DELAYS_S = (0.1, 0.4, 1.6)
"""Before each further attempt at an event, for functions that ask for retries.

Production waits from 10 seconds to 10 minutes, for a day or a week in all; a check cannot.
Source: Cloud Functions, "Retry event-driven functions".
"""

HELP = """\
usage: python -m harness.server [options]

  --host HOST                   address to listen on (localhost)
  --port PORT                   gRPC, REST and admin routes, all on this one (8080); 0 picks one
  --project_id ID               the project that is expected; others get databases of their own
  --single_project_mode BOOL    warn once when a request names another project
  --rules FILE                  security rules; without them everything is allowed
  --functions_emulator H:P      where function triggers are delivered
  --function-manifests DIR      where the functions SDK's manifests are: they say who wants retries
  --indexes FILE                firestore.indexes.json
  --profile NAME                answer like production, or like the official emulator (production)
  --enforce-indexes BOOL        refuse queries that lack an index (as the profile has it)
  --seed_from_export FILE       an export's overall metadata: its documents are there from the start
  --seed FILE                   a seed file: its documents are there too
  --websocket_port PORT         the Emulator UI's request view; without it there is none
  --log-requests BOOL           print each request in a line (false)
  --version, --help             print and exit

  Taken for the official emulator's sake and without effect: --webchannel_port,
  --database-edition standard, --database-mode firestore-native, --single_project_mode_error.
"""

_BOOLEANS = frozenset(
    {
        "single_project_mode",
        "single_project_mode_error",
        "enforce-indexes",
        "require_indexes",
        "log-requests",
        "help",
        "version",
        "licenses",
        "testing",
    }
)
_VALUES = frozenset(
    {
        "host",
        "port",
        "websocket_port",
        "webchannel_port",
        "database-edition",
        "database-mode",
        "project_id",
        "rules",
        "functions_emulator",
        "function-manifests",
        "seed_from_export",
        "seed",
        "import-data",
        "export-on-exit",
        "export-name",
        "index_file",
        "indexes",
        "profile",
    }
)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server shall run. Port 0 picks a free port.

    Args:
        enforce_indexes: Refuse queries that lack an index; None: as the profile has it.
        profile: Whom the databases answer like.
        seed: An export whose documents are there from the start.
        seed_file: A seed file, whose documents are there too.
        export_on_exit: A folder that gets an export when the server ends; the official emulator
            takes a flag of this name and does nothing.
        websocket_port: Where the Emulator UI's request view asks; None: nowhere.
        log_requests: Print each request in a line.
        function_manifests: Folder of the functions SDK's manifests, which say who wants retries.
        event_retry_delays_s: Seconds before each further attempt at an event.
        round_s: Seconds between looks for clients that are silent in the middle of something.
    """

    host: str = "localhost"
    port: int = 8080
    project_id: str | None = None
    single_project_mode: bool = False
    rules: Path | None = None
    functions_emulator: str | None = None
    function_manifests: Path | None = None
    event_retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S
    round_s: float = 1.0
    indexes: Path | None = None
    enforce_indexes: bool | None = None
    profile: Profile = PRODUCTION
    seed: Path | None = None
    seed_file: Path | None = None
    export_on_exit: Path | None = None
    websocket_port: int | None = None
    log_requests: bool = False
    wants_help: bool = False
    wants_version: bool = False

    @property
    def enforces_indexes(self) -> bool:
        """Whether a query that lacks an index is refused."""
        asked = self.enforce_indexes
        return self.profile.enforces_indexes if asked is None else asked


def parse_options(arguments: Sequence[str]) -> ServerOptions:
    """Read the command line.

    Raises:
        ConfigError: A known flag has a value that cannot be used, or asks for what this server does
            not do.
    """
    values = _collect(arguments)
    edition = values.get("database-edition", "standard").lower()
    if edition != "standard":
        raise ConfigError(
            f"--database-edition {edition} is not supported by the embedded Firestore",
            fix="use the standard edition, or the official emulator for this project",
        )
    if values.get("database-mode", "").lower() == "datastore-mode":
        raise ConfigError(
            "--database-mode datastore-mode is not supported by the embedded Firestore",
            fix="use Firestore's native mode, or the official emulator for this project",
        )
    single = _boolean(values, "single_project_mode", False)
    if single and "project_id" not in values:
        raise ConfigError(
            "Expected project_id to be set for single_project_mode", fix="add --project_id ID"
        )
    if _boolean(values, "single_project_mode_error", False) and not single:
        raise ConfigError(
            "Expected single_project_mode to be set for single_project_mode_error",
            fix="add --single_project_mode true",
        )
    functions = values.get("functions_emulator")
    if functions is not None:
        host, _, port = functions.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(
                f"--functions_emulator {functions} is no HOST:PORT", fix="give it as 127.0.0.1:5001"
            )
    return ServerOptions(
        host=values.get("host", "localhost"),
        port=_port(values.get("port", "8080"), "port"),
        project_id=values.get("project_id"),
        single_project_mode=single,
        rules=_path(values, "rules"),
        functions_emulator=functions,
        function_manifests=_path(values, "function-manifests"),
        indexes=_path(values, "indexes"),
        enforce_indexes=_boolean(values, "enforce-indexes", True)
        if "enforce-indexes" in values
        else None,
        profile=_profile(values.get("profile", PRODUCTION.name)),
        seed=_path(values, "seed_from_export") or _path(values, "import-data"),
        seed_file=_path(values, "seed"),
        websocket_port=_port(values["websocket_port"], "websocket_port")
        if values.get("websocket_port")
        else None,
        log_requests=_boolean(values, "log-requests", False),
        wants_help=_boolean(values, "help", False),
        wants_version=_boolean(values, "version", False),
    )


def _profile(name: str) -> Profile:
    profile = PROFILES.get(name.lower())
    if profile is None:
        raise ConfigError(
            f"--profile {name} is not known", fix=f"write one of {', '.join(PROFILES)}"
        )
    return profile


def _collect(arguments: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    index = 0
    while index < len(arguments):
        word = arguments[index]
        index += 1
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        if name in _BOOLEANS:
            if not equals:
                value = "true"
                if index < len(arguments) and arguments[index].lower() in ("true", "false"):
                    value = arguments[index]
                    index += 1
        elif name in _VALUES:
            if not equals:
                if index == len(arguments):
                    raise ConfigError(f"--{name} lacks its value", fix=f"add the value of --{name}")
                value = arguments[index]
                index += 1
        else:
            continue
        values[name] = value
    return values


def _boolean(values: dict[str, str], name: str, default: bool) -> bool:
    text = values.get(name)
    if text is None:
        return default
    if text.lower() not in ("true", "false"):
        raise ConfigError(f"--{name} {text} is neither true nor false", fix=f"use --{name} true")
    return text.lower() == "true"


def _port(text: str, name: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise ConfigError(f"--{name} {text} is no port", fix="use a number from 0 to 65535")
    return int(text)


def _path(values: dict[str, str], name: str) -> Path | None:
    text = values.get(name)
    return Path(text) if text else None
