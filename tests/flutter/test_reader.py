"""What the app asks of Firebase is read from Dart text."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.flutter.contract import ClientContract
from harness.flutter.dart import parse_dart
from harness.flutter.reader import read_contract
from harness.source import SourceText

TABLE = yaml.safe_load(
    (Path(__file__).parent.parent / "corpus/flutter/repositories.yaml").read_text()
)
KNOWN_KEYS = {"name", "dart", "queries", "values", "documents", "callables", "objects"} | {
    "not_understood"
}


def contract_of(*texts: str) -> ClientContract:
    sources = [SourceText(f"lib/file{index}.dart", text) for index, text in enumerate(texts)]
    return read_contract(parse_dart(source) for source in sources)


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_a_use_is_found(case: dict) -> None:
    assert set(case) <= KNOWN_KEYS
    contract = contract_of(case["dart"])
    found = {
        "queries": [f"{query.run} {query}" for query in contract.queries],
        "documents": [f"{d.operation} {'/'.join(d.segments)}" for d in contract.documents],
        "callables": [f"{c.name} {c.region}" for c in contract.callables],
        "objects": [f"{o.operation} {'/'.join(o.segments)}" for o in contract.objects],
        "not_understood": [n.position.line for n in contract.not_understood],
    }
    assert found == {key: case.get(key, []) for key in found}
    if "values" in case:
        values = [item.value for query in contract.queries for item in query.filters]
        assert [list(value) if isinstance(value, tuple) else value for value in values] == (
            case["values"]
        )


@pytest.mark.parametrize(
    ("dart", "may_be_query"),
    [
        ("q.where('z', isEqualTo: 1)", True),
        ("stream.snapshots()", True),
        ("usersRef.get()", True),
        ("db.collection(name).get()", True),
        ("fn.httpsCallable(name)", True),
        ("db.collection('a').where(Filter.or(Filter('x', isEqualTo: 1)))", True),
        ("userRef.update({})", False),
        ("row.reference.get()", False),
        ("batch.delete(x.reference)", False),
        ("FirebaseFirestore.instance.doc(name).set({})", False),
        ("file.getDownloadURL()", False),
    ],
)
def test_what_is_about_a_document_or_an_object_is_no_query(dart: str, may_be_query: bool) -> None:
    [found] = contract_of(f"void f() {{ {dart}; }}").not_understood
    assert found.may_be_query is may_be_query
    [found] = contract_of(f"void f(name) {{ {dart}; }}").not_understood  # nobody calls it
    assert found.may_be_query is may_be_query


def test_members_are_followed_across_files() -> None:
    contract = contract_of(
        "class Refs { static CollectionReference groups(db) => db.collection('groups'); }",
        "void f(db) { Refs.groups(db).orderBy('name').get(); }",
    )
    assert [str(query) for query in contract.queries] == ["groups orderBy name"]
    assert contract.queries[0].position.file_name == "lib/file1.dart"


def test_members_that_need_each_other_end() -> None:
    contract = contract_of("class A { get x => y.where('a', isEqualTo: 1); get y => x; }")
    assert contract == ClientContract((), (), (), (), ())


def test_functions_that_call_themselves_end() -> None:
    contract = contract_of(
        """
        String a(String x) => '${a(x)}/${b(x)}/$x';
        String b(String x) => '${b('$x/y')}/${a(x)}';
        CollectionReference c(String n) => more ? c('$n/a') : d(n);
        CollectionReference d(String n) { if (n) { return c(n); } return db.collection(n); }
        void f(db) { db.collection(a('z')).get(); c('q').get(); d('r').get(); }
        """
    )
    assert {str(query) for query in contract.queries} >= {"r"}
    assert contract.not_understood


@given(st.text(alphabet="(){}.;'\"$=> \nabcollectiondocgetwhere", max_size=200))
def test_any_text_is_read_without_failing(text: str) -> None:
    contract_of(text)
