"""Decides an access matrix in process: each row as each persona, on the sample documents.

A request goes through the backend's own parts (the store's `prepare`, which applies masks and
transforms, and the bridge to the rules) and is never committed: every cell meets the same
documents. What the cells then mean is `table.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from harness.access.model import (
    AccessMatrix,
    AccessRow,
    CollectionQuery,
    DocumentRead,
    DocumentWrites,
    MatrixCell,
    ObjectRequest,
)
from harness.access.requests import query_of, write_of
from harness.access.storage_objects import ObjectVersion, object_path
from harness.access.templates import Filling
from harness.backend import bridge
from harness.backend.auth import ANONYMOUS, Caller, CallerKind
from harness.backend.authorisation import question_of
from harness.backend.claims import claims_of_user
from harness.errors import ConfigError, StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.paths import DatabaseName, ResourcePath, parse_document_name
from harness.firestore.query_checks import validate_query
from harness.firestore.store import Database
from harness.firestore.values import Timestamp
from harness.rules import limits
from harness.rules.recorded import (
    DocumentPath,
    RecordedDecision,
    RecordedDocuments,
    RecordedRequest,
    ReplaySource,
)
from harness.rules.request import STORAGE, Method, RulesRequest
from harness.rules.ruleset import CompiledRuleset
from harness.rules.runtime import AccessLog
from harness.rules.values import RulesValue
from harness.source import SourcePosition

_DAY_MICROS = 86_400_000_000
_MICROS_PER_SECOND = 1_000_000


def record_cells(
    matrix: AccessMatrix,
    ruleset: CompiledRuleset | None,
    storage_ruleset: CompiledRuleset | None = None,
) -> tuple[MatrixCell, ...]:
    """Ask rulesets every cell of a matrix, row by row.

    Rows of a service whose ruleset is not given are left out.

    Raises:
        ConfigError: A row or a sample document is not what Firestore would accept, or a row does
            not ask what it says: it creates what is there, or updates what is not.
    """
    question = MatrixQuestions(matrix)
    cells = []
    for row in matrix.rows:
        asked = storage_ruleset if row.service == STORAGE else ruleset
        if asked is not None:
            cells += [question.cell(row, persona, asked) for persona in matrix.personas]
    return tuple(cells)


class MatrixQuestions:
    """The questions that a matrix asks, on its sample documents."""

    def __init__(self, matrix: AccessMatrix) -> None:
        self.matrix = matrix
        self._database = DatabaseName(matrix.project_id)
        self._callers = {name: _caller(matrix, name) for name in matrix.personas}
        self._fillings = {
            name: Filling(matrix.uid(name), matrix.now, self._database) for name in matrix.personas
        }

    def cell(self, row: AccessRow, persona: str, ruleset: CompiledRuleset) -> MatrixCell:
        """Ask a ruleset one row as one persona."""
        filling = self._fillings[persona]
        sample = self._sample if not row.given else self._sample.given(row, filling)
        requests, after = self._questions(row, persona, sample.store)
        documents = RecordedDocuments(before=sample.fields, after=after)
        source = ReplaySource(documents)
        several = len(requests) > 1
        log = AccessLog(
            limits.BATCH_ACCESS_CALLS if several else limits.SINGLE_REQUEST_ACCESS_CALLS
        )
        recorded = RecordedRequest(
            title=f"{row.method} {filling.text(row.path)} as {persona}",
            origin=f"access: {row.name} / {persona}",
            decisions=tuple(
                RecordedDecision(request, ruleset.decide(request, source, log).allowed)
                for request in requests
            ),
            documents=documents,
            several=several,
        )
        return MatrixCell(row.name, persona, persona in row.allowed, recorded)

    def documents(self) -> Iterator[tuple[SourcePosition | None, Write]]:
        """Yield what an administrator writes to make the sample documents.

        Raises:
            ConfigError: A path that Firestore refuses.
        """
        seen: set[str] = set()
        for template, fields in self.matrix.documents.items():
            at = self.matrix.positions.get(template)
            for filling in self._distinct_fillings(template):
                path = ResourcePath(filling.text(template))
                if path in seen:
                    raise ConfigError(
                        f"two sample documents are {path}", fix="keep one of them", at=at
                    )
                seen.add(path)
                _check_path(self._database, path, at)
                yield at, Write(WriteKind.UPDATE, path, filling.fields(fields))

    def objects(self) -> Mapping[str, ObjectVersion]:
        """Return the sample objects in Storage by path."""
        return self._objects

    def _questions(
        self, row: AccessRow, persona: str, store: Database
    ) -> tuple[list[RulesRequest], Mapping[DocumentPath, Mapping[str, RulesValue] | None]]:
        """Return what the rules are asked, and what the request's commit changes."""
        filling, caller = self._fillings[persona], self._callers[persona]
        now = self.matrix.now
        try:
            match row.request:
                case DocumentRead(path=template):
                    path = ResourcePath(filling.text(template))
                    _check_path(self._database, path, row.at)
                    before = store.get(path)
                    request = bridge.document_request(
                        self._database, Method.GET, path, caller, now, before
                    )
                    return [request], {}
                case CollectionQuery() as listing:
                    query = query_of(listing, filling)
                    validate_query(query)
                    return [bridge.list_request(self._database, query, caller, now)], {}
                case DocumentWrites() as writes:
                    return self._write_questions(row, writes, store, filling, caller)
                case ObjectRequest() as asked:
                    return [self._object_question(asked, filling, caller)], {}
                case _:
                    assert_never(row.request)
        except StatusError as error:
            raise ConfigError(
                f'Firestore refuses "{row.name}" as {persona}: {error.message.strip()}',
                fix="correct the row: what the rules say to such a request does not matter",
                at=row.at,
            ) from error

    def _write_questions(
        self,
        row: AccessRow,
        asked: DocumentWrites,
        store: Database,
        filling: Filling,
        caller: Caller,
    ) -> tuple[list[RulesRequest], Mapping[DocumentPath, Mapping[str, RulesValue] | None]]:
        writes = [write_of(write, filling) for write in asked.writes]
        for said, write in zip(asked.writes, writes, strict=True):
            _check_path(self._database, write.path, said.at)
        prepared = store.prepare(writes, self.matrix.now)
        requests = []
        after: dict[DocumentPath, Mapping[str, RulesValue] | None] = {}
        for said, step in zip(asked.writes, prepared.steps, strict=True):
            _check_existence(row, said.method, step.write.path, step.before is not None, said.at)
            method, new = question_of(step)
            path = step.write.path
            requests.append(
                bridge.document_request(
                    self._database, method, path, caller, self.matrix.now, step.before, new
                )
            )
            left = prepared.get_after(path)
            after[bridge.path_segments(self._database, path)] = (
                bridge.rules_map(left.fields) if left is not None else None
            )
        return requests, after

    def _object_question(
        self, asked: ObjectRequest, filling: Filling, caller: Caller
    ) -> RulesRequest:
        """Return what the Storage emulator asks.

        Source: firebase-tools 15.34, emulator/storage/files.ts.
        """
        now = self.matrix.now
        path = filling.text(asked.path)
        before = self._objects.get(path)
        after = None
        if asked.method is Method.CREATE:
            after = ObjectVersion(self.matrix.bucket, path, asked.sent, now, now)
        elif asked.method is Method.UPDATE and before is not None:
            after = before.changed(asked.sent, now)
        is_list = asked.method is Method.LIST
        return RulesRequest(
            service=STORAGE,
            method=asked.method,
            path=object_path(self.matrix.bucket, path),
            auth=bridge.rules_auth(caller),
            time=bridge.rules_time(now),
            resource=before.resource() if before is not None and not is_list else None,
            new_resource=after.resource() if after is not None else None,
            delimiter="/" if is_list else None,  # as every client library's list has it
        )

    @cached_property
    def _sample(self) -> _Sample:
        store = Database(self._database)
        stored_at = Timestamp(self.matrix.now.micros - _DAY_MICROS)
        for at, write in self.documents():
            _store(store, write, stored_at, at)
        return _Sample.of(store)

    @cached_property
    def _objects(self) -> Mapping[str, ObjectVersion]:
        stored_at = Timestamp(self.matrix.now.micros - _DAY_MICROS)
        return {
            path: ObjectVersion(self.matrix.bucket, path, stored, stored_at, stored_at)
            for template, stored in self.matrix.objects.items()
            for filling in self._distinct_fillings(template)
            for path in [filling.text(template)]
        }

    def _distinct_fillings(self, template: str) -> list[Filling]:
        """Return one filling for each path that a template of a sample stands for."""
        by_path = {filling.text(template): filling for filling in self._fillings.values()}
        return list(by_path.values())


@dataclass(frozen=True, slots=True)
class _Sample:
    """What is stored when a request arrives: for the store, and as rules see it."""

    store: Database
    fields: Mapping[DocumentPath, Mapping[str, RulesValue]]

    @classmethod
    def of(cls, store: Database) -> _Sample:
        return cls(
            store,
            {
                bridge.path_segments(store.name, path): bridge.rules_map(snapshot.fields)
                for path, snapshot in store.snapshot().items()
            },
        )

    def given(self, row: AccessRow, filling: Filling) -> _Sample:
        """Return it as one row finds it."""
        store = Database(self.store.name)
        at = self.store.last_commit_time
        store.restore(self.store.snapshot(), at)
        fields = dict(self.fields)
        for write in given_writes(row, filling):
            _store(store, write, at, row.at)
            segments = bridge.path_segments(store.name, write.path)
            fields.pop(segments, None)
            if write.fields is not None:
                fields[segments] = bridge.rules_map(write.fields)
        return _Sample(store, fields)


def given_writes(row: AccessRow, filling: Filling) -> Iterator[Write]:
    """Yield what an administrator writes to make a row's own documents.

    Raises:
        ConfigError: A path that Firestore refuses.
    """
    for template, fields in row.given.items():
        path = ResourcePath(filling.text(template))
        _check_path(filling.database, path, row.at)
        if fields is None:
            yield Write(WriteKind.DELETE, path)
        else:
            yield Write(WriteKind.UPDATE, path, filling.fields(fields))


def _store(store: Database, write: Write, stored_at: Timestamp, at: SourcePosition | None) -> None:
    try:
        store.commit(store.prepare([write], stored_at))
    except StatusError as error:
        raise ConfigError(
            f"Firestore refuses the sample document {write.path}: {error.message.strip()}",
            fix="correct the document",
            at=at,
        ) from error


def _check_path(database: DatabaseName, path: ResourcePath, at: SourcePosition | None) -> None:
    """Refuse a document path that Firestore refuses."""
    try:
        parse_document_name(f"{database}/documents/{path}")
    except StatusError as error:
        raise ConfigError(
            f"{path} is no document's path: {error.message}", fix="correct the path", at=at
        ) from error


def _caller(matrix: AccessMatrix, name: str) -> Caller:
    persona = matrix.personas[name]
    if persona.uid is None:
        return ANONYMOUS
    claims = claims_of_user(
        persona.uid,
        persona.claims,
        project_id=matrix.project_id,
        now_s=matrix.now.micros // _MICROS_PER_SECOND,
    )
    return Caller(CallerKind.USER, persona.uid, claims)


def _check_existence(
    row: AccessRow, method: Method, path: str, exists: bool, at: SourcePosition
) -> None:
    """Refuse a write whose method is not what the rules would be asked."""
    if method is Method.CREATE and exists:
        problem = f'"{row.name}" creates {path}, which is there already'
        raise ConfigError(problem, fix="name another path, or say method: update", at=at)
    if method is Method.UPDATE and not exists:
        problem = f'"{row.name}" updates {path}, which is not there'
        fix = "add it to the sample documents (with $uid in its path: one for each persona)"
        raise ConfigError(problem, fix=fix, at=at)
