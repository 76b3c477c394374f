"""Named snapshots of a check's database: filled once, brought back at once.

They live in the Firestore, by project; a run's names are its own, so that no run meets what another
one's checks, which may have been written differently, have left.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import uuid4

from harness.errors import EnvironmentLacking
from harness.pytest_plugin.admin import FirestoreAdmin


@dataclass(slots=True)
class KeptSnapshots:
    """All snapshots that one process of a run has taken."""

    run: str = field(default_factory=lambda: uuid4().hex)
    taken: dict[tuple[str, str], FirestoreAdmin] = field(default_factory=dict)

    def forget(self) -> None:
        """Let the Firestore forget them."""
        for (_, name), firestore in self.taken.items():
            try:
                firestore.delete_snapshot(f"{self.run}.{name}")
            except EnvironmentLacking:
                return  # it has ended, and they with it


class FirestoreSnapshots:
    """The snapshots of the check's project, by their names."""

    def __init__(
        self,
        firestore: FirestoreAdmin,
        project_id: str,
        kept: KeptSnapshots,
        without_events: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._firestore = firestore
        self._project = project_id
        self._kept = kept
        self._without_events = without_events

    def save(self, name: str) -> None:
        """Keep the documents as they stand, under a name; what had the name is forgotten."""
        self._firestore.save_snapshot(f"{self._kept.run}.{name}")
        self._kept.taken[self._project, name] = self._firestore

    def restore(self, name: str) -> None:
        """Bring back the documents of a name, and no others. No function hears of it.

        Raises:
            KeyError: No check of this run has saved it in this project.
        """
        if (self._project, name) not in self._kept.taken:
            raise KeyError(f"no snapshot {name!r} has been saved")
        self._firestore.restore_snapshot(f"{self._kept.run}.{name}")

    def once(self, name: str, fill: Callable[[], object]) -> None:
        """Bring back the documents of a name; the first time, call `fill` to write them.

        No function hears of it either way.
        """
        if (self._project, name) in self._kept.taken:
            self.restore(name)
            return
        with self._without_events():
            fill()
        self.save(name)
