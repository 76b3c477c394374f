"""Judged requests are kept as they were judged, whatever happens to the database later."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backend.auth import ANONYMOUS, Caller, CallerKind
from harness.backend.databases import Backend
from harness.backend.metering import RequestRecord
from harness.backend.recording import Recording
from harness.backend.requests import Commit, GetDocuments, RunQuery
from harness.backend.service import DatabaseService
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import Precondition, Write, WriteKind
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import FieldFilter, Operator, StructuredQuery
from harness.firestore.values import Timestamp
from harness.rules.recorded import RecordedRequest, replay
from harness.rules.recorded_json import ReadRequest, RequestReader, ruleset_digest
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText

RULES = """
rules_version = '2';
service cloud.firestore {
  match /databases/{d}/documents {
    match /users/{uid} {
      allow get: if request.auth.uid == uid;
      allow create: if existsAfter(/databases/$(d)/documents/teams/$(request.resource.data.team));
      allow update: if get(/databases/$(d)/documents/admins/$(request.auth.uid)).data.on == true;
    }
    match /teams/{team} {
      allow list: if resource.data.open == true;
      allow create: if request.auth != null;
    }
  }
}
"""
ANA = Caller(CallerKind.USER, "ana", {"sub": "ana"})
BOB = Caller(CallerKind.USER, "bob", {"sub": "bob"})


def rules(text: str) -> CompiledRuleset:
    loaded = load_ruleset(SourceText("firestore.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset


class Asked:
    """A database with RULES whose requests are kept."""

    def __init__(self, **options: Any) -> None:
        self.ruleset = rules(RULES)
        backend = Backend(IndexDefinitions(), self.ruleset)
        self.service: DatabaseService = backend.database(DatabaseName("demo-p", "(default)"))
        self.recording = Recording(**options)
        self.service.project.recording = self.recording
        self._now = 1_000_000

    def now(self) -> Timestamp:
        self._now += 1
        return Timestamp(self._now)

    def store(self, **documents: dict[str, Any]) -> None:
        """Write as an administrator; `users__ana={...}` is users/ana."""
        writes = [set_document(name.replace("__", "/"), data) for name, data in documents.items()]
        self.service.store.commit(self.service.store.prepare(writes, self.now()))

    def get(self, caller: Caller, *paths: str) -> bool:
        request = GetDocuments(tuple(map(ResourcePath, paths)))
        return self._asked(
            lambda now, record: self.service.get_documents(request, caller, now, record), caller
        )

    def commit(self, caller: Caller, *writes: Write) -> bool:
        request = Commit(writes)
        return self._asked(
            lambda now, record: self.service.commit(request, caller, now, record), caller
        )

    def query(self, caller: Caller, query: StructuredQuery) -> bool:
        request = RunQuery(query)
        return self._asked(
            lambda now, record: self.service.run_query(request, caller, now, record), caller
        )

    def _asked(self, ask: Any, caller: Caller) -> bool:
        now = self.now()
        try:
            ask(now, RequestRecord("Test", caller, now.micros))
        except StatusError as error:
            if error.code is not StatusCode.PERMISSION_DENIED:
                raise
            return False
        return True

    def taken(self) -> list[RecordedRequest]:
        return [each.recorded for each in self.read()]

    def read(self) -> list[ReadRequest]:
        return list(RequestReader().read(self.recording.take().splitlines()))


def set_document(path: str, data: dict[str, Any]) -> Write:
    return Write(WriteKind.UPDATE, ResourcePath(path), data)


def update_document(path: str, **data: Any) -> Write:
    mask = tuple(FieldPath((name,)) for name in data)
    return Write(
        WriteKind.UPDATE, ResourcePath(path), data, mask, precondition=Precondition(exists=True)
    )


TEAMS = StructuredQuery(
    ResourcePath(""), "teams", where=FieldFilter(FieldPath(("open",)), Operator.EQUAL, True)
)


def test_each_request_keeps_its_answer_its_title_and_the_digest_of_its_rules() -> None:
    asked = Asked()
    assert asked.get(ANA, "users/ana")
    assert not asked.get(ANONYMOUS, "users/ana")
    assert asked.query(BOB, TEAMS)
    read = asked.read()
    assert [(each.recorded.title, each.recorded.allowed) for each in read] == [
        ("get users/ana as ana", True),
        ("get users/ana as nobody", False),
        ("list teams where open == true as bob", True),
    ]
    assert {each.rules for each in read} == {ruleset_digest(RULES)}
    assert asked.recording.ruleset(ruleset_digest(RULES)) is asked.ruleset


def test_documents_are_those_of_the_moment_not_of_now() -> None:
    asked = Asked()
    asked.store(admins__ana={"on": True}, users__bob={"n": 1})
    assert asked.commit(ANA, update_document("users/bob", n=2))
    asked.store(admins__ana={"on": False})
    assert not asked.commit(ANA, update_document("users/bob", n=3))
    first, second = asked.taken()
    assert (first.allowed, second.allowed) == (True, False)
    for recorded in (first, second):
        assert replay(asked.ruleset, recorded).allowed == recorded.allowed
    bob = ("databases", "(default)", "documents", "users", "bob")
    assert first.documents.before[bob] == {"n": 1}
    assert first.documents.after == {bob: {"n": 2}}


def test_the_writes_behind_the_first_denial_are_there_with_their_answers() -> None:
    asked = Asked()
    asked.store(users__eve={"n": 1})
    denied = update_document("users/eve", n=2)
    assert not asked.commit(ANA, denied, set_document("teams/red", {}), denied_create())
    (recorded,) = asked.taken()
    answers = [(each.request.method.value, each.allowed) for each in recorded.decisions]
    assert answers == [("update", False), ("create", True), ("create", False)]
    assert recorded.several


def denied_create() -> Write:
    return set_document("users/zoe", {"team": "nowhere"})


def test_what_is_behind_the_first_denial_is_neither_charged_nor_reported() -> None:
    asked = Asked()
    asked.store(users__eve={"n": 1})
    now = asked.now()
    record = RequestRecord("Commit", ANA, now.micros)
    request = Commit((update_document("users/eve", n=2), denied_create()))
    with pytest.raises(StatusError) as raised:
        asked.service.commit(request, ANA, now, record)
    assert record.tally.rules_reads == 1
    assert [verdict.path for verdict in record.verdicts] == ["users/eve"]
    assert raised.value.message.endswith("for 'update' @ L8")


def test_a_write_sees_what_its_commit_writes_when_it_is_asked_again() -> None:
    asked = Asked()
    assert asked.commit(
        ANA, set_document("users/zoe", {"team": "red"}), set_document("teams/red", {})
    )
    (recorded,) = asked.taken()
    assert replay(asked.ruleset, recorded).allowed


def test_of_a_large_database_what_the_rules_looked_at_is_kept() -> None:
    asked = Asked(complete_up_to=2)
    asked.store(admins__ana={"on": True}, users__bob={"n": 1}, users__eve={"n": 1})
    assert asked.commit(ANA, update_document("users/bob", n=2))
    assert not asked.get(ANA, "users/ann", "users/bob")
    commit, get = asked.taken()
    documents = commit.documents
    assert not documents.is_complete
    assert sorted(path[-2:] for path in documents.before) == [("admins", "ana"), ("users", "bob")]
    again = replay(asked.ruleset, commit)
    assert (again.allowed, again.unknown) == (True, ())
    other = rules(RULES.replace("/admins/", "/owners/"))
    assert [path[-2:] for path in replay(other, commit).unknown] == [("owners", "ana")]
    assert [path[-1] for path in get.documents.missing] == ["ann"]


def test_requests_of_an_administrator_are_not_judged_and_not_kept() -> None:
    asked = Asked()
    asked.store(users__ana={"n": 1})
    assert asked.taken() == []


def test_the_oldest_leave_a_full_log_and_their_number_is_said() -> None:
    asked = Asked(size=2)
    for name in "abc":
        asked.get(ANA, f"users/{name}")
    reader = RequestReader()
    titles = [each.recorded.title for each in reader.read(asked.recording.take().splitlines())]
    assert titles == ["get users/b as ana", "get users/c as ana"]
    assert reader.left_out == 1


def test_what_was_taken_is_gone() -> None:
    asked = Asked()
    asked.get(ANA, "users/ana")
    assert len(asked.taken()) == 1
    assert asked.taken() == []


def test_old_states_are_let_go_and_the_kept_ones_stay_right() -> None:
    asked = Asked(size=2)
    asked.store(admins__ana={"on": True}, users__bob={"n": 0})
    for number in range(1, 8):
        assert asked.commit(ANA, update_document("users/bob", n=number))
        asked.store(users__eve={"n": number})
    bob = ("databases", "(default)", "documents", "users", "bob")
    kept = asked.taken()
    assert [each.documents.before[bob] for each in kept] == [{"n": 5}, {"n": 6}]
    assert [len(each.documents.before) for each in kept] == [3, 3]


def test_a_cleared_database_is_empty_in_the_record() -> None:
    asked = Asked()
    asked.store(users__ana={"n": 1})
    asked.get(ANA, "users/ana")
    asked.service.store.clear(asked.now())
    asked.get(ANA, "users/ana")
    assert [len(each.documents.before) for each in asked.taken()] == [1, 0]
