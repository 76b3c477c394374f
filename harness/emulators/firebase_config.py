"""firebase.json: read as the user wrote it, and rewritten for one private run of the suite.

The rewritten file lies in a folder of the run's own, has the run's ports, listens on loopback only,
and names the user's files where they are. The user's file is never written to.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import posix_path
from harness.emulators.ports import LOOPBACK
from harness.errors import ConfigError, HarnessError
from harness.files import read_text_file
from harness.firestore.index_definitions import usable_indexes
from harness.source import SourceText
from harness.tolerant_json import JsonKind, parse_json

FILE_NAME = "firebase.json"
_LIMIT_BYTES = 4_000_000

# What the harness can start, in the order in which firebase-tools does. Auth is started beside any
# other: tokens of signed-in users come from it.
SERVICES = ("auth", "functions", "firestore", "storage", "database", "pubsub")
# Started by firebase-tools together with Functions, never alone.
WITH_FUNCTIONS = ("eventarc", "tasks")
# What else firebase.json can configure an emulator for: started when asked for, or never.
_LEFT_OUT = ("database", "pubsub", "hosting", "apphosting", "dataconnect", "extensions")
# Of these the ones that the harness never starts, and the Emulator UI.
_NEVER = ("hosting", "apphosting", "dataconnect", "extensions", "ui")
# What is of a back end, whether or not it is started.
_BACK_END = ("auth", "functions", "firestore", "storage", "database", "pubsub", "dataconnect")
# Not a service: ports that a run needs besides.
_WEBSOCKET = "firestore.websocket"

DEFAULT_PORTS: Mapping[str, int] = {
    "hub": 4400,
    "logging": 4500,
    "functions": 5001,
    "firestore": 8080,
    "pubsub": 8085,
    "database": 9000,
    "auth": 9099,
    _WEBSOCKET: 9150,
    "storage": 9199,
    "eventarc": 9299,
    "tasks": 9499,
}
"""Where emulators listen whose port firebase.json does not give, if nobody else does.

Source: firebase-tools 15.34, emulator/constants: DEFAULT_PORTS; emulator/controller.
"""


@dataclass(frozen=True, slots=True)
class FirebaseJson:
    """firebase.json as read.

    Args:
        path: Of the file.
        data: Its top-level object.
    """

    path: Path
    data: dict[str, Any]

    @property
    def project_dir(self) -> Path:
        """The folder that paths in the file are relative to."""
        return self.path.parent

    def configures(self, service: str) -> bool:
        """Whether firebase-tools would start the service's emulator.

        Source: firebase-tools 15.34, emulator/controller: filterEmulatorTargets.
        """
        emulators = self.data.get("emulators")
        return service in self.data or (isinstance(emulators, dict) and service in emulators)

    def emulator(self, name: str) -> dict[str, Any]:
        """The settings under `emulators.NAME`, empty when there are none."""
        emulators = self.data.get("emulators")
        settings = emulators.get(name) if isinstance(emulators, dict) else None
        return dict(settings) if isinstance(settings, dict) else {}


def read_firebase_config(project_dir: Path, name: str = FILE_NAME) -> FirebaseJson:
    """Read a project's firebase.json, in which comments are allowed.

    Args:
        name: Of another file beside it to read in its place.
    Raises:
        ConfigError: It is missing, too big, not UTF-8, or not JSON; with line and column.
    """
    path = project_dir.resolve() / name
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"no {name} in {project_dir}",
            fix="name the folder that has it (--project DIR), or run: firebase init",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", fix="make the file readable"
        ) from error
    if len(raw) > _LIMIT_BYTES:
        raise ConfigError(
            f"{path} has {len(raw)} bytes, more than {_LIMIT_BYTES}", fix="make the file smaller"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", fix="save the file as UTF-8") from error
    return FirebaseJson(path, _parse(SourceText(str(path), text)))


def _parse(source: SourceText) -> dict[str, Any]:
    # firebase-tools takes an empty file for an empty object.
    if not source.text.strip():
        return {}
    value = parse_json(source)
    if value.kind is not JsonKind.OBJECT:
        raise ConfigError(
            f"{Path(source.file_name).name} holds {value.kind}, not an object",
            fix='begin the file with "{" and end it with "}"',
            at=source.position(value.span.start),
        )
    data = value.value()
    assert isinstance(data, dict)
    return data


def without_unconfigured(config: FirebaseJson, only: Sequence[str]) -> tuple[str, ...]:
    """Return what is left of `only` without the emulators that cannot run here, as firebase-tools
    leaves out those that firebase.json does not configure; all of it, where nothing is left.

    Source: firebase-tools 15.34, emulator/controller: "Not starting the ... emulator".
    """
    left = tuple(
        name
        for name in only
        if name not in _NEVER
        and (name not in SERVICES or name == "auth" or config.configures(name))
    )
    return left or tuple(only)


def choose_services(config: FirebaseJson, only: Sequence[str] | None) -> tuple[str, ...]:
    """Say which services' emulators a run starts, in firebase-tools' order.

    Without `only`: auth, functions, firestore and storage as far as firebase.json has them.
    Eventarc and Tasks come with Functions, the Hub always.

    Raises:
        ConfigError: An unknown name, one that firebase.json does not configure, or none at all.
    """
    if only is None:
        chosen = {name for name in ("functions", "firestore", "storage") if config.configures(name)}
        if chosen or config.configures("auth"):
            chosen.add("auth")
    else:
        chosen = set(only) - {*WITH_FUNCTIONS, "hub", "logging"}
        for name in sorted(chosen):
            if name not in SERVICES:
                raise ConfigError(
                    f'"{name}" is not an emulator that the harness starts',
                    fix=f"choose from: {', '.join((*SERVICES, *WITH_FUNCTIONS))}",
                )
            if name != "auth" and not config.configures(name):
                raise ConfigError(
                    f"the {name} emulator is asked for, and {config.path} does not configure it",
                    fix=f'add "{name}" to the file: firebase init {name}',
                )
    if not chosen:
        raise ConfigError(
            f"{config.path} configures none of {', '.join(SERVICES)}",
            fix="run: firebase init emulators",
        )
    return tuple(name for name in SERVICES if name in chosen)


def named_services(folder: Path) -> tuple[str, ...]:
    """Return the services of the back end that a project's firebase.json has, whether or not the
    harness starts an emulator of them.

    Raises:
        ConfigError: firebase.json is missing or is not JSON.
    """
    config = read_firebase_config(folder)
    return tuple(name for name in _BACK_END if config.configures(name))


def has_emulator(service: str) -> bool:
    """Whether `harness verify` starts an emulator of a service that firebase.json has."""
    return service in {*SERVICES, *WITH_FUNCTIONS} - {*_LEFT_OUT}


def port_names(services: Sequence[str], *, logging: bool = True) -> tuple[str, ...]:
    """Name every port that a run of these services needs.

    Args:
        logging: The Logging emulator's too. firebase-tools starts it always, on a port of its own
            choice if it is given none. Observed: 15.34, START_LOGGING_EMULATOR defaults to "false",
            which counts as true.
    """
    names = ["hub", *services]
    if "functions" in services:
        names.extend(WITH_FUNCTIONS)
    if "firestore" in services:
        names.append(_WEBSOCKET)
    if logging:
        names.append("logging")
    return tuple(names)


def configured_ports(config: FirebaseJson) -> dict[str, int]:
    """The ports that firebase.json itself gives, by emulator.

    Raises:
        ConfigError: One is not a port number.
    """
    ports: dict[str, int] = {}
    for name in ("hub", "logging", *SERVICES, *WITH_FUNCTIONS):
        value = config.emulator(name).get("port")
        if value is not None:
            ports[name] = _port(f"emulators.{name}.port", value, config)
    websocket = config.emulator("firestore").get("websocketPort")
    if websocket is not None:
        ports[_WEBSOCKET] = _port("emulators.firestore.websocketPort", websocket, config)
    return ports


def _port(key: str, value: object, config: FirebaseJson) -> int:
    # firebase-tools reads strings of digits too.
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 65536:
        raise ConfigError(
            f"{config.path}: {key} is {value!r}, not a port", fix="give a number from 1 to 65535"
        )
    return number


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The files of one run that decide what is allowed and what is fast.

    None: the project has no such file configured.
    """

    firestore_rules: Path | None = None
    firestore_indexes: Path | None = None
    storage_rules: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivateConfig:
    """What to write into a run's folder.

    Args:
        firebase_json: The rewritten firebase.json.
        firebaserc: The rewritten .firebaserc.
        files: The rules and indexes in use.
        functions_dirs: The folders with functions' source.
        notes: What the user should know about what was left out; one line each.
    """

    firebase_json: dict[str, Any]
    firebaserc: dict[str, Any]
    files: RuleFiles
    functions_dirs: tuple[Path, ...]
    notes: tuple[str, ...]


def rewrite_config(
    config: FirebaseJson,
    *,
    folder: Path,
    services: Sequence[str],
    ports: Mapping[str, int],
    project_id: str,
    overrides: RuleFiles | None = None,
    lenient: bool = False,
) -> PrivateConfig:
    """Rewrite firebase.json for a run whose files lie in `folder`.

    Args:
        folder: Where the result will be written; paths of functions become relative to it, since
            firebase-tools joins them to the file's folder even where they are absolute.
        overrides: Files to use in place of those that firebase.json names.
        lenient: Whether to go on without Firestore rules and indexes that are not there, as
            firebase-tools does, for a command that brings its own.
    Raises:
        ConfigError: A file that firebase.json names does not exist. firebase-tools would go on with
            open rules, and every check would pass.
    """
    return _Rewriting(
        config, folder, ports, project_id, overrides or RuleFiles(), lenient=lenient
    ).rewrite(services)


class _Rewriting:
    def __init__(
        self,
        config: FirebaseJson,
        folder: Path,
        ports: Mapping[str, int],
        project_id: str,
        overrides: RuleFiles,
        *,
        lenient: bool,
    ) -> None:
        self._config = config
        self._lenient = lenient
        self._folder = folder
        self._ports = ports
        self._project_id = project_id
        self._overrides = overrides
        self._notes: list[str] = []
        self._targets: dict[str, Any] = {}

    def rewrite(self, services: Sequence[str]) -> PrivateConfig:
        written: dict[str, Any] = {"emulators": self._emulators(services)}
        files = RuleFiles()
        functions_dirs: tuple[Path, ...] = ()
        if "firestore" in services:
            section, files = self._firestore()
            written["firestore"] = section
        elif self._overrides.firestore_rules or self._overrides.firestore_indexes:
            files = self._overrides
        if "storage" in services:
            section, storage_rules = self._storage()
            if section is not None:
                written["storage"] = section
            files = RuleFiles(files.firestore_rules, files.firestore_indexes, storage_rules)
        if "functions" in services:
            written["functions"], functions_dirs = self._functions()
        if "database" in services:
            written["database"] = self._database()
        left_out = [n for n in _LEFT_OUT if n not in services and self._config.configures(n)]
        if left_out:
            self._notes.append(f"of firebase.json these are not started: {', '.join(left_out)}")
        firebaserc = {"projects": {}, "targets": {self._project_id: self._targets}}
        return PrivateConfig(written, firebaserc, files, functions_dirs, tuple(self._notes))

    def _emulators(self, services: Sequence[str]) -> dict[str, Any]:
        emulators: dict[str, Any] = {
            # Parallel test workers have a project id each, on one suite.
            "singleProjectMode": False,
            "ui": {"enabled": False},
        }
        for name in ("hub", "logging", *services, *WITH_FUNCTIONS):
            if name in self._ports:
                settings = self._config.emulator(name)
                settings.update(host=LOOPBACK, port=self._ports[name])
                emulators[name] = settings
        if _WEBSOCKET in self._ports:
            emulators["firestore"]["websocketPort"] = self._ports[_WEBSOCKET]
        return emulators

    def _section(self, key: str) -> Any:
        """A top-level section, read from its own file where it is a file's name."""
        section = copy.deepcopy(self._config.data.get(key))
        if isinstance(section, str):
            path = self._existing(key, section)
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path} cannot be read: {error}", fix="mend the file") from error
            section = _parse(SourceText(str(path), text))
            if list(section) == [key]:
                section = section[key]
        return section

    def _existing(self, key: str, value: object) -> Path:
        if not isinstance(value, str):
            raise ConfigError(
                f"{self._config.path}: {key} is {value!r}, not a path", fix="give a file's name"
            )
        path = Path(os.path.normpath(self._config.project_dir / posix_path(value)))
        if not path.exists():
            raise ConfigError(
                f"{self._config.path}: {key} names {value}, which does not exist",
                fix=f"create {path} or correct the name",
            )
        return path

    def _firestore_file(self, key: str, value: object) -> Path | None:
        """The file that a key names; None for one that is not there, where that is allowed."""
        try:
            return self._existing(key, value)
        except ConfigError as error:
            if not self._lenient:
                raise
            self._notes.append(error.problem)
            return None

    def _firestore(self) -> tuple[dict[str, Any], RuleFiles]:
        section = self._section("firestore")
        if isinstance(section, list):
            databases = [entry for entry in section if isinstance(entry, dict)]
            chosen = next(
                (entry for entry in databases if entry.get("database") == "(default)"),
                databases[0] if databases else {},
            )
            if len(databases) > 1:
                self._notes.append(
                    "firebase.json configures several Firestore databases; the rules and indexes "
                    f"of {chosen.get('database', chosen.get('target', '(default)'))} apply to all"
                )
            section = {key: value for key, value in chosen.items() if key != "target"}
        if not isinstance(section, dict):
            section = {}
        rules, indexes = self._overrides.firestore_rules, self._overrides.firestore_indexes
        if rules is None and "rules" in section:
            rules = self._firestore_file("firestore.rules", section["rules"])
        if indexes is None and "indexes" in section:
            indexes = self._firestore_file("firestore.indexes", section["indexes"])
        written = {key: value for key, value in section.items() if key in ("database", "edition")}
        if rules is None:
            self._notes.append(
                "without Firestore rules the emulator allows everything, until some are loaded"
                if "rules" in section
                else "firebase.json names no Firestore rules, so the emulator allows everything"
            )
        else:
            written["rules"] = str(rules)
        if indexes is not None:
            written["indexes"] = str(indexes)
            self._notes += _left_out(indexes) if self._lenient else []
        return written, RuleFiles(rules, indexes)

    def _storage(self) -> tuple[Any, tuple[Path, ...]]:
        if self._overrides.storage_rules:
            rules = self._overrides.storage_rules[0]
            return {"rules": str(rules)}, (rules,)
        section = self._section("storage")
        if isinstance(section, list) and len(section) == 1:
            section = section[0]
        if isinstance(section, dict) and "rules" in section:
            rules = self._existing("storage.rules", section["rules"])
            return {"rules": str(rules)}, (rules,)
        if isinstance(section, list):
            return self._storage_targets(section)
        self._notes.append(
            "firebase.json names no Storage rules, so the emulator allows everything"
        )
        return None, ()

    def _storage_targets(self, entries: list[Any]) -> tuple[list[Any], tuple[Path, ...]]:
        buckets = _storage_targets_of(self._config.project_dir / ".firebaserc")
        written: list[Any] = []
        rules: list[Path] = []
        for entry in entries:
            target = entry.get("target") if isinstance(entry, dict) else None
            if not isinstance(target, str) or target not in buckets:
                # For a demo project firebase-tools would drop all rules here and allow everything.
                raise ConfigError(
                    f"{self._config.path}: Storage target {target!r} has no bucket in .firebaserc",
                    fix=f"run: firebase target:apply storage {target or 'TARGET'} BUCKET",
                )
            path = self._existing("storage.rules", entry.get("rules"))
            written.append({"target": target, "rules": str(path)})
            rules.append(path)
            self._targets.setdefault("storage", {})[target] = buckets[target]
        return written, tuple(rules)

    def _functions(self) -> tuple[Any, tuple[Path, ...]]:
        section = self._section("functions")
        several = isinstance(section, list)
        entries = section if several else [section if isinstance(section, dict) else {}]
        written: list[dict[str, Any]] = []
        folders: list[Path] = []
        for entry in entries:
            if not isinstance(entry, dict):
                raise ConfigError(
                    f"{self._config.path}: functions holds {entry!r}, not an object",
                    fix='give {"source": "functions"}',
                )
            if "remoteSource" in entry:
                self._notes.append("functions with a remote source are not emulated")
                continue
            source = self._existing("functions.source", entry.get("source", "functions"))
            folders.append(source)
            kept = {key: value for key, value in entry.items() if key not in _DEPLOY_ONLY}
            kept["source"] = self._from_folder(source)
            if isinstance(entry.get("configDir"), str):
                kept["configDir"] = self._from_folder(self._config.project_dir / entry["configDir"])
            if isinstance(entry.get("instances"), dict):
                kept["instances"] = {
                    name: self._from_folder(self._config.project_dir / value)
                    for name, value in entry["instances"].items()
                    if isinstance(value, str)
                }
            written.append(kept)
        return (written if several else written[0]), tuple(folders)

    def _database(self) -> Any:
        section = self._section("database")
        for entry in section if isinstance(section, list) else [section]:
            if isinstance(entry, dict) and "rules" in entry:
                entry["rules"] = str(self._existing("database.rules", entry["rules"]))
        return section

    def _from_folder(self, path: Path) -> str:
        return os.path.relpath(path, self._folder)


_DEPLOY_ONLY = frozenset({"predeploy", "postdeploy", "remoteSource"})


def _left_out(indexes: Path) -> list[str]:
    """Say which definitions of an index file the embedded Firestore does without.

    They cannot be deployed; that is for `harness verify` to refuse, not for emulators.
    """
    try:
        document = parse_json(read_text_file(indexes)).value()
        _, problems = usable_indexes(document, str(indexes))
    except HarnessError:
        return []  # the Firestore emulator says so when it starts
    return [f"{each.problem}; it is left out" for each in problems]


def _storage_targets_of(firebaserc: Path) -> dict[str, list[str]]:
    """Bucket names by target, from whatever project of .firebaserc has them."""
    try:
        data = _parse(SourceText(str(firebaserc), firebaserc.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, list[str]] = {}
    projects = data.get("targets")
    for targets in projects.values() if isinstance(projects, dict) else ():
        storage = targets.get("storage") if isinstance(targets, dict) else None
        for target, buckets in storage.items() if isinstance(storage, dict) else ():
            if isinstance(buckets, list):
                found.setdefault(target, [name for name in buckets if isinstance(name, str)])
    return found


Progress = Callable[[str], None]
"""Takes one line of what is going on."""
