"""What a seed file says: documents by database, and users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.values import Fields, Reference, Value

OWN_PROJECT = ""
"""The project of a reference that names none: the one that the seed is put into."""

DEFAULT_DATABASE = "(default)"


@dataclass(frozen=True, slots=True)
class SeedUser:
    """A user of the Auth emulator."""

    uid: str
    email: str | None = None
    password: str | None = None
    email_verified: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeedFile:
    """The content of one file.

    Args:
        databases: Documents by the id of their database. References that name no project have
            `OWN_PROJECT`.
    """

    databases: Mapping[str, Mapping[ResourcePath, Fields]] = field(default_factory=dict)
    users: tuple[SeedUser, ...] = ()

    @property
    def document_count(self) -> int:
        """How many documents there are, of all databases."""
        return sum(len(documents) for documents in self.databases.values())

    def documents(self, database: DatabaseName) -> dict[ResourcePath, Fields]:
        """Return what a database of some project is to hold."""
        documents = self.databases.get(database.database, {})
        return {
            path: references_moved(fields, OWN_PROJECT, database.project)
            for path, fields in documents.items()
        }


def references_moved(fields: Fields, project: str, to: str) -> Fields:
    """Return fields in which what refers to one project refers to another."""
    return {name: _moved(value, project, to) for name, value in fields.items()}


def _moved(value: Value, project: str, to: str) -> Value:
    if isinstance(value, Reference) and value.database.project == project:
        return Reference(DatabaseName(to, value.database.database), value.path)
    if isinstance(value, dict):
        return references_moved(value, project, to)
    if isinstance(value, tuple):
        return tuple(_moved(element, project, to) for element in value)
    return value
