"""Takes ticks back where a run ended before it could: what supported them has changed since, rules
that no longer load among it. No other box is touched, and nothing is run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.cli.documents import ProjectDocument
from harness.cli.supports import audit_project
from harness.files import update_workflow
from harness.workflow.document import WorkflowDocument
from harness.workflow.edit import set_ticks


def take_back_lost_ticks(
    document: ProjectDocument, item_ids: Collection[str] | None
) -> Sequence[str]:
    """Untick what checks once supported and do not any more; return the titles of those items.

    Args:
        item_ids: Only of these items; None: of all.
    Raises:
        HarnessError: The document cannot be written, or its evidence is none.
    """
    titles: list[str] = []

    def transform(read: WorkflowDocument) -> str:
        named = document.named(read)
        audit = audit_project(document.project, named, document.name)
        lost = [
            finding.item_id
            for finding in audit.lost_ticks
            if item_ids is None or finding.item_id in item_ids
        ]
        titles[:] = [named.item(item_id).title for item_id in lost]
        return set_ticks(named, dict.fromkeys(lost, False))

    update_workflow(document.path, transform)
    return titles
