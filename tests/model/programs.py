"""Programs for a Firestore: strategies that draw them, and a runner that compares each step with
the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from hypothesis import strategies as st

from harness.errors import StatusCode
from tests.model.model import (
    Delete,
    DeletedBefore,
    Exists,
    Filter,
    Increment,
    Missing,
    Model,
    Query,
    Remove,
    Union,
    Write,
    aggregate,
    exactly,
    run,
)

# What is no query, and more than one array-contains.
REFUSED = (exceptions.InvalidArgument, exceptions.FailedPrecondition)
PATHS = ["c/1", "c/2", "c/3", "c/é", "c/1/c/1", "c/4/c/2", "d/1"]

paths = st.sampled_from(PATHS)
numbers = st.sampled_from([-1, 0, 1, 2, 2.0, 1.5, 2**53, -(2**62)])
plain = st.one_of(numbers, numbers, st.sampled_from([None, False, True, "", "a", "é", "b\0"]))
lists = st.lists(plain, max_size=3)
maps = st.dictionaries(st.sampled_from("xy"), plain, min_size=1, max_size=2)
values = st.one_of(plain, plain, plain, lists, maps)
documents = st.fixed_dictionaries(
    {}, optional={"a": values, "b": values, "l": lists, "m": maps, "n": numbers}
)
transforms = st.one_of(
    st.builds(Increment, st.sampled_from([1, -1, 0.5])),
    st.builds(Union, st.lists(plain, min_size=1, max_size=2).map(tuple)),
    st.builds(Remove, st.lists(plain, min_size=1, max_size=2).map(tuple)),
)
updated = st.one_of(values, values, st.just(Delete()), transforms)
updates = st.dictionaries(
    st.sampled_from(["a", "b", "l", "m.x", "m.y", "n"]), updated, min_size=1, max_size=3
)
merged = st.dictionaries(
    st.sampled_from(["a", "b", "l", "n"]), st.one_of(values, transforms), min_size=1, max_size=3
)
writes = st.one_of(
    st.builds(Write, st.just("set"), paths, documents),
    st.builds(Write, st.just("set"), paths, documents),
    st.builds(Write, st.just("create"), paths, documents),
    st.builds(Write, st.just("merge"), paths, merged),
    st.builds(Write, st.just("update"), paths, updates),
    st.builds(Write, st.just("delete"), paths, st.none(), st.booleans()),
)

fields = st.sampled_from(["a", "b", "l", "m.x", "n"])
# The client refuses to compare with null otherwise than by == and !=.
not_null = values.filter(lambda value: value is not None)
plain_not_null = plain.filter(lambda value: value is not None)
_some = st.lists(plain_not_null, min_size=1, max_size=3)
filters = st.one_of(
    st.builds(Filter, fields, st.sampled_from(["==", "==", "!="]), values),
    st.builds(Filter, fields, st.sampled_from(["<", "<=", ">", ">="]), not_null),
    st.builds(Filter, fields, st.sampled_from(["in", "not-in"]), _some),
    st.builds(Filter, st.just("l"), st.just("array_contains"), plain_not_null),
    st.builds(Filter, st.just("l"), st.just("array_contains_any"), _some),
)
_STATUS = {
    Missing: StatusCode.NOT_FOUND,
    Exists: StatusCode.ALREADY_EXISTS,
    DeletedBefore: StatusCode.INVALID_ARGUMENT,
}


@st.composite
def _queries(draw: Any) -> Query:
    orders = draw(
        st.lists(st.tuples(fields, st.booleans()), max_size=2, unique_by=lambda each: each[0])
    )
    cursors = {}
    if orders:
        cursors = draw(
            st.one_of(
                st.just({}),
                st.dictionaries(st.sampled_from(["start_at", "start_after"]), values, max_size=1),
                st.dictionaries(st.sampled_from(["end_at", "end_before"]), values, max_size=1),
            )
        )
    # The client does not turn cursors round with the order.
    to_last = bool(orders) and not cursors and draw(st.integers(0, 4)) == 0
    return Query(
        draw(st.booleans()),
        tuple(draw(st.lists(filters, max_size=2))),
        draw(st.booleans()),
        tuple(orders),
        cursors,
        2 if to_last else draw(st.sampled_from([None, None, 1, 2, 3])),
        to_last,
        0 if to_last else draw(st.sampled_from([0, 0, 0, 1])),
        draw(st.sampled_from([(), (), ("a",), ("m.x", "n")])),
    )


queries = _queries()
steps = st.one_of(
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=3)),
    st.tuples(st.just("commit"), st.lists(writes, min_size=1, max_size=1)),
    st.tuples(st.just("get"), paths),
    st.tuples(st.just("query"), queries),
    st.tuples(st.just("query"), queries),
    st.tuples(st.just("aggregate"), st.tuples(queries, fields)),
    st.tuples(st.sampled_from(["keep", "bring back", "export and import"]), st.none()),
)
programs = st.lists(steps, min_size=1, max_size=12)


class Runner:
    """Does each step with a client and with the model, and compares.

    Subclasses know how to keep a database, to bring it back, and to send it through an export.
    """

    def __init__(self, db: Any) -> None:
        self.db = db
        self.model = Model()
        self.kept: Any = None

    def keep(self) -> None:
        raise NotImplementedError

    def bring_back(self) -> None:
        raise NotImplementedError

    def export_and_import(self) -> None:
        raise NotImplementedError

    def perform(self, program: Sequence[tuple[str, Any]]) -> None:
        for kind, what in program:
            match kind:
                case "commit":
                    self.commit(what)
                case "get":
                    self.get(what)
                case "query":
                    self.query(what)
                case "aggregate":
                    self.aggregate(*what)
                case "keep":
                    self.keep()
                    self.kept = self.model.documents
                case "bring back":
                    if self.kept is not None:
                        self.bring_back()
                        self.model.documents = self.kept
                case "export and import":
                    self.export_and_import()
            self.after_step()
        self.compare_all()

    def after_step(self) -> None:
        """Take note of what the model holds."""

    def compare_all(self) -> None:
        found = {
            each.reference.path: exactly(each.to_dict())
            for name in "cd"
            for each in self.db.collection_group(name).stream()
        }
        assert found == exactly_all(self.model.documents)

    def commit(self, wanted: Sequence[Write]) -> None:
        batch = self.db.batch()
        for write in wanted:
            add_to_batch(self.db, batch, write)
        try:
            self.model.commit(wanted)
        except (Missing, Exists, DeletedBefore) as failure:
            expected = _STATUS[type(failure)]
            assert _failure_of(batch.commit) is expected
        else:
            batch.commit()

    def get(self, path: str) -> None:
        found = self.db.document(path).get()
        expected = self.model.documents.get(path)
        assert exactly(found.to_dict()) == exactly(expected)

    def query(self, query: Query) -> None:
        asked = client_query(self.db, query)
        try:
            found = [(each.reference.path, each.to_dict()) for each in asked.get()]
        except REFUSED:
            return
        expected = run(query, self.model.documents)
        assert [(path, exactly(each)) for path, each in found] == [
            (path, exactly(each)) for path, each in expected
        ]

    def aggregate(self, query: Query, field: str) -> None:
        if query.to_last:  # the client turns the order round and forgets to turn it back
            return
        asked = client_query(self.db, query).count("count").sum(field, "sum").avg(field, "avg")
        try:
            ((*found,),) = asked.get()
        except REFUSED:
            return
        by_alias = {each.alias: each.value for each in found}
        count, total, average = aggregate(query, field, self.model.documents)
        assert by_alias["count"] == count
        if query.limit is None and not query.offset:  # otherwise it depends on the index's order
            # The client makes 0 of the average of nothing, which is null.
            assert (by_alias["sum"], by_alias["avg"]) == (total, average or 0)


def exactly_all(documents: dict[str, Any]) -> dict[str, Any]:
    return {path: exactly(each) for path, each in documents.items()}


def _failure_of(call: Any) -> StatusCode | None:
    try:
        call()
    except exceptions.NotFound:
        return StatusCode.NOT_FOUND
    except exceptions.AlreadyExists:
        return StatusCode.ALREADY_EXISTS
    except exceptions.InvalidArgument:
        return StatusCode.INVALID_ARGUMENT
    return None


def add_to_batch(db: Any, batch: Any, write: Write) -> None:
    document = db.document(write.path)
    match write.kind:
        case "delete":
            option = db.write_option(exists=True) if write.must_exist else None
            batch.delete(document, option=option)
        case "merge":
            batch.set(document, _for_client(write.fields), merge=True)
        case "set" | "create" | "update":
            getattr(batch, write.kind)(document, _for_client(write.fields))


def _for_client(value: Any) -> Any:
    match value:
        case Delete():
            return firestore.DELETE_FIELD
        case Increment(by):
            return firestore.Increment(by)
        case Union(elements):
            return firestore.ArrayUnion(list(elements))
        case Remove(elements):
            return firestore.ArrayRemove(list(elements))
        case dict():
            return {name: _for_client(each) for name, each in value.items()}
    return value


def client_query(db: Any, query: Query) -> Any:
    asked = db.collection_group("c") if query.is_group else db.collection("c")
    parts = [FieldFilter(each.field, each.operator, each.value) for each in query.filters]
    if parts:
        asked = asked.where(filter=(Or if query.is_any else And)(filters=parts))
    for field, descends in query.orders:
        asked = asked.order_by(field, direction="DESCENDING" if descends else "ASCENDING")
    for kind, value in (query.cursors or {}).items():
        asked = getattr(asked, kind)([value])
    if query.offset:
        asked = asked.offset(query.offset)
    if query.limit is not None:
        asked = (asked.limit_to_last if query.to_last else asked.limit)(query.limit)
    return asked.select(query.select) if query.select else asked
