"""The server's clock in a check's hands, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import firestore

from tests.server.running import Project, new_project_id, unsigned_token
from tests.server.test_listen import Stream
from tests.server.test_write_stream import Stream as WriteStream

PATIENCE_S = 20
NEW_YEAR = "2031-01-01T00:00:00Z"
RULES = """
rules_version = '2';
service cloud.firestore {
  match /databases/{d}/documents {
    match /late/{id} {
      allow get: if request.time >= timestamp.date(2031, 1, 1);
      allow create: if request.resource.data.at == request.time;
    }
    match /tokens/{id} { allow get: if request.auth.token.exp > request.time.toMillis() / 1000; }
  }
}
"""


class Clock:
    def __init__(self, project: Project) -> None:
        self._server = project.server
        self._path = f"/harness/v1/projects/{project.id}/clock"

    def ask(self, method: str, verb: str = "", status: int = 200, **content: Any) -> Any:
        answer = self._server.http(method, self._path + verb, json=content)
        assert answer.status_code == status, answer.text
        return answer.json()

    def freeze(self, at: str) -> None:
        assert self.ask("PUT", now=at, frozen=True)["frozen"] is True

    def advance(self, seconds: float) -> None:
        self.ask("POST", ":advance", seconds=seconds)


@pytest.fixture
def clock(project: Project) -> Iterator[Clock]:
    clock = Clock(project)
    yield clock
    clock.ask("DELETE")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_server_timestamps_are_the_time_that_was_set(db: Any, clock: Clock) -> None:
    clock.freeze(NEW_YEAR)
    for number in range(3):
        db.document(f"c/{number}").set({"at": firestore.SERVER_TIMESTAMP})
    found = [document.to_dict()["at"] for document in db.collection("c").stream()]
    assert found == [moment(NEW_YEAR)] * 3
    clock.advance(90)
    db.document("c/3").set({"at": firestore.SERVER_TIMESTAMP})
    assert db.document("c/3").get().get("at") == moment(NEW_YEAR) + timedelta(seconds=90)


@pytest.mark.parametrize("at", ["2031-05-05T00:00:00Z", "2001-05-05T00:00:00Z"])
def test_commit_times_increase_under_a_clock_that_stands(db: Any, clock: Clock, at: str) -> None:
    db.document("c/1").set({"n": 0})
    clock.freeze(at)
    times = [db.document("c/1").set({"n": number}).update_time for number in range(1, 5)]
    assert times == sorted(set(times))
    db.document("c/1").update({"at": firestore.SERVER_TIMESTAMP})
    assert db.document("c/1").get().get("at") == moment(at)


def test_rules_see_the_time_that_was_set(project: Project, db: Any, clock: Clock) -> None:
    project.load_rules(RULES)
    ana = project.as_user("ana")
    clock.freeze("2030-12-31T23:59:59.999Z")
    with pytest.raises(exceptions.PermissionDenied):
        ana.document("late/1").get()
    ana.document("late/1").set({"at": firestore.SERVER_TIMESTAMP})
    clock.advance(0.001)
    assert ana.document("late/1").get().get("at") == moment("2030-12-31T23:59:59.999Z")


def test_tokens_expire_for_rules_that_look_at_them(project: Project, db: Any, clock: Clock) -> None:
    project.load_rules(RULES)
    ana = project.as_user("ana", exp=int(moment(NEW_YEAR).timestamp()))
    clock.freeze("2030-12-31T23:59:59Z")
    ana.document("tokens/1").get()
    clock.advance(1)
    with pytest.raises(exceptions.PermissionDenied):
        ana.document("tokens/1").get()


def test_a_listener_loses_what_the_time_takes_from_it(
    project: Project, db: Any, clock: Clock
) -> None:
    project.load_rules(RULES.replace(">= timestamp", "< timestamp"))
    clock.freeze("2030-12-31T00:00:00Z")
    told: list[int] = []
    news = threading.Condition()

    def hear(documents: Any, changes: Any, read_time: Any) -> None:
        with news:
            told.append(len(documents))
            news.notify_all()

    watch = project.as_user("ana").document("late/1").on_snapshot(hear)
    try:
        with news:
            assert news.wait_for(lambda: told == [0], PATIENCE_S)
        db.document("late/1").set({"n": 1})
        with news:
            assert news.wait_for(lambda: told == [0, 1], PATIENCE_S)
        clock.freeze(NEW_YEAR)
        db.document("late/1").set({"n": 2})
    finally:
        watch.unsubscribe()
    listens = [each for each in project.requests() if each["rpc"] == "Listen"]
    assert [each["status"] for each in listens[:3]] == ["OK", "OK", "PERMISSION_DENIED"]


# --- time-outs ------------------------------------------------------------------------------------


def test_a_transaction_is_idle_for_too_long_when_the_clock_says_so(db: Any, clock: Clock) -> None:
    db.document("c/1").set({"n": 0})
    clock.freeze(NEW_YEAR)
    transaction = db.transaction()
    transaction._begin()
    db.document("c/1").get(transaction=transaction)
    clock.advance(59)
    db.document("c/1").get(transaction=transaction)
    clock.advance(61)
    with pytest.raises(exceptions.Aborted, match="expired"):
        db.document("c/1").get(transaction=transaction)


@pytest.mark.parametrize(("advanced_s", "outcome"), [(1.5, None), (5, exceptions.Aborted)])
def test_who_waits_for_a_lock_looks_at_the_clock_when_it_moves(
    project: Project, db: Any, clock: Clock, advanced_s: float, outcome: Any
) -> None:
    """After 5 s the wait is over; before, it goes on until the lock is free."""
    db.document("c/1").set({"n": 0})
    clock.freeze(NEW_YEAR)
    transaction = db.transaction()
    transaction._begin()
    db.document("c/1").get(transaction=transaction)
    found: list[Any] = []
    done = threading.Event()

    def write() -> None:
        try:
            db.document("c/1").update({"n": 1}, retry=None, timeout=PATIENCE_S)
            found.append(None)
        except exceptions.GoogleAPICallError as error:
            found.append(type(error))
        done.set()

    shell = project.server.running.shell
    writer = threading.Thread(target=write)
    writer.start()
    try:
        name = next(name for name in shell.backend.databases if name.project == project.id)
        limit = threading.Event()
        while not shell._waiters.get(name) and not limit.wait(0.01):
            assert writer.is_alive()
        clock.advance(advanced_s)
        if outcome is None:
            transaction._rollback()
        assert done.wait(PATIENCE_S)
    finally:
        writer.join(PATIENCE_S)
    assert found == [outcome]
    commit = [each for each in project.requests() if each["rpc"] == "Commit"][-1]
    assert commit["latencyMs"] < 1900  # less than the wait itself


# --- whose clock ----------------------------------------------------------------------------------


def test_a_clock_is_a_projects_own(project: Project, db: Any, clock: Clock) -> None:
    clock.freeze("2001-01-01T00:00:00Z")
    other = Clock(Project(project.server, new_project_id(), project.add_cleanup))
    assert other.ask("GET")["aheadSeconds"] == 0
    assert clock.ask("GET") | {"aheadSeconds": 0} == {
        "now": "2001-01-01T00:00:00.000000Z",
        "frozen": True,
        "aheadSeconds": 0,
        "tokensExpire": False,
    }


def test_the_servers_clock_is_that_of_projects_without_their_own(
    project: Project, clock: Clock
) -> None:
    def everyone(method: str, verb: str = "", **content: Any) -> None:
        answer = project.server.http(method, f"/harness/v1/clock{verb}", json=content)
        assert answer.status_code == 200

    everyone("POST", ":advance", seconds=3600)
    try:
        assert 3599 < clock.ask("GET")["aheadSeconds"] < 3601
        clock.freeze(NEW_YEAR)
        everyone("POST", ":advance", seconds=3600)
        assert clock.ask("GET")["now"].startswith("2031-01-01T00:00:00")
    finally:
        everyone("DELETE")


def test_a_clock_that_goes_shows_more_each_time_and_stops_where_it_is(clock: Clock) -> None:
    clock.ask("PUT", now=NEW_YEAR)
    first, second = (moment(clock.ask("GET")["now"]) for _ in range(2))
    assert moment(NEW_YEAR) < first < second < moment(NEW_YEAR) + timedelta(minutes=5)
    stopped = clock.ask("PUT", frozen=True)["now"]
    assert clock.ask("GET")["now"] == stopped
    assert clock.ask("PUT", frozen=False)["frozen"] is False


def test_an_emptied_database_has_the_real_time_back(
    db: Any, project: Project, clock: Clock
) -> None:
    clock.freeze("2090-01-01T00:00:00Z")
    assert db.document("c/1").set({"n": 1}).update_time.year == 2090
    project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    clock.ask("DELETE")
    written = db.document("c/1").set({"n": 1}).update_time
    assert written < datetime.now(UTC) + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("method", "verb", "content", "says"),
    [
        ("PUT", "", {"now": "noon"}, "'noon' is no time"),
        ("PUT", "", {"now": "2031-01-01T00:00:00"}, "lacks its time zone"),
        ("PUT", "", {"now": "1960-01-01T00:00:00Z"}, "from 1970"),
        ("PUT", "", {"frozen": "yes"}, "isn't valid"),
        ("PUT", "", {"time": NEW_YEAR}, "isn't valid"),
        ("POST", ":advance", {"seconds": -1}, "a clock advances"),
        ("POST", ":advance", {}, "no number of seconds"),
        ("POST", ":advance", {"seconds": 1e15}, "no number of seconds"),
    ],
)
def test_what_no_clock_can_show_is_refused(
    clock: Clock, method: str, verb: str, content: dict[str, Any], says: str
) -> None:
    answer = clock.ask(method, verb, status=400, **content)
    assert says in answer["error"]["message"]
    assert clock.ask("GET")["aheadSeconds"] == 0


# --- ID tokens that expire ----------------------------------------------------------------------


ISSUED_S = int(datetime.fromisoformat(NEW_YEAR).timestamp())
ANYBODY = RULES.replace("match /late", "match /open/{id} { allow read, write; }\n    match /late")


@pytest.fixture
def ana(project: Project, clock: Clock) -> Any:
    """A client with a token of one hour, at whose beginning the clock stands."""
    project.load_rules(ANYBODY)
    clock.freeze(NEW_YEAR)
    return project.as_user("ana", iat=ISSUED_S, exp=ISSUED_S + 3600)


def test_tokens_are_good_for_ever_unless_the_clock_lets_them_expire(ana: Any, clock: Clock) -> None:
    clock.advance(3600)
    ana.document("open/a").set({"n": 1})
    assert clock.ask("PUT", tokensExpire=True)["tokensExpire"] is True
    with pytest.raises(exceptions.Unauthenticated, match="Missing or invalid authentication"):
        ana.document("open/a").get()
    with pytest.raises(exceptions.Unauthenticated):
        ana.document("open/a").set({"n": 2})
    with pytest.raises(exceptions.Unauthenticated):
        ana.collection("open").get()
    clock.ask("PUT", tokensExpire=False)
    assert ana.document("open/a").get().get("n") == 1


def test_a_token_is_good_until_its_hour_has_passed(
    project: Project, ana: Any, clock: Clock
) -> None:
    clock.ask("PUT", tokensExpire=True)
    clock.advance(3599)
    ana.document("open/a").get()
    clock.advance(1)
    with pytest.raises(exceptions.Unauthenticated):
        ana.document("open/a").get()
    project.as_user("bob").document("open/a").get()  # a token that says nothing of its end
    project.client(None).document("open/a").get()
    project.client().document("open/a").get()


def test_rest_says_401(project: Project, clock: Clock) -> None:
    clock.freeze(NEW_YEAR)
    clock.ask("PUT", tokensExpire=True)
    headers = {"authorization": f"Bearer {unsigned_token('ana', exp=ISSUED_S)}"}
    answer = project.server.http("GET", f"{project.root}/open/a", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


def test_a_listener_ends_when_the_hour_of_its_token_has_passed(
    project: Project, ana: Any, clock: Clock
) -> None:
    clock.ask("PUT", tokensExpire=True)
    with grpc.insecure_channel(project.server.host) as channel:
        token = unsigned_token("ana", exp=ISSUED_S + 3600)
        stream = Stream(project, channel, token)
        stream.listen_to_query(1, "open")
        stream.until_consistent()
        clock.advance(3600)
        with pytest.raises(grpc.RpcError) as ended:
            stream.until_consistent()
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_write_stream_ends_when_the_hour_of_its_token_has_passed(
    project: Project, clock: Clock
) -> None:
    project.load_rules(ANYBODY)
    clock.freeze(NEW_YEAR)
    clock.ask("PUT", tokensExpire=True)
    with grpc.insecure_channel(project.server.host) as channel:
        token = unsigned_token("ana", exp=ISSUED_S + 3600)
        stream = WriteStream(project, channel, token)
        stream.send(database=stream.database)
        next(stream.call)
        stream.write("open/a")
        next(stream.call)
        clock.advance(3600)
        stream.write("open/b")
        assert stream.failure()[0] == "UNAUTHENTICATED"
