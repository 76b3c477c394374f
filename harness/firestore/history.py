"""Past versions of documents, and the log of commits that made them.

A version is kept until what replaced it is an hour old, and no more of them than a given number;
what is too old goes a little at each commit, so that no single commit pays for all of it. A
document that was never replaced or deleted costs nothing here but its place in the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.documents import DocumentChange, DocumentSnapshot
from harness.firestore.paths import ResourcePath
from harness.firestore.values import Timestamp

_RETENTION_MICROS = limits.VERSION_RETENTION_S * 1_000_000
# Changes forgotten at one commit, at most; and at least twice as many as the commit makes.
_FORGET_AT_ONCE = 256


class VersionHistory:
    """The superseded versions of a database's documents.

    Args:
        max_versions: Superseded versions kept at most.
    """

    def __init__(self, max_versions: int = limits.MAX_SUPERSEDED_VERSIONS) -> None:
        self._max_versions = max_versions
        # Oldest first. A Timestamp stands for the document's absence from then on.
        self._chains: dict[ResourcePath, list[DocumentSnapshot | Timestamp]] = {}
        self._log: deque[tuple[Timestamp, Sequence[DocumentChange]]] = deque()
        self._forgotten_of_first = 0  # changes of the log's first commit that are forgotten already
        self._version_count = 0
        self._oldest_readable = Timestamp(0)

    @property
    def oldest_readable(self) -> Timestamp:
        """The earliest time whose documents are still known."""
        return self._oldest_readable

    @property
    def version_count(self) -> int:
        """How many superseded versions are kept."""
        return self._version_count

    @property
    def document_count(self) -> int:
        """How many documents have superseded versions that are kept."""
        return len(self._chains)

    def check_reaches(self, at: Timestamp) -> None:
        """Refuse a time whose documents are no longer known.

        Raises:
            StatusError: FAILED_PRECONDITION.
        """
        if at.micros < self._oldest_readable.micros:
            raise StatusError(
                StatusCode.FAILED_PRECONDITION, "The requested 'read_time' is too old."
            )

    def record(self, commit_time: Timestamp, changes: Sequence[DocumentChange]) -> None:
        """Add the changes of one commit, and forget some that are too old."""
        if changes:
            self._log.append((commit_time, changes))
            for change in changes:
                if change.before is None:
                    continue
                chain = self._chains.get(change.path)
                if chain is None:
                    chain = self._chains[change.path] = []
                chain.append(change.before)
                self._version_count += 1
                if change.after is None:
                    chain.append(commit_time)
        self._forget(commit_time.micros - _RETENTION_MICROS, max(_FORGET_AT_ONCE, 2 * len(changes)))

    def version_at(
        self, path: ResourcePath, current: DocumentSnapshot | None, at: Timestamp
    ) -> DocumentSnapshot | None:
        """Return the version of a document that stood at a time that `check_reaches`."""
        if current is not None and current.update_time.micros <= at.micros:
            return current
        chain = self._chains.get(path)
        if chain is None:
            return None
        index = bisect_right(chain, at.micros, key=_valid_from_micros)
        if index == 0:
            return None
        version = chain[index - 1]
        return None if isinstance(version, Timestamp) else version

    def changes_since(self, at: Timestamp) -> list[DocumentChange] | None:
        """Return what changed after a time, in commit order; None if that is no longer known."""
        if at.micros < self._oldest_readable.micros:
            return None
        commits = []
        for commit_time, changes in reversed(self._log):
            if commit_time.micros <= at.micros:
                break
            commits.append(changes)
        return [change for changes in reversed(commits) for change in changes]

    def _forget(self, before_micros: int, budget: int) -> None:
        log = self._log
        while log:
            commit_time, changes = log[0]
            if commit_time.micros >= before_micros and self._version_count <= self._max_versions:
                return
            # Without these versions, what stood before this commit cannot be told.
            self._oldest_readable = commit_time
            start = self._forgotten_of_first
            end = min(len(changes), start + budget)
            for index in range(start, end):
                self._forget_change(changes[index])
            budget -= end - start
            if end < len(changes):
                self._forgotten_of_first = end
                return
            self._forgotten_of_first = 0
            log.popleft()
            if budget <= 0:
                return

    def _forget_change(self, change: DocumentChange) -> None:
        if change.before is None:
            return
        chain = self._chains[change.path]
        del chain[0]
        self._version_count -= 1
        # Absence that nothing precedes needs no record.
        while chain and isinstance(chain[0], Timestamp):
            del chain[0]
        if not chain:
            del self._chains[change.path]


def _valid_from_micros(version: DocumentSnapshot | Timestamp) -> int:
    return version.micros if isinstance(version, Timestamp) else version.update_time.micros
