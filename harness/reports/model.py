"""What a run found, ready to print: plain records, made once, that every format reads.

Must not live here: wording and layout (`terminal.py`, `markdown.py`), JSON (`json.py`), deciding
(`workflow/verdict.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from harness.workflow.audit import Audit, FindingKind, gate_reason
from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.evidence import CheckResult, Evidence, ResultTable
from harness.workflow.guidance import Verifier, WayToVerify, command_for, what_would_verify
from harness.workflow.states import LOST_SUPPORT, State
from harness.workflow.verdict import Verdict, VerdictKind

_NO_VERDICT = "no check has run yet"


@dataclass(frozen=True, slots=True)
class ReportedItem:
    """One item of the document with all that is known about it.

    Attributes:
        was_ticked: In the document as the run found it.
        is_ticked: In the document as the run left it.
        verdict: What the run says.
        state: What is known, of this run and of all before.
        reason: Why the state is what it is. One line.
        would_verify: Who or what can verify it.
        command: What to run when that is there; empty if there is nothing to run.
        held: Why its box stays empty although something supports it; mostly empty.
    """

    item_id: str
    heading_path: tuple[str, ...]
    ancestors: tuple[str, ...]
    text: str
    depth: int
    line: int
    was_ticked: bool
    is_ticked: bool
    is_placeholder: bool
    verdict: VerdictKind
    reason: str
    would_verify: WayToVerify
    checks: tuple[CheckResult, ...]
    state: State
    command: str = ""
    held: str = ""

    @property
    def why(self) -> str:
        """Why it is as it is, and why its box is not ticked if it could be."""
        return f"{self.reason}; {self.held}" if self.held else self.reason

    @property
    def title(self) -> str:
        """What a person types to name it."""
        return "/".join((*self.heading_path[-1:], *self.ancestors, self.text))

    @property
    def is_unsupported_tick(self) -> bool:
        """Whether it is ticked although nothing supports that."""
        return self.is_ticked and not self.state.supports_tick

    @property
    def has_lost_support(self) -> bool:
        """Whether it is ticked although checks that it has do not support that any more."""
        return self.is_ticked and self.state in LOST_SUPPORT


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items are in which state, and what happened to the boxes.

    `not_verified` counts all that are neither verified nor signed nor failed, the stale ones too.
    """

    total: int
    verified: int
    signed: int
    failed: int
    stale: int
    not_verified: int
    newly_ticked: int
    newly_unticked: int
    unsupported_ticks: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run over one workflow document.

    Attributes:
        project: The emulators' project id.
        workflow_path: As a person in the project's folder would type it.
        started_at: ISO 8601 with its time zone.
        suite: Which Firestore the checks ran against: `embedded`, `official`, `attached`; empty if
            none ran.
        items: In the document's order.
        missing: What the environment lacked, one sentence each.
        unmapped: Results of checks that belong to no item of the document.
        remarks: What else is worth knowing, one sentence each: gates, the order.
        next_id: The item that comes due next; None when all are done.
    """

    project: str
    workflow_path: str
    started_at: str
    suite: str
    items: tuple[ReportedItem, ...]
    missing: tuple[str, ...] = ()
    unmapped: tuple[CheckResult, ...] = ()
    remarks: tuple[str, ...] = ()
    next_id: str | None = None

    @property
    def counts(self) -> Counts:
        """How many items are what."""
        states = [item.state for item in self.items]
        verified, signed, failed, stale = (
            states.count(state)
            for state in (State.VERIFIED, State.SIGNED, State.FAILED, State.STALE)
        )
        return Counts(
            total=len(states),
            verified=verified,
            signed=signed,
            failed=failed,
            stale=stale,
            not_verified=len(states) - verified - signed - failed,
            newly_ticked=sum(item.is_ticked and not item.was_ticked for item in self.items),
            newly_unticked=sum(item.was_ticked and not item.is_ticked for item in self.items),
            unsupported_ticks=sum(item.is_unsupported_tick for item in self.items),
        )

    @property
    def left(self) -> tuple[ReportedItem, ...]:
        """The items that are neither verified nor signed."""
        return tuple(item for item in self.items if not item.state.supports_tick)


def build_report(
    document: WorkflowDocument,
    verdicts: Iterable[Verdict],
    *,
    project: str,
    started_at: str,
    suite: str,
    missing: Iterable[str] = (),
    unmapped: Iterable[CheckResult] = (),
    ticked: bool = True,
    audit: Audit | None = None,
) -> RunReport:
    """Join a document and the verdicts on its items.

    Args:
        document: As it was before the run ticked anything.
        verdicts: One for each item; an item without one is reported as not verified.
        project: The emulators' project id.
        started_at: ISO 8601.
        suite: Which Firestore the checks ran against.
        missing: What the environment lacked.
        unmapped: Results that belong to no item.
        ticked: Whether the verdicts were written into the document (`--no-tick`: False).
        audit: Of the document as the run left it, with all that files say. Without one, only this
            run is known, and `ticked` says what became of the boxes.
    """
    by_id = {verdict.item_id: verdict for verdict in verdicts}
    items = []
    for item in document.items:
        verdict = by_id.get(item.item_id) or Verdict(
            item.item_id, VerdictKind.NOT_VERIFIED, _NO_VERDICT, (), None
        )
        if audit is None:
            changes = ticked and verdict.wants_tick is not None
            is_ticked = bool(verdict.wants_tick) if changes else item.is_ticked
            state, reason = _state_of_run(verdict, is_ticked=is_ticked), verdict.reason
        else:
            is_ticked = audit.document.item(item.item_id).is_ticked
            state, reason = _state_of_files(verdict, audit)
        held_by = None if audit is None else audit.order.held.get(item.item_id)
        items.append(
            ReportedItem(
                item_id=item.item_id,
                heading_path=item.heading_path,
                ancestors=item.ancestors,
                text=item.text,
                depth=item.depth,
                line=item.line,
                was_ticked=item.is_ticked,
                is_ticked=is_ticked,
                is_placeholder=item.is_placeholder,
                verdict=verdict.kind,
                reason=reason,
                would_verify=what_would_verify(item),
                checks=verdict.checks,
                state=state,
                command=_command(item, state, held_by),
                held=""
                if audit is None or held_by is None or not state.supports_tick
                else gate_reason(audit.document, held_by),
            )
        )
    return RunReport(
        project=project,
        workflow_path=document.source.file_name,
        started_at=started_at,
        suite=suite,
        items=tuple(items),
        missing=tuple(missing),
        unmapped=tuple(unmapped),
        remarks=() if audit is None else tuple(_remarks(audit)),
        next_id=_first_undone(items) if audit is None else audit.order.next_id,
    )


def _first_undone(items: Iterable[ReportedItem]) -> str | None:
    done = (State.VERIFIED, State.SIGNED, State.CLAIMED)
    return next((item.item_id for item in items if item.state not in done), None)


def _state_of_run(verdict: Verdict, *, is_ticked: bool) -> State:
    if verdict.kind is VerdictKind.VERIFIED:
        return State.VERIFIED
    if verdict.kind is VerdictKind.REFUTED:
        return State.FAILED
    if verdict.checks:
        return State.NOT_RUN
    return State.CLAIMED if is_ticked else State.OPEN


def _state_of_files(verdict: Verdict, audit: Audit) -> tuple[State, str]:
    """Return what is known, in the run's own words where the run found it out."""
    found = audit.states[verdict.item_id]
    is_of_run = verdict.checks and _state_of_run(verdict, is_ticked=False) is found.state
    if is_of_run and isinstance(found.record, Evidence):
        return found.state, verdict.reason
    return found.state, found.reason


def _command(item: ChecklistItem, state: State, held_by: str | None) -> str:
    if not state.supports_tick:
        has_checks = state in (State.FAILED, State.STALE, State.NOT_RUN)
        return command_for(item, has_checks=has_checks)
    return "" if held_by is None else f"harness sign-off {held_by} --by NAME"


def _remarks(audit: Audit) -> Iterator[str]:
    """Give one sentence for all ticks out of order, one for a closed gate, one for strays."""
    gates = dict.fromkeys(audit.order.held.values())
    for gate_id in gates:
        gate = audit.document.item(gate_id)
        yield (
            f'nothing after "{gate.text}" (line {gate.line}) is ticked until it is signed off: '
            f"harness sign-off {gate_id} --by NAME"
        )
    firsts = dict.fromkeys(audit.order.out_of_order.values())
    for first_id in firsts:
        first = audit.document.item(first_id)
        count = len(audit.order.out_of_order)
        verb = "is" if count == 1 else "are"
        yield (
            f'{_number(count, "tick")} {verb} out of order: "{first.text}" (line {first.line}) '
            "comes due earlier and is not done"
        )
    strays = sum(found.kind is FindingKind.STRAY_EVIDENCE for found in audit.findings)
    if strays:
        yield f"{_number(strays, 'file')} of evidence for items that the document does not have"


def by_section(
    items: Iterable[ReportedItem],
) -> Iterator[tuple[tuple[str, ...], list[ReportedItem]]]:
    """Give items grouped by the headings they stand under, in order.

    The document's title is left out where it is the one heading that all others stand under.
    """
    items = list(items)
    roots = {item.heading_path[:1] for item in items}
    nested = all(len(item.heading_path) > 1 for item in items)
    cut = 1 if len(roots) == 1 and nested else 0
    for path, group in groupby(items, key=lambda item: item.heading_path):
        yield path[cut:], list(group)


def by_verifier(
    items: Iterable[ReportedItem],
) -> Iterator[tuple[Verifier, list[ReportedItem]]]:
    """Give items grouped by who can verify them: checks first, then people."""
    items = list(items)
    for verifier in Verifier:
        group = [item for item in items if item.would_verify.by is verifier]
        if group:
            yield verifier, group


def headline(report: RunReport) -> str:
    """Return the verdict in one line: `9 of 53 items verified, 1 failed, 43 not verified`."""
    counts = report.counts
    if not counts.total:
        return "no items: the document holds no `- [ ]` line"
    parts = [f"{counts.verified} of {_number(counts.total, 'item')} verified"]
    if counts.signed:
        parts.append(f"{counts.signed} signed off")
    if counts.failed:
        parts.append(f"{counts.failed} failed")
    if counts.not_verified:
        stale = f" ({counts.stale} stale)" if counts.stale else ""
        parts.append(f"{counts.not_verified} not verified{stale}")
    return ", ".join(parts)


def changes(report: RunReport) -> str:
    """Return what happened to the boxes in one line; empty when nothing did and all ticks are
    supported."""
    counts = report.counts
    parts = []
    if counts.newly_ticked:
        parts.append(f"{_number(counts.newly_ticked, 'box', 'boxes')} ticked")
    if counts.newly_unticked:
        parts.append(f"{_number(counts.newly_unticked, 'tick')} taken back")
    if counts.unsupported_ticks:
        parts.append(f"{_number(counts.unsupported_ticks, 'tick')} that nothing supports")
    return ", ".join(parts)


def tables(report: RunReport) -> tuple[ResultTable, ...]:
    """Return what checks show, each table once."""
    found: dict[str, tuple[ResultTable, ...]] = {}
    for item in report.items:
        for check in item.checks:
            found.setdefault(check.nodeid, check.tables)
    return tuple(table for each in found.values() for table in each)


def metrics_text(check: CheckResult) -> str:
    """Return a check's counts as `reads billed 21, index entries 40`."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in sorted(check.metrics.items())
    )


VERIFIER_TITLES = {
    Verifier.CHECKS: "Checks can verify",
    Verifier.PERSON: "A person has to sign off",
    Verifier.NOBODY: "To be filled in first",
}


def _number(count: int, singular: str, plural: str = "") -> str:
    return f"{count} {singular if count == 1 else plural or singular + 's'}"
