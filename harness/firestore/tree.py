"""Which documents and collections a database holds, as a tree. Nothing here knows fields.

Documents are counted where they are: per collection. The tree above them is touched only when a
collection gets its first document or loses its last.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.firestore.paths import ROOT, ResourcePath

_NONE: frozenset[ResourcePath] = frozenset()


class CollectionTree:
    """The existing documents by collection; the collections by id and by parent."""

    def __init__(self) -> None:
        self._documents: dict[ResourcePath, set[ResourcePath]] = {}
        self._by_id: dict[str, set[ResourcePath]] = {}
        # Parents of collections that hold documents, and the collections of those parents, up to
        # the root.
        self._children: dict[ResourcePath, set[ResourcePath]] = {}

    def add(self, path: ResourcePath) -> None:
        """Add a document."""
        collection_text = path.rpartition("/")[0]
        documents = self._documents.get(collection_text)  # type: ignore[call-overload]
        if documents is not None:
            documents.add(path)
            return
        collection = ResourcePath(collection_text)
        self._documents[collection] = {path}
        self._by_id.setdefault(collection.id, set()).add(collection)
        self._link(collection)

    def discard(self, path: ResourcePath) -> None:
        """Remove a document."""
        collection = path.parent()
        documents = self._documents[collection]
        documents.discard(path)
        if documents:
            return
        del self._documents[collection]
        same_id = self._by_id[collection.id]
        same_id.discard(collection)
        if not same_id:
            del self._by_id[collection.id]
        self._unlink(collection)

    def paths_in(self, collection: ResourcePath) -> tuple[ResourcePath, ...]:
        """Return the documents directly in a collection, in no order."""
        return tuple(self._documents.get(collection, _NONE))

    def count_in(self, collection: ResourcePath) -> int:
        """Return how many documents lie directly in a collection."""
        return len(self._documents.get(collection, _NONE))

    def collections_with_id(self, collection_id: str) -> tuple[ResourcePath, ...]:
        """Return the collections with an id that hold documents, wherever they lie, in no order."""
        return tuple(self._by_id.get(collection_id, _NONE))

    def collections_below(self, parent: ResourcePath) -> tuple[ResourcePath, ...]:
        """Return the collections directly below a path that hold or lead to documents."""
        return tuple(self._children.get(parent, _NONE))

    def parents_in(self, collection: ResourcePath) -> tuple[ResourcePath, ...]:
        """Return the paths directly in a collection, existing or not, with documents below them."""
        return tuple(self._children.get(collection, _NONE))

    def descendants(self, path: ResourcePath) -> Iterator[ResourcePath]:
        """Yield the documents strictly below a path, in no order.

        The tree must not change meanwhile.
        """
        pending = [path]
        while pending:
            node = pending.pop()
            yield from self._documents.get(node, _NONE)
            pending.extend(self._children.get(node, _NONE))

    def _link(self, node: ResourcePath) -> None:
        """Make a node known to its parent, and so on up, until a parent knows it already."""
        while node != ROOT:
            parent = node.parent()
            children = self._children.get(parent)
            if children is not None:
                children.add(node)
                return
            self._children[parent] = {node}
            node = parent

    def _unlink(self, node: ResourcePath) -> None:
        """Take away a node that holds nothing any more, and those above it that only led to it."""
        while node != ROOT and node not in self._children and node not in self._documents:
            parent = node.parent()
            children = self._children[parent]
            children.discard(node)
            if children:
                return
            del self._children[parent]
            node = parent
