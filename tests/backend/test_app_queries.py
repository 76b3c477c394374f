"""What an app's queries need of indexes, read from its code."""

import pytest

from harness.backend.app_queries import app_queries
from harness.flutter.dart import parse_dart
from harness.flutter.reader import read_contract
from harness.source import SourceText


def queries_of(line):
    text = f"void f(db) {{\n  {line}\n}}\n"
    return list(app_queries(read_contract([parse_dart(SourceText("lib/a.dart", text))])))


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        (
            "db.collection('c').where('a', isEqualTo: x).orderBy('b', descending: true).get();",
            ["(a ASC, b DESC, __name__ DESC)"],
        ),
        (
            "db.collection('c').orderBy('b').orderBy('d').limitToLast(5).get();",
            ["(b DESC, d DESC, __name__ DESC)"],
        ),
        (
            "db.collectionGroup('c').where('t', arrayContainsAny: tags).snapshots();",
            ["(t ARRAY_CONTAINS, __name__ ASC)"],
        ),
        (
            "db.collection('c').where('a', whereIn: x).where('n', isNull: false).count().get();",
            ["(a ASC, n ASC, __name__ ASC)"],
        ),
        (
            "db.collection('c').where('a', isNull: true).where('b', whereNotIn: x).get();",
            ["(a ASC, b ASC, __name__ ASC)"],
        ),
        (
            "db.collection('c').where(FieldPath.documentId, isGreaterThan: x).orderBy('b').get();",
            ["(b ASC, __name__ ASC)"],
        ),
    ],
)
def test_a_query_needs_what_its_structure_needs(line, needed):
    (found,) = queries_of(line)
    assert found.problem is None
    assert [need.index().properties for need in found.needs] == needed


def test_a_query_that_is_not_understood_whole_is_left_out():
    or_ = "Filter.or(Filter('x', isEqualTo: 1), Filter('y', isEqualTo: 2))"
    (found,) = queries_of(f"db.collection('c').where({or_}).orderBy('z').get();")
    assert found.needs == ()
    assert found.problem == "part of it was not understood"


def test_a_field_that_only_the_running_app_knows_is_left_out():
    (found,) = queries_of("db.collection('c').orderBy(field).get();")
    assert found.needs == ()
    assert found.problem is not None
