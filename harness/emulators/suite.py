"""The Emulator Suite as one thing that starts, is ready, and ends with everything it started.

Start and readiness are apart, so that work which needs no emulator goes on in between:

    with EmulatorSuite(SuiteOptions(project_dir)) as suite:   # started
        ...                                                    # static work
        suite.wait_until_ready()
        subprocess.run(command, env={**os.environ, **suite.env})
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self

from harness.emulators.build import build_functions
from harness.emulators.diagnosis import (
    SuiteFailed,
    functions_failure,
    not_ready,
    plain_lines,
    start_failure,
)
from harness.emulators.environment import without_credentials
from harness.emulators.firebase_config import (
    DEFAULT_PORTS,
    FirebaseJson,
    PrivateConfig,
    Progress,
    RuleFiles,
    choose_services,
    configured_ports,
    port_names,
    read_firebase_config,
    rewrite_config,
    without_unconfigured,
)
from harness.emulators.guarded import GuardedProcess
from harness.emulators.handover import LOG_VARIABLE
from harness.emulators.hub import SuiteEndpoints, running_emulators
from harness.emulators.launcher import firestore_server, storage_rules_runtime, write_launcher
from harness.emulators.node import FIREBASE_TOOLS_VERSION, NodeTools, find_node_tools
from harness.emulators.older_tools import file_names, make_reachable, takes_whole_paths
from harness.emulators.ports import LOOPBACK, HeldPorts, hold_ports
from harness.emulators.warm_up import can_warm_up
from harness.emulators.workspace import make_private_folder, write_json
from harness.errors import ConfigError, EnvironmentLacking

_ALL_ALLOWED = "firestore: The emulator will default to allowing all reads and writes"
"""What it says where it loads no Firestore rules."""
_READY = "All emulators ready! It is now safe to connect your app."
_STORAGE_REQUESTS = "storage-requests.jsonl"
_SDK_NOISE = '"firebase-log-type":"callable-request-verification"'
_POLL_S = 0.05
_FUNCTION_DISCOVERY_S = 60
_JAVA_ANSWER_S = 20
_OLDEST_JAVA = 21
_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def _silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What to start, and how.

    Args:
        project_dir: The folder with firebase.json.
        project_id: Must begin with `demo-`, so that nothing can reach production.
        only: Emulators to start; None: auth, functions, firestore, storage as configured.
        firestore: `embedded`: the harness's own; `official`: Google's, needs Java 21 and the jar;
            `attach`: what FIRESTORE_EMULATOR_HOST names.
        rules: Files to use in place of those that firebase.json names.
        firestore_arguments: More arguments for the embedded Firestore.
        ports: Fixed ports by emulator; all others are chosen.
        keep_ports: Take the ports that firebase.json gives, for apps that connect to them.
        prefer_ports: Take them, and firebase-tools' own for the others, as far as they are free.
        lenient: Go on without Firestore rules and indexes that firebase.json names and that are
            not there, as firebase-tools does.
        allow_real_project_id: Accept a project id that does not begin with `demo-`.
        import_dir: What `firebase emulators:export` wrote: data to begin with.
        ready_timeout_s: Limit for the whole start, in seconds.
        config_name: Of the file in `project_dir` to read in place of firebase.json.
        tools_dir: Folder whose node_modules has firebase-tools, instead of looking for it.
        progress: Told in single lines what is going on.
    """

    project_dir: Path
    project_id: str = "demo-harness"
    only: tuple[str, ...] | None = None
    firestore: Literal["embedded", "official", "attach"] = "embedded"
    rules: RuleFiles = field(default_factory=RuleFiles)
    firestore_arguments: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    keep_ports: bool = False
    prefer_ports: bool = False
    lenient: bool = False
    allow_real_project_id: bool = False
    import_dir: Path | None = None
    ready_timeout_s: float = 90.0
    config_name: str = "firebase.json"
    tools_dir: Path | None = None
    progress: Progress = _silent


def check_project_id(project_id: str, *, allow_real: bool = False) -> None:
    """Refuse a project id that could be a real project's.

    Raises:
        ConfigError: It does not begin with `demo-`, or is no project id at all.
    Source: Emulator Suite guide, "Choose a Firebase project", demo projects.
    """
    if not _PROJECT_ID.fullmatch(project_id):
        raise ConfigError(
            f'"{project_id}" is not a project id',
            fix="use 6 to 30 lower-case letters, digits and hyphens, such as demo-harness",
        )
    if not project_id.startswith("demo-") and not allow_real:
        raise ConfigError(
            f'project id "{project_id}" may be a real project: it does not begin with demo-',
            fix=f"use demo-{project_id}, or give --allow-real-project-id",
        )


class EmulatorSuite:
    """One run of the Emulator Suite.

    `start` and `stop` belong to one thread; the rest may be used from any.
    """

    def __init__(self, options: SuiteOptions) -> None:
        self.options = options
        self._process: GuardedProcess | None = None
        self._ports: HeldPorts | None = None
        self._folder: Path | None = None
        self._config: PrivateConfig | None = None
        self._endpoints: SuiteEndpoints | None = None
        self._started_at = 0.0
        self._ready = False
        self._last_log = ""
        self.can_warm_up = False
        """Whether functions' processes can be started before they are called; known once `start`
        has returned."""

    # Life

    def start(self) -> None:
        """Start the suite and return at once.

        Raises:
            HarnessError: Something is missing or malformed; nothing runs then.
        """
        if self._process is not None:
            raise RuntimeError("the suite has been started already")
        options = self.options
        check_project_id(options.project_id, allow_real=options.allow_real_project_id)
        firebase = read_firebase_config(options.project_dir, options.config_name)
        services = choose_services(firebase, self._asked_for(firebase))
        attached = self._attached_firestore() if "firestore" in services else None
        if attached is not None:
            services = tuple(name for name in services if name != "firestore")
        tools = find_node_tools(firebase.project_dir, tools_dir=options.tools_dir)
        if tools.version.split(".")[0] != FIREBASE_TOOLS_VERSION.split(".")[0]:
            options.progress(
                f"firebase-tools {tools.version} is not the version that was tried "
                f"({FIREBASE_TOOLS_VERSION})"
            )
        if options.firestore == "official" and "firestore" in services:
            _check_official_firestore(tools)
        wants_them = options.keep_ports or options.prefer_ports
        configured = configured_ports(firebase) if wants_them else {}
        fixed = {**(configured if options.keep_ports else {}), **options.ports}
        preferred = {**DEFAULT_PORTS, **configured} if options.prefer_ports else {}
        self._started_at = time.monotonic()
        try:
            self._ports = hold_ports(port_names(services), fixed=fixed, preferred=preferred)
            self._say_other_ports(services, preferred)
            self._folder = make_private_folder()
            self._config = rewrite_config(
                firebase,
                folder=self._folder,
                services=services,
                ports=self._ports.numbers,
                project_id=options.project_id,
                overrides=options.rules,
                lenient=options.lenient,
            )
            for note in self._config.notes:
                options.progress(note)
            for folder in self._config.functions_dirs if "functions" in services else ():
                build_functions(folder, firebase.project_dir, options.progress)
            self._endpoints = self._addresses(attached)
            self._run(services, tools)
        except BaseException:
            self.stop()
            raise
        options.progress(
            f"starting {', '.join(services)} with firebase-tools {tools.version} "
            f"for {options.project_id}"
        )

    def _asked_for(self, firebase: FirebaseJson) -> tuple[str, ...] | None:
        """The emulators of `only`; without those that cannot run here, where that is no matter."""
        only = self.options.only
        if only is None or not self.options.lenient:
            return only
        kept = without_unconfigured(firebase, only)
        if len(kept) < len(only):
            left_out = ", ".join(name for name in only if name not in kept)
            self.options.progress(
                f"not started, since {firebase.path.name} does not configure them or the harness "
                f"has none: {left_out}"
            )
        return kept

    def _say_other_ports(self, services: Sequence[str], preferred: Mapping[str, int]) -> None:
        """Say which emulators listen elsewhere than a command with ports written down expects."""
        assert self._ports is not None
        for name in services:
            port = self._ports.numbers[name]
            if preferred.get(name, port) != port:
                self.options.progress(
                    f"port {preferred[name]} is taken: the {name} emulator listens on {port}"
                )

    def wait_until_ready(self, timeout_s: float | None = None) -> None:
        """Wait until every emulator answers and all functions are loaded.

        Args:
            timeout_s: Seconds since `start`; by default the options' `ready_timeout_s`.
        Raises:
            SuiteFailed: The suite ended, or the limit came first, or functions did not load.
                Everything is stopped then.
        """
        if self._ready:
            return
        try:
            self._wait_until_ready(timeout_s or self.options.ready_timeout_s)
        except BaseException:
            self.stop()
            raise
        self._ready = True
        self.options.progress(f"suite ready after {time.monotonic() - self._started_at:.1f} s")

    def stop(self) -> None:
        """End the suite, and everything it started. May be called at any time, and again."""
        process, self._process = self._process, None
        folder, self._folder = self._folder, None
        self._ready = False
        if self._ports is not None:
            self._ports.release()
            self._ports = None
        if process is not None:
            try:
                process.stop()
                self._last_log = _read_text(process.log)
            finally:
                process.close()
        elif folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # What others need to know of it

    @property
    def endpoints(self) -> SuiteEndpoints:
        """Where the emulators are; known once `start` has returned, before they answer."""
        if self._endpoints is None:
            raise RuntimeError("the suite has not been started")
        return self._endpoints

    @property
    def env(self) -> dict[str, str]:
        """The variables by which SDKs and other tools find this suite, and checks its log."""
        log = self.log_file
        found = {} if log is None else {LOG_VARIABLE: str(log)}
        return {**self.endpoints.environment(), **found}

    @property
    def files(self) -> RuleFiles:
        """The rules and indexes in use."""
        return self._config.files if self._config is not None else self.options.rules

    @property
    def is_ready(self) -> bool:
        """Whether `wait_until_ready` has succeeded and the suite has not ended since."""
        return self._ready and self._process is not None and not self._process.has_ended

    @property
    def log_file(self) -> Path | None:
        """Where the suite's log is while it runs; other processes may read it."""
        return self._process.log if self._process is not None else None

    @property
    def storage_requests(self) -> Path | None:
        """Where the Storage rules runtime notes what it judges, once somebody makes the file."""
        has_storage = self._endpoints is not None and self._endpoints.storage is not None
        return self._folder / _STORAGE_REQUESTS if self._folder and has_storage else None

    def log_tail(self, lines: int = 40) -> list[str]:
        """Return the last lines of the suite's log, also after its end."""
        return plain_lines(self._log())[-lines:]

    def log_mark(self) -> int:
        """Return a mark for `function_logs`: what is logged from now on comes after it."""
        return len(self._log())

    def function_logs(self, since: int = 0) -> list[str]:
        """Return the lines that functions themselves printed after a mark.

        Lines of the suite, such as those that frame an execution, are left out, and so is what the
        SDK says of every callable request.
        """
        printed = [line for line in plain_lines(self._log()[since:]) if line.startswith(">")]
        return [line.removeprefix(">").strip() for line in printed if _SDK_NOISE not in line]

    # Inside

    def _addresses(self, attached: str | None) -> SuiteEndpoints:
        numbers = self._ports.numbers if self._ports is not None else {}
        named = {name: f"{LOOPBACK}:{port}" for name, port in numbers.items() if "." not in name}
        if attached is not None:
            named["firestore"] = attached
        return SuiteEndpoints(self.options.project_id, **named)

    def _attached_firestore(self) -> str | None:
        if self.options.firestore != "attach":
            return None
        address = os.environ.get("FIRESTORE_EMULATOR_HOST")
        if not address:
            raise EnvironmentLacking(
                "no Firestore to attach to: FIRESTORE_EMULATOR_HOST is not set",
                fix="set it to the host:port of a Firestore that runs, or use --firestore embedded",
            )
        self.options.progress(
            f"Firestore at {address} is used as it is; it calls no functions of this suite"
        )
        return address

    def _run(self, services: tuple[str, ...], tools: NodeTools) -> None:
        assert self._folder is not None
        assert self._config is not None
        assert self._ports is not None
        folder, config = self._folder, self._config
        indexes = config.files.firestore_indexes
        embedded = self.options.firestore == "embedded" and "firestore" in services
        own_environment = self._child_environment(folder)
        lib = tools.entry.parents[1]
        old_names = file_names(lib)
        if not takes_whole_paths(lib):
            rules = (config.files.firestore_rules, *config.files.storage_rules)
            make_reachable(folder, [path for path in rules if path is not None])
        launcher = write_launcher(
            folder,
            firestore=firestore_server(
                [
                    *(["--indexes", str(indexes)] if indexes else []),
                    # firebase-tools' temporary files, the functions SDK's manifests among them
                    *("--function-manifests", str(folder)),
                    *self.options.firestore_arguments,
                ]
            )
            if embedded
            else None,
            storage=storage_rules_runtime(folder / _STORAGE_REQUESTS, is_beside_ours=embedded)
            if "storage" in services
            else None,
            real_java=shutil.which("java"),
            real_npm=shutil.which("npm"),
            old_names=old_names,
            real_cache=Path(own_environment["FIREBASE_EMULATORS_PATH"]),
        )
        config_path = folder / "firebase.json"
        write_json(config_path, config.firebase_json)
        write_json(folder / ".firebaserc", config.firebaserc)
        environment = {
            **own_environment,
            **launcher.environment,
            "PATH": os.pathsep.join(
                [str(launcher.bin_dir), str(tools.node.parent), os.environ.get("PATH", "")]
            ),
        }
        attached = self.endpoints.firestore if "firestore" not in services else None
        if attached is not None:
            environment["FIRESTORE_EMULATOR_HOST"] = attached
        if "functions" in services:
            folders = config.functions_dirs
            if all(map(_can_write_manifest, folders)):
                environment["FIREBASE_FUNCTIONS_DISCOVERY_OUTPUT_PATH"] = "true"
            self.can_warm_up = can_warm_up(
                tools.entry.parents[1], config.firebase_json["functions"], folders
            )
        argv = [
            *(str(tools.node), "--require", str(launcher.preload), str(tools.entry)),
            *("emulators:start", "--project", self.options.project_id),
            *("--config", str(config_path), "--only", ",".join(services)),
            "--non-interactive",
        ]
        if self.options.import_dir is not None:
            argv += ["--import", str(self.options.import_dir.absolute())]
        self._ports.hand_over()
        self._process = GuardedProcess(
            argv, folder=folder, cwd=folder, env=environment, log=folder / "suite.log"
        )

    def _child_environment(self, folder: Path) -> dict[str, str]:
        home = Path(os.environ.get("HOME", str(Path.home())))
        for name in ("home", "config"):
            (folder / name).mkdir()
        return {
            **without_credentials(os.environ),
            # Credentials, the CLI's login and its settings are found through these two.
            "HOME": str(folder / "home"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "CLOUDSDK_CONFIG": str(folder / "config" / "gcloud"),
            # Sockets of function workers and the Hub's locator file: gone with the folder.
            "TMPDIR": str(folder),
            "FIREBASE_EMULATORS_PATH": os.environ.get(
                "FIREBASE_EMULATORS_PATH", str(home / ".cache" / "firebase" / "emulators")
            ),
            # No message of the day, no prompts, no look for updates, no colours.
            "CI": "1",
            "NO_UPDATE_NOTIFIER": "1",
            "NO_COLOR": "1",
            "FUNCTIONS_DISCOVERY_TIMEOUT": str(_FUNCTION_DISCOVERY_S),
            "NODE_COMPILE_CACHE": os.environ.get("NODE_COMPILE_CACHE")
            or str(compiled_modules(home)),
        }

    def _wait_until_ready(self, timeout_s: float) -> None:
        # `stop` may come from another thread meanwhile.
        process, ports = self._process, self._ports
        if process is None or ports is None or self._folder is None:
            raise RuntimeError("the suite has not been started")
        firestore_log = self._folder / "firestore-debug.log"
        deadline = self._started_at + timeout_s
        while _READY not in (log := self._log()):
            if process.wait_for_end(_POLL_S):
                log = self._log()
                raise functions_failure(log, self._functions_dirs()) or start_failure(
                    log, _read_text(firestore_log), process.exit_status
                )
            if time.monotonic() > deadline:
                raise functions_failure(log, self._functions_dirs()) or not_ready(
                    log, _read_text(firestore_log), timeout_s
                )
        failure = functions_failure(log, self._functions_dirs())
        if failure is not None:
            raise failure
        if self.files.firestore_rules is not None and _ALL_ALLOWED in log:
            raise SuiteFailed(
                f"firebase-tools has not found {self.files.firestore_rules}, and its Firestore "
                "would allow everything",
                fix="see the suite's log",
                log_tail=self.log_tail(),
            )
        running = running_emulators(self.endpoints["hub"])
        wanted = {name for name in ports.numbers if "." not in name}
        missing = sorted(wanted - set(running))
        if missing:
            raise SuiteFailed(
                f"firebase-tools says it is ready, and these do not run: {', '.join(missing)}",
                fix="see the suite's log",
                log_tail=self.log_tail(),
            )
        ports.release()

    def _functions_dirs(self) -> tuple[Path, ...]:
        return self._config.functions_dirs if self._config is not None else ()

    def _log(self) -> str:
        return _read_text(self._process.log) if self._process is not None else self._last_log


def compiled_modules(home: Path) -> Path:
    """Return where Node keeps what it has compiled of the suite and of functions, for later runs.

    By a digest of each module and by Node's version; a quarter of the time that a function's
    process takes to start. Node before 22 does not know of it.
    Source: Node.js documentation, "Module compile cache".
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "firebase-workflow-harness" / "node"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _can_write_manifest(functions_dir: Path) -> bool:
    """Whether the installed firebase-functions can hand its functions over in a file.

    Otherwise firebase-tools asks it over HTTP, and then waits for idle connections to close, which
    takes more than three seconds. Observed: firebase-tools 15.34, firebase-functions 6.6.
    """
    for place in (functions_dir, *functions_dir.parents):
        package = place / "node_modules" / "firebase-functions"
        if package.is_dir():
            return "FUNCTIONS_MANIFEST_OUTPUT_PATH" in _read_text(
                package / "lib" / "bin" / "firebase-functions.js"
            )
    return False


def _check_official_firestore(tools: NodeTools) -> None:
    """Refuse to start Google's Firestore where it would have to be downloaded first."""
    java = shutil.which("java")
    version = 0
    if java is not None:
        try:
            said = subprocess.run(
                [java, "-version"], capture_output=True, text=True, timeout=_JAVA_ANSWER_S
            )
            found = re.search(r'version "(\d+)', said.stderr + said.stdout)
            version = int(found.group(1)) if found else 0
        except (OSError, subprocess.SubprocessError) as error:
            raise EnvironmentLacking(
                f"{java} does not work: {error}", fix=f"install Java {_OLDEST_JAVA} or newer"
            ) from error
    if version < _OLDEST_JAVA:
        raise EnvironmentLacking(
            f"Google's Firestore emulator needs Java {_OLDEST_JAVA}, and "
            + (f"{java} is Java {version}" if java else "there is none"),
            fix=f"install Java {_OLDEST_JAVA} or newer, or use --firestore embedded",
        )
    details = json.loads(
        (tools.entry.parents[1] / "emulator" / "downloadableEmulatorInfo.json").read_text()
    )
    cache = os.environ.get("FIREBASE_EMULATORS_PATH")
    folder = Path(cache) if cache else Path.home() / ".cache" / "firebase" / "emulators"
    jar = folder / details["firestore"]["downloadPathRelativeToCacheDir"]
    if not jar.is_file():
        raise EnvironmentLacking(
            f"Google's Firestore emulator is not there: {jar}",
            fix="run: npx firebase setup:emulators:firestore, or use --firestore embedded",
        )
