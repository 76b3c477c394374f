import base64

import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.store import Database
from harness.firestore.transactions import TransactionManager
from harness.firestore.values import Timestamp

SECOND = 1_000_000
EXPIRED = "The referenced transaction has expired or is no longer valid."
DOCUMENT = ResourcePath("c/d")


def seconds(count):
    return Timestamp(int(1_000_000_000 * SECOND + count * SECOND))


START = seconds(0)


@pytest.fixture
def database():
    return Database(DatabaseName("p"))


@pytest.fixture
def manager(database):
    return TransactionManager(database)


def begin(manager, now=START, **options):
    arguments = {"read_only": False, "read_time": None, "retry": None} | options
    return manager.begin(**arguments, now=now)


def read(manager, transaction_id, *paths, now=START):
    manager.record_read(manager.get(transaction_id, now), map(ResourcePath, paths))


def refused(code, message):
    class Refusal:
        def __enter__(self):
            self.context = pytest.raises(StatusError)
            self.info = self.context.__enter__()

        def __exit__(self, *exception):
            caught = self.context.__exit__(*exception)
            assert (self.info.value.code, self.info.value.message) == (code, message)
            return caught

    return Refusal()


def test_ids_are_a_mark_and_a_little_endian_counter(manager):
    first, second = begin(manager), begin(manager)
    assert base64.b64encode(first) == b"EQEAAAAAAAAA"
    assert base64.b64encode(second) == b"EQIAAAAAAAAA"


def test_a_document_read_is_locked_for_others_until_the_transaction_ends(manager):
    mine = begin(manager)
    read(manager, mine, "c/d", "c/missing")
    assert manager.blockers([DOCUMENT], None, START) == {mine}
    assert manager.blockers([ResourcePath("c/missing")], None, START) == {mine}
    assert manager.blockers([ResourcePath("c/other")], None, START) == frozenset()
    assert manager.blockers([DOCUMENT], mine, START) == frozenset()
    manager.finish(mine)
    assert manager.blockers([DOCUMENT], None, START) == frozenset()


def test_a_query_locks_its_collection_id_whatever_the_parent(manager):
    mine = begin(manager)
    manager.record_query(manager.get(mine, START), "tasks")
    assert manager.blockers([ResourcePath("users/ana/tasks/1")], None, START) == {mine}
    assert manager.blockers([ResourcePath("tasks/1")], None, START) == {mine}
    assert manager.blockers([ResourcePath("users/ana")], None, START) == frozenset()


def test_a_query_over_every_collection_locks_everything(manager):
    mine = begin(manager)
    manager.record_query(manager.get(mine, START), None)
    assert manager.blockers([DOCUMENT], None, START) == {mine}


def test_of_two_that_read_a_document_the_first_to_commit_times_out_and_the_second_wins(manager):
    one, two = begin(manager), begin(manager)
    read(manager, one, "c/d")
    read(manager, two, "c/d")
    assert manager.blockers([DOCUMENT], one, START) == {two}
    assert manager.blockers([DOCUMENT], two, START) == {one}
    error = manager.lock_timeout(one)
    assert (error.code, error.message) == (StatusCode.ABORTED, "Transaction lock timeout.")
    assert manager.blockers([DOCUMENT], two, START) == frozenset()
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(one, START)
    manager.rollback(one, START)


def test_a_write_outside_transactions_that_times_out_ends_none(manager):
    mine = begin(manager)
    read(manager, mine, "c/d")
    assert manager.lock_timeout(None).message == "Transaction lock timeout."
    assert manager.blockers([DOCUMENT], None, START) == {mine}


def test_a_transaction_ends_after_a_minute_without_use(manager):
    mine = begin(manager)
    read(manager, mine, "c/d", now=seconds(59))
    assert manager.blockers([DOCUMENT], None, seconds(118)) == {mine}
    assert manager.blockers([DOCUMENT], None, seconds(119)) == frozenset()
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, seconds(119))


def test_a_transaction_ends_after_270_seconds_however_busy(manager):
    mine = begin(manager)
    for second in range(0, 270, 30):
        manager.get(mine, seconds(second))
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, seconds(270))


def test_a_failed_commit_ends_the_transaction_unless_its_arguments_were_wrong(manager):
    mine = begin(manager)
    manager.commit_failed(mine, StatusError(StatusCode.INVALID_ARGUMENT, "no"))
    manager.get(mine, START)
    manager.commit_failed(mine, StatusError(StatusCode.NOT_FOUND, "no"))
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, START)


def test_rolling_back_twice_is_no_error(manager):
    mine = begin(manager)
    manager.rollback(mine, START)
    manager.rollback(mine, START)
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, START)


@pytest.mark.parametrize("malformed", [b"", b"x", b"\x11", b"\x12" + bytes(8), bytes(10)])
def test_a_malformed_id_is_refused(manager, malformed):
    with refused(StatusCode.INVALID_ARGUMENT, "Invalid transaction."):
        manager.get(malformed, START)
    with refused(StatusCode.INVALID_ARGUMENT, "Invalid transaction."):
        manager.rollback(malformed, START)


@pytest.mark.parametrize("number", [0, 2])
def test_an_id_that_was_never_issued_is_refused(manager, number):
    begin(manager)
    unknown = b"\x11" + number.to_bytes(8, "little")
    with refused(StatusCode.INVALID_ARGUMENT, "Transaction is invalid or expired."):
        manager.get(unknown, START)
    with refused(StatusCode.INVALID_ARGUMENT, "Transaction is invalid or expired."):
        begin(manager, retry=unknown)


def test_a_retry_names_an_earlier_attempt(manager):
    mine = begin(manager)
    manager.finish(mine)
    assert begin(manager, retry=mine) != mine


def test_a_read_only_transaction_reads_one_moment_and_locks_nothing(database, manager):
    database.commit(database.prepare([Write(WriteKind.UPDATE, DOCUMENT, {"n": 1})], START))
    mine = begin(manager, read_only=True, now=seconds(1))
    transaction = manager.get(mine, seconds(1))
    manager.record_read(transaction, [DOCUMENT])
    manager.record_query(transaction, "c")
    assert manager.blockers([DOCUMENT], None, seconds(1)) == frozenset()
    write = Write(WriteKind.UPDATE, DOCUMENT, {"n": 2})
    database.commit(database.prepare([write], seconds(1)))
    assert database.get(DOCUMENT, transaction.read_time).fields == {"n": 1}


def test_a_read_only_transaction_cannot_write_but_stays_open(manager):
    mine = begin(manager, read_only=True)
    with refused(StatusCode.INVALID_ARGUMENT, "Cannot modify entities in a read-only transaction."):
        manager.get_for_commit(mine, START, writes=True)
    assert manager.get_for_commit(mine, START, writes=False).read_only


def test_a_read_time_must_be_reachable_and_needs_a_read_only_transaction(manager):
    assert manager.get(begin(manager, read_only=True, read_time=START), START).read_time == START
    with pytest.raises(StatusError, match="too old"):
        begin(manager, read_only=True, read_time=seconds(-3601))
    with pytest.raises(StatusError, match="future"):
        begin(manager, read_only=True, read_time=seconds(1))
    with pytest.raises(StatusError, match="read-only"):
        begin(manager, read_time=START)


def test_observers_are_told_of_every_end_so_that_waiters_can_look_again(manager):
    ended = []
    unsubscribe = manager.subscribe(ended.append)
    first, second, third = begin(manager), begin(manager), begin(manager, now=seconds(30))
    manager.finish(first)
    manager.finish(first)
    assert manager.expire(seconds(60)) == {second}
    manager.finish_all()
    assert ended == [first, second, third]
    assert manager.open_count == 0
    unsubscribe()
    manager.finish(begin(manager))
    assert len(ended) == 3
