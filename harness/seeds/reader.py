"""Text of a seed file -> SeedFile, with the position of whatever does not fit.

documents:
  users:                       # a collection, its documents by id
    ana: {name: Ana}
  users/ana/pets/rex: {age: 3} # or a document by its path
databases:
  analytics: {events/1: {n: 1}}
users:
  - {uid: ana, email: ana@example.com}
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from harness.errors import StatusError
from harness.firestore import limits
from harness.firestore.checks import check_fields
from harness.firestore.paths import ResourcePath, parse_database_name, parse_resource_name
from harness.firestore.sizes import document_size_bytes
from harness.firestore.values import Fields
from harness.seeds.model import DEFAULT_DATABASE, SeedFile, SeedUser
from harness.seeds.values import SeedValues
from harness.source import SourceText
from harness.yaml_settings import YamlReader

MAX_SEED_LENGTH = 4_000_000  # code points

_KEYS = ("documents", "databases", "users")
_USER_KEYS = ("uid", "email", "password", "email_verified", "claims")
_ROOT = "projects/p/databases/(default)/documents"


def parse_seed(source: SourceText) -> SeedFile:
    """Read a seed file, all of it or nothing.

    Raises:
        ConfigError: With the position of what is wrong.
    """
    return _SeedReader(source).seed()


class _SeedReader:
    def __init__(self, source: SourceText) -> None:
        self._reader = YamlReader(source, max_length=MAX_SEED_LENGTH, is_large=True)

    def seed(self) -> SeedFile:
        root = self._reader.root()
        if root is None:
            return SeedFile()
        parts = self._reader.mapping(root, "a seed", allowed=_KEYS)
        databases: dict[str, dict[ResourcePath, Fields]] = {}
        if "documents" in parts:
            databases[DEFAULT_DATABASE] = self._documents(parts["documents"], DEFAULT_DATABASE)
        if "databases" in parts:
            self._reader.mapping(parts["databases"], "databases")
            for key, name, node in _entries(parts["databases"]):
                self._check_database(key, name)
                if name in databases:
                    raise self._reader.error(
                        key, f"documents of {name} are there twice", "keep them in one place"
                    )
                databases[name] = self._documents(node, name)
        users = self._users(parts["users"]) if "users" in parts else ()
        return SeedFile(databases, users)

    def _documents(self, node: yaml.Node, database: str) -> dict[ResourcePath, Fields]:
        values = SeedValues(self._reader, database)
        documents: dict[ResourcePath, Fields] = {}
        for key, path, content in self._documents_by_path(node):
            if path in documents:
                raise self._reader.error(key, f"{path} is there twice", "keep one of them")
            documents[path] = self._fields(key, path, content, values)
        return documents

    def _documents_by_path(
        self, node: yaml.Node
    ) -> Iterator[tuple[yaml.Node, ResourcePath, yaml.Node]]:
        self._reader.mapping(node, "documents")
        for key, name, content in _entries(node):
            path = self._path(key, name)
            if path.is_document:
                yield key, path, content
                continue
            self._reader.mapping(content, f"the collection {path}")
            for id_key, document_id, fields in _entries(content):
                below = self._path(id_key, f"{path}/{document_id}")
                if not below.is_document or "/" in document_id:
                    raise self._reader.error(
                        id_key, f'"{document_id}" is no document\'s id', "an id has no slash"
                    )
                yield id_key, below, fields

    def _path(self, key: yaml.Node, text: str) -> ResourcePath:
        try:
            _, path = parse_resource_name(f"{_ROOT}/{text}")
        except StatusError as error:
            raise self._reader.error(
                key,
                f'"{text}" is no path: {error.message}',
                "write users for a collection, users/ana for a document",
            ) from error
        return path

    def _fields(
        self, key: yaml.Node, path: ResourcePath, node: yaml.Node, values: SeedValues
    ) -> Fields:
        if not isinstance(node, yaml.MappingNode):
            raise self._reader.error(
                key, f"{path} has no fields", "write field: value lines below it, or {} for none"
            )
        fields = values.fields(node)
        try:
            check_fields(fields)
        except StatusError as error:
            raise self._reader.error(
                key, f"Firestore refuses {path}: {error.message}", "change its fields"
            ) from error
        size_bytes = document_size_bytes(path, fields)
        if size_bytes > limits.MAX_DOCUMENT_BYTES:
            raise self._reader.error(
                key,
                f"{path} has {size_bytes:,} bytes",
                f"a document has at most {limits.MAX_DOCUMENT_BYTES:,}",
            )
        return fields

    def _check_database(self, key: yaml.Node, name: str) -> None:
        try:
            parse_database_name(f"projects/p/databases/{name}")
        except StatusError as error:
            raise self._reader.error(
                key, f'"{name}" is no database\'s id', "write it as analytics, or (default)"
            ) from error

    def _users(self, node: yaml.Node) -> tuple[SeedUser, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._reader.error(node, "users is not a list", "write it as - uid: ana")
        users: dict[str, SeedUser] = {}
        for each in node.value:
            user = self._user(each)
            if user.uid in users:
                raise self._reader.error(each, f"the user {user.uid} is there twice", "keep one")
            users[user.uid] = user
        return tuple(users.values())

    def _user(self, node: yaml.Node) -> SeedUser:
        reader = self._reader
        parts = reader.mapping(node, "a user", allowed=_USER_KEYS)
        if "uid" not in parts:
            raise reader.error(node, "a user without uid", "write - uid: ana")
        claims = reader.plain(parts["claims"], "claims") if "claims" in parts else {}
        if not isinstance(claims, dict):
            raise reader.error(parts["claims"], "claims is not a mapping", "write {role: admin}")
        return SeedUser(
            reader.string(parts["uid"], "uid"),
            reader.string(parts["email"], "email") if "email" in parts else None,
            reader.string(parts["password"], "password") if "password" in parts else None,
            "email_verified" in parts and reader.flag(parts["email_verified"], "email_verified"),
            claims,
        )


def _entries(node: yaml.Node) -> Iterator[tuple[yaml.Node, str, yaml.Node]]:
    """Yield the keys and values of what is known to be a mapping."""
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        yield key, str(key.value), value
