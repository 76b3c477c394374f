"""Findings of the rules linter -> SARIF 2.1.0, which code scanning services read.

Source: OASIS Standard "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; GitHub
documentation, "SARIF support for code scanning".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from harness.reports.lint import LintedFile, positions
from harness.rules.lint.model import Finding, LintRule
from harness.source import SourcePosition, SourceText

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_FINGERPRINT = "harnessRulesLint/v1"


def lint_to_sarif(files: Sequence[LintedFile], rules: Sequence[LintRule], version: str) -> str:
    """Return a SARIF log with one run.

    Args:
        files: What was found, file by file.
        rules: Every lint rule there is: readers show rules that found nothing too.
        version: Of the harness.
    """
    indexes = {rule.name: index for index, rule in enumerate(rules)}
    driver = {
        "name": "firebase-workflow-harness",
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {
            "SRCROOT": {"description": {"text": "The folder that the linter ran in."}}
        },
        "artifacts": [{"location": _location(file)} for file in files],
        "results": [
            result for index, file in enumerate(files) for result in _results(file, index, indexes)
        ],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: LintRule) -> dict[str, Any]:
    markdown = (
        f"**{rule.title}.** {rule.why}\n\nTo mend it: {rule.fix}.\n\n"
        f"```\n{rule.example}\n```\n\n[Documentation]({rule.reference})"
    )
    return {
        "id": rule.name,
        "shortDescription": {"text": f"{rule.title}."},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} To mend it: {rule.fix}.", "markdown": markdown},
        "helpUri": rule.reference,
        "defaultConfiguration": {"level": rule.level.value},
        "properties": {"tags": ["security", "firebase-security-rules"]},
    }


def _results(file: LintedFile, index: int, indexes: dict[str, int]) -> Iterable[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for finding in file.findings:
        location = {"artifactLocation": {**_location(file), "index": index}}
        yield {
            "ruleId": finding.rule.name,
            "ruleIndex": indexes[finding.rule.name],
            "level": finding.level.value,
            "message": {"text": f"{finding.message}. To mend it: {finding.rule.fix}."},
            "locations": [{"physicalLocation": {**location, "region": _region(file, finding)}}],
            "partialFingerprints": {_FINGERPRINT: _fingerprint(file, finding, seen)},
        }


def _location(file: LintedFile) -> dict[str, Any]:
    if "://" in file.uri:
        return {"uri": file.uri}
    return {"uri": _quoted(file.uri), "uriBaseId": "SRCROOT"}


def _quoted(path: str) -> str:
    """Write a path as a relative URI reference. Source: RFC 3986, 2.1 and 4.2."""
    return "".join(
        char if char.isascii() and (char.isalnum() or char in "-._~/") else _percent(char)
        for char in path
    )


def _percent(char: str) -> str:
    return "".join(f"%{octet:02X}" for octet in char.encode("utf-8", "surrogatepass"))


def _region(file: LintedFile, finding: Finding) -> dict[str, int]:
    start, end = positions(file.source, finding.span)
    return {
        "startLine": start.line,
        "startColumn": _utf16_column(file.source, start),
        "endLine": end.line,
        "endColumn": _utf16_column(file.source, end),
    }


def _utf16_column(source: SourceText, at: SourcePosition) -> int:
    before = source.line_text(at.line)[: at.column - 1]
    return len(before.encode("utf-16-le", "surrogatepass")) // 2 + 1


def _fingerprint(file: LintedFile, finding: Finding, seen: Counter[str]) -> str:
    """Tell a finding from others wherever its line moves to.

    The rule, the code without its blanks, and which of several such it is; not the line's number.
    """
    code = "".join(file.source.text[finding.span.start : finding.span.end].split())
    key = hashlib.sha256(f"{finding.rule.name}\n{code}".encode("utf-8", "replace")).hexdigest()
    seen[key] += 1
    return f"{key[:32]}:{seen[key]}"
