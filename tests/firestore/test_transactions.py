"""Transactions: ids, ends, and who waits for whom or loses."""

import base64

import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore.documents import DocumentChange, Write, WriteKind
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import FieldFilter, Operator, StructuredQuery
from harness.firestore.store import Database
from harness.firestore.transactions import CONTENTION, Concurrency, TransactionManager
from harness.firestore.values import Timestamp

SECOND = 1_000_000
ROOT = ResourcePath("")
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


# --- who waits for whom ---------------------------------------------------------------------------


def change(path, before=None, after=None):
    return DocumentChange(ResourcePath(path), before, after)


def blockers(manager, *paths, own=None, request=None, now=START):
    return manager.blockers(request or object(), [change(path) for path in paths], own, now)


def write(database, path, now=START, **fields):
    commit = [Write(WriteKind.UPDATE, ResourcePath(path), fields)]
    return database.commit(database.prepare(commit, now))


def test_a_document_read_is_kept_from_others_until_the_transaction_ends(manager):
    mine = begin(manager)
    read(manager, mine, "c/d", "c/missing")
    assert blockers(manager, "c/d") == {mine}
    assert blockers(manager, "c/missing") == {mine}
    assert blockers(manager, "c/other") == frozenset()
    assert blockers(manager, "c/d", own=mine) == frozenset()
    manager.finish(mine)
    assert blockers(manager, "c/d") == frozenset()


def test_a_query_keeps_out_what_would_come_into_its_result_or_leave_it(database, manager):
    """Production lets a document be created beside the result at once, and makes others wait."""
    write(database, "tasks/done", open=False)
    write(database, "tasks/todo", open=True)
    done, todo = (database.get(ResourcePath(f"tasks/{name}")) for name in ("done", "todo"))
    is_open = FieldFilter(FieldPath(("open",)), Operator.EQUAL, True)
    mine = begin(manager)
    manager.record_query(manager.get(mine, START), StructuredQuery(ROOT, "tasks", where=is_open))

    def waits(before, after):
        path = (before or after).path
        found = manager.blockers(object(), [DocumentChange(path, before, after)], None, START)
        return found == {mine}

    assert waits(None, todo)
    assert waits(todo, None)
    assert waits(todo, todo)
    assert not waits(None, done)
    assert not waits(done, None)


def test_a_read_that_depends_on_everything_keeps_everything(manager):
    mine = begin(manager)
    manager.record_query(manager.get(mine, START), None)
    assert blockers(manager, "c/d") == {mine}


def test_of_two_that_read_a_document_the_older_changes_it_and_the_younger_loses(database, manager):
    older, younger = begin(manager), begin(manager)
    read(manager, older, "c/d")
    read(manager, younger, "c/d")
    assert blockers(manager, "c/d", own=younger) == {older}
    assert blockers(manager, "c/d", own=older) == frozenset()
    write(database, "c/d")
    with refused(StatusCode.ABORTED, CONTENTION):
        manager.get_for_commit(younger, START, writes=True)
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(younger, START)
    manager.rollback(younger, START)


def test_who_has_lost_goes_on_reading_the_moment_before_and_may_end_without_writing(
    database, manager
):
    write(database, "c/d", n=1)
    mine = begin(manager)
    read(manager, mine, "c/d")
    write(database, "c/d", n=2)
    transaction = manager.get_for_read(mine, START)
    assert database.get(DOCUMENT, transaction.read_time).fields == {"n": 1}
    assert blockers(manager, "c/d") == frozenset()
    assert manager.get_for_commit(mine, START, writes=False) is transaction


def test_a_commit_that_changes_nothing_makes_nobody_lose(database, manager):
    write(database, "c/d", n=1)
    mine = begin(manager)
    read(manager, mine, "c/d")
    write(database, "c/d", n=1)
    assert blockers(manager, "c/d") == {mine}


def test_a_write_outside_transactions_waits_only_for_those_that_were_there_when_it_came(manager):
    request = object()
    first = begin(manager)
    read(manager, first, "c/d")
    assert blockers(manager, "c/d", request=request) == {first}
    manager.wait_to_write(request, [change("c/d")], None)
    second = begin(manager)
    read(manager, second, "c/d")
    assert blockers(manager, "c/d", request=request) == {first}
    manager.finish(first)
    assert blockers(manager, "c/d", request=request) == frozenset()


def test_a_write_that_times_out_says_that_there_is_contention_and_its_transaction_ends(manager):
    mine = begin(manager)
    error = manager.lock_timeout(mine)
    assert (error.code, error.message) == (StatusCode.ABORTED, CONTENTION)
    assert manager.open_count == 0
    assert manager.lock_timeout(None).message == CONTENTION


def test_a_younger_reader_lets_a_write_go_first_that_waits(manager):
    """So a write does not starve. Source: production's order of events."""
    request = object()
    holder, waiter = begin(manager), begin(manager)
    read(manager, holder, "c/d")
    manager.wait_to_write(request, [change("c/d")], waiter)
    younger = manager.get(begin(manager), START)
    assert manager.has_writers_ahead(younger, [DOCUMENT])
    assert manager.has_writers_ahead(younger, [], StructuredQuery(ROOT, "c"))
    assert not manager.has_writers_ahead(younger, [ResourcePath("c/other")])
    assert not manager.has_writers_ahead(younger, [], StructuredQuery(ROOT, "other"))
    assert not manager.has_writers_ahead(manager.get(holder, START), [DOCUMENT])
    manager.leave(request)
    assert not manager.has_writers_ahead(younger, [DOCUMENT])


def test_who_has_read_a_document_reads_it_again_without_waiting(manager):
    mine = begin(manager)
    read(manager, mine, "c/d")
    manager.wait_to_write(object(), [change("c/d")], None)
    assert not manager.has_writers_ahead(manager.get(mine, START), [DOCUMENT])


def test_a_second_attempt_is_older_than_first_attempts(manager):
    other, first = begin(manager), begin(manager)
    read(manager, other, "c/d")
    for _ in range(2):
        again = begin(manager, retry=first)
        assert again != first
        assert blockers(manager, "c/d", own=again) == frozenset()  # the other will lose


def test_two_second_attempts_of_one_transaction_are_still_older_and_younger(manager):
    """Threads that share a decorated function of the Python client name each other's attempts."""
    first = begin(manager)
    one, two = (begin(manager, retry=first) for _ in range(2))
    for each in (first, one, two):
        read(manager, each, "c/d")
    assert blockers(manager, "c/d", own=one) == frozenset()
    assert blockers(manager, "c/d", own=two) == {one}
    assert blockers(manager, "c/d", own=first) == {one, two}
    assert manager.open_count == 3


def test_second_attempts_read_a_document_one_after_another(manager):
    one, two = (begin(manager, retry=begin(manager)) for _ in range(2))
    read(manager, two, "c/d")
    first = manager.get(one, START)
    assert manager.has_writers_ahead(first, [DOCUMENT])
    assert not manager.has_writers_ahead(first, [ResourcePath("c/other")])
    manager.finish(two)
    assert not manager.has_writers_ahead(first, [DOCUMENT])


def test_a_second_attempt_waits_for_all_that_the_first_has_read_before_it_reads(database, manager):
    """So no two of them each hold what the other wants, in whatever order they read."""
    first, second = begin(manager), begin(manager)
    for each in (first, second):
        read(manager, each, "c/d", "c/e")
    write(database, "c/d")
    for each in (first, second):
        with refused(StatusCode.ABORTED, CONTENTION):
            manager.get_for_commit(each, START, writes=True)
    one, two = (manager.get(begin(manager, retry=each), START) for each in (first, second))
    assert not manager.has_writers_ahead(one, [DOCUMENT])
    manager.record_read(one, [DOCUMENT])
    assert manager.has_writers_ahead(two, [ResourcePath("c/e")])
    manager.finish(one.id)
    assert not manager.has_writers_ahead(two, [ResourcePath("c/e")])


def test_first_attempts_let_second_attempts_read_first(manager):
    second = manager.get(begin(manager, retry=begin(manager)), START)
    manager.record_read(second, [DOCUMENT])
    first = manager.get(begin(manager), START)
    assert manager.has_writers_ahead(first, [DOCUMENT])
    assert not manager.has_writers_ahead(first, [ResourcePath("c/other")])


def test_no_more_than_a_thousand_attempts_are_remembered(database, manager):
    for number in range(1_100):
        mine = begin(manager)
        read(manager, mine, "c/d")
        write(database, "c/d", seconds(number), n=number)
        with refused(StatusCode.ABORTED, CONTENTION):
            manager.get_for_commit(mine, START, writes=True)
    assert len(manager._earlier) == 1_000


def test_second_attempts_do_not_wait_in_a_circle(manager):
    """The younger one holds `c/d` and comes to wait for the older one: it loses."""
    told = []
    manager.subscribe(told.append)
    one, two = (begin(manager, retry=begin(manager)) for _ in range(2))
    older, younger = manager.get(one, START), manager.get(two, START)
    read(manager, one, "c/e")
    read(manager, two, "c/d")
    assert manager.has_writers_ahead(older, [DOCUMENT])
    manager.wait_to_read("older", older)
    assert manager.has_writers_ahead(younger, [ResourcePath("c/e")])
    del told[:]
    manager.wait_to_read("younger", younger)
    assert told == [None]  # the older one may look again
    assert not manager.has_writers_ahead(older, [DOCUMENT])
    assert younger.has_lost


def test_waiting_leaves_nothing_behind(manager):
    requests = [object() for _ in range(3)]
    for request in requests:
        manager.wait_to_write(request, [change("c/d")], None)
        manager.wait_to_write(request, [change("c/d")], None)
    assert manager.waiting_count == 3
    for request in [*requests, *requests]:
        manager.leave(request)
    assert manager.waiting_count == 0


# --- optimistic transactions ----------------------------------------------------------------------


def optimistic(manager, now=START):
    return begin(manager, now, concurrency=Concurrency.OPTIMISTIC)


def test_an_optimistic_transaction_keeps_nobody_and_waits_for_nobody_to_read(manager):
    mine = optimistic(manager)
    read(manager, mine, "c/d")
    assert blockers(manager, "c/d") == frozenset()
    manager.wait_to_write(object(), [change("c/d")], None)
    late = manager.get(optimistic(manager), START)
    assert not manager.has_writers_ahead(late, [DOCUMENT])


def test_an_optimistic_transaction_reads_the_moment_of_its_first_read(database, manager):
    mine = optimistic(manager)
    write(database, "c/d", seconds(1), n=1)
    assert manager.get_for_read(mine, seconds(2)).read_time == seconds(2)
    write(database, "c/d", seconds(3), n=2)
    transaction = manager.get_for_read(mine, seconds(4))
    assert database.get(DOCUMENT, transaction.read_time).fields == {"n": 1}


@pytest.mark.parametrize(("changed", "fails"), [("c/d", True), ("c/e", False)])
def test_an_optimistic_commit_fails_when_what_was_read_has_changed(
    database, manager, changed, fails
):
    transaction = manager.get_for_read(optimistic(manager), START)
    manager.record_read(transaction, [DOCUMENT])
    write(database, changed, seconds(1))
    if fails:
        with refused(StatusCode.ABORTED, CONTENTION):
            manager.check_unchanged(transaction)
    else:
        manager.check_unchanged(transaction)


def test_an_optimistic_commit_fails_when_a_query_would_find_another_document(database, manager):
    transaction = manager.get_for_read(optimistic(manager), START)
    manager.record_query(transaction, StructuredQuery(ROOT, "c"))
    manager.check_unchanged(transaction)
    write(database, "c/new", seconds(1))
    with refused(StatusCode.ABORTED, CONTENTION):
        manager.check_unchanged(transaction)


def test_an_optimistic_commit_fails_when_the_changes_since_are_forgotten():
    database = Database(DatabaseName("p"), max_superseded_versions=0)
    manager = TransactionManager(database)
    write(database, "c/other", seconds(1), n=0)
    transaction = manager.get_for_read(optimistic(manager, seconds(2)), seconds(2))
    for number in range(3):
        write(database, "c/other", seconds(3), n=number)
    with refused(StatusCode.ABORTED, CONTENTION):
        manager.check_unchanged(transaction)


# --- the end --------------------------------------------------------------------------------------


def test_a_transaction_ends_after_a_minute_without_use(manager):
    mine = begin(manager)
    read(manager, mine, "c/d", now=seconds(59))
    assert blockers(manager, "c/d", now=seconds(118)) == {mine}
    assert blockers(manager, "c/d", now=seconds(119)) == frozenset()
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, seconds(119))


def test_a_transaction_ends_after_270_seconds_however_busy(manager):
    mine = begin(manager)
    for second in range(0, 270, 30):
        manager.get(mine, seconds(second))
    with refused(StatusCode.ABORTED, EXPIRED):
        manager.get(mine, seconds(270))


def test_abandoned_transactions_are_forgotten_after_a_minute(manager):
    """However many begin, and whether the rest is in use or not."""
    used = begin(manager)
    for number in range(2_000):
        begin(manager, now=seconds(number / 10))
        manager.get(used, seconds(number / 10))
        assert manager.open_count <= 602
        assert len(manager._ends) <= 2 * manager.open_count + 64
    manager.get(used, seconds(200))
    begin(manager, now=seconds(259.95))
    assert manager.open_count == 2


def test_transactions_that_end_at_once_are_not_remembered_either(manager):
    for _ in range(1_000):
        manager.finish(begin(manager))
    assert len(manager._ends) <= 65


def test_a_clock_that_is_put_back_makes_no_transaction_immortal(manager):
    mine = begin(manager, now=seconds(1_000))
    manager.get(mine, seconds(10))
    assert manager.expire(seconds(69)) == frozenset()
    assert manager.expire(seconds(70)) == {mine}


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


def test_a_read_only_transaction_reads_one_moment_and_locks_nothing(database, manager):
    database.commit(database.prepare([Write(WriteKind.UPDATE, DOCUMENT, {"n": 1})], START))
    mine = begin(manager, read_only=True, now=seconds(1))
    transaction = manager.get(mine, seconds(1))
    manager.record_read(transaction, [DOCUMENT])
    manager.record_query(transaction, StructuredQuery(ROOT, "c"))
    assert blockers(manager, "c/d", now=seconds(1)) == frozenset()
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
