"""The difference of two rulesets as text for a terminal, as Markdown for a pull request, and as
JSON.

Layout only: what changed is found in `diff.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.reports.escaping import markdown_code, markdown_text, one_line
from harness.review.diff import ChangeKind, RulesChange, RulesDiff
from harness.review.questions import QuestionKind
from harness.rules.explain_text import Reason

_MOST_MARKDOWN = 50


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What became of one rules file.

    Args:
        path: Its name now.
        base: What it was compared with.
        diff: What changed.
        asked: How many requests there were of each kind.
        notes: What else there is to know, a sentence each.
    """

    path: str
    base: str
    diff: RulesDiff
    asked: Mapping[QuestionKind, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def diff_text(files: Sequence[FileDiff]) -> str:
    """Return what changed, for a terminal."""
    return "\n".join(line for file in files for line in _text_lines(file)) + "\n"


def _text_lines(file: FileDiff) -> Iterator[str]:
    yield f"{one_line(file.path)} against {one_line(file.base)}: {_summary(file.diff)}"
    yield from (f"  {note}" for note in _notes(file))
    for title, changes in _sections(file.diff):
        yield f"\n{title}"
        for change in changes:
            yield ""
            yield from _change_lines(change)


def _change_lines(change: RulesChange) -> Iterator[str]:
    mark = _MARKS[change.kind] if change.declared_by is None else "✓"
    more = f"  (and {change.count - 1:,} more)" if change.count > 1 else ""
    yield f"  {mark} {one_line(change.example.title)}{more}"
    yield f"      {one_line(change.example.origin)}"
    if change.declared_by is not None:
        yield f"      declared by {one_line(change.declared_by)}"
    yield from (f"      also {one_line(title)}" for title in change.also)
    for path in change.assumed_missing:
        yield f"      if there is no {one_line('/'.join(path[3:]))}, which was not recorded"
    yield from _reason_lines("before", _was_allowed(change), change.old)
    yield from _reason_lines("now", not _was_allowed(change), change.new)


def _reason_lines(when: str, allowed: bool, reasons: Sequence[Reason]) -> Iterator[str]:
    verb = "allowed" if allowed else "denied"
    for place, reason in enumerate(reasons):
        head = f"{when} {verb}:" if place == 0 else "and:"
        yield f"      {head:<15} {one_line(str(reason))}"


_MARKS = {ChangeKind.NEWLY_ALLOWED: "✗", ChangeKind.NEWLY_DENIED: "-"}


def diff_markdown(files: Sequence[FileDiff]) -> str:
    """Return what changed as Markdown, for a comment or a job's summary."""
    return "\n".join(line for file in files for line in _markdown_lines(file)) + "\n"


def _markdown_lines(file: FileDiff) -> Iterator[str]:
    yield f"### Rules diff: {markdown_text(file.path)} against {markdown_text(file.base)}"
    yield ""
    yield f"{_summary(file.diff)[:1].upper()}{_summary(file.diff)[1:]}."
    yield ""
    for note in _notes(file):
        yield f"- {markdown_text(note)}"
    yield ""
    for title, changes in _sections(file.diff):
        yield f"#### {title}"
        yield ""
        yield "| Request | Count | Before | Now |"
        yield "| --- | ---: | --- | --- |"
        for change in changes[:_MOST_MARKDOWN]:
            request = markdown_text(change.example.title)
            if change.declared_by is not None:
                request += f"<br>declared by {markdown_text(change.declared_by)}"
            for path in change.assumed_missing:
                request += f"<br>if there is no {markdown_code('/'.join(path[3:]))}"
            before, now = _cell(change.old), _cell(change.new)
            was = _was_allowed(change)
            yield (
                f"| {request} | {change.count:,} | {_verb(was)}: {before} "
                f"| {_verb(not was)}: {now} |"
            )
        if len(changes) > _MOST_MARKDOWN:
            yield ""
            yield f"{len(changes) - _MOST_MARKDOWN:,} more rows are in the text output."
        yield ""


def _cell(reasons: Sequence[Reason]) -> str:
    # A bar ends a cell, even in a code span.
    return "<br>".join(markdown_code(str(reason)).replace("|", "\\|") for reason in reasons)


def diff_json(files: Sequence[FileDiff]) -> dict[str, Any]:
    """Return what changed as JSON.

    `{"files": [{"path", "base", "same_meaning", "asked": {…}, "changes": [{"kind", "method",
    "request", "origin", "count", "declared_by", "assumed_missing", "before": […], "now": […]}]}]}`
    """
    return {"files": [_file_json(file) for file in files]}


def _file_json(file: FileDiff) -> dict[str, Any]:
    return {
        "path": file.path,
        "base": file.base,
        "same_meaning": file.diff.is_same_text,
        "asked": {kind.name.lower(): count for kind, count in file.asked.items()},
        "incomplete": file.diff.incomplete,
        "changes": [_change_json(change) for change in file.diff.changes],
    }


def _change_json(change: RulesChange) -> dict[str, Any]:
    return {
        "kind": change.kind.name.lower(),
        "method": change.method.value,
        "request": change.example.title,
        "origin": change.example.origin,
        "count": change.count,
        "also": list(change.also),
        "declared_by": change.declared_by,
        "assumed_missing": ["/".join(path[3:]) for path in change.assumed_missing],
        "before": [_reason_json(reason) for reason in change.old],
        "now": [_reason_json(reason) for reason in change.new],
    }


def _reason_json(reason: Reason) -> dict[str, Any]:
    at = reason.at
    place = {} if at is None else {"file": at.file_name, "line": at.line, "column": at.column}
    return {**place, "text": reason.text}


def _summary(diff: RulesDiff) -> str:
    """Return what changed, in one clause."""
    if diff.is_same_text:
        return "no change of meaning"
    if not diff.changes:
        return f"no answer changed for {diff.asked:,} requests"
    parts = []
    for title, changes in _sections(diff):
        count = sum(change.count for change in changes)
        parts.append(f"{count:,} request{'s' if count > 1 else ''} {title[0].lower()}{title[1:]}")
    return "; ".join(parts)


def _sections(diff: RulesDiff) -> Iterator[tuple[str, tuple[RulesChange, ...]]]:
    for title, changes in (
        ("Newly allowed", diff.undeclared),
        ("Newly allowed, as the access matrix declares", diff.declared),
        ("Newly denied", diff.newly_denied),
    ):
        if changes:
            yield title, changes


def _notes(file: FileDiff) -> Iterator[str]:
    yield from file.notes
    kinds = [f"{count:,} {kind.value}" for kind, count in file.asked.items() if count]
    if kinds and not file.diff.is_same_text:
        yield f"asked: {', '.join(kinds)}"
    if file.diff.incomplete:
        many = f"{file.diff.incomplete:,}"
        yield f"{many} changes assume that a document which was not recorded is missing"


def _was_allowed(change: RulesChange) -> bool:
    return change.kind is ChangeKind.NEWLY_DENIED


def _verb(allowed: bool) -> str:
    return "allowed" if allowed else "denied"
