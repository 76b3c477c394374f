"""Recorded requests and rulesets, made from the notation of tests/corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.rules.recorded import RecordedDecision, RecordedDocuments, RecordedRequest
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.rules.values import RulesPath
from harness.source import SourceText
from tests.rules.corpus import NOW, ROOT, SIGNED_IN

_KEYS = {"auth", "before", "after", "query", *(method.value for method in Method)}


def ruleset(rules: str, service: str = FIRESTORE, name: str = "test.rules") -> CompiledRuleset:
    """Load rules that stand inside the outermost match."""
    top = "/b/{bucket}/o" if service == STORAGE else "/databases/{db}/documents"
    text = f"rules_version = '2';\nservice {service} {{\nmatch {top} {{\n{rules}\n}}\n}}\n"
    loaded = load_ruleset(SourceText(name, text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset


def recorded_request(
    row: Mapping[str, Any],
    documents: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    service: str = FIRESTORE,
    is_complete: bool = True,
) -> RecordedRequest:
    """Make a request from a row: `{get: notes/a, auth: alice, before: {…}}`."""
    assert row.keys() <= _KEYS, row
    method = next(method for method in Method if method.value in row)
    below = tuple(row[method.value].split("/"))
    path = below if service == STORAGE else (*ROOT, *below)
    query = row.get("query")
    request = RulesRequest(
        service,
        method,
        path,
        SIGNED_IN[row["auth"]] if "auth" in row else None,
        NOW,
        resource=_resource(row.get("before"), path, service),
        new_resource=_resource(row.get("after"), path, service),
        query=_query(query, path) if query is not None else None,
    )
    return RecordedRequest(
        title=f"{method.value} {row[method.value]} as {row.get('auth', 'nobody')}",
        origin="a test",
        decisions=(RecordedDecision(request, False),),
        documents=RecordedDocuments(
            {(*ROOT, *name.split("/")): fields for name, fields in (documents or {}).items()},
            is_complete=is_complete,
        ),
    )


def _resource(data: Any, path: tuple[str, ...], service: str) -> Any:
    return data if data is None or service == STORAGE else RulesResource(data, RulesPath(path))


def _query(row: Mapping[str, Any], path: tuple[str, ...]) -> RulesQuery:
    filters = tuple(
        QueryConstraint(tuple(name.split(".")), Comparator(comparator), value)
        for name, comparator, value in row.get("where", ())
    )
    return RulesQuery(path[:-1], path[-1], limit=row.get("limit"), disjuncts=(filters,))
