"""Asks the rules for one request: every decision it needs, with the documents they look at charged
to it.
"""

from __future__ import annotations

from harness.backend import bridge
from harness.backend.auth import Caller
from harness.backend.metering import RequestRecord, RuleVerdict, query_collection
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import DocumentSnapshot, WriteKind
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.query import StructuredQuery
from harness.firestore.store import PreparedCommit
from harness.firestore.values import Timestamp
from harness.rules import limits as rules_limits
from harness.rules.request import Method, RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog, DocumentSource


class Judge:
    """Who decides for one request. Each question returns if the answer is yes.

    Args:
        several: Whether the request is about more than one document, which may look at more others.
    Raises:
        StatusError: PERMISSION_DENIED, from each of the questions.
    """

    """Takes the decisions of one request, and charges the documents that the rules looked at."""

    def __init__(
        self,
        ruleset: CompiledRuleset,
        database: DatabaseName,
        caller: Caller,
        time: Timestamp,
        record: RequestRecord,
        documents: DocumentSource,
        several: bool,
    ) -> None:
        self._ruleset = ruleset
        self._database = database
        self._caller = caller
        self._time = time
        self._record = record
        self._documents = documents
        self._accesses = AccessLog(
            rules_limits.BATCH_ACCESS_CALLS if several else rules_limits.SINGLE_REQUEST_ACCESS_CALLS
        )

    def decide_document(
        self,
        method: Method,
        path: ResourcePath,
        before: DocumentSnapshot | None,
        after: DocumentSnapshot | None = None,
    ) -> None:
        """Ask about one document, as it is before the request and as it will be after it."""
        self._decide(
            bridge.document_request(
                self._database, method, path, self._caller, self._time, before, after
            ),
            path,
        )

    def decide_list(self, query: StructuredQuery) -> None:
        """Ask about a query."""
        self._decide(
            bridge.list_request(self._database, query, self._caller, self._time),
            query_collection(query),
        )

    def decide_writes(self, prepared: PreparedCommit) -> None:
        """Ask about each write of a commit by itself."""
        for step in prepared.steps:
            write = step.write
            if write.kind is WriteKind.VERIFY:
                method, after = Method.GET, None
            elif write.kind is WriteKind.DELETE:
                method, after = Method.DELETE, None
            else:
                method = Method.CREATE if step.before is None else Method.UPDATE
                after = step.after
            self.decide_document(method, write.path, step.before, after)

    def _decide(self, request: RulesRequest, path: str) -> None:
        charged = len(self._accesses.documents)
        decision = self._ruleset.decide(request, self._documents, self._accesses)
        accesses = len(self._accesses.documents) - charged
        self._record.tally.rules_reads += accesses
        self._record.verdicts.append(
            RuleVerdict(
                request.method.value,
                path,
                decision.allowed,
                decision.allowed_by.line if decision.allowed_by is not None else None,
                tuple((reason.line, reason.column, reason.text) for reason in decision.reasons),
            )
        )
        if not decision.allowed:
            raise StatusError(StatusCode.PERMISSION_DENIED, decision.message)
