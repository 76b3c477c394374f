"""Index definitions: what `firestore.indexes.json` says, and the automatic indexes.

No index entries here (`indexes.py`) and no choice between indexes (`planner.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

from harness.errors import ConfigError, HarnessError, HarnessErrors, StatusError
from harness.firestore import limits
from harness.firestore.paths import FieldPath, parse_field_path
from harness.firestore.query import NAME


class QueryScope(Enum):
    """Whether an index serves queries of one collection, or of all collections with its id."""

    COLLECTION = "COLLECTION"
    COLLECTION_GROUP = "COLLECTION_GROUP"


class IndexMode(Enum):
    """How a field is indexed."""

    ASCENDING = "ASCENDING"
    DESCENDING = "DESCENDING"
    CONTAINS = "CONTAINS"
    VECTOR = "VECTOR"


@dataclass(frozen=True, slots=True)
class IndexField:
    """One field of an index. `dimension` is set for a vector."""

    field: FieldPath
    mode: IndexMode
    dimension: int | None = None

    def __str__(self) -> str:
        """Print it as query explain does: `status ASC`, `tags ARRAY_CONTAINS`, `emb VECTOR<3>`."""
        if self.mode is IndexMode.VECTOR:
            return f"{self.field} VECTOR<{self.dimension}>"
        return f"{self.field} {_EXPLAINED_MODES[self.mode]}"


_EXPLAINED_MODES = {
    IndexMode.ASCENDING: "ASC",
    IndexMode.DESCENDING: "DESC",
    IndexMode.CONTAINS: "ARRAY_CONTAINS",
}


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """One index. `fields` are complete: the implied `__name__` is among them (before a vector).

    `collection_group` is None for the key index over every collection, which serves kindless
    queries.
    """

    collection_group: str | None
    query_scope: QueryScope
    fields: tuple[IndexField, ...]

    @property
    def properties(self) -> str:
        """The fields as query explain prints them: `(status ASC, total DESC, __name__ DESC)`."""
        return "(" + ", ".join(map(str, self.fields)) + ")"

    @property
    def single_field(self) -> IndexField | None:
        """The field of a single-field index; None for a composite, vector or key index."""
        first = self.fields[0]
        if (
            len(self.fields) == 2
            and first.field != NAME
            and first.mode is not IndexMode.VECTOR
            and with_implied_name((first,)) == self.fields
        ):
            return first
        return None


def with_implied_name(fields: Sequence[IndexField]) -> tuple[IndexField, ...]:
    """Complete the fields of a definition with `__name__`, if they lack it.

    It takes the direction of the last field, ascending after an array field; a vector stays last.

    Source: google.firestore.admin.v1 Index.fields; query explain of a vector index.
    """
    if any(indexed.field == NAME for indexed in fields):
        return tuple(fields)
    scalars = [indexed for indexed in fields if indexed.mode is not IndexMode.VECTOR]
    vectors = [indexed for indexed in fields if indexed.mode is IndexMode.VECTOR]
    descends = bool(scalars) and scalars[-1].mode is IndexMode.DESCENDING
    mode = IndexMode.DESCENDING if descends else IndexMode.ASCENDING
    return (*scalars, IndexField(NAME, mode), *vectors)


SingleFieldIndexes = frozenset[tuple[QueryScope, IndexMode]]

AUTOMATIC: Final[SingleFieldIndexes] = frozenset(
    {
        (QueryScope.COLLECTION, IndexMode.ASCENDING),
        (QueryScope.COLLECTION, IndexMode.DESCENDING),
        (QueryScope.COLLECTION, IndexMode.CONTAINS),
    }
)
"""The indexes that a field has when nothing says otherwise.

Source: Firestore, "Index types", Automatic indexing.
"""

EVERY_FIELD: Final = FieldPath(("*",))


@dataclass(frozen=True, slots=True)
class FieldOverride:
    """The indexes of one field, in place of the automatic ones. None at all: an exemption.

    Attributes:
        ttl: Whether the field says when a document expires: `time_to_live.py`.
    """

    collection_group: str
    field: FieldPath
    indexes: SingleFieldIndexes
    ttl: bool = False


@dataclass(frozen=True, slots=True)
class IndexDefinitions:
    """All that `firestore.indexes.json` defines; without arguments, what holds without it."""

    composites: tuple[IndexDefinition, ...] = ()
    overrides: tuple[FieldOverride, ...] = ()
    _composites_of: Mapping[tuple[str | None, QueryScope], tuple[IndexDefinition, ...]] = field(
        init=False, repr=False, compare=False
    )
    _overrides_of: Mapping[tuple[str, FieldPath], SingleFieldIndexes] = field(
        init=False, repr=False, compare=False
    )
    _groups_with_arrays: frozenset[str | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        grouped: dict[tuple[str | None, QueryScope], tuple[IndexDefinition, ...]] = {}
        for index in self.composites:
            key = (index.collection_group, index.query_scope)
            grouped[key] = (*grouped.get(key, ()), index)
        object.__setattr__(self, "_composites_of", grouped)
        object.__setattr__(
            self,
            "_overrides_of",
            {(item.collection_group, item.field): item.indexes for item in self.overrides},
        )
        with_arrays = frozenset(
            index.collection_group
            for index in self.composites
            if any(indexed.mode is IndexMode.CONTAINS for indexed in index.fields)
        )
        object.__setattr__(self, "_groups_with_arrays", with_arrays)

    @property
    def expiry_fields(self) -> Mapping[str, FieldPath]:
        """The field that says when a document expires, of each collection group with a TTL
        policy.
        """
        return {each.collection_group: each.field for each in self.overrides if each.ttl}

    def override_of(self, collection_group: str, path: FieldPath) -> FieldOverride:
        """Return the override that says what a field has now, for one that is to replace it."""
        return FieldOverride(
            collection_group,
            path,
            self.single_field_indexes(collection_group, path),
            ttl=self.expiry_fields.get(collection_group) == path,
        )

    def composites_of(
        self, collection_group: str | None, query_scope: QueryScope
    ) -> tuple[IndexDefinition, ...]:
        """Return the composite and vector indexes of a collection group at one scope."""
        return self._composites_of.get((collection_group, query_scope), ())

    def has_array_composites(self, collection_group: str) -> bool:
        """Say whether a composite index may have several entries of one document of a group."""
        return collection_group in self._groups_with_arrays

    def single_field_indexes(self, collection_group: str, path: FieldPath) -> SingleFieldIndexes:
        """Return the single-field indexes of a field.

        They are its override's, else an enclosing map's, else the default's.

        Source: Firestore, "Index types", Single-field index exemptions; the field path `*` is the
        default.
        """
        overrides = self._overrides_of
        if not overrides:
            return AUTOMATIC
        for length in range(len(path), 0, -1):
            found = overrides.get((collection_group, FieldPath(path[:length])))
            if found is not None:
                return found
        return overrides.get((collection_group, EVERY_FIELD), AUTOMATIC)


def index_to_json(index: IndexDefinition) -> dict[str, object]:
    """Return the entry of `indexes` in `firestore.indexes.json` that defines an index."""
    fields = [item for item in index.fields if item.field != NAME]
    if with_implied_name(fields) != index.fields:
        fields = list(index.fields)
    return {
        "collectionGroup": index.collection_group,
        "queryScope": index.query_scope.value,
        "fields": [_field_to_json(item) for item in fields],
    }


def _field_to_json(item: IndexField) -> dict[str, object]:
    described: dict[str, object] = {"fieldPath": str(item.field)}
    if item.mode is IndexMode.VECTOR:
        described["vectorConfig"] = {"dimension": item.dimension, "flat": {}}
    elif item.mode is IndexMode.CONTAINS:
        described["arrayConfig"] = "CONTAINS"
    else:
        described["order"] = item.mode.value
    return described


def override_to_json(override: FieldOverride) -> dict[str, object]:
    """Return the entry of `fieldOverrides` in `firestore.indexes.json` that defines an override."""
    return {
        "collectionGroup": override.collection_group,
        "fieldPath": str(override.field),
        **({"ttl": True} if override.ttl else {}),
        "indexes": [
            {
                "arrayConfig" if mode is IndexMode.CONTAINS else "order": mode.value,
                "queryScope": scope.value,
            }
            for scope, mode in sorted(
                override.indexes, key=lambda item: (item[0].value, item[1].value)
            )
        ],
    }


def parse_index_file(document: object, source_name: str) -> IndexDefinitions:
    """Read the parsed JSON of `firestore.indexes.json`.

    Args:
        document: What the JSON text holds: `{"indexes": [...], "fieldOverrides": [...]}`.
        source_name: The file's name, for messages.
    Raises:
        ConfigError: One problem; HarnessErrors: several.
    Source: firebase-tools, firestore/indexes.ts (validation), and the schema of
    firestore.indexes.json.
    """
    reader = _IndexFileReader(source_name)
    definitions = reader.read(document)
    if len(reader.problems) == 1:
        raise reader.problems[0]
    if reader.problems:
        raise HarnessErrors(reader.problems)
    return definitions


def usable_indexes(
    document: object, source_name: str
) -> tuple[IndexDefinitions, tuple[HarnessError, ...]]:
    """Read the entries of `firestore.indexes.json` that can be used, and what is wrong with the
    rest.

    For a server that has to run: whether the file can be deployed is not its question.

    Raises:
        ConfigError: It is no such file: it has no entries to read.
    """
    reader = _IndexFileReader(source_name)
    definitions = reader.read(document)
    if not isinstance(document, Mapping) or any(
        not isinstance(document.get(key, []), list) for key in ("indexes", "fieldOverrides")
    ):
        raise reader.problems[0]
    return definitions, tuple(reader.problems)


def duplicates(definitions: IndexDefinitions) -> tuple[IndexDefinition, ...]:
    """Return the indexes that are defined more than once."""
    counts = Counter(definitions.composites)
    return tuple(index for index, count in counts.items() if count > 1)


class _Malformed(Exception):
    """A part of the file cannot be read: it is already among the problems."""


_INDEX_KEYS = (
    "collectionGroup",
    "collectionId",
    "queryScope",
    "fields",
    "apiScope",
    "density",
    "multikey",
    "unique",
)
_FIELD_KEYS = ("fieldPath", "order", "arrayConfig", "vectorConfig", "mode", "searchConfig")
_OVERRIDE_KEYS = ("collectionGroup", "fieldPath", "ttl", "indexes")
_OVERRIDE_INDEX_KEYS = (
    "order",
    "arrayConfig",
    "queryScope",
    "apiScope",
    "density",
    "multikey",
    "mode",
)


class _IndexFileReader:
    """Reads the whole file and keeps every problem, so that the user sees them all at once."""

    def __init__(self, source_name: str) -> None:
        self.source_name = source_name
        self.problems: list[HarnessError] = []

    def read(self, document: object) -> IndexDefinitions:
        try:
            content = self.mapping(document, "the file", ("indexes", "fieldOverrides"))
        except _Malformed:
            return IndexDefinitions()
        composites = self.each(content.get("indexes", []), "indexes", self.index)
        overrides = self.each(content.get("fieldOverrides", []), "fieldOverrides", self.override)
        self.check_one_expiry_field(overrides)
        count = len(set(composites))
        if count > limits.MAX_COMPOSITE_INDEXES:
            # Deploying such a file fails, so nothing else is done with it either.
            self.refuse(
                "indexes",
                f"{count:,} composite indexes; a database has at most "
                f"{limits.MAX_COMPOSITE_INDEXES:,}",
                "remove those that no query needs, or rely on merging of indexes",
            )
        return IndexDefinitions(tuple(composites), tuple(overrides))

    def check_one_expiry_field(self, overrides: Sequence[FieldOverride]) -> None:
        fields = {(each.collection_group, each.field) for each in overrides if each.ttl}
        for group, count in Counter(group for group, _ in fields).items():
            if count > 1:
                self.refuse(
                    "fieldOverrides",
                    f"{group} has {count} fields with a TTL policy; a collection group has one",
                    'leave "ttl": true with one of them',
                )

    def each(self, items: object, where: str, read: Any) -> list[Any]:
        found = []
        try:
            for position, item in enumerate(self.sequence(items, where)):
                known = len(self.problems)
                try:
                    entry = read(item, f"{where}[{position}]")
                except _Malformed:
                    continue
                if len(self.problems) == known:
                    found.append(entry)
        except _Malformed:
            pass
        return found

    def index(self, item: object, where: str) -> IndexDefinition:
        entry = self.mapping(item, where, _INDEX_KEYS)
        if entry.get("unique"):
            self.refuse(f"{where}.unique", "unique indexes are not supported", "remove `unique`")
        group = self.text(entry, "collectionGroup", where, old_name="collectionId")
        scope = self.scope(entry.get("queryScope", "COLLECTION"), f"{where}.queryScope")
        listed = self.each(entry.get("fields", []), f"{where}.fields", self.field)
        if not listed:
            self.refuse(
                f"{where}.fields",
                "an index needs fields",
                "list at least two fields, or remove the entry",
            )
            raise _Malformed
        if len(listed) < len(entry.get("fields", [])):
            raise _Malformed
        scalars = [part for part in listed if part.field != NAME]
        vectors = [part for part in listed if part.mode is IndexMode.VECTOR]
        if len(scalars) == 1 and not vectors and len(listed) == 1:
            # Production refuses both; those of a collection group are not automatic, though.
            if scope is QueryScope.COLLECTION_GROUP:
                self.refuse(
                    where,
                    f"an index of the one field {scalars[0].field} for a collection group "
                    "can be deployed under fieldOverrides only",
                    "move it there",
                )
            else:
                self.refuse(
                    where,
                    f"an index of the one field {scalars[0].field} is not necessary: "
                    "single fields are indexed automatically",
                    "remove it, or configure the field under fieldOverrides",
                )
        # A field may be listed as an array field and as a sort, but not twice as the same.
        if len({(part.field, part.mode) for part in listed}) < len(listed):
            self.refuse(f"{where}.fields", "a field is listed twice", "list each field once")
        return IndexDefinition(group, scope, with_implied_name(listed))

    def field(self, item: object, where: str) -> IndexField:
        entry = self.mapping(item, where, _FIELD_KEYS)
        path = self.path(self.text(entry, "fieldPath", where), f"{where}.fieldPath")
        if "searchConfig" in entry:
            self.refuse(
                where, "search indexes are not supported here", "remove the index from this file"
            )
            raise _Malformed
        if "vectorConfig" in entry:
            config = self.mapping(
                entry["vectorConfig"], f"{where}.vectorConfig", ("dimension", "flat")
            )
            dimension = config.get("dimension")
            if isinstance(dimension, str) and dimension.isdigit():
                dimension = int(dimension)
            if not isinstance(dimension, int) or not 1 <= dimension <= 2048:
                self.refuse(
                    f"{where}.vectorConfig.dimension",
                    "not a whole number from 1 to 2048",
                    "correct it",
                )
                raise _Malformed
            return IndexField(path, IndexMode.VECTOR, dimension)
        return IndexField(path, self.mode(entry, where))

    def mode(self, entry: Mapping[str, Any], where: str) -> IndexMode:
        given = [key for key in ("order", "arrayConfig", "mode") if key in entry]
        if len(given) != 1:
            self.refuse(
                where,
                "expected exactly one of order, arrayConfig and vectorConfig",
                'give "order": "ASCENDING" or "DESCENDING", or "arrayConfig": "CONTAINS"',
            )
            raise _Malformed
        (key,) = given
        value = entry[key]
        allowed = {
            "order": ("ASCENDING", "DESCENDING"),
            "arrayConfig": ("CONTAINS",),
            "mode": ("ASCENDING", "DESCENDING", "ARRAY_CONTAINS"),
        }[key]
        if value not in allowed:
            self.refuse(f"{where}.{key}", f"{value!r} is not {' or '.join(allowed)}", "correct it")
            raise _Malformed
        return IndexMode.CONTAINS if value == "ARRAY_CONTAINS" else IndexMode(value)

    def override(self, item: object, where: str) -> FieldOverride:
        entry = self.mapping(item, where, _OVERRIDE_KEYS)
        group = self.text(entry, "collectionGroup", where)
        text = self.text(entry, "fieldPath", where)
        path = EVERY_FIELD if text == "*" else self.path(text, f"{where}.fieldPath")
        if "indexes" not in entry and "ttl" not in entry:
            self.refuse(
                where, "an override needs indexes", 'give "indexes": [] to exempt the field'
            )
            raise _Malformed
        ttl = entry.get("ttl", False)
        if not isinstance(ttl, bool):
            self.refuse(f"{where}.ttl", f"{_shown(ttl)} is not true or false", "correct it")
            raise _Malformed
        if ttl and path == EVERY_FIELD:
            self.refuse(
                f"{where}.ttl",
                "a TTL policy is for one field, not for all",
                "name the field that holds the time at which a document expires",
            )
            raise _Malformed
        if "indexes" not in entry:
            return FieldOverride(group, path, AUTOMATIC, ttl)
        indexes = self.each(entry["indexes"], f"{where}.indexes", self.override_index)
        return FieldOverride(group, path, frozenset(indexes), ttl)

    def override_index(self, item: object, where: str) -> tuple[QueryScope, IndexMode]:
        entry = self.mapping(item, where, _OVERRIDE_INDEX_KEYS)
        scope = self.scope(entry.get("queryScope", "COLLECTION"), f"{where}.queryScope")
        return scope, self.mode(entry, where)

    def scope(self, value: object, where: str) -> QueryScope:
        try:
            return QueryScope(value)
        except ValueError:
            self.refuse(where, f"{value!r} is not COLLECTION or COLLECTION_GROUP", "correct it")
            raise _Malformed from None

    def path(self, text: str, where: str) -> FieldPath:
        try:
            return parse_field_path(text)
        except StatusError as error:
            self.refuse(where, error.message.rstrip("."), "correct the field path")
            raise _Malformed from error

    def text(
        self, entry: Mapping[str, Any], key: str, where: str, old_name: str | None = None
    ) -> str:
        value = entry.get(key)
        if value is None and old_name is not None:
            value = entry.get(old_name)
        if not isinstance(value, str) or not value:
            self.refuse(f"{where}.{key}", "expected a text that is not empty", f'add "{key}"')
            raise _Malformed
        return value

    def mapping(self, item: object, where: str, keys: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(item, Mapping):
            self.refuse(where, f"expected an object, found {_shown(item)}", "correct it")
            raise _Malformed
        for key in item:
            if key not in keys:
                near = get_close_matches(str(key), keys, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(keys)}"
                self.refuse(where, f"unknown key {key!r}", hint)
        return item

    def sequence(self, item: object, where: str) -> Sequence[Any]:
        if not isinstance(item, Sequence) or isinstance(item, str):
            self.refuse(where, f"expected a list, found {_shown(item)}", "correct it")
            raise _Malformed
        return item

    def refuse(self, where: str, problem: str, fix: str) -> None:
        self.problems.append(ConfigError(f"{self.source_name}: {where}: {problem}", fix=fix))


def _shown(item: object) -> str:
    return json.dumps(item, default=str)[:60]
