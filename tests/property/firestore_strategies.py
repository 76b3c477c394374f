"""Strategies for the values, paths and writes of the embedded Firestore.

They are drawn towards trouble: ties, neighbours of 2^53 and 2^63, NUL, prefixes, numeric ids.
"""

from hypothesis import strategies as st

from harness.firestore.documents import FieldTransform, TransformKind
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.values import GeoPoint, Reference, Timestamp, Vector

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = [0, 1, -1, 2**53, -(2**53), 2**62, 2**63 - 1, -(2**63)]

integers = st.one_of(
    st.integers(-3, 3),
    st.builds(
        lambda edge, step: max(-(2**63), min(2**63 - 1, edge + step)),
        st.sampled_from(EDGES),
        st.integers(-3, 3),
    ),
    INT64,
)
doubles = st.one_of(
    integers.map(float),
    st.sampled_from([0.0, -0.0, float("inf"), float("-inf"), float("nan")]),
    st.floats(),
)
numbers = st.one_of(integers, doubles)

characters = st.characters(codec="utf-8")
texts = st.one_of(st.text("\0\x01ab\xff", max_size=4), st.text(characters, max_size=8))
byte_strings = st.one_of(
    st.binary(max_size=4),
    st.text("\0\x01\xff", max_size=4).map(lambda text: text.encode("latin-1")),
)

text_ids = st.one_of(
    st.sampled_from(["a", "a-b", "b", "c", "__id", "_"]),
    st.text(characters.filter(lambda char: char != "/"), min_size=1, max_size=5),
).filter(
    lambda name: (
        name not in (".", "..")
        and not (len(name) >= 4 and name.startswith("__") and name.endswith("__"))
    )
)
numeric_ids = integers.filter(bool).map(lambda number: f"__id{number}__")
document_ids = st.one_of(text_ids, numeric_ids)
document_paths = st.lists(st.tuples(text_ids, document_ids), min_size=1, max_size=3).map(
    lambda pairs: ResourcePath("/".join("/".join(pair) for pair in pairs))
)
paths = st.one_of(
    document_paths,
    document_paths.map(ResourcePath.parent),
    st.just(ResourcePath("")),
)
database_names = st.builds(
    DatabaseName, st.sampled_from(["p", "p-2", "q"]), st.sampled_from(["(default)", "d"])
)

field_names = st.one_of(
    st.sampled_from(["a", "b", "a.b", "1", "`", "\\", "_x"]),
    st.text(characters, min_size=1, max_size=4),
).filter(lambda name: not (len(name) >= 4 and name.startswith("__") and name.endswith("__")))
field_paths = st.lists(field_names, min_size=1, max_size=3).map(FieldPath)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.builds(Timestamp, st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
    texts,
    byte_strings,
    st.builds(Reference, database_names, document_paths),
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=3).map(
        lambda elements: Vector(tuple(elements))
    ),
)


def _containers(values):
    not_arrays = values.filter(lambda value: type(value) is not tuple)
    return st.one_of(
        st.lists(not_arrays, max_size=3).map(tuple),
        st.dictionaries(field_names, values, max_size=3),
    )


values = st.recursive(scalars, _containers, max_leaves=6)
fields = st.dictionaries(field_names, values, max_size=3)

number_transforms = st.builds(
    FieldTransform,
    field_paths,
    st.sampled_from([TransformKind.INCREMENT, TransformKind.MAXIMUM, TransformKind.MINIMUM]),
    numbers,
)
array_transforms = st.builds(
    FieldTransform,
    field_paths,
    st.sampled_from([TransformKind.APPEND_MISSING_ELEMENTS, TransformKind.REMOVE_ALL_FROM_ARRAY]),
    st.lists(scalars, max_size=3).map(tuple),
)
time_transforms = st.builds(FieldTransform, field_paths, st.just(TransformKind.SET_TO_SERVER_VALUE))
transforms = st.one_of(number_transforms, array_transforms, time_transforms)
