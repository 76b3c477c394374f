"""The access table: reads access.yaml and asks each row as each persona."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from google.api_core.exceptions import AlreadyExists, NotFound, PermissionDenied
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

TABLE = Path(__file__).with_name("access.yaml")
METHODS = ("get", "list", "create", "update", "delete")


@dataclass(frozen=True)
class AccessRow:
    """One request, and the personas to whom it is allowed."""

    name: str
    method: str
    allow: list[str]
    path: str = ""
    group: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    where: list[list[Any]] = field(default_factory=list)
    order: list[list[str]] = field(default_factory=list)
    limit: int | None = None

    @property
    def changes_data(self) -> bool:
        """Whether the request would write."""
        return self.method in ("create", "update", "delete")

    def is_allowed(self, client: firestore.Client, uid: str) -> bool:
        """Make the request; tell whether the rules let it through."""
        try:
            self._make(client, uid)
        except PermissionDenied:
            return False
        except (AlreadyExists, NotFound):
            return True  # the rules let it through; it was the data that did not fit
        return True

    def _make(self, client: firestore.Client, uid: str) -> None:
        if self.method == "list":
            self._query(client, uid).get()
            return
        document = client.document(self.path.replace("$uid", uid))
        if self.method == "get":
            document.get()
        elif self.method == "create":
            document.create(_filled_in(self.data, uid))
        elif self.method == "update":
            document.update(_filled_in(self.data, uid))
        else:
            document.delete()

    def _query(self, client: firestore.Client, uid: str) -> firestore.Query:
        query = client.collection_group(self.group) if self.group else client.collection(self.path)
        for path, operator, value in self.where:
            query = query.where(filter=FieldFilter(path, operator, _filled_in(value, uid)))
        for path, direction in self.order:
            descending = direction == "desc"
            query = query.order_by(path, direction="DESCENDING" if descending else "ASCENDING")
        return query.limit(self.limit) if self.limit is not None else query


def read_rows() -> list[AccessRow]:
    """The table's rows. A row with an unknown key, method or a name used twice is an error."""
    rows = [AccessRow(**row) for row in yaml.safe_load(TABLE.read_text(encoding="utf-8"))]
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice or any(row.method not in METHODS for row in rows):
        raise ValueError(f"{TABLE.name}: names used twice {sorted(twice)}, or an unknown method")
    return rows


def _filled_in(value: Any, uid: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled_in(item, uid) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled_in(item, uid) for item in value]
    if value == "$uid":
        return uid
    if value == "$now":
        return firestore.SERVER_TIMESTAMP
    if isinstance(value, str) and value.endswith("Z") and value[:4].isdigit():
        return datetime.fromisoformat(value)
    return value
