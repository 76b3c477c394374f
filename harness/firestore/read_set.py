"""What a transaction has read, and whether a change would have altered it.

Documents are kept by path, found or missing; a query is kept as what its result is made of, so that
a document that comes into a result is noticed as well as one that leaves it, and one that has no
part in it disturbs nobody. Nothing here knows who waits for whom.

Source: "Transactions and data contention", Serializable isolation; production's answers to a
document that is created beside, and not into, the result of an open transaction's query.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.firestore.documents import DocumentChange
from harness.firestore.filters import DocumentPredicate, compile_matcher
from harness.firestore.paths import ResourcePath
from harness.firestore.query import StructuredQuery


class ReadSet:
    """The documents and query results that one transaction has read."""

    __slots__ = ("_everything", "_paths", "_results")

    def __init__(self) -> None:
        self._paths: set[ResourcePath] = set()
        self._results: list[DocumentPredicate] = []
        self._everything = False

    def __contains__(self, path: ResourcePath) -> bool:
        """Say whether a document was read by its path."""
        return path in self._paths

    @property
    def paths(self) -> frozenset[ResourcePath]:
        """The documents that were read by their paths."""
        return frozenset(self._paths)

    def add_documents(self, paths: Iterable[ResourcePath]) -> None:
        """Add documents that were read by their paths, found or missing."""
        self._paths.update(paths)

    def add_query(self, query: StructuredQuery) -> None:
        """Add the result of a query, without regard to its limit and offset."""
        self._results.append(compile_matcher(query))

    def add_everything(self) -> None:
        """Add the whole database, for a read whose result depends on no single collection."""
        self._everything = True

    def is_disturbed_by(self, change: DocumentChange) -> bool:
        """Say whether what was read might read differently after a change."""
        if self._everything or change.path in self._paths:
            return True
        if not self._results:
            return False
        versions = [version for version in (change.before, change.after) if version is not None]
        return any(in_result(version) for in_result in self._results for version in versions)
