"""The requests that the last checks made, in files below the project's `.harness/`.

Each process of a run writes a file of its own, so that none waits for another; whoever reads takes
them together. The first line of a file says which rules are the project's, the others are those of
`rules/recorded_json.py`. Files are bounded: what had no room is counted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import EnvironmentLacking, HarnessError
from harness.project import Project
from harness.project_rules import read_rules, rules_names
from harness.rules.recorded import RecordedRequest
from harness.rules.recorded_json import ReadRequest, RequestReader, ruleset_digest
from harness.source import SourceText

MAX_FILE_BYTES = 20_000_000
"""Of one process. A check of the sample backend leaves 10 to 100 kB."""

_HEADER = "harness_requests"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What there is of the last run.

    Args:
        requests: Every request that the project's own rules decided, check by check.
        foreign: Those that other rules decided: a check had uploaded them.
        left_out: How many requests were not kept, for want of room.
    """

    requests: tuple[RecordedRequest, ...] = ()
    foreign: tuple[ReadRequest, ...] = ()
    left_out: int = 0


def read_recordings(project_folder: Path) -> tuple[RecordedRequest, ...]:
    """Return the requests that the last checks made of the project's own rules; none without a run.

    Raises:
        HarnessError: A file is not what this module wrote.
    """
    return read_run(project_folder).requests


def read_run(project_folder: Path) -> RecordedRun:
    """Return everything that is known of the last run's requests; raises as `read_recordings`."""
    requests: list[RecordedRequest] = []
    foreign: list[ReadRequest] = []
    left_out = 0
    for path in _files(project_folder):
        reader = RequestReader()
        try:
            # The process may have been killed in the middle of a line.
            text = path.read_text(encoding="utf-8")
            lines = text[: text.rfind("\n") + 1].split("\n")[:-1]
            own = _own_rules(lines[0]) if lines else frozenset()
            for read in reader.read(lines[1:]):
                if read.rules in own:
                    requests.append(read.recorded)
                else:
                    foreign.append(read)
        except (OSError, ValueError) as error:
            raise HarnessError(
                f"{path} cannot be read: {error}", fix="delete it, and run the checks again"
            ) from error
        left_out += reader.left_out
    return RecordedRun(tuple(requests), tuple(foreign), left_out)


def own_rulesets(project: Project) -> dict[str, SourceText]:
    """Return the texts of the rules that firebase.json names, by their digests.

    They are named as there. What is missing is left out.
    """
    there = [name for name in rules_names(project) if (project.folder / name).is_file()]
    sources = [read_rules(project, name) for name in there]
    return {ruleset_digest(source.text): source for source in sources}


def clear_recordings(project_folder: Path) -> None:
    """Delete what the last run left."""
    for path in _files(project_folder):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


@dataclass(slots=True)
class RequestsFile:
    """What one process of a run writes.

    Args:
        project_folder: Where `.harness` is.
        process: A name for the file that no other process of the run has.
        own_rules: Digests of the project's own rules.
        max_bytes: Nothing but a count is written behind this.
    """

    project_folder: Path
    process: str
    own_rules: Sequence[str]
    max_bytes: int = MAX_FILE_BYTES
    _size: int = field(default=0, init=False)

    def append(self, check: str, parts: Iterable[str]) -> None:
        """Add a check's requests.

        Args:
            check: Its node id.
            parts: Texts of `recorded_json`.
        Raises:
            EnvironmentLacking: The file cannot be written.
        """
        lines = [part for part in parts if part]
        if not lines:
            return
        text = "".join([json.dumps({"check": check}) + "\n", *lines])
        if self._size + len(text) > self.max_bytes:
            text = json.dumps({"left_out": _count(lines)}) + "\n"
        if not self._size:
            text = json.dumps({_HEADER: _VERSION, "rules": list(self.own_rules)}) + "\n" + text
        path = _folder(self.project_folder) / f"{self.process}.jsonl"
        try:
            if not self._size:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Nothing that belongs into a repository.
                (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            with path.open("a" if self._size else "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise EnvironmentLacking(
                f"requests cannot be recorded in {path}: {error.strerror}",
                fix="make the folder writable",
            ) from error
        self._size += len(text)


def _count(parts: Iterable[str]) -> int:
    return sum(part.count('\n{"request":') for part in parts)


def _own_rules(line: str) -> frozenset[str]:
    header = json.loads(line)
    if not isinstance(header, dict) or header.get(_HEADER) != _VERSION:
        raise ValueError("its first line is not that of a recording")
    return frozenset(header["rules"])


def _folder(project_folder: Path) -> Path:
    return project_folder / ".harness" / "requests"


def _files(project_folder: Path) -> list[Path]:
    return sorted(_folder(project_folder).glob("*.jsonl"))
