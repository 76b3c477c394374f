"""Read text files, and replace them so that a kill at any moment leaves the old one or the new one.

Lives here: the only code that writes into a user's documents. Must not live here: what to write.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import EnvironmentLacking, HarnessError
from harness.source import SourcePosition, SourceText
from harness.workflow.document import WorkflowDocument, parse_workflow

MAX_TEXT_BYTES = 8_000_000
"""Larger than any workflow document, ruleset or configuration; a guard against reading what is none
of them."""

LOCK_TIMEOUT_S = 10.0
_MAX_ATTEMPTS = 20

_TEMPORARY_SUFFIX = ".harness-tmp"


def read_text_file(path: Path, *, max_bytes: int = MAX_TEXT_BYTES) -> SourceText:
    """Read a UTF-8 file, every character as it is: line ends and a byte order mark stay.

    Raises:
        HarnessError: It is missing, not a regular file, not readable, too large, or not UTF-8 (with
            the place).
    """
    try:
        # Not blocking, since a repository may bring a named pipe, which would wait for a writer for
        # ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise _cannot_read(path, error) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise HarnessError(f"{path} is {what}", fix="name a text file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise _cannot_read(path, error) from error
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:
        raise HarnessError(
            f"{path} is larger than {max_bytes:,} bytes",
            fix="check the name: no file of this kind is so large",
        )
    try:
        return SourceText(str(path), content.decode())
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from error


def write_text_file(path: Path, text: str) -> None:
    """Replace a file's text, or make the file, in one step: every reader sees the old text or the
    new one.

    A symbolic link stays one, its target is replaced. The mode stays; the owner is whoever writes.

    Raises:
        HarnessError: The file or its folder cannot be written, the disk is full, the folder is
            missing.
    """
    content = text.encode()
    target = _target_of(path)
    try:
        mode = _mode_to_keep(target)
        descriptor, name = tempfile.mkstemp(
            prefix=_temporary_prefix(target), suffix=_TEMPORARY_SUFFIX, dir=target.parent
        )
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise
    _sync_folder(target.parent)


def create_text_file(path: Path, text: str) -> bool:
    """Make a file with its whole text in one step; returns False, and changes nothing, where there
    is one already.

    Raises:
        HarnessError: The file cannot be written, or its folder is missing.
    """
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=_temporary_prefix(path), suffix=_TEMPORARY_SUFFIX, dir=path.parent
        )
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fchmod(descriptor, _mode_of_new_files())
            os.fsync(descriptor)
        # Unlike a rename, a link is refused where the name is taken.
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)
    return True


def update_text_file(
    path: Path, transform: Callable[[SourceText], str], *, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> bool:
    """Read a file, transform its text, and write it back if it differs, alone among all harness
    processes of this user.

    Returns whether the file changed. `transform` runs under the lock: it gets what is in the file
    now, and is called again if someone else has saved the file meanwhile.

    Raises:
        HarnessError: As `read_text_file` and `write_text_file`, or another process held the lock
            for too long.
    """
    with lock_file(path, timeout_s=lock_timeout_s):
        for _ in range(_MAX_ATTEMPTS):
            source = read_text_file(path)
            text = transform(source)
            _remove_leftovers(path)
            if text == source.text:
                return False
            # An editor knows nothing of the lock: what it saved meanwhile is transformed instead.
            if read_text_file(path).text == source.text:
                write_text_file(path, text)
                return True
    raise HarnessError(
        f"{path} changes faster than it can be updated", fix="close what writes it, and try again"
    )


def update_workflow(
    path: Path,
    transform: Callable[[WorkflowDocument], str],
    *,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> bool:
    """Read a workflow document, transform its text, and write it back if it differs; see
    `update_text_file`."""
    return update_text_file(
        path, lambda source: transform(parse_workflow(source)), lock_timeout_s=lock_timeout_s
    )


@contextlib.contextmanager
def lock_file(path: Path, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock of a file, by whichever name it goes. Released by the system when the process
    ends, however it ends.

    The lock lies in a folder of this user's under the temporary folder: a lock on the file itself
    would go with the old file at the rename, and one beside it would lie about in the user's
    repository.

    Raises:
        HarnessError: Another process held it for `timeout_s` seconds.
    """
    target = _target_of(path)
    name = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
    lock = FileLock(_lock_folder() / f"{name}.lock", timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise HarnessError(
            f"another harness process has been changing {path} for more than {timeout_s:g} s",
            fix="wait for it to end, or end it, and try again",
        ) from error
    except OSError as error:
        raise EnvironmentLacking(
            f"cannot lock {path}: {error.strerror or error}",
            fix="set TMPDIR to a folder that can be written and locked",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _lock_folder() -> Path:
    """Return this user's folder for locks, made on first use; refuse one that someone else put
    there."""
    folder = Path(tempfile.gettempdir()) / f"firebase-workflow-harness-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise EnvironmentLacking(
            f"cannot make {folder}: {error.strerror}",
            fix="set TMPDIR to a folder that can be written",
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise EnvironmentLacking(
            f"{folder} is not a folder of yours",
            fix="remove it, or set TMPDIR to a folder of your own",
        )
    return folder


def _target_of(path: Path) -> Path:
    try:
        return path.resolve()
    except (
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # RuntimeError: a loop of links, before Python 3.13
        raise _cannot_read(path, error) from error


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left unfinished beside a file. Needs the file's lock."""
    target = _target_of(path)
    prefix = _temporary_prefix(target)
    with contextlib.suppress(OSError):
        for entry in target.parent.iterdir():
            if entry.name.startswith(prefix) and entry.name.endswith(_TEMPORARY_SUFFIX):
                entry.unlink()


def _temporary_prefix(target: Path) -> str:
    return f".{target.name[:100]}."


def _mode_to_keep(target: Path) -> int:
    """Return the mode for the new file; refuse what a rename would replace although writing to it
    is not allowed."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return _mode_of_new_files()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(target))
    if not os.access(target, os.W_OK) or not status.st_mode & 0o222:
        raise PermissionError(errno.EACCES, "the file is read-only", str(target))
    return stat.S_IMODE(status.st_mode)


def _mode_of_new_files() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Make the rename durable. Best effort: the new file is complete already, and some file systems
    cannot."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot_read(path: Path, error: Exception) -> HarnessError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return HarnessError(
            f"there is no file {path}", fix="check the name and the folder you are in"
        )
    if isinstance(error, PermissionError):
        return HarnessError(
            f"{path} may not be read", fix=f"chmod u+r {path}, and u+x on its folder"
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return HarnessError(f"{path!s} cannot be read: {reason}", fix="check the name")


def _cannot_write(path: Path, error: OSError) -> HarnessError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return HarnessError(f"there is no folder for {path}", fix=f"mkdir -p {path.parent}")
    if isinstance(error, IsADirectoryError):
        return HarnessError(f"{path} is a folder", fix="name a text file")
    if error.errno == errno.EROFS:
        return HarnessError(f"{path} is on a read-only file system", fix="mount it writable")
    if isinstance(error, PermissionError):
        return HarnessError(
            f"{path} may not be written",
            fix=f"chmod u+w {path}, and u+wx on its folder (the file is replaced, not overwritten)",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HarnessError(
            f"no space left to write {path}", fix="free some space; the old file is untouched"
        )
    return HarnessError(
        f"{path} cannot be written: {error.strerror or error}",
        fix="the old file is untouched; mend that and try again",
    )


def _not_utf8(path: Path, content: bytes, error: UnicodeDecodeError) -> HarnessError:
    before = content[: error.start]
    line_start = before.rfind(b"\n") + 1
    at = SourcePosition(
        str(path), before.count(b"\n") + 1, len(before[line_start:].decode(errors="replace")) + 1
    )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        found, encoding = "this is UTF-16", "UTF-16"
    else:
        found, encoding = (
            f"byte 0x{content[error.start]:02x} at offset {error.start} is not UTF-8",
            "WINDOWS-1252",
        )
    fix = f"save it as UTF-8: iconv -f {encoding} -t UTF-8 {path.name} > new && mv new {path.name}"
    return HarnessError(found, fix=fix, at=at)
