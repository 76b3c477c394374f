"""Builds functions whose source is not what Node runs, such as TypeScript, before they are loaded.

In place, by the project's own `npm run build`, as a deployment does: what it writes is where
package.json says that the functions are, and is no input of evidence. So a run never verifies an
old build of new source, nor what a build left that failed: tsc writes JavaScript of source that has
errors, too. What a build that succeeded has read and written is kept as a digest in
`.harness/builds/`; anything else is built anew. Nothing is ever installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.emulators.diagnosis import SuiteFailed, plain_lines
from harness.emulators.environment import without_credentials
from harness.emulators.guarded import GuardedProcess
from harness.emulators.workspace import make_private_folder
from harness.errors import HarnessError
from harness.files import write_text_file

_BUILD_S = 300.0
_SHOWN_LINES = 6
_DEFAULT_MAIN = "index.js"
_SOURCES = (".ts", ".tsx", ".mts", ".cts", ".json")
_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs")
# Where a build that is not TypeScript's writes, by its name: elsewhere it may be source.
_OUTPUTS = frozenset({"lib", "dist", "build", "out"})
# What a build reads no source from, besides the folder that it writes.
_NO_SOURCE = frozenset({"node_modules", "coverage"})
_ERROR = re.compile(r"\berror\b", re.IGNORECASE)
_BELOW_ITS_FILE = re.compile(r"\s+\d+:\d+\s+error\b")  # as ESLint prints it
_RECORDS = Path(".harness") / "builds"


class FunctionsNotBuilt(SuiteFailed):
    """The build of functions failed; what needs no functions can be checked all the same."""


def build_functions(folder: Path, project: Path, progress: Callable[[str], None]) -> None:
    """Build functions unless what is there is what a build that succeeded made of this source.

    Where package.json has no build script or the packages are not installed, nothing is done:
    loading the functions says what is missing.

    Args:
        project: The folder that keeps what was built, in `.harness/builds/`.
    Raises:
        FunctionsNotBuilt: The build failed; with its own words.
    """
    manifest = _manifest(folder)
    scripts = manifest.get("scripts")
    if not isinstance(scripts, dict) or not isinstance(scripts.get("build"), str):
        return
    main = manifest.get("main")
    built = folder / (main if isinstance(main, str) else _DEFAULT_MAIN)
    record = project / _RECORDS / f"{'-'.join(Path(os.path.relpath(folder, project)).parts)}.sha256"
    npm = shutil.which("npm")
    if npm is None or not _has_packages(folder) or not _is_stale(folder, built, record):
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
    _keep(record, _digest(folder, built))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # the suite says so
    return manifest if isinstance(manifest, dict) else {}


def _has_packages(folder: Path) -> bool:
    return any((place / "node_modules").is_dir() for place in (folder, *folder.parents))


def _is_stale(folder: Path, built: Path, record: Path) -> bool:
    """Whether what is built is not known to be made of the source as it is."""
    if not built.is_file():
        return True
    output = _output(folder, built)
    if not (folder / "tsconfig.json").is_file() and output not in _OUTPUTS:
        return False  # JavaScript that is loaded as it is written
    try:
        return record.read_text(encoding="utf-8").strip() != _digest(folder, built)
    except (OSError, UnicodeDecodeError):
        return True


def _output(folder: Path, built: Path) -> str:
    """The folder at the top of the functions' that holds what is built; empty where none does."""
    try:
        first, *rest = Path(os.path.relpath(built, folder)).parts
    except ValueError:  # on another drive
        return ""
    return first if rest and first != os.pardir else ""


def _digest(folder: Path, built: Path) -> str:
    """Digest what a build reads and what it wrote, by names and contents: times tell neither of a
    file that was put back nor of a build that somebody else ran.
    """
    output = _output(folder, built)
    suffixes = _SOURCES if (folder / "tsconfig.json").is_file() else _SOURCES + _SCRIPTS
    digest = hashlib.sha256()
    for path in _files(folder, output):
        name = path.relative_to(folder).as_posix()
        if path == built or name.startswith(f"{output}/") or name.endswith(suffixes):
            with contextlib.suppress(OSError):  # a link that leads nowhere, say
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{len(name)}:{name}:{content}\n".encode())
    return digest.hexdigest()


def _files(folder: Path, output: str) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        is_top = Path(parent) == folder
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NO_SOURCE and (name[0] != "." or (is_top and name == output))
        )
        yield from (Path(parent, name) for name in sorted(names))


def _keep(record: Path, digest: str) -> None:
    """Keep what was built; where that cannot be written, the next run builds again."""
    with contextlib.suppress(OSError, HarnessError):
        record.parent.mkdir(parents=True, exist_ok=True)
        (record.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        write_text_file(record, f"{digest}\n")


def _words(log: Path) -> list[str]:
    """The log from its first error on: builds say what they do before it, and linters the file in
    the line above.
    """
    try:
        lines = plain_lines(log.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
    at = next((at for at, line in enumerate(lines) if _ERROR.search(line)), 0)
    if at and _BELOW_ITS_FILE.match(lines[at]):
        lines[at] = f"{lines[at - 1].strip()}:{lines[at].strip()}"
    return lines[at : at + _SHOWN_LINES]


def _failed(folder: Path, how: str, said: list[str]) -> FunctionsNotBuilt:
    quoted = "".join(f"\n  | {line[:200]}" for line in said)
    return FunctionsNotBuilt(
        f"functions do not build: {said[0][:200] if said else how}",
        fix=f"mend it, and try: npm run build  (in {folder}){quoted}",
        log_tail=said,
        exit_status=2,
    )
