"""A row's request as one persona sends it: templates filled, in the form that the backend takes.

What client libraries make of a call is here: which fields an update's mask names, which
precondition it carries. Asking the rules is `decide.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from harness.access.model import (
    CollectionQuery,
    DocumentWrite,
    FilterGroup,
    FilterTree,
    WriteForm,
)
from harness.access.templates import (
    Absence,
    FieldOperation,
    Filling,
    Template,
    written_fields,
)
from harness.firestore.documents import FieldTransform, Precondition, Write, WriteKind
from harness.firestore.masks import FieldsEditor
from harness.firestore.paths import ROOT, FieldPath, ResourcePath, parse_field_path
from harness.firestore.query import (
    CompositeFilter,
    CompositeOperator,
    FieldFilter,
    Filter,
    Operator,
    Order,
    StructuredQuery,
)

_NULL_OPERATORS = {Operator.EQUAL: Operator.IS_NULL, Operator.NOT_EQUAL: Operator.IS_NOT_NULL}
_NAN_OPERATORS = {Operator.EQUAL: Operator.IS_NAN, Operator.NOT_EQUAL: Operator.IS_NOT_NAN}


def write_of(write: DocumentWrite, filling: Filling) -> Write:
    """Return a write as the client library that makes the call would send it.

    Raises:
        StatusError: INVALID_ARGUMENT for a field path that is none.
    Source: proto comments of `Write`; google-cloud-firestore `_helpers.py` and firebase-js-sdk
        `user_data_reader.ts` agree on masks.
    """
    path = ResourcePath(filling.text(write.path))
    match write.form:
        case None:
            return Write(WriteKind.DELETE, path)
        case WriteForm.CREATE:
            return _replacing(path, write.data, filling, Precondition(exists=False))
        case WriteForm.SET:
            return _replacing(path, write.data, filling, None)
        case WriteForm.MERGE:
            sent = written_fields(write.data, filling)
            mask = (*sent.leaves, *sent.deleted)
            return Write(WriteKind.UPDATE, path, sent.fields, mask, sent.transforms)
        case WriteForm.UPDATE:
            return _updating(path, write.data, filling)
        case _:
            assert_never(write.form)


def query_of(query: CollectionQuery, filling: Filling) -> StructuredQuery:
    """Return a query as a client sends it.

    Raises:
        StatusError: INVALID_ARGUMENT for a field path that is none.
    """
    path = ResourcePath(filling.text(query.path))
    return StructuredQuery(
        parent=ROOT if query.is_group else path.parent(),
        collection_id=path if query.is_group else path.id,
        all_descendants=query.is_group,
        where=_filter(FilterGroup(False, query.where), filling) if query.where else None,
        order_by=tuple(
            Order(parse_field_path(filling.text(field)), direction)
            for field, direction in query.order
        ),
        offset=query.offset,
        limit=query.limit,
    )


def _replacing(
    path: ResourcePath,
    data: Mapping[str, Template],
    filling: Filling,
    precondition: Precondition | None,
) -> Write:
    sent = written_fields(data, filling)
    return Write(WriteKind.UPDATE, path, sent.fields, None, sent.transforms, precondition)


def _updating(path: ResourcePath, data: Mapping[str, Template], filling: Filling) -> Write:
    """An update names the fields that it changes, each by its path, and replaces them whole."""
    editor = FieldsEditor({})
    mask: list[FieldPath] = []
    transforms: list[FieldTransform] = []
    for key, template in data.items():
        target = parse_field_path(filling.text(key))
        if template is Absence.ABSENT:
            continue
        # Taken by itself, so that the paths within it can be put below its own.
        sent = written_fields({"value": template}, filling)
        transforms += [
            replace(transform, field=FieldPath((*target, *transform.field[1:])))
            for transform in sent.transforms
        ]
        if isinstance(template, FieldOperation):
            continue
        mask.append(target)
        if template is not Absence.DELETED:
            editor.set(target, sent.fields.get("value", {}))
    return Write(
        WriteKind.UPDATE,
        path,
        editor.fields,
        tuple(mask),
        tuple(transforms),
        Precondition(exists=True),
    )


def _filter(tree: FilterTree, filling: Filling) -> Filter:
    if isinstance(tree, FilterGroup):
        parts = tuple(_filter(term, filling) for term in tree.terms)
        if len(parts) == 1:
            return parts[0]
        operator = CompositeOperator.OR if tree.is_or else CompositeOperator.AND
        return CompositeFilter(operator, parts)
    field = parse_field_path(filling.text(tree.field))
    value = filling.value(tree.value)
    if value is None and tree.operator in _NULL_OPERATORS:
        return FieldFilter(field, _NULL_OPERATORS[tree.operator])
    if isinstance(value, float) and value != value and tree.operator in _NAN_OPERATORS:
        return FieldFilter(field, _NAN_OPERATORS[tree.operator])
    return FieldFilter(field, tree.operator, value)
