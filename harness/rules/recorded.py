"""Requests that were asked once, kept so that they can be asked again of another ruleset.

One `RecordedRequest` is one request of a client: its decisions (a commit needs one for each write)
and the documents that rules may look at while they are taken. Checks, the access matrix and
generated neighbours of both become these records; coverage, mutation testing, the diff of two
rulesets and explanations read them. Records and replay only: JSON is in `recorded_json.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.rules import limits
from harness.rules.denials import Decision
from harness.rules.request import RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog, EvaluationStopped
from harness.rules.values import RulesValue

DocumentPath = tuple[str, ...]
"""From `databases` on: `("databases", "(default)", "documents", "users", "ana")`."""

NOT_RECORDED = "The document was not recorded."


@dataclass(frozen=True, slots=True)
class RecordedDocuments:
    """The documents of a database while a request was decided.

    Args:
        before: Fields of each document before the request.
        after: What the request's commit changes: fields afterwards, None for a document that will
            be gone.
        is_complete: Whether `before` holds the whole database. If not, a document that is in
            neither map is unknown instead of missing, unless `missing` names it.
        missing: Documents known not to exist before the request, where `before` is not complete.
    """

    before: Mapping[DocumentPath, Mapping[str, RulesValue]] = field(default_factory=dict)
    after: Mapping[DocumentPath, Mapping[str, RulesValue] | None] = field(default_factory=dict)
    is_complete: bool = True
    missing: frozenset[DocumentPath] = frozenset()


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """One question, and the answer that it got."""

    request: RulesRequest
    allowed: bool


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request of a client.

    Args:
        title: For people: `update groups/home as alice`.
        origin: What made it: a check's node id, or `access: ROW / PERSONA`.
        decisions: In the order in which they are taken; never empty. Those behind the first denial
            are here too, with the answer that they would have got.
        documents: What rules could look at.
        several: Whether it is about several documents, which raises the limit of accesses.
    """

    title: str
    origin: str
    decisions: tuple[RecordedDecision, ...]
    documents: RecordedDocuments
    several: bool = False

    @property
    def allowed(self) -> bool:
        """Whether it was allowed: every decision was."""
        return all(decision.allowed for decision in self.decisions)

    @property
    def service(self) -> str:
        """`cloud.firestore` or `firebase.storage`."""
        return self.decisions[0].request.service


class ReplaySource:
    """The recorded documents as a `DocumentSource`.

    Attributes:
        unknown: Documents that were asked for and are not in the record.
    """

    def __init__(self, documents: RecordedDocuments) -> None:
        self._documents = documents
        self.unknown: list[DocumentPath] = []

    def get(self, path: DocumentPath) -> Mapping[str, RulesValue] | None:
        """Return a document's fields before the request.

        Raises:
            EvaluationStopped: It was not recorded.
        """
        documents = self._documents
        fields = documents.before.get(path)
        if fields is None and not documents.is_complete and path not in documents.missing:
            self.unknown.append(path)
            raise EvaluationStopped(NOT_RECORDED)
        return fields

    def get_after(self, path: DocumentPath) -> Mapping[str, RulesValue] | None:
        """Return a document's fields after the request's commit."""
        after = self._documents.after
        return after[path] if path in after else self.get(path)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a ruleset says to a recorded request.

    Args:
        allowed: Whether it allows the request.
        denied: The decision that denied it, and its place among the request's; None if allowed.
        unknown: Documents that it looked at and that were not recorded: if there are any, the
            answer is not certain.
    """

    allowed: bool
    denied: tuple[int, Decision] | None = None
    unknown: tuple[DocumentPath, ...] = ()


def replay(ruleset: CompiledRuleset, recorded: RecordedRequest) -> Replay:
    """Ask a ruleset a recorded request again. Stops at the first denial, as a server does."""
    source = ReplaySource(recorded.documents)
    log = AccessLog(
        limits.BATCH_ACCESS_CALLS if recorded.several else limits.SINGLE_REQUEST_ACCESS_CALLS
    )
    for index, asked in enumerate(recorded.decisions):
        decision = ruleset.decide(asked.request, source, log)
        if not decision.allowed:
            return Replay(False, (index, decision), tuple(source.unknown))
    return Replay(True, None, tuple(source.unknown))
