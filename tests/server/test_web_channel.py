"""WebChannel by hand: sessions, frames, both channels, and what a broken client may do."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests

from harness.server import web_channel
from harness.server.connection_turns import MANY, TURN_S, ConnectionTurns
from harness.server.web_channel import WebChannels, frame
from tests.server.running import Project, unsigned_token

TIMEOUT_S = 10
LISTEN = "/google.firestore.v1.Firestore/Listen/channel"
WRITE = "/google.firestore.v1.Firestore/Write/channel"


def frames(data: str) -> list[Any]:
    """Read frames; the tables hold ASCII only, so that code units are characters."""
    found = []
    while data:
        size, _, rest = data.partition("\n")
        found.append(json.loads(rest[: int(size)]))
        data = rest[int(size) :]
    return found


class Channel:
    """A client's side of one session."""

    def __init__(self, project: Project, path: str, token: str | None = None) -> None:
        self.project = project
        self.path = path
        self.database = f"projects/{project.id}/databases/(default)"
        self.sid = ""
        self.rid = 1000
        self.sent = 0
        self.read = 0
        lines = ["X-Goog-Api-Client:test", "Content-Type:text/plain"]
        if token is not None:
            lines.append(f"Authorization:Bearer {token}")
        self.headers = "\r\n".join(lines) + "\r\n"

    def post(self, *messages: Any, offset: int | None = None, **query: str) -> requests.Response:
        offset = self.sent if offset is None else offset
        self.sent = max(self.sent, offset + len(messages))
        form = {"count": str(len(messages)), "ofs": str(offset)}
        for index, message in enumerate(messages):
            form[f"req{index}___data__"] = json.dumps(message)
        base = {"VER": "8", "database": self.database, "RID": str(self.rid)}
        if self.sid:
            base |= {"SID": self.sid, "AID": str(self.read)}
        else:
            base |= {"CVER": "22", "t": "1"}
            form["headers"] = self.headers
        self.rid += 1
        return requests.post(
            self.project.server.url(self.path),
            params=base | query,
            data=form,
            headers={"Origin": "http://localhost:5000"},
            timeout=TIMEOUT_S,
        )

    def open(self, *messages: Any) -> None:
        answer = self.post(*messages)
        assert answer.status_code == 200, answer.text
        ((array_id, hello),) = frames(answer.text)[0]
        assert (array_id, hello[0], hello[3]) == (0, "c", 8)
        self.sid = hello[1]

    def back(self, **query: str) -> requests.Response:
        base = {"VER": "8", "RID": "rpc", "SID": self.sid, "AID": str(self.read), "CI": "0"}
        return requests.get(
            self.project.server.url(self.path),
            params=base | {"TYPE": "xmlhttp"} | query,
            stream=query.get("CI") != "1",
            timeout=TIMEOUT_S,
        )

    def poll(self) -> list[Any]:
        """Read by long polling; return the messages."""
        answer = self.back(CI="1")
        assert answer.status_code == 200
        arrays = [array for found in frames(answer.text) for array in found]
        self.read = arrays[-1][0]
        return [message for _, content in arrays for message in content]

    def poll_until(self, wanted: str) -> list[Any]:
        found: list[Any] = []
        for _ in range(20):
            found += self.poll()
            if any(wanted in str(message) for message in found):
                return found
        raise AssertionError(f"{wanted} never came: {found}")


def documents_target(channel: Channel, path: str) -> dict[str, Any]:
    name = f"{channel.database}/documents/{path}"
    return {
        "database": channel.database,
        "addTarget": {"documents": {"documents": [name]}, "targetId": 2},
    }


@contextmanager
def opened(project: Project, path: str = LISTEN, token: str | None = "owner") -> Iterator[Channel]:
    channel = Channel(project, path, token)
    yield channel
    if channel.sid:
        assert channel.post(TYPE="terminate").status_code == 200


@pytest.mark.parametrize(
    ("text", "size"), [("[]", 2), ('["é"]', 5), ('["\U0001f600"]', 6), ("", 0)]
)
def test_a_frame_counts_utf_16_code_units(text: str, size: int) -> None:
    assert frame(text) == f"{size}\n{text}".encode()


def test_a_listener_hears_of_a_document(project: Project, db: Any) -> None:
    with opened(project) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        first = channel.poll_until("CURRENT")
        assert first[0] == {"targetChange": {"targetChangeType": "ADD", "targetIds": [2]}}
        db.document("notes/n1").set({"text": "hello"})
        second = channel.poll_until("documentChange")
        (change,) = [each["documentChange"] for each in second if "documentChange" in each]
        assert change["document"]["fields"] == {"text": {"stringValue": "hello"}}


def test_a_back_channel_stays_open_and_streams(project: Project, db: Any) -> None:
    with opened(project) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        with channel.back() as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["cache-control"] == "private, max-age=0"
            chunks = answer.iter_content(chunk_size=None, decode_unicode=True)
            received = next(chunks)
            assert "ADD" in received
            db.document("notes/n1").set({"n": 1})
            while "documentChange" not in received:
                received += next(chunks)
            ((is_open, last_sent, unread),) = frames(channel.post().text)
            assert (is_open, unread) == (1, 7)
            while frames(received)[-1][-1][0] < last_sent:  # what follows the change may come later
                received += next(chunks)
            assert frames(received)[-1][-1][0] == last_sent


def test_what_was_not_acknowledged_is_sent_again(project: Project) -> None:
    with opened(project) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        first = channel.poll()
        channel.read = 0
        assert channel.poll()[: len(first)] == first


def test_a_repeated_post_is_taken_once(project: Project, db: Any) -> None:
    with opened(project, WRITE) as channel:
        channel.open({"database": channel.database})
        token = channel.poll()[0]["streamToken"]
        write = {
            "streamToken": token,
            "writes": [
                {
                    "update": {"name": f"{channel.database}/documents/n/1", "fields": {}},
                    "updateTransforms": [{"fieldPath": "n", "increment": {"integerValue": "1"}}],
                }
            ],
        }
        channel.post(write, offset=1)
        channel.post(write, offset=1)
        channel.poll_until("writeResults")
        assert db.document("n/1").get().to_dict() == {"n": 1}


def test_the_objects_of_older_clients_are_taken(project: Project, db: Any) -> None:
    # As the web SDK 7.0 sends times and limits.
    root = f"projects/{project.id}/databases/(default)/documents"
    with opened(project, WRITE) as channel:
        channel.open({"database": channel.database})
        token = channel.poll()[0]["streamToken"]
        times = [{"seconds": "5", "nanos": 6000}, {"seconds": "7"}]
        values = {"values": [{"timestampValue": time} for time in times]}
        fields = {"at": {"arrayValue": values}}
        write = {"update": {"name": f"{root}/n/1", "fields": fields}}
        channel.post({"streamToken": token, "writes": [write]})
        channel.poll_until("writeResults")
    stored = db.document("n/1").get()
    assert [time.timestamp() for time in stored.get("at")] == [5.000006, 7]
    db.document("n/2").set({})
    query = {"from": [{"collectionId": "n"}], "limit": {"value": 1}}
    target = {"query": {"parent": root, "structuredQuery": query}, "targetId": 2}
    with opened(project) as channel:
        channel.open({"database": channel.database, "addTarget": target})
        found = channel.poll_until("CURRENT")
        assert len([message for message in found if "documentChange" in message]) == 1
    updated = {
        "seconds": str(int(stored.update_time.timestamp())),
        "nanos": stored.update_time.nanosecond,
    }
    write["currentDocument"] = {"updateTime": updated}
    answer = project.server.http("POST", f"{project.root}:commit", json={"writes": [write]})
    assert answer.status_code == 200, answer.text


def test_rules_decide_by_the_token_in_the_form(project: Project) -> None:
    project.load_rules(
        """service cloud.firestore { match /databases/{db}/documents {
             match /notes/{id} { allow get: if request.auth.uid == 'ana'; } } }"""
    )
    with opened(project, token=unsigned_token("ana")) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        assert "CURRENT" in str(channel.poll_until("CURRENT"))
    with opened(project, token=unsigned_token("bob")) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        (removal,) = [m for m in channel.poll_until("REMOVE") if "REMOVE" in str(m)]
        assert removal["targetChange"]["cause"]["code"] == 7


def test_an_error_ends_the_stream_with_its_status(project: Project) -> None:
    with opened(project) as channel:
        channel.open({"database": channel.database})
        found = channel.poll_until("close")
        assert found[0]["error"]["status"] == "INVALID_ARGUMENT"
        assert found[0]["error"]["code"] == 400


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", '{"addTarget": 1}', '{"addTarget": {"query": 1}}']
)
def test_a_message_that_cannot_be_read_ends_the_stream(project: Project, text: str) -> None:
    with opened(project) as channel:
        answer = requests.post(
            project.server.url(LISTEN),
            params={"VER": "8", "RID": "1", "database": channel.database},
            data={"count": "1", "ofs": "0", "req0___data__": text},
            timeout=TIMEOUT_S,
        )
        channel.sid = frames(answer.text)[0][0][1][1]
        assert "INVALID_ARGUMENT" in str(channel.poll_until("close"))


def test_a_session_that_is_not_known_is_refused(project: Project) -> None:
    channel = Channel(project, LISTEN)
    channel.sid = "nosuch"
    assert channel.post({}).status_code == 400
    assert channel.back(CI="1").status_code == 400


def test_a_session_ends_when_it_is_terminated(project: Project) -> None:
    with opened(project) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        assert channel.post(TYPE="terminate").status_code == 200
        assert channel.post({}).status_code == 400
        channel.sid = ""


def test_another_version_and_another_method_are_refused(project: Project) -> None:
    assert Channel(project, LISTEN).post({}, VER="7").status_code == 400
    other = Channel(project, LISTEN.replace("Listen", "Commit")).post({})
    assert other.json()["error"]["status"] == "UNIMPLEMENTED"


def test_any_page_may_read_the_answers(project: Project) -> None:
    answer = Channel(project, LISTEN, "owner").post()
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5000"
    assert "x-http-session-id" in answer.headers["access-control-expose-headers"]


# --- clients that hold much -----------------------------------------------------------------------


@pytest.fixture
def nothing_is_kept(project: Project) -> Iterator[None]:
    """What sessions hold is taken back when they have ended."""
    # Those of this project's server, and of any other that the process has still to forget.
    all_channels = [each for each in gc.get_objects() if type(each) is WebChannels]
    assert all_channels
    before = [
        sum(session.held_chars for session in each._sessions.values()) for each in all_channels
    ]
    assert [each._held.chars for each in all_channels] == before
    yield
    assert [each._held.chars for each in all_channels] == before


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_client_that_does_not_read_loses_its_channel(
    project: Project, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_channel, "MAX_HELD_CHARS", 100_000)
    with opened(project) as channel:
        channel.open(documents_target(channel, "notes/n1"))
        channel.poll_until("CURRENT")
        for number in range(4):
            db.document("notes/n1").set({"text": "x" * 40_000, "n": number})
        (problem,) = [each for each in channel.poll_until("close") if "error" in each]
        assert problem["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert problem["error"]["message"] == "The client does not read its channel."


@pytest.mark.usefixtures("nothing_is_kept")
def test_of_clients_that_do_not_read_the_worst_loses_its_channel(
    project: Project, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_channel, "MAX_ALL_HELD_CHARS", 100_000)
    with opened(project) as worst, opened(project) as other:
        worst.open(documents_target(worst, "notes/large"))
        other.open(documents_target(other, "notes/small"))
        worst.poll_until("CURRENT")
        other.poll_until("CURRENT")
        db.document("notes/large").set({"text": "x" * 60_000})
        db.document("notes/small").set({"text": "x" * 50_000})
        assert "do not read their channels" in str(worst.poll_until("close"))
        assert "documentChange" in str(other.poll_until("documentChange"))


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("MAX_UNTAKEN", 3, "Too many messages wait in this channel."),
        ("MAX_HELD_CHARS", 1_000, "The client does not read its channel."),
    ],
)
def test_messages_that_wait_to_be_served_are_bounded(
    project: Project, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, problem: str
) -> None:
    monkeypatch.setattr(web_channel, limit, value)
    with opened(project) as channel:
        channel.open(*[documents_target(channel, "notes/n1") for _ in range(20)])
        assert problem in str(channel.poll_until("close"))
        # What it still says is not kept.
        assert channel.post(documents_target(channel, "notes/n2")).status_code == 200


# --- clients with few connections -----------------------------------------------------------------


def hold(channel: Channel, limit_s: float) -> str | None:
    """Hold a back channel; return what came over it by its end, None if it has none in time."""
    query = {"VER": "8", "RID": "rpc", "SID": channel.sid, "AID": str(channel.read), "CI": "0"}
    try:
        answer = requests.get(channel.project.server.url(LISTEN), params=query, timeout=limit_s)
    except requests.exceptions.ConnectionError:
        return None
    return answer.text


@pytest.mark.parametrize("channels", [4, 5, 8])
def test_where_a_client_holds_many_connections_some_are_given_up(
    project: Project, channels: int
) -> None:
    with ExitStack() as stack:
        holders = [stack.enter_context(opened(project)) for _ in range(channels)]
        for channel in holders:
            channel.open(documents_target(channel, "notes/n1"))
            channel.poll_until("CURRENT")
        with ThreadPoolExecutor(channels) as pool:
            ends = list(pool.map(lambda each: hold(each, 2.0), holders))
        given_up = [end for end in ends if end is not None]
        # None is asked for again here: those that are left are few enough.
        assert len(given_up) == channels - 4
        assert all(map(frames, given_up)), "clients take an answer without a byte for an error"


def read_one_answer(channel: Channel, until: int) -> list[int]:
    """Read a back channel to its end, or to a change of the document that bears a number."""
    received = ""
    with channel.back() as answer:
        for part in answer.iter_content(chunk_size=None, decode_unicode=True):
            received += part
            if f'"integerValue":"{until}"' in part:
                break
    arrays = [array for each in frames(received) for array in each]
    channel.read = arrays[-1][0]
    changes = [each["documentChange"] for _, (each,) in arrays if "documentChange" in each]
    return [int(change["document"]["fields"]["n"]["integerValue"]) for change in changes]


def test_who_gives_a_connection_up_asks_again_and_loses_nothing(project: Project, db: Any) -> None:
    changes = 20
    with ExitStack() as stack:
        holders = [stack.enter_context(opened(project)) for _ in range(8)]
        for channel in holders:
            channel.open(documents_target(channel, "notes/n1"))
            channel.poll_until("CURRENT")

        def read_on(channel: Channel) -> tuple[list[int], int]:
            found: list[int] = []
            answers = 0
            while changes not in found:
                answers += 1
                found += read_one_answer(channel, until=changes)
            return found, answers

        with ThreadPoolExecutor(8) as pool:
            reading = [pool.submit(read_on, each) for each in holders]
            for number in range(1, changes + 1):
                db.document("notes/n1").set({"n": number})
                time.sleep(0.1)
            read = [each.result(2 * TIMEOUT_S) for each in reading]
        assert [found for found, _ in read] == [list(range(1, changes + 1))] * 8
        assert all(answers > 1 for _, answers in read)


def test_turns_come_sooner_while_a_client_asks_and_where_many_wait() -> None:
    turns = ConnectionTurns()

    async def given_up(members: int, *, asks: bool) -> float:
        """Hold five connections, each taken again when it is given up; return how many turns there
        were in the time of one that nobody hurries.
        """
        count = 0

        def take(holder: object) -> None:
            def give_up() -> None:
                nonlocal count
                count += 1
                turns.let_go("browser", holder)
                take(holder)

            turns.hold("browser", holder, give_up)

        for number in range(members):
            turns.join("browser")
            if number < MANY:
                take(object())
        if asks:
            turns.asked("browser")
        started = time.monotonic()
        await asyncio.sleep(0.9)
        turns_of_time = (time.monotonic() - started) / TURN_S
        for _ in range(members):
            turns.leave("browser")
        return count / turns_of_time

    async def main() -> tuple[float, float, float]:
        return (
            await given_up(MANY, asks=False),
            await given_up(MANY, asks=True),
            await given_up(4 * MANY, asks=False),
        )

    idle, asking, crowded = asyncio.run(main())
    assert 0 < idle <= 1
    assert asking > idle
    assert crowded > idle
    turns.asked("browser")  # nothing is left of it, and it needs no loop
    assert not turns._clients
