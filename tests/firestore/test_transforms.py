import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore.documents import FieldTransform, TransformKind
from harness.firestore.paths import FieldPath
from harness.firestore.transforms import check_transforms, request_time, transform_fields
from harness.firestore.values import Timestamp, identical
from tests.firestore.values_from_yaml import case_id, cases, load_corpus, value

TABLE = load_corpus("writes/transforms.yaml", {"cases", "refused"})
COMMIT_TIME = Timestamp(2_000_500)
FIELD = FieldPath(("f",))


def transform_of(case):
    return FieldTransform(FIELD, TransformKind(case["kind"]), value(case.get("operand")))


@pytest.mark.parametrize(
    "case", cases(TABLE, "cases", {"kind", "stored", "operand", "after", "result"}), ids=case_id
)
def test_a_transform_gives_what_the_table_says(case):
    stored = {"f": value(case["stored"])} if "stored" in case else {}
    before = dict(stored)
    transform = transform_of(case)
    check_transforms([transform])
    after, results = transform_fields(stored, [transform], request_time(COMMIT_TIME))
    expected = value(case["after"])
    assert identical(after, {"f": expected})
    assert identical(results, (value(case["result"]) if "result" in case else expected,))
    assert identical(stored, before), "the stored fields were changed in place"


@pytest.mark.parametrize(
    "case", cases(TABLE, "refused", {"kind", "operand", "message"}), ids=case_id
)
def test_an_operand_that_does_not_fit_is_refused(case):
    with pytest.raises(StatusError) as refusal:
        check_transforms([transform_of(case)])
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT
    assert refusal.value.message == case["message"]


def test_a_transform_cannot_make_a_field_too_deep():
    operand = ({"x": 1},)
    kind = TransformKind.APPEND_MISSING_ELEMENTS
    check_transforms([FieldTransform(FieldPath(["m"] * 19), kind, operand)])
    with pytest.raises(StatusError, match="invalid nested entity"):
        check_transforms([FieldTransform(FieldPath(["m"] * 20), kind, operand)])
