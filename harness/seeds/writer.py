"""SeedFile -> text that `reader.py` reads as the same again."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from harness.backend.clock import moment_text
from harness.firestore.paths import ResourcePath
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector
from harness.seeds.model import DEFAULT_DATABASE, OWN_PROJECT, SeedFile

_WIDTH = 100
_LINE_ENDS = re.compile("[\\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_timestamp(dumper: yaml.SafeDumper, value: Timestamp) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:timestamp", moment_text(value.micros))


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Other styles would fold what YAML 1.1 takes for the end of a line.
    style = '"' if _LINE_ENDS.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(Timestamp, _represent_timestamp)
_Dumper.add_representer(str, _represent_text)


def seed_text(seed: SeedFile) -> str:
    """Print a seed: collections, documents and fields in the order of their names."""
    content: dict[str, Any] = {}
    databases = {name: documents for name, documents in seed.databases.items() if documents}
    default = databases.pop(DEFAULT_DATABASE, None)
    if default:
        content["documents"] = _collections(default, DEFAULT_DATABASE)
    if databases:
        content["databases"] = {
            name: _collections(databases[name], name) for name in sorted(databases)
        }
    if seed.users:
        content["users"] = [_user(user) for user in seed.users]
    text: str = yaml.dump(
        content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDTH
    )
    return text


def _user(user: Any) -> dict[str, Any]:
    said = {
        "uid": user.uid,
        "email": user.email,
        "password": user.password,
        "email_verified": user.email_verified,
        "claims": dict(user.claims),
    }
    return {name: value for name, value in said.items() if value}


def _collections(
    documents: Mapping[ResourcePath, Fields], database: str
) -> dict[str, dict[str, Any]]:
    collections: dict[str, dict[str, Any]] = {}
    for path in sorted(documents, key=lambda each: each.segments):
        collection = collections.setdefault(str(path.parent()), {})
        collection[path.id] = _fields(documents[path], database)
    return {path: collections[path] for path in sorted(collections)}


def _fields(fields: Fields, database: str) -> dict[str, Any]:
    return {name: _plain(fields[name], database) for name in sorted(fields)}


def _plain(value: Value, database: str) -> Any:
    match value:
        case tuple():
            return [_plain(element, database) for element in value]
        case dict():
            content = _fields(value, database)
            return {"$map": content} if any(name.startswith("$") for name in value) else content
        case float() if not math.isfinite(value):
            return {"$double": str(value)}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case Reference():
            return {"$ref": _reference(value, database)}
        case GeoPoint():
            return {"$geo": [value.latitude, value.longitude]}
        case Vector():
            return {
                "$vector": [
                    number if math.isfinite(number) else str(number) for number in value.values
                ]
            }
        case _:
            return value


def _reference(value: Reference, database: str) -> str:
    if value.database.project != OWN_PROJECT:
        return f"{value.database}/documents/{value.path}"
    if value.database.database != database:
        return f"databases/{value.database.database}/documents/{value.path}"
    return str(value.path)
