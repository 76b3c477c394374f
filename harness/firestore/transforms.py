"""Field transforms: server time, arithmetic, arrays as sets.

Source: proto comments of `DocumentTransform.FieldTransform`; observed: emulator 1.22.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from harness.errors import StatusCode, StatusError
from harness.firestore.checks import check_field_path, check_fields
from harness.firestore.documents import FieldTransform, TransformKind
from harness.firestore.keys import value_key
from harness.firestore.masks import FieldsEditor
from harness.firestore.values import MISSING, Fields, Missing, Timestamp, Value, compare, get_field

_INT64_MIN = -(2**63)
_INT64_MAX = 2**63 - 1
_MILLISECOND_MICROS = 1_000


def request_time(now: Timestamp) -> Timestamp:
    """Return the server time that every REQUEST_TIME of a commit becomes: whole milliseconds."""
    return Timestamp(now.micros - now.micros % _MILLISECOND_MICROS)


def uses_request_time(transforms: Sequence[FieldTransform]) -> bool:
    """Whether one of them is a server timestamp."""
    return any(transform.kind is TransformKind.SET_TO_SERVER_VALUE for transform in transforms)


def check_transforms(transforms: Sequence[FieldTransform]) -> None:
    """Refuse transforms that cannot apply to any document.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    for transform in transforms:
        check_field_path(transform.field)
        match transform.kind:
            case TransformKind.SET_TO_SERVER_VALUE:
                continue
            case TransformKind.INCREMENT | TransformKind.MAXIMUM | TransformKind.MINIMUM:
                if not _is_number(transform.operand):
                    raise StatusError(StatusCode.INVALID_ARGUMENT, "Input must be int64 or double.")
            case TransformKind.APPEND_MISSING_ELEMENTS | TransformKind.REMOVE_ALL_FROM_ARRAY:
                if type(transform.operand) is not tuple:
                    raise StatusError(StatusCode.INVALID_ARGUMENT, "Input must be an array.")
            case _:
                assert_never(transform.kind)
        # As deep as it will be in the document.
        operand: Value = transform.operand
        for name in reversed(transform.field[1:]):
            operand = {name: operand}
        check_fields({transform.field[0]: operand})


def apply_transforms(
    editor: FieldsEditor, transforms: Sequence[FieldTransform], server_time: Timestamp
) -> tuple[Value, ...]:
    """Apply checked transforms, each to what the one before left; return their results."""
    results = []
    for transform in transforms:
        new_value = _transformed(get_field(editor.fields, transform.field), transform, server_time)
        editor.set(transform.field, new_value)
        # The array transforms answer null, not the array.
        results.append(None if type(transform.operand) is tuple else new_value)
    return tuple(results)


def transform_fields(
    fields: Fields, transforms: Sequence[FieldTransform], server_time: Timestamp
) -> tuple[Fields, tuple[Value, ...]]:
    """Return the transformed fields, and the transforms' results."""
    editor = FieldsEditor(fields)
    results = apply_transforms(editor, transforms, server_time)
    return editor.fields, results


def _transformed(
    stored: Value | Missing, transform: FieldTransform, server_time: Timestamp
) -> Value:
    operand = transform.operand
    match transform.kind:
        case TransformKind.SET_TO_SERVER_VALUE:
            return server_time
        case TransformKind.INCREMENT:
            return _increment(stored, operand)
        case TransformKind.MAXIMUM:
            return _extreme(stored, operand, 1)
        case TransformKind.MINIMUM:
            return _extreme(stored, operand, -1)
        case TransformKind.APPEND_MISSING_ELEMENTS:
            return _append_missing(stored, operand)
        case TransformKind.REMOVE_ALL_FROM_ARRAY:
            return _remove_all(stored, operand)
        case _:
            assert_never(transform.kind)


def _is_number(value: Value | Missing) -> bool:
    return type(value) is int or type(value) is float


def _increment(stored: Value | Missing, operand: Value) -> Value:
    if isinstance(stored, int) and isinstance(operand, int) and not isinstance(stored, bool):
        return max(_INT64_MIN, min(_INT64_MAX, stored + operand))
    if _is_number(stored):
        return float(stored) + float(operand)  # type: ignore[arg-type]
    return operand


def _extreme(stored: Value | Missing, operand: Value, sign: int) -> Value:
    """Return the larger (sign 1) or smaller (-1) number; if equal, the stored one. NaN wins."""
    if stored is MISSING or not _is_number(stored) or operand != operand:
        return operand
    if stored != stored:
        return stored
    return operand if compare(operand, stored) * sign > 0 else stored


def _append_missing(stored: Value | Missing, operand: Value) -> Value:
    elements = list(stored) if isinstance(stored, tuple) else []
    present = set(map(value_key, elements))
    for element in operand:  # type: ignore[union-attr]
        key = value_key(element)
        if key not in present:
            present.add(key)
            elements.append(element)
    return tuple(elements)


def _remove_all(stored: Value | Missing, operand: Value) -> Value:
    if not isinstance(stored, tuple):
        return ()
    removed = set(map(value_key, operand))  # type: ignore[arg-type]
    return tuple(element for element in stored if value_key(element) not in removed)
