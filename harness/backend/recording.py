"""The requests that rules have judged, kept so that they can be asked again of other rules.

While requests come in, only references are kept, to records that never change; what a record means
to the rules is worked out when someone takes it. One recording belongs to one project. Records of
other processes, and files, are not known here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from harness.backend import bridge
from harness.firestore.documents import CommitResult, DocumentChange, DocumentSnapshot
from harness.firestore.paths import DatabaseName
from harness.firestore.store import Database, PreparedCommit
from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
)
from harness.rules.recorded_json import Fields, RequestWriter, ruleset_digest
from harness.rules.request import Method, RulesResource
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog
from harness.rules.titles import request_title

LOG_SIZE = 1_000
"""Requests kept for each project; the oldest leave first."""

COMPLETE_UP_TO = 500
"""Documents of a database that is kept whole with each request. Of a larger one only what the rules
looked at is kept, so that a request costs the same however large the database is."""

_MAX_RULESETS = 16

_Documents: TypeAlias = dict[DocumentPath, Fields]


@dataclass(frozen=True, slots=True)
class JudgedRequest:
    """One request as it was judged.

    Args:
        ruleset: What judged it.
        decisions: Each question with its answer.
        timeline: The states of its database.
        moment: Which of them the request met; None when the database was too large to be kept
            whole.
        prepared: What the request was to write.
        looked_at: What the rules looked up, by whether they asked for the state afterwards, where
            `moment` is None.
        several: Whether it was about several documents.
    """

    ruleset: CompiledRuleset
    decisions: Sequence[RecordedDecision]
    timeline: _Timeline
    moment: int | None
    prepared: PreparedCommit | None
    looked_at: Mapping[tuple[bool, DocumentPath], Fields | None]
    several: bool


class Recording:
    """The latest requests of one project.

    Args:
        size: How many are kept.
        complete_up_to: How many documents a database may have to be kept whole.
    """

    def __init__(self, size: int = LOG_SIZE, complete_up_to: int = COMPLETE_UP_TO) -> None:
        self._size = size
        self._kept: deque[JudgedRequest] = deque(maxlen=size)
        self._added = 0
        self._complete_up_to = complete_up_to
        self._timelines: dict[DatabaseName, _Timeline] = {}
        self._rulesets: dict[str, CompiledRuleset] = {}

    def add(
        self,
        ruleset: CompiledRuleset,
        decisions: Sequence[RecordedDecision],
        store: Database,
        prepared: PreparedCommit | None,
        accesses: AccessLog,
        several: bool,
    ) -> None:
        """Keep a request that has just been judged; the database must still be as it was then."""
        timeline = self._timelines.get(store.name)
        if timeline is None:
            timeline = self._timelines[store.name] = _Timeline(store)
        is_small = store.document_count <= self._complete_up_to
        moment = timeline.now if is_small else None
        looked_at = {} if is_small else accesses.results
        self._added += 1
        self._kept.append(
            JudgedRequest(ruleset, decisions, timeline, moment, prepared, looked_at, several)
        )
        if self._added % self._size == 0:
            self._forget_old_moments()

    def close(self) -> None:
        """Keep nothing from now on, and forget everything."""
        for timeline in self._timelines.values():
            timeline.close()
        self._timelines.clear()
        self._kept.clear()
        self._added = 0

    def take(self) -> str:
        """Return the requests as lines of `recorded_json`, and forget them."""
        writer = RequestWriter()
        translator = _Translator()
        for judged in self._kept:
            digest = ruleset_digest(judged.ruleset.source.text)
            self._rulesets.pop(digest, None)
            self._rulesets[digest] = judged.ruleset
            writer.add(translator.recorded(judged), digest)
        for digest in list(self._rulesets)[:-_MAX_RULESETS]:
            del self._rulesets[digest]
        if self._added > len(self._kept):
            writer.leave_out(self._added - len(self._kept))
        self.close()
        return writer.take()

    def ruleset(self, digest: str) -> CompiledRuleset | None:
        """Return one of the rulesets that decided what was taken lately."""
        return self._rulesets.get(digest)

    def _forget_old_moments(self) -> None:
        oldest: dict[_Timeline, int] = {}
        for judged in self._kept:
            if judged.moment is not None:
                oldest.setdefault(judged.timeline, judged.moment)
        for timeline in self._timelines.values():
            timeline.forget_before(oldest.get(timeline, timeline.now))


class _Timeline:
    """The states of one database: the first one, and what each commit has changed since.

    A state for each request, even as a copied dict, would cost more than the request.
    """

    def __init__(self, store: Database) -> None:
        self.database = store.name
        self._first = dict(store.snapshot())
        self._first_moment = 0
        self._commits: deque[Sequence[DocumentChange]] = deque()
        self.close = store.subscribe(self._note)

    @property
    def now(self) -> int:
        """The number of the latest state."""
        return self._first_moment + len(self._commits)

    def forget_before(self, moment: int) -> None:
        """Let the states before this one go."""
        while self._first_moment < moment:
            self._first_moment += 1
            for change in self._commits.popleft():
                if change.after is None:
                    del self._first[change.path]
                else:
                    self._first[change.path] = change.after

    @property
    def first(self) -> tuple[int, Iterable[DocumentSnapshot]]:
        """The oldest state that is known, with its number."""
        return self._first_moment, self._first.values()

    def changes(self, after: int, until: int) -> Iterator[DocumentChange]:
        """Yield what changed between two states."""
        begin = after - self._first_moment
        for commit in islice(self._commits, begin, until - self._first_moment):
            yield from commit

    def _note(self, result: CommitResult) -> None:
        if result.changes:
            self._commits.append(result.changes)


class _Translator:
    """Turns what was kept into what rules understand; equal parts become the same objects.

    Requests must come in the order in which they were kept.
    """

    def __init__(self) -> None:
        # By identity; the snapshots are kept alive by the recording meanwhile.
        self._documents: dict[int, tuple[DocumentPath, Fields]] = {}
        self._latest: dict[_Timeline, tuple[int, _Documents]] = {}

    def recorded(self, judged: JudgedRequest) -> RecordedRequest:
        return RecordedRequest(
            title=request_title([decision.request for decision in judged.decisions]),
            origin="",
            decisions=tuple(judged.decisions),
            documents=self._known(judged),
            several=judged.several,
        )

    def _known(self, judged: JudgedRequest) -> RecordedDocuments:
        database = judged.timeline.database
        before: dict[DocumentPath, Fields | None] = {}
        after: dict[DocumentPath, Fields | None] = {}
        for step in judged.prepared.steps if judged.prepared is not None else ():
            path = bridge.path_segments(database, step.write.path)
            before.setdefault(path, self._fields(database, step.before))
            after[path] = self._fields(database, step.after)
        if judged.moment is not None:
            return RecordedDocuments(self._whole(judged.timeline, judged.moment), after)
        for decision in judged.decisions:
            request = decision.request
            if request.method is Method.GET:
                resource = request.resource
                before[request.path] = resource.data if type(resource) is RulesResource else None
        for (is_after, path), fields in judged.looked_at.items():
            if not is_after or path not in after:
                before[path] = fields
        return RecordedDocuments(
            {path: fields for path, fields in before.items() if fields is not None},
            after,
            is_complete=False,
            missing=frozenset(path for path, fields in before.items() if fields is None),
        )

    def _whole(self, timeline: _Timeline, moment: int) -> _Documents:
        known = self._latest.get(timeline)
        if known is None:
            first, snapshots = timeline.first
            known = first, dict(self._document(timeline.database, each) for each in snapshots)
        at, documents = known
        if at < moment:
            documents = dict(documents)
            for change in timeline.changes(at, moment):
                if change.after is None:
                    del documents[bridge.path_segments(timeline.database, change.path)]
                else:
                    path, fields = self._document(timeline.database, change.after)
                    documents[path] = fields
        self._latest[timeline] = (moment, documents)
        return documents

    def _fields(self, database: DatabaseName, snapshot: DocumentSnapshot | None) -> Fields | None:
        return None if snapshot is None else self._document(database, snapshot)[1]

    def _document(
        self, database: DatabaseName, snapshot: DocumentSnapshot
    ) -> tuple[DocumentPath, Fields]:
        known = self._documents.get(id(snapshot))
        if known is None:
            known = self._documents[id(snapshot)] = (
                bridge.path_segments(database, snapshot.path),
                bridge.rules_map(snapshot.fields),
            )
        return known
