"""The few lines that plain `pytest` prints at its end: what the checks say about their items."""

from __future__ import annotations

from collections.abc import Sequence

from harness.workflow.evidence import CheckResult, Outcome

_MAX_LINES = 40
# What is told of an item whose checks did not all pass: the first of these that there is.
_TOLD_FIRST = (
    Outcome.FAILED,
    Outcome.XFAILED,
    Outcome.ERROR,
    Outcome.SKIPPED,
    Outcome.NOT_RUN,
    Outcome.DESELECTED,
)


def summary_lines(results: Sequence[CheckResult], documents: Sequence[str]) -> list[str]:
    """Return the lines of the summary; none when no result belongs to an item.

    These are the results of this run alone, of whatever was selected: no box changes because of
    them.
    """
    by_item: dict[str, list[CheckResult]] = {}
    for result in results:
        if result.item_id is not None:
            by_item.setdefault(result.item_id, []).append(result)
    if not by_item:
        return []
    uncollected = [
        result for result in results if result.item_id is None and result.outcome is Outcome.ERROR
    ]
    passed = {
        item_id
        for item_id, checks in by_item.items()
        if all(check.outcome is Outcome.PASSED for check in checks)
    }
    # Checks that nobody could read may belong to any item.
    verified = 0 if uncollected else len(passed)
    lines = [f"  {file.nodeid}: {file.reason}" for file in uncollected]
    for item_id, checks in by_item.items():
        if item_id in passed:
            lines.append(f"  {item_id}: {_count(len(checks), 'check')} passed")
        else:
            lines.append(f"  {item_id}: {_why_not(checks)}")
    if len(lines) > _MAX_LINES:
        lines[_MAX_LINES:] = [f"  … and {len(lines) - _MAX_LINES} more"]
    names = f"{', '.join(documents)}: " if documents else ""
    items = _count(len(by_item), "item")
    head = f"{names}{verified} of {items} with checks in this run verified"
    return [head, *lines, "  (boxes change only by: harness verify)"]


def _why_not(checks: Sequence[CheckResult]) -> str:
    against = [check for check in checks if check.outcome is not Outcome.PASSED]
    told = min(against, key=lambda check: _TOLD_FIRST.index(check.outcome))
    of = f"{len(against)} of {_count(len(checks), 'check')}"
    if told.outcome is Outcome.DESELECTED:
        return f"not verified: {of} left out of this run"
    reason = told.reason or told.outcome.value.lower()
    return f"not verified, {of} did not pass: {told.nodeid}: {reason}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
