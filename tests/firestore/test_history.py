from harness.firestore import limits
from harness.firestore.documents import DocumentChange, DocumentSnapshot
from harness.firestore.history import VersionHistory
from harness.firestore.paths import ResourcePath
from harness.firestore.values import Timestamp

HOUR = limits.VERSION_RETENTION_S * 1_000_000


def snapshot(path, time):
    return DocumentSnapshot(path, {}, Timestamp(time), Timestamp(time))


def test_a_large_old_commit_is_forgotten_little_by_little():
    history = VersionHistory()
    paths = [ResourcePath(f"c/{n}") for n in range(1000)]
    created = [DocumentChange(path, None, snapshot(path, 1)) for path in paths]
    deleted = [DocumentChange(change.path, change.after, None) for change in created]
    history.record(Timestamp(1), created)
    history.record(Timestamp(2), deleted)
    assert history.version_count == 1000
    counts = []
    for tick in range(12):
        history.record(Timestamp(HOUR + 3 + tick), ())
        counts.append(history.version_count)
    steps = [before - after for before, after in zip([1000, *counts], counts, strict=False)]
    assert max(steps) <= 256
    assert counts[-1] == 0
    assert history.document_count == 0
    assert history.oldest_readable == Timestamp(2)


def test_while_a_commit_is_half_forgotten_no_time_before_it_can_be_read():
    history = VersionHistory()
    paths = [ResourcePath(f"c/{n}") for n in range(1000)]
    created = [DocumentChange(path, None, snapshot(path, 1)) for path in paths]
    history.record(Timestamp(1), created)
    updated = [DocumentChange(c.path, c.after, snapshot(c.path, 2)) for c in created]
    history.record(Timestamp(2), updated)
    for tick in range(5):
        history.record(Timestamp(HOUR + 3 + tick), ())
    assert 0 < history.version_count < 1000
    assert history.oldest_readable == Timestamp(2)
    assert history.changes_since(Timestamp(1)) is None
    for change in updated:
        assert history.version_at(change.path, change.after, Timestamp(2)) is change.after


def test_a_document_that_was_only_created_keeps_no_version():
    history = VersionHistory()
    path = ResourcePath("c/d")
    history.record(Timestamp(5), [DocumentChange(path, None, snapshot(path, 5))])
    assert history.version_count == 0
    assert history.version_at(path, snapshot(path, 5), Timestamp(4)) is None


def test_nothing_is_kept_of_a_document_deleted_long_ago_and_created_again():
    history = VersionHistory()
    path = ResourcePath("c/d")
    history.record(Timestamp(1), [DocumentChange(path, None, snapshot(path, 1))])
    history.record(Timestamp(2), [DocumentChange(path, snapshot(path, 1), None)])
    again = snapshot(path, 3)
    history.record(Timestamp(3), [DocumentChange(path, None, again)])
    assert history.document_count == 1
    history.record(Timestamp(HOUR + 3), ())
    assert (history.document_count, history.oldest_readable) == (0, Timestamp(2))
    assert history.version_at(path, again, Timestamp(2)) is None
    assert history.version_at(path, again, Timestamp(3)) is again
