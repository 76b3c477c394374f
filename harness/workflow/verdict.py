"""Items and results of checks -> one Verdict each, with its reason.

The rule (architecture, D7): an item is verified only if at least one mapped check ran and all that
are mapped to it passed. Must not live here: running checks, changing the document, wording of
reports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.evidence import CheckResult, Outcome

_DISPROVES = (Outcome.FAILED, Outcome.XFAILED)
_HOW_IT_ENDED = {
    Outcome.FAILED: "failed",
    Outcome.XFAILED: "failed, as its xfail mark says",
    Outcome.ERROR: "could not come to a result",
    Outcome.SKIPPED: "was skipped",
    Outcome.NOT_RUN: "did not run",
    Outcome.DESELECTED: "was left out of this run",
}


class VerdictKind(StrEnum):
    """What is known about an item."""

    VERIFIED = "VERIFIED"
    REFUTED = "REFUTED"
    NOT_VERIFIED = "NOT_VERIFIED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says about an item.

    Attributes:
        reason: One line.
        checks: Results mapped to the item, in the order they came.
        wants_tick: Whether the box should be ticked; None leaves it as the human has it.
    """

    item_id: str
    kind: VerdictKind
    reason: str
    checks: tuple[CheckResult, ...]
    wants_tick: bool | None


def decide(
    document: WorkflowDocument,
    results: Iterable[CheckResult],
    *,
    selected: Collection[str] | None = None,
    with_evidence: Collection[str] = (),
) -> tuple[Verdict, ...]:
    """Give one verdict for each item, in the document's order.

    Args:
        document: As it is before this run ticks anything.
        results: Of the whole run; those for items of other documents are passed over. An ERROR
            without an item is a file that could not be collected: the checks in it are unknown, so
            nothing is verified.
        selected: Ids of the items that the run was about; None for all. The others keep their
            boxes.
        with_evidence: Ids of items that have evidence from checks. If no check is mapped to one any
            more, its tick is taken back, since it was not a human who set it.
    Raises:
        ValueError: An item is selected that the document does not have.
    """
    known = {item.item_id for item in document.items}
    by_item: dict[str, list[CheckResult]] = {}
    uncollected = []
    for result in results:
        if result.item_id is not None:
            by_item.setdefault(result.item_id, []).append(result)
        elif result.outcome is Outcome.ERROR:
            uncollected.append(result)
    for item_id in selected or ():
        if item_id not in known:
            raise ValueError(f"{document.source.file_name} has no item {item_id!r}")
    chosen = known if selected is None else set(selected)
    verdicts = []
    for item in document.items:
        checks = tuple(by_item.get(item.item_id, ()))
        if item.item_id not in chosen:
            verdicts.append(
                Verdict(
                    item.item_id, VerdictKind.NOT_VERIFIED, "not part of this run", checks, None
                )
            )
        elif checks:
            verdicts.append(_judge(item, checks, uncollected))
        else:
            verdicts.append(_unmapped(item, uncollected, item.item_id in with_evidence))
    return tuple(verdicts)


def wanted_ticks(verdicts: Iterable[Verdict]) -> dict[str, bool]:
    """Return item id -> ticked or not, for the boxes that are not the human's to keep."""
    return {v.item_id: v.wants_tick for v in verdicts if v.wants_tick is not None}


def reason_of(checks: Iterable[CheckResult]) -> str:
    """Return why checks leave their item unverified, in one line: the first that disproves it,
    else the first that did not pass.
    """
    unsettled = unsettled_checks(checks)
    disproving = [check for check in unsettled if check.outcome in _DISPROVES]
    return (
        _why(disproving or unsettled) if unsettled else "not all of its checks could be collected"
    )


def unsettled_checks(checks: Iterable[CheckResult]) -> list[CheckResult]:
    """Return the checks that did not pass: those that disprove their item first, and what was left
    out on purpose, which says the least, last.
    """
    unsettled = [check for check in checks if check.outcome is not Outcome.PASSED]
    unsettled.sort(
        key=lambda check: (
            check.outcome not in _DISPROVES,
            check.outcome is Outcome.DESELECTED,
        )
    )
    return unsettled


def ended_words(check: CheckResult) -> str:
    """Return how a check ended and why, in one line."""
    reason = check.reason.strip().partition("\n")[0].strip()
    text = f"{_short(check)} {_HOW_IT_ENDED[check.outcome]}"
    return f"{text}: {reason}" if reason else text


def passed_words(checks: Sequence[CheckResult]) -> str:
    """Return what checks that all passed have shown, in one line."""
    if len(checks) == 1:
        words = checks[0].states or f"{_short(checks[0])} passed"
    else:
        words = f"all {len(checks)} checks passed"
    warnings = [warning for check in checks for warning in check.warnings]
    if not warnings:
        return words
    more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
    return f"{words}; warning: {warnings[0]}{more}"


def _judge(
    item: ChecklistItem, checks: tuple[CheckResult, ...], uncollected: list[CheckResult]
) -> Verdict:
    disproving = [check for check in checks if check.outcome in _DISPROVES]
    if disproving:
        return Verdict(
            item.item_id, VerdictKind.REFUTED, reason_of(checks), checks, wants_tick=False
        )
    unsettled = [check for check in checks if check.outcome is not Outcome.PASSED]
    if unsettled:
        # Left out on purpose says nothing against a tick that an earlier run set; all else does.
        left_out = all(check.outcome is Outcome.DESELECTED for check in unsettled)
        wants_tick = None if left_out else False
        return Verdict(
            item.item_id, VerdictKind.NOT_VERIFIED, reason_of(checks), checks, wants_tick
        )
    if uncollected:
        reason = (
            f"{_uncollected(uncollected)}, so it is not known whether all checks of this item ran"
        )
        return Verdict(item.item_id, VerdictKind.NOT_VERIFIED, reason, checks, wants_tick=False)
    reason = passed_words(checks)
    return Verdict(item.item_id, VerdictKind.VERIFIED, reason, checks, wants_tick=True)


def _unmapped(item: ChecklistItem, uncollected: list[CheckResult], had_evidence: bool) -> Verdict:
    wants_tick = None
    if uncollected:
        reason = (
            f"no check that could be collected is mapped to this item; {_uncollected(uncollected)}"
        )
        # Whether its checks are in that file is not known: a tick of ours cannot be upheld.
        wants_tick = False if had_evidence else None
    elif had_evidence:
        reason = "checks were mapped to this item once, but none is any more"
        wants_tick = False
    elif item.is_ticked:
        reason = "ticked by hand: nothing supports it, no check is mapped to this item"
    elif item.is_empty:
        reason = "nothing is written here"
    elif item.is_placeholder:
        reason = "still a placeholder, and no check is mapped to this item"
    else:
        reason = "no check is mapped to this item"
    return Verdict(item.item_id, VerdictKind.NOT_VERIFIED, reason, (), wants_tick)


def _why(checks: list[CheckResult]) -> str:
    text = ended_words(checks[0])
    if len(checks) > 1:
        text += f" (and {len(checks) - 1} more)"
    return text


def _uncollected(results: list[CheckResult]) -> str:
    more = f" and {len(results) - 1} more" if len(results) > 1 else ""
    return f"{results[0].nodeid}{more} could not be collected"


def _short(check: CheckResult) -> str:
    """Name a check without its file: `test_owner_reads[alice]`. The file is in the list of
    checks."""
    return check.nodeid.partition("::")[2] or check.nodeid
