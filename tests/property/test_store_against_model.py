"""The store against a plain dict with versions: every read, now and in the past, agrees."""

import copy

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness.errors import StatusError
from harness.firestore.documents import Precondition, Write, WriteKind
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, identical

PATHS = [
    ResourcePath(path)
    for path in ("a/1", "a/2", "a/1/b/1", "a/3/b/1", "b/1", "b/1/a/1", "b/1/a/1/b/2")
]
FIELDS = st.dictionaries(
    st.sampled_from("xyz"),
    st.one_of(st.sampled_from([0, 1, 1.0, None]), st.just({"k": 1}), st.just({"k": 2})),
    max_size=2,
)
MASKS = st.one_of(
    st.none(),
    st.lists(
        st.sampled_from([FieldPath("x"), FieldPath("y"), FieldPath(("z", "k"))]), unique=True
    ).map(tuple),
)
PRECONDITIONS = st.one_of(st.none(), st.none(), st.builds(Precondition, exists=st.booleans()))
WRITES = st.one_of(
    st.builds(
        Write,
        st.just(WriteKind.UPDATE),
        st.sampled_from(PATHS),
        FIELDS,
        MASKS,
        st.just(()),
        PRECONDITIONS,
    ),
    st.builds(
        Write,
        st.just(WriteKind.DELETE),
        st.sampled_from(PATHS),
        precondition=PRECONDITIONS,
    ),
)


def model_update(document, write):
    """What a masked or whole update does, spelled out for maps of one level."""
    if write.mask is None:
        return copy.deepcopy(write.fields)
    result = copy.deepcopy(document or {})
    for path in write.mask:
        source = write.fields
        for name in path[:-1]:
            source = source.get(name)
            source = source if isinstance(source, dict) else {}
        target = result
        if path[-1] in source:
            for name in path[:-1]:
                if not isinstance(target.get(name), dict):
                    target[name] = {}
                target = target[name]
            target[path[-1]] = copy.deepcopy(source[path[-1]])
        else:
            for name in path[:-1]:
                target = target.get(name)
                target = target if isinstance(target, dict) else {}
            target.pop(path[-1], None)
    return result


def updates_what_it_deleted(writes):
    deleted = {}
    for write in writes:
        exists = write.precondition and write.precondition.exists
        if write.kind is WriteKind.UPDATE and exists and deleted.get(write.path):
            return True
        deleted[write.path] = write.kind is WriteKind.DELETE
    return False


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.database = Database(DatabaseName("p"))
        self.now = 1_000
        self.current = {}  # path -> (fields, create time, update time)
        self.versions = [(0, {})]  # commit time, all documents from then on
        self.observed = {}
        self.image = None
        self.database.subscribe(self.observe)

    def observe(self, result):
        for change in result.changes:
            assert self.observed.get(change.path) is change.before
            assert change.before is not change.after
            if change.after is None:
                del self.observed[change.path]
            else:
                self.observed[change.path] = change.after

    def remember(self, result, expected):
        assert result.commit_time.micros > self.versions[-1][0]
        self.current = expected
        self.versions.append((result.commit_time.micros, expected))

    @rule(step=st.integers(-5, 20))
    def let_time_pass(self, step):
        self.now += step

    @rule(writes=st.lists(WRITES, max_size=4))
    def commit(self, writes):
        if updates_what_it_deleted(writes):
            with pytest.raises(StatusError, match="deleted and then updated"):
                self.database.prepare(writes, Timestamp(self.now))
            return
        prepared = self.database.prepare(writes, Timestamp(self.now))
        time = prepared.commit_time.micros
        expected = dict(self.current)
        failed = False
        for write in writes:
            stored = expected.get(write.path)
            if write.precondition and write.precondition.exists != (stored is not None):
                failed = True
                break
            if write.kind is WriteKind.DELETE:
                expected.pop(write.path, None)
                continue
            new_fields = model_update(stored[0] if stored else None, write)
            if stored is None:
                expected[write.path] = (new_fields, time, time)
            elif not identical(stored[0], new_fields):
                expected[write.path] = (new_fields, stored[1], time)
        if failed:
            with pytest.raises(StatusError):
                self.database.commit(prepared)
            return
        for path, before in self.current.items():
            after = expected.get(path)
            if after and after[1] == before[1] and identical(after[0], before[0]):
                expected[path] = before  # changed and changed back
        result = self.database.commit(prepared)
        assert len(result.write_results) == len(writes)
        changed = {path for path in PATHS if self.current.get(path) is not expected.get(path)}
        assert {change.path for change in result.changes} == changed
        self.remember(result, expected)

    @rule(path=st.sampled_from([*PATHS, ROOT, ResourcePath("a"), ResourcePath("b/1/a")]))
    def delete_tree(self, path):
        result = self.database.delete_tree(path, Timestamp(self.now))
        self.remember(
            result,
            {
                other: document
                for other, document in self.current.items()
                if other != path and not other.is_below(path)
            },
        )

    @rule()
    def clear(self):
        self.remember(self.database.clear(Timestamp(self.now)), {})

    @rule()
    def take_snapshot(self):
        self.image = (self.database.snapshot(), dict(self.current))

    @precondition(lambda self: self.image is not None)
    @rule()
    def restore(self):
        image, wanted = self.image
        result = self.database.restore(image, Timestamp(self.now))
        time = result.commit_time.micros
        expected = {}
        for path, (given_fields, create_time, _) in wanted.items():
            current = self.current.get(path)
            if current and current[1] == create_time and identical(current[0], given_fields):
                expected[path] = current
            else:
                expected[path] = (given_fields, create_time, time)
        self.remember(result, expected)

    @rule(data=st.data())
    def read_in_the_past(self, data):
        at = data.draw(st.integers(0, self.versions[-1][0] + 3))
        documents = [documents for time, documents in self.versions if time <= at][-1]
        for path in PATHS:
            self.agree(self.database.get(path, Timestamp(at)), documents.get(path))
        for parent in (ROOT, ResourcePath("a/1"), ResourcePath("b/1")):
            depth = len(parent.segments)
            ids = {path.segments[depth] for path in documents if path.is_below(parent)}
            assert self.database.collection_ids(parent, Timestamp(at)) == sorted(ids)

    @rule(data=st.data())
    def undo_the_changes_since_a_time(self, data):
        index = data.draw(st.integers(0, len(self.versions) - 1))
        time, documents = self.versions[index]
        state = {path: self.database.get(path) for path in PATHS}
        for change in reversed(self.database.changes_since(Timestamp(time))):
            assert state[change.path] is change.after
            state[change.path] = change.before
        for path in PATHS:
            self.agree(state[path], documents.get(path))

    @invariant()
    def the_present_agrees(self):
        for path in PATHS:
            document = self.database.get(path)
            self.agree(document, self.current.get(path))
            assert self.observed.get(path) is document
        assert self.database.document_count == len(self.current)

    @invariant()
    def the_tree_agrees(self):
        paths = set(self.current)
        database = self.database
        for node in {ROOT, *PATHS, *map(ResourcePath.parent, PATHS)}:
            below = {path for path in paths if path.is_below(node)}
            assert set(database.descendants(node)) == below
            if node.is_collection:
                directly = {path for path in paths if path.parent() == node}
                assert set(database.paths_in(node)) == directly
                parents = {
                    ResourcePath("/".join(path.segments[: len(node.segments) + 1]))
                    for path in below - directly
                }
                assert set(database.missing_documents(node)) == parents - paths
            else:
                ids = {path.segments[len(node.segments)] for path in below}
                assert database.collection_ids(node) == sorted(ids)
        for collection_id in "ab":
            expected = {path.parent() for path in paths if path.collection_id == collection_id}
            assert set(database.collections_with_id(collection_id)) == expected

    @staticmethod
    def agree(document, expected):
        if expected is None:
            assert document is None
            return
        fields, create_time, update_time = expected
        assert document is not None
        assert identical(document.fields, fields)
        assert (document.create_time.micros, document.update_time.micros) == (
            create_time,
            update_time,
        )


TestStoreAgainstModel = StoreMachine.TestCase
