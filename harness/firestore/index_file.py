"""`firestore.indexes.json` with indexes added: text in, text out. What was there stays as it is,
with its comments and spaces.

Only what has to be is written: new entries at the end of their lists, and new modes at the end of
an override that is there already.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinitions,
    index_to_json,
    override_to_json,
)
from harness.firestore.index_suggestions import IndexSuggestion
from harness.source import SourceText
from harness.tolerant_json import JsonKind, JsonValue, parse_json

_EMPTY = "{}\n"


@dataclass(frozen=True, slots=True)
class _Insertion:
    at: int
    text: str


def with_suggestion(
    source: SourceText, suggestion: IndexSuggestion, definitions: IndexDefinitions
) -> str:
    """Return the text of an index file with a suggestion taken up.

    Args:
        source: The file; an empty one is a file without indexes.
        definitions: What it defines.
    Raises:
        ConfigError: The text is not JSON.
    """
    if not source.text.strip():
        source = SourceText(source.file_name, _EMPTY)
    text = source.text
    there = {(each.collection_group, each.field) for each in definitions.overrides}
    for override in suggestion.overrides:
        if (override.collection_group, override.field) in there:
            text = _with_modes(SourceText(source.file_name, text), override)
    added = {
        "indexes": [index_to_json(index) for index in suggestion.composites],
        "fieldOverrides": [
            override_to_json(each)
            for each in suggestion.overrides
            if (each.collection_group, each.field) not in there
        ],
    }
    for key, entries in added.items():
        if entries:
            text = _with_entries(SourceText(source.file_name, text), key, entries)
    return text


def _with_entries(source: SourceText, key: str, entries: Sequence[Mapping[str, object]]) -> str:
    """Add entries to one of the file's lists, which is made if it is not there."""
    root = parse_json(source)
    layout = _Layout.of(source.text, root)
    found = root.members.get(key)
    if found is not None and found.kind is JsonKind.ARRAY:
        return _inserted(source.text, layout.appended(found, entries, depth=1))
    return _inserted(source.text, layout.with_member(root, key, list(entries), depth=0))


def _with_modes(source: SourceText, override: FieldOverride) -> str:
    """Add to the last override of a field what it lacks."""
    root = parse_json(source)
    layout = _Layout.of(source.text, root)
    wanted = override_to_json(override)
    entry = next(
        each
        for each in reversed(root.members["fieldOverrides"].elements)
        if _text_of(each, "collectionGroup") == override.collection_group
        and _text_of(each, "fieldPath") == wanted["fieldPath"]
    )
    indexes = wanted["indexes"]
    assert isinstance(indexes, list)
    found = entry.members.get("indexes")
    if found is None:
        return _inserted(source.text, layout.with_member(entry, "indexes", indexes, depth=2))
    there = [_mode_of(each) for each in found.elements]
    missing = [each for each in indexes if (each["queryScope"], _mode(each)) not in there]
    return _inserted(source.text, layout.appended(found, missing, depth=3))


def _mode_of(entry: JsonValue) -> tuple[str, str | None]:
    value = entry.value()
    return value.get("queryScope", "COLLECTION"), _mode(value)


def _mode(entry: Mapping[str, str]) -> str | None:
    mode = entry.get("order") or entry.get("arrayConfig") or entry.get("mode")
    return "CONTAINS" if mode == "ARRAY_CONTAINS" else mode


def _text_of(entry: JsonValue, key: str) -> object:
    member = entry.members.get(key)
    return None if member is None else member.scalar


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a file is laid out: what one level is indented by, and how its lines end."""

    text: str
    indent: str
    line_end: str

    @classmethod
    def of(cls, text: str, root: JsonValue) -> _Layout:
        """Take it from the first member of the file."""
        first = next(iter(root.key_spans.values()), None)
        indent = "" if first is None else _leading_space(text, first.start)
        return cls(text, indent or "  ", "\r\n" if "\r\n" in text else "\n")

    def appended(
        self, array: JsonValue, entries: Sequence[Mapping[str, object]], *, depth: int
    ) -> list[_Insertion]:
        """Return what adds entries to the end of a list."""
        last = array.elements[-1].span.end if array.elements else None
        return self._at_the_end(array, last, [self._written(each) for each in entries], depth)

    def with_member(
        self, owner: JsonValue, key: str, value: object, *, depth: int
    ) -> list[_Insertion]:
        """Return what adds a member to the end of an object."""
        last = max((member.span.end for member in owner.members.values()), default=None)
        written = f"{json.dumps(key)}: {self._written(value)}"
        return self._at_the_end(owner, last, [written], depth)

    def _at_the_end(
        self, owner: JsonValue, last: int | None, entries: Sequence[str], depth: int
    ) -> list[_Insertion]:
        """Place entries before the closing bracket: on lines of their own, behind what is there."""
        closing = owner.span.end - 1
        margin = self.indent * (depth + 1)
        lines = [entry.replace("\n", self.line_end + margin) for entry in entries]
        block = ("," + self.line_end + margin).join(lines)
        comma = [] if last is None else [_Insertion(last, ",")]
        between = self.text[(owner.span.start + 1 if last is None else last) : closing]
        if "\n" in between:
            # Behind comments; the closing bracket keeps its own line.
            kept = between.rstrip(" \t\r\n")
            at = closing - len(between) + len(kept)
            return [*comma, _Insertion(at, self.line_end + margin + block)]
        tail = self.line_end + self.indent * depth
        return [*comma, _Insertion(closing, self.line_end + margin + block + tail)]

    def _written(self, value: object) -> str:
        """Write a value: what holds nothing but scalars on one line, as the guides do."""
        if isinstance(value, Mapping):
            if all(not isinstance(each, Mapping | list) or not each for each in value.values()):
                inner = ", ".join(
                    f"{json.dumps(name)}: {self._written(each)}" for name, each in value.items()
                )
                return f"{{ {inner} }}" if inner else "{}"
            parts = [f"{json.dumps(name)}: {self._written(each)}" for name, each in value.items()]
            return self._block("{", parts, "}")
        if isinstance(value, list):
            return self._block("[", list(map(self._written, value)), "]") if value else "[]"
        return json.dumps(value, ensure_ascii=False)

    def _block(self, opening: str, parts: Sequence[str], closing: str) -> str:
        margin = "\n" + self.indent
        lines = ("," + margin).join(part.replace("\n", margin) for part in parts)
        return f"{opening}{margin}{lines}\n{closing}"


def _leading_space(text: str, at: int) -> str:
    """Return the white space before a place, if there is nothing else on its line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line if "\n" in text[:at] and not line.strip() else ""


def _inserted(text: str, insertions: Sequence[_Insertion]) -> str:
    """Insert texts, given in the order of their places."""
    for insertion in reversed(insertions):  # so that the places before stay right
        text = text[: insertion.at] + insertion.text + text[insertion.at :]
    return text
