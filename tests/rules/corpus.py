"""Reads the tables in tests/corpus/rules. Refuses unknown keys, duplicates and empty tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import RulesPath, RulesTimestamp

FOLDER = Path(__file__).parent.parent / "corpus" / "rules"
DECISIONS = frozenset({"ALLOW", "DENY", "ERROR", "REFUSED"})
ROOT = ("databases", "(default)", "documents")
NOW = RulesTimestamp(1_700_000_000_123_456_000)
SIGNED_IN = {
    "alice": RulesAuth(
        "alice",
        {
            "sub": "alice",
            "admin": True,
            "email": "alice@example.com",
            "firebase": {"sign_in_provider": "custom", "identities": {}},
        },
    ),
    "bob": RulesAuth("bob", {"sub": "bob", "firebase": {"sign_in_provider": "custom"}}),
}

_TABLE_KEYS = {"subject", "expressions", "scenarios"}
_EXPRESSION_KEYS = {"if", "decision", "cause", "note", "source"}
_SCENARIO_KEYS = {
    "name",
    "rules",
    "ruleset",
    "version",
    "service",
    "request",
    "documents",
    "documents_after",
    "decision",
    "cause",
    "message",
    "warns",
    "source",
}
_REQUEST_KEYS = {
    "auth",
    "before",
    "after",
    "query",
    "delimiter",
    *(method.value for method in Method),
}
_QUERY_KEYS = {"group", "under", "limit", "offset", "order_by", "where", "any_of"}


@dataclass(frozen=True)
class Case:
    """One row, ready to run."""

    id: str
    ruleset: str
    request: RulesRequest
    decision: str
    cause: str | None = None
    message: str | None = None
    warns: str | list[str] | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    documents_after: Mapping[str, Mapping[str, Any]] | None = None


class TableDocuments:
    """The documents of a case, by their path below `documents`."""

    def __init__(self, case: Case) -> None:
        self._before = case.documents
        self._after = case.documents if case.documents_after is None else case.documents_after

    def get(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        return self._before.get("/".join(path[3:]))

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        return self._after.get("/".join(path[3:]))


def load_cases() -> list[Case]:
    cases = [case for path in sorted(FOLDER.glob("*.yaml")) for case in read_table(path)]
    if not cases:
        raise ValueError(f"no tables in {FOLDER}")
    return cases


def read_table(path: Path) -> list[Case]:
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    _refuse_unknown(table, _TABLE_KEYS, path.name)
    rows = [_expression_case(path.stem, row) for row in table.get("expressions", ())]
    rows += [_scenario_case(path.stem, row) for row in table.get("scenarios", ())]
    if not rows:
        raise ValueError(f"{path.name}: the table is empty")
    seen: set[str] = set()
    for case in rows:
        if case.id in seen:
            raise ValueError(f"{path.name}: duplicate {case.id}")
        seen.add(case.id)
    return rows


def condition_ruleset(condition: str | None) -> str:
    when = "" if condition is None else f": if {condition}"
    return _firestore_ruleset(f"match /{{d=**}} {{ allow get{when}; }}", "2")


def get_request(path: str = "a/1") -> RulesRequest:
    return RulesRequest(FIRESTORE, Method.GET, (*ROOT, *path.split("/")), None, NOW)


def _firestore_ruleset(rules: str, version: str | None) -> str:
    head = "" if version is None else f"rules_version = '{version}';\n"
    return (
        f"{head}service cloud.firestore {{\nmatch /databases/{{db}}/documents {{\n{rules}\n}}\n}}\n"
    )


def _storage_ruleset(rules: str, version: str | None) -> str:
    head = "" if version is None else f"rules_version = '{version}';\n"
    return f"{head}service firebase.storage {{\nmatch /b/{{bucket}}/o {{\n{rules}\n}}\n}}\n"


def _expression_case(stem: str, row: dict[str, Any]) -> Case:
    _refuse_unknown(row, _EXPRESSION_KEYS, stem)
    condition = row["if"]
    return Case(
        id=f"{stem}: {condition}",
        ruleset=condition_ruleset(condition),
        request=get_request(),
        decision=_decision(row, stem),
        cause=row.get("cause"),
    )


def _scenario_case(stem: str, row: dict[str, Any]) -> Case:
    where = f"{stem}: {row.get('name')}"
    _refuse_unknown(row, _SCENARIO_KEYS, where)
    if ("rules" in row) == ("ruleset" in row):
        raise ValueError(f"{where}: needs either rules or ruleset")
    service = row.get("service", FIRESTORE)
    if "ruleset" in row:
        ruleset = row["ruleset"]
    else:
        make = _storage_ruleset if service == STORAGE else _firestore_ruleset
        version = row.get("version", "2")
        ruleset = make(row["rules"], None if version == "absent" else str(version))
    return Case(
        id=where,
        ruleset=ruleset,
        request=_request(row.get("request", {"get": "a/1"}), service, where),
        decision=_decision(row, where),
        cause=row.get("cause"),
        message=row.get("message"),
        warns=row.get("warns"),
        documents=_values(row.get("documents", {})),
        documents_after=_values(row["documents_after"]) if "documents_after" in row else None,
    )


def _decision(row: dict[str, Any], where: str) -> str:
    if row.get("decision") not in DECISIONS or not row.get("source"):
        raise ValueError(f"{where}: needs a decision of {sorted(DECISIONS)} and a source")
    if "cause" in row and row["decision"] in ("ALLOW", "DENY"):
        raise ValueError(f"{where}: only ERROR and REFUSED have a cause")
    return str(row["decision"])


def _request(row: dict[str, Any], service: str, where: str) -> RulesRequest:
    _refuse_unknown(row, _REQUEST_KEYS, where)
    methods = [method for method in Method if method.value in row]
    if len(methods) != 1:
        raise ValueError(f"{where}: a request has one method")
    method = methods[0]
    below = tuple(part for part in row[method.value].split("/") if part)
    path = below if service == STORAGE else (*ROOT, *below)
    auth = row.get("auth")
    query = _query(row["query"], path, where) if "query" in row else None
    return RulesRequest(
        service=service,
        method=method,
        path=path,
        auth=SIGNED_IN[auth] if auth else None,
        time=NOW,
        resource=_resource(row.get("before"), path, service),
        new_resource=_resource(row.get("after"), path, service),
        query=query,
        delimiter=row.get("delimiter"),
    )


def _resource(data: Any, path: tuple[str, ...], service: str) -> Any:
    if data is None or service == STORAGE:
        return _values(data)
    return RulesResource(_values(data), RulesPath(path))


def _query(row: dict[str, Any], path: tuple[str, ...], where: str) -> RulesQuery:
    _refuse_unknown(row, _QUERY_KEYS, where)
    under = tuple(part for part in row.get("under", "").split("/") if part)
    disjuncts = row.get("any_of", [row.get("where", [])])
    is_group = row.get("group", False)
    return RulesQuery(
        parent=(*ROOT, *under) if is_group else path[:-1],
        collection_id=path[-1],
        all_descendants=is_group,
        limit=row.get("limit"),
        offset=row.get("offset", 0),
        order_by=row.get("order_by", {}),
        disjuncts=tuple(
            tuple(
                QueryConstraint(tuple(name.split(".")), Comparator(comparator), _values(value))
                for name, comparator, value in disjunct
            )
            for disjunct in disjuncts
        ),
    )


def _values(value: Any) -> Any:
    """Read `$now` as the request's time, `{$path: a/1}` as a reference; the rest is as it is."""
    if value == "$now":
        return NOW
    if isinstance(value, dict) and value.keys() == {"$path"}:
        return RulesPath((*ROOT, *value["$path"].split("/")))
    if isinstance(value, dict):
        return {key: _values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_values(item) for item in value]
    return value


def _refuse_unknown(row: Any, known: set[str], where: str) -> None:
    if not isinstance(row, dict):
        raise ValueError(f"{where}: not a mapping")
    unknown = row.keys() - known
    if unknown:
        raise ValueError(f"{where}: unknown keys {sorted(unknown)}")
