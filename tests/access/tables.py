"""Small access matrices, and the tables in tests/corpus/access."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.access.model import AccessMatrix
from harness.access.reader import read_matrix
from harness.access.yaml_values import timestamp_of
from harness.config import Persona
from harness.errors import HarnessError
from harness.firestore.values import Timestamp
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText

FOLDER = Path(__file__).parent.parent / "corpus" / "access"
PROJECT = "demo-matrix"
NOW_TEXT = "2026-03-01T12:00:00Z"
PERSONAS = {
    "alice": Persona("alice"),
    "bob": Persona("bob", {"admin": True, "email": "bob@example.com", "email_verified": True}),
    "guest": Persona(None),
}

_CASE_KEYS = {"name", "row", "if", "allow", "source"}


def now() -> Timestamp:
    moment = timestamp_of(NOW_TEXT)
    assert moment is not None
    return moment


def no_files(name: str) -> SourceText:
    raise HarnessError(f"there is no file {name}", fix="check the name")


def matrix_of(
    text: str,
    *,
    key: str | None = None,
    personas: Mapping[str, Persona] = PERSONAS,
    read_text: Callable[[str], SourceText] = no_files,
) -> AccessMatrix:
    return read_matrix(
        SourceText("access.yaml", text),
        key=key,
        personas=personas,
        project_id=PROJECT,
        now=now(),
        read_text=read_text,
    )


def files(**texts: str) -> Callable[[str], SourceText]:
    """Files by name, with `__` for the dot: `files(rows__csv="...")`."""
    by_name = {name.replace("__", "."): text for name, text in texts.items()}

    def read_text(name: str) -> SourceText:
        return SourceText(name, by_name[name]) if name in by_name else no_files(name)

    return read_text


def ruleset_of(text: str) -> CompiledRuleset:
    loaded = load_ruleset(SourceText("test.rules", text))
    assert loaded.ruleset is not None, loaded.issues
    return loaded.ruleset


def firestore_rules(body: str) -> CompiledRuleset:
    return ruleset_of(
        "rules_version = '2';\n"
        f"service cloud.firestore {{ match /databases/{{database}}/documents {{\n{body}\n}} }}\n"
    )


def storage_rules(body: str) -> CompiledRuleset:
    return ruleset_of(
        "rules_version = '2';\n"
        f"service firebase.storage {{ match /b/{{bucket}}/o {{\n{body}\n}} }}\n"
    )


@dataclass(frozen=True)
class RequestCase:
    """One row of requests.yaml."""

    name: str
    matrix: AccessMatrix
    ruleset: CompiledRuleset
    is_storage: bool


def request_cases() -> list[RequestCase]:
    table = yaml.safe_load((FOLDER / "requests.yaml").read_text(encoding="utf-8"))
    assert table.keys() == {"documents", "objects", "cases"}
    cases = [_case(case, table) for case in table["cases"]]
    assert cases
    assert len({case.name for case in cases}) == len(cases)
    return cases


def _case(case: Mapping[str, Any], table: Mapping[str, Any]) -> RequestCase:
    assert case.keys() == _CASE_KEYS, case
    row = {"name": case["name"], **case["row"], "allow": case["allow"]}
    content = {
        "now": NOW_TEXT,
        "documents": table["documents"],
        "objects": table["objects"],
        "rows": [row],
    }
    is_storage = row.get("service") == "storage"
    rules = storage_rules if is_storage else firestore_rules
    methods = {write["method"] for write in row.get("batch", [row])}
    body = f"match /{{path=**}} {{ allow {', '.join(sorted(methods))}: if {case['if']}; }}"
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    text = text.replace(f"now: '{NOW_TEXT}'", f"now: {NOW_TEXT}")
    return RequestCase(case["name"], matrix_of(text), rules(body), is_storage)
