"""Laws of field transforms and of masks."""

import copy

from hypothesis import assume, given
from hypothesis import strategies as st

from harness.firestore.checks import check_fields
from harness.firestore.documents import FieldTransform, TransformKind
from harness.firestore.masks import FieldsEditor, merge_fields, project_fields
from harness.firestore.paths import FieldPath
from harness.firestore.transforms import check_transforms, transform_fields
from harness.firestore.values import MISSING, Timestamp, compare, get_field, identical
from tests.property.firestore_strategies import (
    INT64,
    field_paths,
    fields,
    numbers,
    scalars,
    transforms,
)

TIME = Timestamp(5_000)
F = FieldPath(("f",))
arrays = st.lists(scalars, max_size=4).map(tuple)


def transformed(stored, kind, operand):
    after, _ = transform_fields({"f": stored}, [FieldTransform(F, kind, operand)], TIME)
    return after["f"]


@given(INT64, INT64)
def test_incrementing_integers_is_addition_that_saturates(stored, operand):
    expected = max(-(2**63), min(2**63 - 1, stored + operand))
    assert identical(transformed(stored, TransformKind.INCREMENT, operand), expected)


@given(numbers, numbers)
def test_maximum_and_minimum_are_one_of_both_and_not_beaten(stored, operand):
    for kind, direction in ((TransformKind.MAXIMUM, 1), (TransformKind.MINIMUM, -1)):
        result = transformed(stored, kind, operand)
        assert identical(result, stored) or identical(result, operand)
        if stored != stored or operand != operand:
            assert result != result
        else:
            assert compare(result, stored) * direction >= 0
            assert compare(result, operand) * direction >= 0


@given(arrays, arrays)
def test_after_an_append_every_element_is_there_and_appending_again_changes_nothing(
    stored, operand
):
    result = transformed(stored, TransformKind.APPEND_MISSING_ELEMENTS, operand)
    assert identical(result[: len(stored)], stored)
    assert all(any(compare(element, other) == 0 for other in result) for element in operand)
    added = result[len(stored) :]
    for index, element in enumerate(added):
        assert all(compare(element, other) for other in (*stored, *added[:index]))
    again = transformed(result, TransformKind.APPEND_MISSING_ELEMENTS, operand)
    assert identical(again, result)


@given(arrays, arrays)
def test_after_a_removal_no_element_is_left_and_all_others_are(stored, operand):
    result = transformed(stored, TransformKind.REMOVE_ALL_FROM_ARRAY, operand)
    kept = [e for e in stored if all(compare(e, removed) for removed in operand)]
    assert identical(result, tuple(kept))


@given(fields, st.lists(transforms, max_size=4))
def test_transforms_in_one_write_equal_one_write_each(given_fields, several):
    check_fields(given_fields)
    check_transforms(several)
    at_once, results = transform_fields(given_fields, several, TIME)
    one_by_one, singly = given_fields, []
    for transform in several:
        one_by_one, result = transform_fields(one_by_one, [transform], TIME)
        singly += result
    assert identical(at_once, one_by_one)
    assert identical(results, tuple(singly))
    check_fields(at_once)


@given(fields, st.lists(transforms, max_size=4))
def test_transforms_never_change_the_fields_they_were_given(given_fields, several):
    before = copy.deepcopy(given_fields)
    transform_fields(given_fields, several, TIME)
    assert identical(given_fields, before)


@given(fields, fields, st.lists(field_paths, max_size=4))
def test_a_masked_merge_touches_its_paths_only(stored, update, mask):
    before = copy.deepcopy(stored)
    assume(all(a == b or a != b[: len(a)] for a in mask for b in mask))
    editor = FieldsEditor(stored)
    merge_fields(editor, update, mask)
    assert identical(stored, before)
    for path in mask:
        wanted = get_field(update, path)
        found = get_field(editor.fields, path)
        assert found is MISSING if wanted is MISSING else identical(wanted, found)
    heads = {path[0] for path in mask}
    for name, value in stored.items():
        if name not in heads:
            assert editor.fields[name] is value


@given(fields, st.lists(field_paths, max_size=4))
def test_a_projection_holds_the_values_of_its_paths_and_nothing_else(stored, mask):
    shown = project_fields(stored, mask)
    for path in mask:
        value = get_field(stored, path)
        if value is not MISSING:
            assert identical(get_field(shown, path), value)
    assert shown.keys() <= {path[0] for path in mask}
    assert identical(project_fields(stored, [FieldPath((name,)) for name in stored]), stored)
