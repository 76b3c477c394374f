"""Indexes over many documents, built in steps: whoever calls them may serve others in between.

A build reads the documents as they were when it began, and hears of every commit meanwhile; what
changed is put right at its end. So its entries are those of the latest time, whenever that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from harness.firestore.documents import DocumentChange, DocumentSnapshot
from harness.firestore.paths import ResourcePath

Entry: TypeAlias = tuple[bytes, ResourcePath]
EntryKeys: TypeAlias = Callable[[DocumentSnapshot], Sequence[bytes]]

Change: TypeAlias = tuple[DocumentSnapshot | None, DocumentSnapshot | None]
"""A document as it was and as it is now."""

MANY_DOCUMENTS: Final = 5_000
"""Fewer are indexed in one step, of some ten milliseconds."""
_STEP: Final = 1_000
_FEW_CHANGES: Final = 100


def changes_about_everything(changes: int, entries: int) -> bool:
    """Whether to build anew is cheaper than to take changes in: as after a load or a clear."""
    return changes > _FEW_CHANGES and changes > entries // 4


class IndexBuild:
    """One index on its way.

    Args:
        paths: The documents that it is to be built of.
        get: Returns a document as it is.
        entry_keys: A document's keys in it.
        in_scope: Says of any document whether it is to be in it.
    """

    def __init__(
        self,
        paths: Sequence[ResourcePath],
        get: Callable[[ResourcePath], DocumentSnapshot | None],
        entry_keys: EntryKeys,
        in_scope: Callable[[ResourcePath], bool],
    ) -> None:
        self._paths = paths
        self._get = get
        self.entry_keys = entry_keys
        self._in_scope = in_scope
        self._steps = self._work()
        self._changed: dict[ResourcePath, Change] = {}
        self._entries: list[Entry] = []
        self.is_done = False

    def step(self) -> None:
        """Do some milliseconds of the work."""
        if next(self._steps, self) is self:
            self.is_done = True

    def hear(self, changes: Iterable[DocumentChange]) -> None:
        """Take note of a commit."""
        for change in changes:
            if self._in_scope(change.path):
                before, _ = self._changed.get(change.path, (change.before, None))
                self._changed[change.path] = (before, change.after)

    @property
    def is_outdated(self) -> bool:
        """Whether so much has changed that it is better begun anew."""
        return changes_about_everything(len(self._changed), len(self._paths))

    def result(self) -> tuple[list[Entry], list[Change]]:
        """Return the entries of a finished build, sorted, and what to put right in them."""
        return self._entries, list(self._changed.values())

    def _as_it_was(self, path: ResourcePath) -> DocumentSnapshot | None:
        """Return a document as it was when the build began: as its first change found it."""
        change = self._changed.get(path)
        return self._get(path) if change is None else change[0]

    def _work(self) -> Iterator[None]:
        entry_keys = self.entry_keys
        runs: list[list[Entry]] = []
        for start in range(0, len(self._paths), _STEP):
            documents = map(self._as_it_was, self._paths[start : start + _STEP])
            runs.append(
                sorted((key, each.path) for each in documents if each for key in entry_keys(each))
            )
            yield
        while len(runs) > 1:
            merged = []
            for at in range(0, len(runs), 2):
                both = runs[at]
                if at + 1 < len(runs):
                    both += runs[at + 1]
                    both.sort()  # which finds the two runs, and merges them
                    yield
                merged.append(both)
            runs = merged
        self._entries = runs[0] if runs else []
