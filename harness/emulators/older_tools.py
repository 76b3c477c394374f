"""What older firebase-tools do not understand.

Before 13.16 or so they take no variable for where an emulator's file is, and look for each in
their cache under a name that holds a version; those and later ones, up to 13 at least, take whole
paths in firebase.json for paths below its folder.

Source: observed: firebase-tools 11 to 15, emulator/downloadableEmulators, config.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

_DETAILS = Path("emulator") / "downloadableEmulators.js"
_TAKES_VARIABLES = "_EMULATOR_BINARY_PATH"
_KNOWS_WHOLE_PATHS = "isAbsolute(pathName)"
_VERSION = r'\b%s: \{\s*version: "([\d.]+)"'
_FILES = {"firestore": "cloud-firestore-emulator", "storage": "cloud-storage-rules-runtime"}


def file_names(lib: Path) -> dict[str, str]:
    """Return the names under which an old firebase-tools looks for the Firestore emulator and the
    Storage rules runtime: `{"firestore": "cloud-firestore-emulator-v1.18.2.jar", ...}`; nothing
    for a newer one.

    Args:
        lib: Its folder `lib`.
    """
    try:
        text = (lib / _DETAILS).read_text(encoding="utf-8")
    except OSError:
        return {}
    if _TAKES_VARIABLES in text:
        return {}
    found = {name: re.search(_VERSION % name, text) for name in _FILES}
    return {name: f"{_FILES[name]}-v{match[1]}.jar" for name, match in found.items() if match}


def takes_whole_paths(lib: Path) -> bool:
    """Whether it finds what its configuration names by a whole path.

    Args:
        lib: Its folder `lib`.
    """
    try:
        return _KNOWS_WHOLE_PATHS in (lib / "config.js").read_text(encoding="utf-8")
    except OSError:
        return True


def make_reachable(folder: Path, files: Iterable[Path]) -> None:
    """Let it find files that its configuration, which is in `folder`, names by their whole path,
    where it takes these for paths below that folder.
    """
    for file in dict.fromkeys(files):
        link = folder.joinpath(*file.absolute().parts[1:])
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)


def make_cache(folder: Path, real: Path) -> None:
    """Make a cache for one run that has what the real one has, such as the Emulator UI."""
    folder.mkdir()
    with contextlib.suppress(OSError):  # there is no real one
        for entry in real.iterdir():
            (folder / entry.name).symlink_to(entry)
