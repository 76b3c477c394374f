"""The index that a query lacks: production's text and link, and what to add to the index file."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
    index_to_json,
    override_to_json,
)
from harness.firestore.paths import DatabaseName
from harness.firestore.query import NAME

_CONSOLE = "https://console.firebase.google.com/v1/r/project"
_SEVERAL_RANGES = (
    " .\nThe query contains range and inequality filters on multiple fields, please refer to the "
    "documentation for index selection best practices: "
    "https://cloud.google.com/firestore/docs/query-data/multiple-range-fields."
)
_SINGLE_FIELD_MODES = {
    IndexMode.ASCENDING: "ASC",
    IndexMode.DESCENDING: "DESC",
    IndexMode.CONTAINS: "CONTAINS",
}


@dataclass(frozen=True, slots=True)
class MissingIndex:
    """What a query needs and does not have: an answer about the system under test.

    `index` is the one that production would suggest; `definitions` are those the query was planned
    with, and `has_several_inequality_fields` adds a sentence to the message.
    """

    index: IndexDefinition
    definitions: IndexDefinitions
    has_several_inequality_fields: bool = False

    @property
    def single_field(self) -> IndexField | None:
        """The field, if a single-field index would do: it is exempt, or lacks this scope."""
        return self.index.single_field

    @property
    def suggestion(self) -> dict[str, object]:
        """What to add to the index file: `{"indexes": [...]}` or `{"fieldOverrides": [...]}`."""
        single = self.single_field
        if single is None:
            return {"indexes": [index_to_json(self.index)]}
        group = self.index.collection_group or ""
        # An override replaces what the field has, so the suggestion repeats it.
        existing = self.definitions.override_of(group, single.field)
        wanted = existing.indexes | {(self.index.query_scope, single.mode)}
        return {"fieldOverrides": [override_to_json(replace(existing, indexes=wanted))]}

    def link(self, database: DatabaseName) -> str:
        """Return the console link that creates the index.

        Source: recorded from production; the payload is a google.firestore.admin.v1.Index.
        """
        kind = "create_composite" if self.single_field is None else "create_exemption"
        payload = urlsafe_b64encode(self._encoded(database)).rstrip(b"=").decode()
        return f"{_CONSOLE}/{database.project}/firestore/indexes?{kind}={payload}"

    def message(self, database: DatabaseName) -> str:
        """Return the text of production's FAILED_PRECONDITION, word for word.

        Source: recorded from production.
        """
        if any(item.mode is IndexMode.VECTOR for item in self.index.fields):
            return self._vector_message(database)
        link = self.link(database)
        single = self.single_field
        if single is not None:
            kind = f"{self.index.query_scope.value}_{_SINGLE_FIELD_MODES[single.mode]}"
            return (
                f"The query requires a {kind} index for collection "
                f"{self.index.collection_group} and field {single.field}. "
                f"You can create it here: {link}"
            )
        several = _SEVERAL_RANGES if self.has_several_inequality_fields else ""
        return f"The query requires an index. You can create it here: {link}{several}"

    def _vector_message(self, database: DatabaseName) -> str:
        configs = []
        for item in self.index.fields:
            if item.mode is IndexMode.VECTOR:
                vector = f'{{"dimension":"{item.dimension}","flat": "{{}}"}}'
                configs.append(f"--field-config=vector-config='{vector}',field-path={item.field}")
            elif item.mode is IndexMode.CONTAINS:
                configs.append(f"--field-config=array-config=CONTAINS,field-path={item.field}")
            elif item.field != NAME:
                configs.append(f"--field-config=order={item.mode.value},field-path={item.field}")
        return (
            "Missing vector index configuration. Please create the required index with the "
            "following gcloud command: gcloud firestore indexes composite create "
            f"--project={database.project} "
            f"--collection-group={self.index.collection_group} "
            f"--query-scope={self.index.query_scope.value} " + " ".join(configs)
        )

    def _encoded(self, database: DatabaseName) -> bytes:
        single = self.single_field
        resource = "indexes/_" if single is None else f"fields/{single.field}"
        fields = self.index.fields if single is None else (single,)
        name = f"{database}/collectionGroups/{self.index.collection_group}/{resource}"
        scope = 1 if self.index.query_scope is QueryScope.COLLECTION else 2
        return (
            _length_delimited(1, name.encode())
            + _varint_field(2, scope)
            + b"".join(_length_delimited(3, b"".join(_encode_field(item))) for item in fields)
        )


def _encode_field(item: IndexField) -> Iterator[bytes]:
    yield _length_delimited(1, str(item.field).encode())
    match item.mode:
        case IndexMode.ASCENDING:
            yield _varint_field(2, 1)
        case IndexMode.DESCENDING:
            yield _varint_field(2, 2)
        case IndexMode.CONTAINS:
            yield _varint_field(3, 1)
        case IndexMode.VECTOR:
            pass  # vector indexes have no link: production names a gcloud command instead


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _length_delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content
