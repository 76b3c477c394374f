"""Findings of the rules linter -> text, JSON, and annotations of a GitHub workflow run.

SARIF is in `sarif.py`. Must not live here: what is linted, and which findings fail a run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.rules.lint.model import Finding, Level, LintRule
from harness.source import SourcePosition, SourceText, Span

FORMAT = "firebase-workflow-harness/rules-lint/1"
"""Changes when a reader of the old shape would be misled; new fields alone do not change it."""

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


@dataclass(frozen=True, slots=True)
class LintedFile:
    """A rules file and what was found in it.

    Args:
        uri: Its address as reports name it: relative to where the command runs, with `/`.
        source: Its text.
        findings: In the order of the text.
    """

    uri: str
    source: SourceText
    findings: tuple[Finding, ...]


def lint_to_text(files: Sequence[LintedFile]) -> str:
    """Return the findings for people, each with its line and a caret, and how many there are.

    How to mend it is said where a rule is found for the first time.
    """
    explained: set[LintRule] = set()
    lines: list[str] = []
    for file in files:
        for finding in file.findings:
            at = file.source.position(finding.span.start)
            lines.append(
                f"{file.uri}:{at.line}:{at.column}: {finding.level.value}: {finding.message} "
                f"[{finding.rule.name}]"
            )
            lines += [f"  {line}" for line in file.source.caret(finding.span).splitlines()]
            if finding.rule not in explained:
                explained.add(finding.rule)
                lines.append(f"  fix: {finding.rule.fix}")
    return "\n".join([*lines, _summary(files)]) + "\n"


def _summary(files: Sequence[LintedFile]) -> str:
    counts = Counter(finding.level for file in files for finding in file.findings)
    where = "1 file" if len(files) == 1 else f"{len(files)} files"
    if not counts:
        return f"nothing found in {where}"
    parts = [
        f"{counts[level]} {level.value}{'' if counts[level] == 1 else 's'}"
        for level in Level
        if counts[level]
    ]
    return f"{', '.join(parts)} in {where}"


def lint_to_json(files: Sequence[LintedFile]) -> str:
    """Return the findings as indented JSON. Lines and columns count from 1, columns in characters;
    the end column is behind the last character.
    """
    findings = []
    for file in files:
        for finding in file.findings:
            start, end = positions(file.source, finding.span)
            findings.append(
                {
                    "file": file.uri,
                    "line": start.line,
                    "column": start.column,
                    "end_line": end.line,
                    "end_column": end.column,
                    "rule": finding.rule.name,
                    "level": finding.level.value,
                    "message": finding.message,
                    "fix": finding.rule.fix,
                    "reference": finding.rule.reference,
                }
            )
    value = {"format": FORMAT, "files": [file.uri for file in files], "findings": findings}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def lint_to_github(files: Sequence[LintedFile]) -> str:
    """Return the findings as commands that GitHub Actions shows at the lines of a pull request.

    Source: GitHub Actions documentation, "Workflow commands", Setting a warning message.
    """
    return "".join(f"{line}\n" for file in files for line in _annotations(file))


def _annotations(file: LintedFile) -> Iterator[str]:
    for finding in file.findings:
        start, end = positions(file.source, finding.span)
        fields = {
            "file": file.uri,
            "line": str(start.line),
            "endLine": str(end.line),
        }
        # Columns of a range over several lines are refused.
        if start.line == end.line:
            fields |= {"col": str(start.column), "endColumn": str(end.column)}
        fields["title"] = finding.rule.name
        shown = ",".join(f"{name}={_field(value)}" for name, value in fields.items())
        message = _escaped(f"{finding.message}\n{finding.rule.fix}")
        yield f"::{_COMMANDS[finding.level]} {shown}::{message}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _field(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def positions(source: SourceText, span: Span) -> tuple[SourcePosition, SourcePosition]:
    """Return where a span begins, and the place behind its last character."""
    return source.position(span.start), source.position(max(span.end, span.start + 1))
