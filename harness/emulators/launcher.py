"""A run's private folder: stand-ins for `java` and `npm`, and what goes with them.

firebase-tools starts the Firestore emulator and the Storage rules runtime as `java ... -jar PATH`.
The `java` written here is first on PATH for firebase-tools alone; it starts this package's servers
for the run's own marker files, and the real Java for anything else.
"""

from __future__ import annotations

import os
import shlex
import site
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.emulators.older_tools import make_cache

# What `java -version` prints, as far as firebase-tools reads it: it wants 21 or newer.
_JAVA_VERSION = 'openjdk version "21.0.0" 2023-09-19'

_FIRESTORE_MARKER = "firestore-embedded.jar"
_STORAGE_MARKER = "storage-rules-embedded.jar"

_JAVA = """\
#!/bin/sh
# Stands in for java while the harness runs the Emulator Suite. Markers start the harness's own
# servers, everything else goes to the real Java.
previous=
for argument in "$@"; do
  if [ "$previous" = -jar ]; then
    case $argument in
{cases}
    esac
    break
  fi
  if [ "$argument" = -version ] && [ {answers_version} = yes ]; then
    echo {version} >&2
    exit 0
  fi
  previous=$argument
done
if [ -n {real_java} ]; then
  exec {real_java} "$@"
fi
echo "java: no Java is installed; the harness stands in for the Firestore emulator and the Storage\
 rules runtime only, not for: $*" >&2
exit 127
"""

_CASE = """\
      {marker})
        while [ "$1" != "$argument" ]; do shift; done
        shift
        {environment} exec {command} "$@"{arguments}
        ;;"""

_NPM = """\
#!/bin/sh
# Stands in for npm while the harness runs the Emulator Suite: firebase-tools asks the registry for
# the newest firebase-functions on every start, and offline that costs ten seconds.
if [ "$1" = show ] && [ "$2" = firebase-functions ]; then
  echo '{{}}'
  exit 0
fi
if [ -n {real_npm} ]; then
  exec {real_npm} "$@"
fi
echo "npm: not installed" >&2
exit 127
"""

# exegesis compiles the schemas of the Auth emulator's whole API at start, which takes most of the
# suite's start-up time; it has an option to compile each on first use, which firebase-tools leaves
# off. Source: exegesis, options, lazyCompileValidationSchemas; observed: firebase-tools 15.34.
#
# The Functions emulator hands functions a proxy of firebase-admin that binds `admin.firestore` and
# `admin.database`. What is bound has lost FieldValue, Timestamp, ServerValue and the like, which a
# deployed function has: since firebase-admin 11 correct functions throw in the emulator alone. Here
# what is bound keeps them, in the functions' processes, which inherit NODE_OPTIONS.
# Source: firebase-tools issue 5956; observed: firebase-tools 15.34, functionsEmulatorRuntime.js.
_PRELOAD = """\
"use strict";
const Module = require("module");
const load = Module._load;
const options = process.env.NODE_OPTIONS || "";
if (!options.includes(__filename)) {
  process.env.NODE_OPTIONS = `${options} --require ${JSON.stringify(__filename)}`.trim();
}
Module._load = function (request, parent, isMain) {
  const loaded = load.call(this, request, parent, isMain);
  if (request === "exegesis-express" && typeof loaded.middleware === "function") {
    return {
      ...loaded,
      middleware: (document, options) =>
        loaded.middleware(document, { lazyCompileValidationSchemas: true, ...options }),
    };
  }
  if (
    parent && /functionsEmulatorRuntime(\\.js)?$/.test(parent.filename || "") &&
    loaded && typeof loaded.initializeApp === "function"
  ) {
    for (const name of ["firestore", "database"]) keepMembers(loaded, name);
  }
  return loaded;
};
function keepMembers(admin, name) {
  let holder = admin;
  while (holder && !Object.getOwnPropertyDescriptor(holder, name)) {
    holder = Object.getPrototypeOf(holder);
  }
  const described = holder && Object.getOwnPropertyDescriptor(holder, name);
  if (!described || !described.get || !Object.isExtensible(admin)) return;
  Object.defineProperty(admin, name, {
    configurable: true,
    enumerable: described.enumerable,
    get() {
      const namespace = described.get.call(admin);
      if (typeof namespace !== "function") return namespace;
      const bind = (...given) => {
        const bound = Function.prototype.bind.apply(namespace, given);
        const { length, name, prototype, bind, ...members } =
          Object.getOwnPropertyDescriptors(namespace);
        return Object.defineProperties(bound, members);
      };
      return Object.defineProperty(namespace, "bind", { configurable: true, value: bind });
    },
  });
}
"""


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """One of the harness's servers as the stand-in starts it.

    Args:
        module: Of this package, run with `python -m`.
        arguments: Our own, after those of firebase-tools.
    """

    module: str
    arguments: tuple[str, ...] = ()


FIRESTORE_SERVER = ServerCommand("harness.server")
STORAGE_RULES_RUNTIME = ServerCommand("harness.server.storage_rules")


@dataclass(frozen=True, slots=True)
class Launcher:
    """What was written: the folder for PATH, and what else firebase-tools must be told.

    Args:
        environment: Variables that name the marker files.
        preload: For `node --require`.
    """

    bin_dir: Path
    environment: dict[str, str]
    preload: Path


def write_launcher(
    folder: Path,
    *,
    firestore: ServerCommand | None,
    storage: ServerCommand | None,
    real_java: str | None,
    real_npm: str | None,
    old_names: Mapping[str, str] | None = None,
    real_cache: Path | None = None,
) -> Launcher:
    """Write the stand-ins into `folder`.

    Args:
        firestore: What to start as the Firestore emulator; None leaves Google's to firebase-tools.
        storage: What to start as the Storage rules runtime; None as above.
        real_java: The Java on the user's PATH, if there is one.
        real_npm: The npm on the user's PATH, if there is one.
        old_names: Of an old firebase-tools, the files that it looks for: see `older_tools`.
        real_cache: Where it would look.
    """
    bin_dir = folder / "bin"
    bin_dir.mkdir()
    environment: dict[str, str] = {}
    cases: list[str] = []
    cache = folder / "cache"
    if old_names:
        make_cache(cache, real_cache or folder)
        environment["FIREBASE_EMULATORS_PATH"] = str(cache)
    for name, marker_name, variable, server in (
        ("firestore", _FIRESTORE_MARKER, "FIRESTORE_EMULATOR_BINARY_PATH", firestore),
        ("storage", _STORAGE_MARKER, "STORAGE_EMULATOR_BINARY_PATH", storage),
    ):
        if server is None:
            continue
        marker = cache / old_names[name] if old_names else folder / marker_name
        marker.unlink(missing_ok=True)
        # firebase-tools sets the executable bits on it and hands it to java; nobody reads it.
        marker.write_text("the harness stands in for this file\n", encoding="utf-8")
        environment[variable] = str(marker)
        cases.append(
            _CASE.format(
                marker=shlex.quote(str(marker)),
                environment=_assignments(_python_environment()),
                command=shlex.join([sys.executable, "-P", "-m", server.module]),
                arguments="".join(f" {shlex.quote(argument)}" for argument in server.arguments),
            )
        )
    _write_executable(
        bin_dir / "java",
        _JAVA.format(
            cases="\n".join(cases) or "      /dev/null) ;;",
            # Google's Firestore must not be started on a Java that only claims to be new enough.
            answers_version="yes" if firestore is not None else "no",
            version=shlex.quote(_JAVA_VERSION),
            real_java=shlex.quote(real_java or ""),
        ),
    )
    _write_executable(bin_dir / "npm", _NPM.format(real_npm=shlex.quote(real_npm or "")))
    preload = folder / "preload.js"
    preload.write_text(_PRELOAD, encoding="utf-8")
    return Launcher(bin_dir, environment, preload)


def _python_environment() -> dict[str, str]:
    """What lets another process, with another home folder, import what this one imports."""
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    variables = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    if site.ENABLE_USER_SITE:
        variables["PYTHONUSERBASE"] = site.getuserbase()
    return variables


def _assignments(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def _write_executable(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def firestore_server(extra_arguments: Sequence[str]) -> ServerCommand:
    """The embedded Firestore with arguments of our own, such as `--indexes FILE`."""
    return ServerCommand(FIRESTORE_SERVER.module, tuple(extra_arguments))


def storage_rules_runtime(requests: Path, *, is_beside_ours: bool) -> ServerCommand:
    """The Storage rules runtime, noting what it judges in a file as long as that is there.

    Args:
        is_beside_ours: Whether the Firestore of the suite is the embedded one.
    """
    own = ("--own-project",) if is_beside_ours else ()
    return ServerCommand(STORAGE_RULES_RUNTIME.module, ("--requests", str(requests), *own))
