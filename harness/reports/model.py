"""What a run found, ready to print: plain records, made once, that every format reads.

Must not live here: wording and layout (`terminal.py`, `markdown.py`), JSON (`json.py`), deciding
(`workflow/verdict.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from harness.workflow.document import WorkflowDocument
from harness.workflow.evidence import CheckResult, ResultTable
from harness.workflow.guidance import Verifier, WayToVerify, what_would_verify
from harness.workflow.verdict import Verdict, VerdictKind


@dataclass(frozen=True, slots=True)
class ReportedItem:
    """One item of the document with all that is known about it.

    Attributes:
        was_ticked: In the document as the run found it.
        is_ticked: In the document as the run left it.
        reason: Why the verdict is what it is. One line.
        would_verify: Who or what can verify it.
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

    @property
    def title(self) -> str:
        """What a person types to name it."""
        return "/".join((*self.heading_path[-1:], *self.ancestors, self.text))

    @property
    def is_unsupported_tick(self) -> bool:
        """Whether it is ticked although nothing verifies it."""
        return self.is_ticked and self.verdict is not VerdictKind.VERIFIED


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items have which verdict, and what happened to the boxes."""

    total: int
    verified: int
    refuted: int
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
    """

    project: str
    workflow_path: str
    started_at: str
    suite: str
    items: tuple[ReportedItem, ...]
    missing: tuple[str, ...] = ()
    unmapped: tuple[CheckResult, ...] = ()

    @property
    def counts(self) -> Counts:
        """How many items are what."""
        kinds = [item.verdict for item in self.items]
        return Counts(
            total=len(kinds),
            verified=kinds.count(VerdictKind.VERIFIED),
            refuted=kinds.count(VerdictKind.REFUTED),
            not_verified=kinds.count(VerdictKind.NOT_VERIFIED),
            newly_ticked=sum(item.is_ticked and not item.was_ticked for item in self.items),
            newly_unticked=sum(item.was_ticked and not item.is_ticked for item in self.items),
            unsupported_ticks=sum(item.is_unsupported_tick for item in self.items),
        )

    @property
    def left(self) -> tuple[ReportedItem, ...]:
        """The items that are not verified."""
        return tuple(item for item in self.items if item.verdict is not VerdictKind.VERIFIED)


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
    """
    by_id = {verdict.item_id: verdict for verdict in verdicts}
    items = []
    for item in document.items:
        verdict = by_id.get(item.item_id) or Verdict(
            item.item_id, VerdictKind.NOT_VERIFIED, "no check has run yet", (), None
        )
        changes = ticked and verdict.wants_tick is not None
        items.append(
            ReportedItem(
                item_id=item.item_id,
                heading_path=item.heading_path,
                ancestors=item.ancestors,
                text=item.text,
                depth=item.depth,
                line=item.line,
                was_ticked=item.is_ticked,
                is_ticked=bool(verdict.wants_tick) if changes else item.is_ticked,
                is_placeholder=item.is_placeholder,
                verdict=verdict.kind,
                reason=verdict.reason,
                would_verify=what_would_verify(item),
                checks=verdict.checks,
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
    )


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
    """Return the verdict in one line: `9 of 53 items verified, 1 refuted, 43 not verified`."""
    counts = report.counts
    if not counts.total:
        return "no items: the document holds no `- [ ]` line"
    parts = [f"{counts.verified} of {_number(counts.total, 'item')} verified"]
    if counts.refuted:
        parts.append(f"{counts.refuted} refuted")
    if counts.not_verified:
        parts.append(f"{counts.not_verified} not verified")
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
