"""Reading and writing parts of a document's fields, without changing what others hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.firestore.paths import FieldPath
from harness.firestore.values import MISSING, Fields, Value, get_field


class FieldsEditor:
    """Changes to a document's fields, made on copies of the maps on the way to a change.

    The result is `fields`, and belongs to the caller when the editor is done.
    """

    __slots__ = ("_owned", "fields")

    def __init__(self, fields: Fields) -> None:
        self.fields: Fields = dict(fields)
        # By identity; holding them keeps their identities from being used again.
        self._owned: dict[int, dict[str, Value]] = {}

    def set(self, path: FieldPath, value: Value) -> None:
        """Put a value at a path. What is not a map on the way there is replaced by a map."""
        self._enclosing_map(path)[path[-1]] = value

    def delete(self, path: FieldPath) -> None:
        """Remove the value at a path, if there is one. The maps around it stay, even empty."""
        if get_field(self.fields, path) is not MISSING:
            del self._enclosing_map(path)[path[-1]]

    def _enclosing_map(self, path: FieldPath) -> dict[str, Value]:
        enclosing = self.fields
        for name in path[:-1]:
            nested = enclosing.get(name)
            if type(nested) is not dict:
                copy: dict[str, Value] = {}
            elif id(nested) in self._owned:
                enclosing = nested
                continue
            else:
                copy = dict(nested)
            self._owned[id(copy)] = copy
            enclosing[name] = copy
            enclosing = copy
        return enclosing


def merge_fields(editor: FieldsEditor, fields: Fields, mask: Sequence[FieldPath]) -> None:
    """Apply a masked update: each path takes its value from `fields`, or none if it has none."""
    for path in mask:
        value = get_field(fields, path)
        if value is MISSING:
            editor.delete(path)
        else:
            editor.set(path, value)


def project_fields(fields: Fields, paths: Iterable[FieldPath]) -> Fields:
    """Return only the fields at the given paths, each inside the maps around it.

    A path without a value adds nothing, not even the maps around it.
    """
    editor = FieldsEditor({})
    for path in paths:
        value = get_field(fields, path)
        if value is not MISSING:
            editor.set(path, value)
    return editor.fields
