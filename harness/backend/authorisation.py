"""Asks the rules for one request: every decision it needs, with the documents they look at charged
to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.backend import bridge
from harness.backend.auth import Caller
from harness.backend.metering import RequestRecord, RuleVerdict, query_collection
from harness.backend.monitor import EvaluationMonitor
from harness.backend.recording import Recording
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import DocumentSnapshot, WriteKind
from harness.firestore.paths import ResourcePath
from harness.firestore.query import StructuredQuery
from harness.firestore.store import Database, PreparedCommit, PreparedWrite
from harness.firestore.values import Timestamp
from harness.rules import limits as rules_limits
from harness.rules.coverage import RulesetCoverage
from harness.rules.denials import Decision
from harness.rules.recorded import RecordedDecision
from harness.rules.request import Method, RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog


class Judge:
    """Takes the decisions of one request, and charges the documents that the rules looked at.

    Each question returns if the answer is yes.

    Args:
        ruleset: The rules.
        store: The database before the request.
        prepared: What the request will write, if it writes.
        caller: Who asks.
        time: `request.time`.
        record: What the request costs is put down here.
        several: Whether the request is about more than one document, which may look at more others.
        coverage: Where is counted which expressions the decisions evaluate; None: nowhere.
        recording: Where the request is kept; None: it is not.
        monitor: Who is told of each decision; None: nobody.
    Raises:
        StatusError: PERMISSION_DENIED, from each of the questions.
    """

    def __init__(
        self,
        ruleset: CompiledRuleset,
        store: Database,
        prepared: PreparedCommit | None,
        caller: Caller,
        time: Timestamp,
        record: RequestRecord,
        *,
        several: bool,
        coverage: RulesetCoverage | None = None,
        recording: Recording | None = None,
        monitor: EvaluationMonitor | None = None,
    ) -> None:
        self._ruleset = ruleset
        self._store = store
        self._prepared = prepared
        self._caller = caller
        self._time = time
        self._record = record
        self._documents = bridge.StoreDocuments(store, prepared)
        self._several = several
        self._coverage = coverage
        self._recording = recording
        self._monitor = monitor
        self._asked: Sequence[PreparedWrite] = ()
        self._accesses = AccessLog(
            rules_limits.BATCH_ACCESS_CALLS if several else rules_limits.SINGLE_REQUEST_ACCESS_CALLS
        )

    @property
    def looked_up(self) -> frozenset[ResourcePath]:
        """The documents of this database that the rules have looked up so far."""
        found = map(self._documents.path_of, self._accesses.documents)
        return frozenset(path for path in found if path is not None)

    def decide_reads(
        self, documents: Iterable[tuple[ResourcePath, DocumentSnapshot | None]]
    ) -> None:
        """Ask about documents that are read by their names."""
        self._decide(
            (self._question(Method.GET, path, snapshot), path) for path, snapshot in documents
        )

    def decide_list(self, query: StructuredQuery) -> None:
        """Ask about a query."""
        request = bridge.list_request(self._store.name, query, self._caller, self._time)
        self._decide([(request, query_collection(query))])

    def decide_writes(self, prepared: PreparedCommit) -> None:
        """Ask about each write of a commit by itself."""
        self._asked = joined_transforms(prepared.steps)
        self._decide(
            (self._question(method, step.write.path, step.before, after), step.write.path)
            for step, (method, after) in ((step, question_of(step)) for step in self._asked)
        )

    def _question(
        self,
        method: Method,
        path: ResourcePath,
        before: DocumentSnapshot | None,
        after: DocumentSnapshot | None = None,
    ) -> RulesRequest:
        return bridge.document_request(
            self._store.name, method, path, self._caller, self._time, before, after
        )

    def _decide(self, questions: Iterable[tuple[RulesRequest, str]]) -> None:
        """Take the decisions up to the first denial; a recording wants to know the others too."""
        recording, message = self._recording, None
        taken: list[RecordedDecision] = []
        for index, (request, path) in enumerate(questions):
            charged = len(self._accesses.documents)
            decision = self._ruleset.decide(request, self._documents, self._accesses)
            if recording is not None:
                taken.append(RecordedDecision(request, decision.allowed))
            if message is None:
                self._record.tally.rules_reads += len(self._accesses.documents) - charged
                verdict = _verdict(request, path, decision)
                self._record.verdicts = (*self._record.verdicts, verdict)
                if self._monitor is not None:
                    project = self._store.name.project
                    self._monitor.add(
                        project, self._ruleset, request, decision.allowed, self._accesses
                    )
                if self._coverage is not None:
                    self._coverage.observe(request, self._documents, self._accesses)
                if not decision.allowed:
                    message = self._message(index, request, decision)
                    if recording is None:
                        break
        if recording is not None and taken:
            recording.add(
                self._ruleset, taken, self._store, self._prepared, self._accesses, self._several
            )
        if message is not None:
            raise StatusError(StatusCode.PERMISSION_DENIED, message)

    def _message(self, index: int, request: RulesRequest, denied: Decision) -> str:
        """Return what the client is told of its first question that was denied."""
        if self._asked:
            write = self._asked[index].write
            if write.kind is WriteKind.UPDATE and write.precondition is None:
                return self._ruleset.message_of_set(request, denied)
        return denied.message


def _verdict(request: RulesRequest, path: str, decision: Decision) -> RuleVerdict:
    return RuleVerdict(
        request.method.value,
        path,
        decision.allowed,
        decision.allowed_by.line if decision.allowed_by is not None else None,
        tuple((reason.line, reason.column, reason.text) for reason in decision.reasons),
    )


def joined_transforms(steps: Sequence[PreparedWrite]) -> Sequence[PreparedWrite]:
    """Put each update together with the transform of its document that follows it.

    Clients of before 2020 send `set({at: serverTimestamp()})` as these two, and rules are asked
    about the document that both make.

    Source: write.proto, `Write.transform`: one for each document, behind its update; observed: the
    suite of mahm/firebase-security-sample, `allow create: if ….createdAt == request.time`.
    """
    if not any(step.write.is_transform for step in steps):
        return steps
    joined: list[PreparedWrite] = []
    for step in steps:
        last = joined[-1] if joined else None
        if (
            last is not None
            and step.write.is_transform
            and last.write.kind is WriteKind.UPDATE
            and not last.write.is_transform
            and last.write.path == step.write.path
        ):
            joined[-1] = replace(last, after=step.after)
        else:
            joined.append(step)
    return joined


def question_of(step: PreparedWrite) -> tuple[Method, DocumentSnapshot | None]:
    """Return which method a write is to the rules, and its `request.resource`.

    A precondition says what the client means, whether or not it holds: rules are asked first.
    """
    match step.write.kind:
        case WriteKind.VERIFY:
            return Method.GET, None
        case WriteKind.DELETE:
            return Method.DELETE, None
        case WriteKind.UPDATE:
            return _method_of_update(step), step.after


def _method_of_update(step: PreparedWrite) -> Method:
    expected = step.write.precondition
    is_there = step.before is not None
    if expected is not None:
        is_there = expected.update_time is not None or expected.exists is True
    return Method.UPDATE if is_there else Method.CREATE
