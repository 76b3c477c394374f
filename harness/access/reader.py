"""Files of the access matrix -> `AccessMatrix`.

The table is a YAML mapping, in harness.yaml or in a file of its own; its rows, documents and
objects may lie in further files, rows also as CSV. Text comes in through a function that is given.
Every error says where it is and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from harness.access.csv_rows import csv_drafts
from harness.access.model import (
    AccessMatrix,
    FilterGroup,
    FilterTerm,
    FilterTree,
    StoredObject,
)
from harness.access.rows import (
    GROUP_WORDS,
    ROW_KEYS,
    SERVICES,
    WRITE_KEYS,
    RowDraft,
    problem_of_path,
    raise_all,
    rows_of,
)
from harness.access.templates import SERVER_TIME, Template, field_operations, holds_uid
from harness.access.yaml_values import ValueReader, timestamp_of
from harness.config import Persona
from harness.errors import ConfigError, HarnessError
from harness.firestore.query import Direction, Operator
from harness.firestore.values import Timestamp
from harness.source import SourcePosition, SourceText
from harness.yaml_settings import YamlReader

ReadText = Callable[[str], SourceText]

MAX_OBJECT_BYTES = 5 * 1024**4
"""Source: Cloud Storage quotas: 5 TiB for one object."""

_MATRIX_KEYS = ("now", "documents", "objects", "rows")
_OBJECT_KEYS = ("size", "content_type", "metadata")
_JSON_COLUMNS = frozenset(
    {"data", "where", "order", "limit", "offset", "size", "metadata", "given"}
)
_MILLISECOND_MICROS = 1_000

_OPERATORS = {
    "==": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    "<": Operator.LESS_THAN,
    "<=": Operator.LESS_THAN_OR_EQUAL,
    ">": Operator.GREATER_THAN,
    ">=": Operator.GREATER_THAN_OR_EQUAL,
    "in": Operator.IN,
    "not-in": Operator.NOT_IN,
    "array-contains": Operator.ARRAY_CONTAINS,
    "array-contains-any": Operator.ARRAY_CONTAINS_ANY,
}
_DIRECTIONS = {"asc": Direction.ASCENDING, "desc": Direction.DESCENDING}


def read_matrix(
    source: SourceText,
    *,
    key: str | None,
    personas: Mapping[str, Persona],
    project_id: str,
    now: Timestamp,
    read_text: ReadText,
) -> AccessMatrix:
    """Read an access matrix.

    Args:
        source: The file that holds it.
        key: The key of the file's mapping under which it is; None: the file is the table.
        personas: Those of harness.yaml.
        project_id: The emulators' project.
        now: When requests arrive, unless the table says it.
        read_text: Gives the text of a file by its path from the project's folder.
    Raises:
        ConfigError: Something does not fit; several problems of the rows come as a group.
        HarnessError: `read_text` raised it.
    """
    return _MatrixReader(personas, read_text).matrix(source, key, project_id, now)


class _MatrixReader:
    def __init__(self, personas: Mapping[str, Persona], read_text: ReadText) -> None:
        self._personas = personas
        self._read_text = read_text
        self._files: list[str] = []

    def matrix(
        self, source: SourceText, key: str | None, project_id: str, now: Timestamp
    ) -> AccessMatrix:
        reader, node = self._table(source, key)
        entries = reader.mapping(node, "the access matrix", allowed=_MATRIX_KEYS)
        self._check_personas(reader, node)
        if "now" in entries:
            now = self._now(reader, entries["now"])
        positions: dict[str, SourcePosition] = {}
        documents: dict[str, Mapping[str, Template]] = {}
        if "documents" in entries:
            found = _documents(*self._followed(reader, entries["documents"]), "documents")
            for path, (fields, at) in found.items():
                if "$uid" not in path and holds_uid(fields):
                    raise ConfigError(
                        f"{path} has $uid in a field: whose?",
                        fix="name the uid, or put $uid into the path: one for each persona",
                        at=at,
                    )
                documents[path], positions[path] = fields, at
        objects: dict[str, StoredObject] = {}
        if "objects" in entries:
            objects = self._objects(*self._followed(reader, entries["objects"]))
        if "rows" not in entries:
            raise reader.error(node, "an access matrix without rows", "say rows: [...]")
        rows = rows_of(self._drafts(reader, entries["rows"]), self._personas)
        return AccessMatrix(
            personas=self._personas,
            rows=rows,
            documents=documents,
            objects=objects,
            # Rules and server timestamps see whole milliseconds.
            now=Timestamp(now.micros - now.micros % _MILLISECOND_MICROS),
            project_id=project_id,
            files=(source.file_name, *self._files),
            positions=positions,
        )

    @staticmethod
    def _table(source: SourceText, key: str | None) -> tuple[YamlReader, yaml.Node]:
        reader = YamlReader(source)
        node = reader.root()
        if node is not None and key is not None:
            node = reader.mapping(node, source.file_name).get(key)
        if node is None:
            raise ConfigError(
                "an empty access matrix", fix="give it rows: [...]", at=source.position(0)
            )
        return reader, node

    def _check_personas(self, reader: YamlReader, node: yaml.Node) -> None:
        if not self._personas:
            raise reader.error(
                node, "an access matrix without personas", "name them in harness.yaml, personas:"
            )
        reserved = next((name for name in self._personas if name in GROUP_WORDS), None)
        if reserved is not None:
            raise reader.error(
                node,
                f'a persona is called "{reserved}", which in allow and deny means others',
                "give it another name in harness.yaml",
            )

    @staticmethod
    def _now(reader: YamlReader, node: yaml.Node) -> Timestamp:
        moment = timestamp_of(node.value) if isinstance(node, yaml.ScalarNode) else None
        if moment is None:
            raise reader.error(node, "now is not a time", "write it as 2026-01-31T12:00:00Z")
        return moment

    def _followed(self, reader: YamlReader, node: yaml.Node) -> tuple[YamlReader, yaml.Node]:
        """Return what is written here, or the content of the file that is named here."""
        if not isinstance(node, yaml.ScalarNode) or reader.is_null(node):
            return reader, node
        return self._table(self._text(reader, node), None)

    def _text(self, reader: YamlReader, node: yaml.Node) -> SourceText:
        path = reader.path(node, "the file")
        self._files.append(path)
        try:
            return self._read_text(path)
        except HarnessError as error:
            if error.at is not None:
                raise
            raise ConfigError(error.problem, fix=error.fix, at=reader.position(node)) from error

    # Samples

    def _objects(self, reader: YamlReader, node: yaml.Node) -> dict[str, StoredObject]:
        objects = {}
        for path, about in reader.mapping(node, "objects").items():
            ValueReader(reader).text(path, about, "an object's path")
            entries = (
                {} if reader.is_null(about) else reader.mapping(about, path, allowed=_OBJECT_KEYS)
            )
            objects[path] = StoredObject(
                **{
                    ("size_bytes" if key == "size" else key): _row_value(reader, key, value)
                    for key, value in entries.items()
                }
            )
        return objects

    # Rows

    def _drafts(self, reader: YamlReader, node: yaml.Node) -> list[RowDraft]:
        if isinstance(node, yaml.ScalarNode) and node.value.lower().endswith(".csv"):
            return csv_drafts(self._text(reader, node), self._personas, draft_of_texts)
        reader, node = self._followed(reader, node)
        if not isinstance(node, yaml.SequenceNode):
            raise reader.error(node, "rows is not a list", "begin each row with a dash")
        drafts = []
        problems: list[HarnessError] = []
        for index, row in enumerate(node.value):
            try:
                drafts.append(_draft(reader, row, f"row {index + 1}"))
            except HarnessError as error:
                problems.append(error)
        raise_all(problems)
        return drafts


def draft_of_texts(
    texts: Mapping[str, str], places: Mapping[str, SourcePosition], at: SourcePosition
) -> RowDraft:
    """Make a draft of the cells of a CSV row.

    Raises:
        ConfigError: A cell does not hold what its column says, at the cell's position.
    """
    values = {}
    for key, text in texts.items():
        content = text if key in _JSON_COLUMNS else json.dumps(text)
        reader = YamlReader(SourceText(places[key].file_name, content))
        try:
            node = reader.root()
            if node is None:
                continue
            values[key] = _row_value(reader, key, node)
        except ConfigError as error:
            raise ConfigError(error.problem, fix=error.fix, at=places[key]) from error
    return RowDraft(values, places, at)


def _draft(reader: YamlReader, node: yaml.Node, name: str) -> RowDraft:
    entries = reader.mapping(node, name, allowed=ROW_KEYS)
    if "name" not in entries:
        raise reader.error(node, f"{name} has no name", "say name: what the request does")
    return RowDraft(
        {key: _row_value(reader, key, value) for key, value in entries.items()},
        {key: reader.position(value) for key, value in entries.items()},
        reader.position(node),
    )


def _row_value(reader: YamlReader, key: str, node: yaml.Node) -> Any:
    """Read what one key of a row says."""
    values = ValueReader(reader)
    match key:
        case "data":
            return values.fields(node, "data")
        case "where":
            return _filters(reader, values, node)
        case "order":
            return _order(reader, values, node)
        case "limit" if reader.is_null(node):
            return None
        case "limit" | "offset":
            return _number(reader, node, key, 2**31 - 1)
        case "size":
            return _number(reader, node, key, MAX_OBJECT_BYTES)
        case "batch":
            return _batch(reader, node)
        case "given":
            return _given(reader, node)
        case "allow" | "deny":
            if isinstance(node, yaml.SequenceNode):
                return reader.strings(node, key)
            return reader.string(node, key)
        case "metadata":
            return {
                name: reader.string(value, f"metadata.{name}")
                for name, value in reader.mapping(node, "metadata").items()
            }
        case "service":
            service = reader.string(node, key)
            if service not in SERVICES:
                raise reader.error(node, f'"{service}" is no service', "firestore or storage")
            return service
        case "path" | "group":
            if isinstance(node, yaml.ScalarNode) and node.value == "":
                return ""
            return values.text(reader.string(node, key), node, key)
        case _:
            return reader.string(node, key)


def _documents(
    reader: YamlReader, node: yaml.Node, name: str
) -> dict[str, tuple[dict[str, Template], SourcePosition]]:
    """Read documents by path, each with its place."""
    documents = {}
    for path, fields_node in reader.mapping(node, name).items():
        at = reader.position(fields_node)
        documents[path] = (_document(reader, path, fields_node), at)
    return documents


def _document(reader: YamlReader, path: str, node: yaml.Node) -> dict[str, Template]:
    values = ValueReader(reader)
    values.text(path, node, "a document's path")
    problem = problem_of_path(path)
    if problem is not None:
        raise reader.error(node, problem, "write it as users/ana")
    if path.count("/") % 2 == 0:
        raise reader.error(node, f"{path} is a collection's path", "name a document: users/ana")
    fields = values.fields(node, path)
    if any(operation is not SERVER_TIME for operation in field_operations(fields)):
        raise reader.error(
            node, f"{path} has a field operation", "a stored document has values only"
        )
    return fields


def _given(reader: YamlReader, node: yaml.Node) -> dict[str, Mapping[str, Template] | None]:
    """Read the documents of one row; null for one that is not there."""
    return {
        path: None if reader.is_null(fields) else _document(reader, path, fields)
        for path, fields in reader.mapping(node, "given").items()
    }


def _batch(reader: YamlReader, node: yaml.Node) -> list[RowDraft]:
    if not isinstance(node, yaml.SequenceNode):
        raise reader.error(node, "batch is not a list", "begin each write with a dash")
    drafts = []
    for index, write in enumerate(node.value):
        entries = reader.mapping(write, f"batch[{index}]", allowed=WRITE_KEYS)
        drafts.append(
            RowDraft(
                {key: _row_value(reader, key, value) for key, value in entries.items()},
                {key: reader.position(value) for key, value in entries.items()},
                reader.position(write),
            )
        )
    return drafts


def _number(reader: YamlReader, node: yaml.Node, name: str, most: int) -> int:
    value = reader.plain(node, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise reader.error(node, f"{name} is not a whole number", f"write one from 0 to {most:,}")
    return value


def _filters(reader: YamlReader, values: ValueReader, node: yaml.Node) -> tuple[FilterTree, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise reader.error(node, "where is not a list", "write it as [[field, ==, value]]")
    return tuple(_filter(reader, values, term) for term in node.value)


def _filter(reader: YamlReader, values: ValueReader, node: yaml.Node) -> FilterTree:
    if isinstance(node, yaml.MappingNode):
        entries = reader.mapping(node, "a filter", allowed=("and", "or"))
        if len(entries) != 1:
            raise reader.error(node, "a filter is and, or or", "write {or: [[…], […]]}")
        ((join, terms),) = entries.items()
        return FilterGroup(join == "or", _filters(reader, values, terms))
    if not isinstance(node, yaml.SequenceNode) or len(node.value) != 3:
        raise reader.error(node, "a filter has three parts", "write it as [field, ==, value]")
    field, operator, operand = node.value
    # By its text: to YAML a plain `=` is something of its own.
    said = operator.value if isinstance(operator, yaml.ScalarNode) else ""
    known = _OPERATORS.get(said.replace("_", "-"))
    if known is None:
        raise reader.error(operator, f'"{said}" is no operator', f"known: {', '.join(_OPERATORS)}")
    value = values.value(operand, "the operand")
    if any(operation is not SERVER_TIME for operation in field_operations(value)):
        raise reader.error(operand, "a field operation in a filter", "write a value")
    path = values.text(reader.string(field, "the field"), field, "the field")
    return FilterTerm(path, known, value)


def _order(
    reader: YamlReader, values: ValueReader, node: yaml.Node
) -> tuple[tuple[str, Direction], ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise reader.error(node, "order is not a list", "write it as [[createdAt, desc]]")
    orders = []
    for key in node.value:
        parts = key.value if isinstance(key, yaml.SequenceNode) else [key]
        if len(parts) not in (1, 2):
            raise reader.error(key, "an order is a field and a direction", "[createdAt, desc]")
        field = values.text(reader.string(parts[0], "the field"), parts[0], "the field")
        said = reader.string(parts[1], "the direction").lower() if len(parts) == 2 else "asc"
        if said not in _DIRECTIONS:
            raise reader.error(parts[1], f'"{said}" is no direction', "write asc or desc")
        orders.append((field, _DIRECTIONS[said]))
    return tuple(orders)
