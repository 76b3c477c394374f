"""From the suite's log to what went wrong, in words that say what to do.

Text in, a failure out; reads no files and asks no process.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.source import SourcePosition

# What is shown of the log where the cause is not known.
_SHOWN_LINES = 12
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PORT_TAKEN = re.compile(
    r"Port (\d+) is not open on ([\d.:a-z]+)[^,]*, could not start (.+?)\.\s*$"
)
_LOAD_FAILED = "Failed to load function definition from source:"
_NOT_UNDERSTOOD = "Failed to parse build specification"
_FRAME = re.compile(r"(?:\(|at |file://|^)(/[^\s():]+):(\d+)(?::(\d+))?\)?")
_PYTHON_FRAME = re.compile(r'^\s*File "(/[^"]+)", line (\d+)')
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_ERROR_LINE = re.compile(r"\b(\w*(?:Error|Exception)): (.+)")
_MISSING_MODULE = re.compile(r"Cannot find (?:module|package) '([^']+)'")
_OLD_SDK = re.compile(r"old version of firebase-functions SDK \(([\d.]+)\)[^>]*>=([\d.]+\d)")
_NOT_BUILT = re.compile(r"(\S+) does not exist, can't deploy Cloud Functions")
_NO_VENV = re.compile(r"Missing virtual environment at (\S+) directory\.[^']*'([^']+)'")
_EMULATOR_EXITED = re.compile(r"(\w[\w ]*? Emulator) has exited with code: (\d+)")
_FIREBASE_ERROR = re.compile(r"^Error: (.+)$")


class SuiteFailed(HarnessError):
    """The suite did not start, or did not start whole.

    Args:
        log_tail: The last lines of the suite's log.
        exit_status: 2 where the user's files are at fault, 3 where the machine is.
    """

    def __init__(
        self,
        problem: str,
        *,
        fix: str,
        at: SourcePosition | None = None,
        log_tail: Sequence[str] = (),
        exit_status: int = 3,
    ) -> None:
        super().__init__(problem, fix=fix, at=at)
        self.log_tail = tuple(log_tail)
        self.exit_status = exit_status


def plain_lines(text: str) -> list[str]:
    """Split a log into lines without colours and without empty ones."""
    return [line for raw in text.splitlines() if (line := _ANSI.sub("", raw).rstrip())]


def functions_failure(log: str, functions_dirs: Sequence[Path]) -> SuiteFailed | None:
    """Say why functions did not load, or None when the log shows no such failure.

    firebase-tools only logs it and goes on without them.
    """
    lines = plain_lines(log)
    for index, line in enumerate(lines):
        if _LOAD_FAILED in line:
            return _load_failure(lines, index, functions_dirs)
    return None


def _load_failure(lines: Sequence[str], index: int, functions_dirs: Sequence[Path]) -> SuiteFailed:
    reason = lines[index].split(_LOAD_FAILED, 1)[1].strip().removeprefix("FirebaseError:").strip()
    tail = lines[-_SHOWN_LINES:]
    # The user's own error comes before it, from the process that loaded the code, and where
    # firebase-tools repeats it, after it.
    around = list(lines[max(0, index - 60) : index + 30])
    folder = _folder_in(around, functions_dirs)
    not_built = next((found for text in around if (found := _NOT_BUILT.search(text))), None)
    if not_built is not None:
        # firebase-tools names it from the folder of the run's own firebase.json.
        entry = folder / not_built.group(1).rpartition(f"/{folder.name}/")[2]
        return SuiteFailed(
            f"functions do not load: {entry}, which package.json calls main, does not exist",
            fix=f"run: npm run build  (in {folder}); first, if it lacks node_modules: npm install",
            log_tail=tail,
        )
    no_venv = next((found for text in around if (found := _NO_VENV.search(text))), None)
    if no_venv is not None:
        name, command = no_venv.groups()
        return SuiteFailed(
            f"functions do not load: {folder} has no virtual environment with its packages",
            fix=f"run: {command} && {name}/bin/pip install -r requirements.txt  (in {folder})",
            log_tail=tail,
        )
    old = next((found for text in around if (found := _OLD_SDK.search(text))), None)
    if old is not None:
        return SuiteFailed(
            f"functions do not load: firebase-functions {old.group(1)} in {folder} is too old for "
            "firebase-tools",
            fix=f"run: npm install firebase-functions@^{old.group(2)}  (in {folder})",
            log_tail=tail,
        )
    if _NOT_UNDERSTOOD in reason:
        return SuiteFailed(
            "functions do not load: firebase-tools does not understand what firebase-functions in "
            f"{folder} says of them",
            fix="if firebase-functions is the newer one: npm install --save-dev "
            "firebase-tools@latest; else look for an option of a function that is of a wrong type "
            "(maxInstances: '10')",
            log_tail=tail,
        )
    missing = next((found for text in around if (found := _MISSING_MODULE.search(text))), None)
    at = _position_in(around, functions_dirs)
    if missing is not None and not missing.group(1).startswith((".", "/")):
        return SuiteFailed(
            f'functions do not load: the package "{missing.group(1)}" is not installed',
            fix=f"run: npm install  (in {folder}); if package.json lacks it: npm install "
            f"{missing.group(1)}",
            at=at,
            log_tail=tail,
        )
    if any(_NO_MODULE.search(text) for text in around):
        (module,) = next(found for text in around if (found := _NO_MODULE.search(text))).groups()
        return SuiteFailed(
            f'functions do not load: there is no module "{module}"',
            fix=f"correct the import; or, if it is a package, name it in requirements.txt and run: "
            f"venv/bin/pip install -r requirements.txt  (in {folder})",
            at=at,
            log_tail=tail,
            exit_status=2,
        )
    if any("Couldn't find firebase-functions package" in text for text in around):
        return SuiteFailed(
            f"functions do not load: firebase-functions is not installed in {folder}",
            fix=f"run: npm install  (in {folder})",
            log_tail=tail,
        )
    error = next(
        (
            found
            for text in around
            if (found := _ERROR_LINE.search(text)) and found.group(1) != "FirebaseError"
        ),
        None,
    )
    words = f"{error.group(1)}: {error.group(2)}" if error else reason
    return SuiteFailed(
        f"functions do not load: {words}",
        fix="mend the functions' source; nothing is deployed to the emulator until it loads",
        at=at,
        log_tail=tail,
        exit_status=2,
    )


def _folder_in(lines: Sequence[str], folders: Sequence[Path]) -> Path:
    """The functions folder that the lines are about: the only one, or the one they name."""
    if len(folders) == 1:
        return folders[0]
    named = [folder for folder in folders if any(f"/{folder.name}/" in line for line in lines)]
    return named[0] if len(named) == 1 else Path("functions")


def _position_in(lines: Sequence[str], folders: Sequence[Path]) -> SourcePosition | None:
    """The first place in the user's own source that a stack trace names."""
    candidates: list[SourcePosition] = []
    for line in lines:
        for match in _FRAME.finditer(line):
            path = Path(match.group(1))
            if "node_modules" in path.parts:
                continue
            if any(path.is_relative_to(folder) for folder in folders):
                column = int(match.group(3) or 0)
                candidates.append(SourcePosition(str(path), int(match.group(2)), max(1, column)))
                if column:
                    return candidates[-1]
    return candidates[0] if candidates else _python_position_in(lines, folders)


def _python_position_in(lines: Sequence[str], folders: Sequence[Path]) -> SourcePosition | None:
    """The innermost frame of the user's own in Python's traceback, which names it last."""
    for line in reversed(lines):
        match = _PYTHON_FRAME.match(line)
        path = Path(match[1]) if match is not None else Path()
        if "site-packages" not in path.parts and any(map(path.is_relative_to, folders)):
            assert match is not None
            return SourcePosition(str(path), int(match[2]), 1)
    return None


def start_failure(log: str, firestore_log: str, exit_status: int | None) -> SuiteFailed:
    """Say why firebase-tools ended by itself before the suite was ready."""
    lines = plain_lines(log)
    tail = tuple(lines[-_SHOWN_LINES:])
    for line in lines:
        taken = _PORT_TAKEN.search(line)
        if taken:
            return SuiteFailed(
                f"port {taken.group(1)} on {taken.group(2)} was taken before {taken.group(3)} "
                "could use it",
                fix="start again; if the port is fixed, end what listens on it",
                log_tail=tail,
            )
    for line in lines:
        exited = _EMULATOR_EXITED.search(line)
        if exited:
            said = _without_tracebacks(plain_lines(firestore_log)) if "Firestore" in line else []
            said = said[-_SHOWN_LINES:]
            return SuiteFailed(
                f"the {exited.group(1)} ended with status {exited.group(2)} while starting"
                + _quoted(said),
                fix="mend what it says" if said else "see the suite's log",
                log_tail=(*tail, *said),
            )
    error = next(
        (found for line in reversed(lines) if (found := _FIREBASE_ERROR.match(line))), None
    )
    words = error.group(1) if error else f"it ended with status {exit_status}"
    return SuiteFailed(
        f"firebase-tools did not start the suite: {words}" + _quoted(tail),
        fix="mend what it says; to see firebase-tools alone, run: npx firebase emulators:start",
        log_tail=tail,
    )


def not_ready(log: str, firestore_log: str, timeout_s: float) -> SuiteFailed:
    """Say what the suite was doing when the limit for its start came."""
    lines = plain_lines(log)
    tail = tuple(lines[-_SHOWN_LINES:])
    said = plain_lines(firestore_log)[-3:]
    doing = lines[-1] if lines else "nothing was printed"
    return SuiteFailed(
        f"the suite was not ready within {timeout_s:g} s; its last words: {doing}"
        + _quoted((*tail[:-1], *said)),
        fix="allow more time, or look for what hangs in the functions' top-level code",
        log_tail=(*tail, *said),
    )


def _without_tracebacks(lines: Sequence[str]) -> list[str]:
    """Leave of each Python traceback only its last line."""
    kept: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("Traceback "):
            inside = True
        elif not inside or not line.startswith(" "):
            inside = False
            kept.append(line)
    return kept


def _quoted(lines: Sequence[str]) -> str:
    return "".join(f"\n  | {line[:200]}" for line in lines)
