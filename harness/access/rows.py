"""A row as it was written -> `AccessRow`: what its keys mean together, and what does not fit.

YAML (`reader.py`) and CSV (`csv_rows.py`) both give `RowDraft`s. A draft may be `like` another: it
has that row's request, but for what it says itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from harness.access.model import (
    AccessRow,
    CollectionQuery,
    DocumentRead,
    DocumentWrite,
    DocumentWrites,
    ObjectRequest,
    RowRequest,
    StoredObject,
    WriteForm,
)
from harness.access.templates import Absence, Template, field_operations
from harness.config import Persona
from harness.errors import ConfigError, HarnessError, HarnessErrors
from harness.rules.request import Method
from harness.source import SourcePosition

ROW_KEYS = (
    "name", "like", "service", "method", "path", "group", "by", "data", "where", "order", "limit",
    "offset", "batch", "size", "content_type", "metadata", "given", "allow", "deny",
)  # fmt: skip
WRITE_KEYS = ("method", "path", "by", "data")

ALL, NONE, SIGNED_IN = "all", "none", "signed-in"
GROUP_WORDS = (ALL, NONE, SIGNED_IN)
"""What `allow` and `deny` may say instead of names."""

SERVICES = ("firestore", "storage")

_METHODS = [method.value for method in Method]
_GROUPS = {"read": "get or list", "write": "create, update or delete", "set": "create or update"}
_DEFAULT_FORMS = {Method.CREATE: WriteForm.CREATE, Method.UPDATE: WriteForm.UPDATE}
_OTHER_FORM = {Method.CREATE: WriteForm.UPDATE, Method.UPDATE: WriteForm.CREATE}
_WRITES = frozenset({Method.CREATE, Method.UPDATE, Method.DELETE})
_NOT_FOR = {
    "group": "a list", "where": "a list", "order": "a list", "limit": "a list",
    "offset": "a list", "by": "a create or an update", "data": "a create or an update",
    "size": "an upload to Storage", "content_type": "an upload to Storage",
    "metadata": "an upload to Storage",
}  # fmt: skip


@dataclass(slots=True)
class RowDraft:
    """The keys of a row, or of one write of a batch, as they were written.

    Args:
        values: What each key says; only those that are there. `data` is a template, `where` and
            `order` are read already, `batch` is a list of drafts.
        places: Where each key's value stands.
        at: Where the row begins.
    """

    values: dict[str, Any]
    places: Mapping[str, SourcePosition]
    at: SourcePosition

    def place(self, key: str) -> SourcePosition:
        """Return where a key's value stands; the row, if it came from the row that it is like."""
        return self.places.get(key, self.at)

    def error(self, key: str, problem: str, fix: str) -> ConfigError:
        """Make the error for a key."""
        return ConfigError(problem, fix=fix, at=self.place(key))


def rows_of(drafts: Sequence[RowDraft], personas: Mapping[str, Persona]) -> tuple[AccessRow, ...]:
    """Make the rows of a table.

    Raises:
        ConfigError: Something does not fit; several problems come as a group.
    """
    problems: list[HarnessError] = []
    by_name: dict[str, RowDraft] = {}
    for draft in drafts:
        name = draft.values["name"]
        if name in by_name:
            first = by_name[name].at.line
            problems.append(
                draft.error("name", f'"{name}" is on line {first} already', "give it another name")
            )
        else:
            by_name[name] = draft
    rows = []
    for draft in drafts:
        try:
            rows.append(_row(draft, by_name, personas))
        except HarnessError as error:
            problems.append(error)
    raise_all(problems)
    return tuple(rows)


def raise_all(problems: Sequence[HarnessError]) -> None:
    """Raise what was found, if anything: one error by itself, several as a group."""
    if problems:
        raise problems[0] if len(problems) == 1 else HarnessErrors(problems)


def personas_named(draft: RowDraft, key: str, personas: Mapping[str, Persona]) -> frozenset[str]:
    """Return the personas that `allow` or `deny` names."""
    said = draft.values[key]
    if said == ALL:
        return frozenset(personas)
    if said == NONE:
        return frozenset()
    if said == SIGNED_IN:
        return frozenset(name for name, who in personas.items() if who.uid is not None)
    names = (said,) if isinstance(said, str) else said
    for name in names:
        if name in personas:
            continue
        if name in GROUP_WORDS:
            raise draft.error(key, f"{key} has {name} among names", f"write {key}: {name}")
        raise draft.error(key, f'there is no persona "{name}"', _nearest(name, personas))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise draft.error(key, f"{key} names {twice} twice", "name each persona once")
    return frozenset(names)


def _row(
    draft: RowDraft, by_name: Mapping[str, RowDraft], personas: Mapping[str, Persona]
) -> AccessRow:
    allowed = _allowed(draft, personas)
    complete = _completed(draft, by_name, ())
    given = complete.values.get("given", {})
    return AccessRow(draft.values["name"], _request(complete), allowed, draft.at, given)


def _allowed(draft: RowDraft, personas: Mapping[str, Persona]) -> frozenset[str]:
    said = [key for key in ("allow", "deny") if key in draft.values]
    if len(said) != 1:
        problem = "both allow and deny" if said else "neither allow nor deny"
        fix = "say allow: [names], everyone else is denied; or deny: [names]"
        raise ConfigError(f'"{draft.values["name"]}" says {problem}', fix=fix, at=draft.at)
    named = personas_named(draft, said[0], personas)
    return named if said[0] == "allow" else frozenset(personas) - named


def _completed(draft: RowDraft, by_name: Mapping[str, RowDraft], seen: tuple[str, ...]) -> RowDraft:
    """Return a draft with what it takes over from the row that it is like."""
    base_name = draft.values.get("like")
    if base_name is None:
        return draft
    name = draft.values["name"]
    if base_name not in by_name:
        raise draft.error("like", f'there is no row "{base_name}"', _nearest(base_name, by_name))
    if base_name in (name, *seen):
        raise draft.error("like", f'"{name}" is like itself', "write one of the rows out")
    base = _completed(by_name[base_name], by_name, (*seen, name))
    values = {**base.values, **draft.values}
    _merge_data(values, base, draft)
    if "given" in base.values and "given" in draft.values:
        values["given"] = {**base.values["given"], **draft.values["given"]}
    if "batch" in base.values and "batch" in draft.values:
        values["batch"] = _merged_batch(base, draft)
    return RowDraft(values, draft.places, draft.at)


def _merged_batch(base: RowDraft, draft: RowDraft) -> list[RowDraft]:
    bases: list[RowDraft] = base.values["batch"]
    own: list[RowDraft] = draft.values["batch"]
    if len(own) > len(bases):
        raise draft.error(
            "batch",
            f"the row that it is like has {len(bases)} writes, this one {len(own)}",
            "write as many, {} for one that stays as it is; or write the row out",
        )
    merged = []
    for index, write in enumerate(bases):
        if index >= len(own):
            merged.append(write)
            continue
        values = {**write.values, **own[index].values}
        _merge_data(values, write, own[index])
        merged.append(RowDraft(values, own[index].places, own[index].at))
    return merged


def _merge_data(values: dict[str, Any], base: RowDraft, draft: RowDraft) -> None:
    if "data" in base.values and "data" in draft.values:
        values["data"] = {**base.values["data"], **draft.values["data"]}


def _request(draft: RowDraft) -> RowRequest:
    values = draft.values
    if "batch" in values:
        return _batch(draft)
    method = _method(draft)
    if values.get("service") == "storage":
        return _object_request(draft, method)
    if method is Method.LIST:
        return _query(draft)
    _refuse(draft, {"group", "where", "order", "limit", "offset", *_STORAGE_KEYS}, method)
    if method in _WRITES:
        return DocumentWrites((_write(draft, method),))
    _refuse(draft, {"by", "data"}, method)
    return DocumentRead(_document_path(draft))


_STORAGE_KEYS = frozenset({"size", "content_type", "metadata"})


def _batch(draft: RowDraft) -> DocumentWrites:
    others = {"method", "path", "group", "by", "data", "where", "order", "limit", "offset"}
    for key in sorted((others | _STORAGE_KEYS) & draft.values.keys()):
        raise draft.error(key, f"a batch and {key} in one row", f"move {key} into the batch")
    if draft.values.get("service") == "storage":
        raise draft.error("service", "Storage has no batches", "make it several rows")
    writes = []
    for write in draft.values["batch"]:
        method = _method(write)
        if method not in _WRITES:
            raise write.error(
                "method", f"a batch cannot {method.value}", "create, update or delete"
            )
        writes.append(_write(write, method))
    if not writes:
        raise draft.error("batch", "an empty batch", "list the writes")
    return DocumentWrites(tuple(writes), is_batch=True)


def _method(draft: RowDraft) -> Method:
    if "method" not in draft.values:
        raise ConfigError(
            "a request without a method", fix=f"say method: {', '.join(_METHODS)}", at=draft.at
        )
    said = draft.values["method"]
    if said in _METHODS:
        return Method(said)
    meant = _GROUPS.get(said)
    fix = f"a row is one request: {meant}" if meant else _nearest(said, _METHODS)
    raise draft.error("method", f'"{said}" is not a method', fix)


def _write(draft: RowDraft, method: Method) -> DocumentWrite:
    path = _document_path(draft)
    if method is Method.DELETE:
        _refuse(draft, {"by", "data"}, method)
        return DocumentWrite(method, path, draft.at)
    form = _DEFAULT_FORMS[method]
    if "by" in draft.values:
        said = draft.values["by"]
        forms = [other.value for other in WriteForm if other is not _OTHER_FORM[method]]
        if said not in forms:
            fix = f"a document is {method.value}d by {', '.join(forms[:-1])} or {forms[-1]}"
            raise draft.error("by", f"{method.value} by {said}", fix)
        form = WriteForm(said)
    data: dict[str, Template] = draft.values.get("data", {})
    if "data" not in draft.values:
        raise ConfigError(f"{method.value} without data", fix="say data: {…}", at=draft.at)
    _check_data(draft, form, data)
    return DocumentWrite(method, path, draft.at, form, data)


def _check_data(draft: RowDraft, form: WriteForm, data: Mapping[str, Template]) -> None:
    if form is WriteForm.UPDATE and not data:
        raise draft.error("data", "an update of nothing", "name the fields that it changes")
    for key, template in data.items():
        for operation in field_operations(template):
            if operation is not Absence.DELETED or form is WriteForm.MERGE:
                continue
            if form is not WriteForm.UPDATE:
                raise draft.error(
                    "data",
                    f"{key} is deleted by {form.value}",
                    "only update and merge can; $absent leaves a field out",
                )
            if template is not Absence.DELETED:
                raise draft.error(
                    "data",
                    f"an update deletes a field within {key}",
                    f"name it by its path: {key}.FIELD: $delete",
                )


def _query(draft: RowDraft) -> CollectionQuery:
    _refuse(draft, {"by", "data", *_STORAGE_KEYS}, Method.LIST)
    values = draft.values
    if ("group" in values) == ("path" in values):
        raise ConfigError(
            "a list names a path or a group",
            fix="path: users for a collection, group: members for a collection group",
            at=draft.at,
        )
    if "group" in values:
        path = values["group"]
        if "/" in path:
            raise draft.error(
                "group", f"a collection group's id has no slash: {path}", "name its last segment"
            )
    else:
        path = _path(draft)
        if path.count("/") % 2 == 1:
            raise draft.error(
                "path", f"list of a document's path: {path}", "name the collection, or method: get"
            )
    return CollectionQuery(
        path,
        "group" in values,
        values.get("where", ()),
        values.get("order", ()),
        values.get("limit"),
        values.get("offset", 0),
    )


def _object_request(draft: RowDraft, method: Method) -> ObjectRequest:
    keys = {"group", "by", "data", "where", "order", "limit", "offset"} & draft.values.keys()
    for key in sorted(keys):
        raise draft.error(key, f"{key} in a row of Storage", "remove it")
    path = draft.values.get("path")
    if path is None:
        raise ConfigError("a request without a path", fix="name the object", at=draft.at)
    if path.startswith("/") or "//" in path:
        raise draft.error("path", f"{path} has an empty segment", "write it as folder/name")
    if method is not Method.LIST and (not path or path.endswith("/")):
        raise draft.error("path", f"{method.value} of a folder", "name an object, or method: list")
    if method not in (Method.CREATE, Method.UPDATE):
        for key in sorted(_STORAGE_KEYS & draft.values.keys()):
            raise draft.error(key, f"{key} in a {method.value}", "remove it")
    if method is Method.UPDATE and "size" in draft.values:
        raise draft.error("size", "an update with a size", "an upload is create, also over a file")
    sent = StoredObject(
        draft.values.get("size", 0),
        draft.values.get("content_type"),
        draft.values.get("metadata", {}),
    )
    return ObjectRequest(method, path.rstrip("/"), sent)


def _document_path(draft: RowDraft) -> str:
    path = _path(draft)
    if path.count("/") % 2 == 0:
        method = draft.values["method"]
        fix = "name a document, or method: list" if method == "get" else "name a document"
        raise draft.error("path", f"{method} on a collection's path: {path}", fix)
    return path


def _path(draft: RowDraft) -> str:
    if "path" not in draft.values:
        raise ConfigError("a request without a path", fix="say path: users/$uid", at=draft.at)
    path: str = draft.values["path"]
    problem = problem_of_path(path)
    if problem is not None:
        raise draft.error("path", problem, "write it as users/ana")
    return path


def problem_of_path(path: str) -> str | None:
    """Return what is wrong with a path that is not written as `users/ana`; None if nothing is."""
    if path.startswith(("/", "databases/", "projects/")):
        return f"{path} is not a path from the database on"
    if "" in path.split("/"):
        return f"{path} has an empty segment"
    return None


def _refuse(draft: RowDraft, keys: Iterable[str], method: Method) -> None:
    for key in sorted(set(keys) & draft.values.keys()):
        raise draft.error(key, f"{key} is for {_NOT_FOR[key]}, not a {method.value}", "remove it")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(name, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(names[:12])}"
