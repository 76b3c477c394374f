"""Reads the tables in tests/corpus/rules_lint. Refuses unknown keys, duplicates, empty tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from harness.rules.request import FIRESTORE, STORAGE

FOLDER = Path(__file__).parent.parent / "corpus" / "rules_lint"
TODAY = date(2026, 1, 1)
_CASE_KEYS = {"name", "rules", "ruleset", "service", "found", "today", "source"}


@dataclass(frozen=True)
class LintCase:
    """A ruleset, and what a lint rule finds in it: the beginnings of `level: message`."""

    id: str
    rule: str
    ruleset: str
    found: tuple[str, ...]
    today: date


def wrapped(rules: str, service: str = FIRESTORE) -> str:
    root = "/b/{bucket}/o" if service == STORAGE else "/databases/{database}/documents"
    return f"rules_version = '2';\nservice {service} {{\nmatch {root} {{\n{rules}\n}}\n}}\n"


def load_lint_cases() -> list[LintCase]:
    cases = []
    for path in sorted(FOLDER.glob("*.yaml")):
        for rule, table in yaml.safe_load(path.read_text(encoding="utf-8"))["tables"].items():
            if table.keys() != {"source", "cases"} or not table["cases"]:
                raise ValueError(f"{path.name}: {rule}: needs a source and cases")
            cases += [_case(rule, row) for row in table["cases"]]
    ids = [case.id for case in cases]
    if not cases or len(set(ids)) != len(ids):
        raise ValueError(
            f"no cases, or duplicates: {[each for each in ids if ids.count(each) > 1]}"
        )
    return cases


def _case(rule: str, row: dict[str, Any]) -> LintCase:
    name = f"{rule}: {row.get('name')}"
    if row.keys() - _CASE_KEYS or ("rules" in row) == ("ruleset" in row) or "found" not in row:
        raise ValueError(f"{name}: has unknown keys, or not what it needs")
    ruleset = (
        row["ruleset"] if "ruleset" in row else wrapped(row["rules"], row.get("service", FIRESTORE))
    )
    return LintCase(name, rule, ruleset, tuple(row["found"]), row.get("today", TODAY))
