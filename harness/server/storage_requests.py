"""The requests that the Storage rules runtime has judged, appended to a file.

The runtime is a process that firebase-tools starts and kills, and its standard streams belong to
the protocol. So whoever wants to know makes an empty file, the runtime appends to it as long as it
is there, and each request is a part by itself: a kill at any moment leaves all whole lines
readable. What the lines say is decided in `rules/recorded_json.py`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
)
from harness.rules.recorded_json import Fields, RequestWriter, ruleset_digest
from harness.rules.request import RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.titles import request_title

OPTION = "--requests"
"""Names the file on the runtime's command line."""

MAX_BYTES = 10_000_000
"""Nothing is appended to a file of this size: somebody has forgotten it."""


@dataclass(slots=True)
class StorageRequests:
    """Appends to a file, if it is there."""

    path: Path

    def note(
        self,
        ruleset: CompiledRuleset,
        request: RulesRequest,
        allowed: bool,
        looked_at: Mapping[DocumentPath, Fields | None],
    ) -> None:
        """Append one request; without the file, nothing.

        Args:
            ruleset: What judged it.
            request: What was asked.
            allowed: The answer.
            looked_at: The Firestore documents that the rules read; None for a missing one.
        """
        # A disk that is full must not change what the emulator is answered.
        with contextlib.suppress(OSError):
            if not 0 <= self._size() < MAX_BYTES:
                return
            text = _part(ruleset, request, allowed, looked_at).encode("ascii")
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.write(descriptor, text)
            finally:
                os.close(descriptor)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return -1


def _part(
    ruleset: CompiledRuleset,
    request: RulesRequest,
    allowed: bool,
    looked_at: Mapping[DocumentPath, Fields | None],
) -> str:
    documents = RecordedDocuments(
        {path: fields for path, fields in looked_at.items() if fields is not None},
        is_complete=False,
        missing=frozenset(path for path, fields in looked_at.items() if fields is None),
    )
    decisions = (RecordedDecision(request, allowed),)
    writer = RequestWriter()
    writer.add(
        RecordedRequest(request_title([request]), "", decisions, documents),
        ruleset_digest(ruleset.source.text),
    )
    return writer.take()


def start_storage_requests(path: Path) -> None:
    """Make the file, or empty it: from now on the runtime appends to it."""
    path.write_bytes(b"")


def take_storage_requests(path: Path) -> str:
    """Return the whole lines of the file and empty it; nothing where there is no file.

    Between the two a request could be lost; whoever takes has no request under way.
    """
    try:
        text = path.read_bytes().decode("ascii", "replace")
        os.truncate(path, 0)
    except FileNotFoundError:
        return ""
    return text[: text.rfind("\n") + 1]


def requests_of_arguments(arguments: Sequence[str]) -> StorageRequests | None:
    """Return what the command line asks for: `… --requests FILE`."""
    if OPTION not in arguments[:-1]:
        return None
    return StorageRequests(Path(arguments[arguments.index(OPTION) + 1]))
