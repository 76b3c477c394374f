"""Builds functions whose source is not what Node runs, such as TypeScript, before they are loaded.

In place, by the project's own `npm run build`, as a deployment does: what it writes is where
package.json says that the functions are, and is no input of evidence. So a run never verifies an
old build of new source. Nothing is ever installed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.emulators.diagnosis import SuiteFailed, plain_lines
from harness.emulators.environment import without_credentials
from harness.emulators.guarded import GuardedProcess
from harness.emulators.workspace import make_private_folder

_BUILD_S = 300.0
_SHOWN_LINES = 6
_DEFAULT_MAIN = "index.js"
_SOURCES = (".ts", ".tsx", ".mts", ".cts", ".json")
# What a build reads no source from, besides the folder that it writes.
_NO_SOURCE = frozenset({"node_modules", "coverage"})


class FunctionsNotBuilt(SuiteFailed):
    """The build of functions failed; what needs no functions can be checked all the same."""


def build_functions(folder: Path, progress: Callable[[str], None]) -> None:
    """Build functions if their source is newer than what was built of it.

    Where package.json has no build script or the packages are not installed, nothing is done:
    loading the functions says what is missing.

    Raises:
        FunctionsNotBuilt: The build failed; with its own words.
    """
    manifest = _manifest(folder)
    scripts = manifest.get("scripts")
    if not isinstance(scripts, dict) or not isinstance(scripts.get("build"), str):
        return
    main = manifest.get("main")
    built = folder / (main if isinstance(main, str) else _DEFAULT_MAIN)
    npm = shutil.which("npm")
    if npm is None or not _has_packages(folder) or not _is_stale(folder, built):
        return
    progress(f"building the functions in {folder.name}: npm run build")
    private = make_private_folder()
    log = private / "build.log"
    process = GuardedProcess(
        [npm, "run", "build", "--silent"],
        folder=private,
        cwd=folder,
        env=without_credentials(os.environ),
        log=log,
    )
    try:
        has_ended = process.wait_for_end(_BUILD_S)
        status = process.exit_status
        said = _words(log)
    finally:
        process.stop()
        process.close()
    if not has_ended:
        raise _failed(folder, f"it did not end within {_BUILD_S:g} s", said)
    if status != 0:
        raise _failed(folder, f"it ended with status {status}", said)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # the suite says so
    return manifest if isinstance(manifest, dict) else {}


def _has_packages(folder: Path) -> bool:
    return any((place / "node_modules").is_dir() for place in (folder, *folder.parents))


def _is_stale(folder: Path, built: Path) -> bool:
    """Whether nothing is built, or TypeScript is newer than what is. Other builds than those of
    TypeScript are made once: which files they read is not known.
    """
    if not built.is_file():
        return True
    if not (folder / "tsconfig.json").is_file():
        return False
    built_at = built.stat().st_mtime
    output = built.relative_to(folder).parts[0] if built.is_relative_to(folder) else ""
    for parent, folders, names in os.walk(folder):
        is_top = Path(parent) == folder
        folders[:] = [
            name
            for name in folders
            if name not in _NO_SOURCE and name[0] != "." and not (is_top and name == output)
        ]
        sources = (Path(parent, name) for name in names if name.endswith(_SOURCES))
        if any(source.stat().st_mtime > built_at for source in sources):
            return True
    return False


def _words(log: Path) -> list[str]:
    try:
        return plain_lines(log.read_text(encoding="utf-8", errors="replace"))[:_SHOWN_LINES]
    except OSError:
        return []


def _failed(folder: Path, how: str, said: list[str]) -> FunctionsNotBuilt:
    quoted = "".join(f"\n  | {line[:200]}" for line in said)
    return FunctionsNotBuilt(
        f"functions do not build: {said[0][:200] if said else how}",
        fix=f"mend it, and try: npm run build  (in {folder}){quoted}",
        log_tail=said,
        exit_status=2,
    )
