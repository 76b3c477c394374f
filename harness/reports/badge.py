"""RunReport -> JSON for an endpoint badge: how many items are supported, in one colour.

Source: shields.io, "Endpoint Badge"."""

from __future__ import annotations

import json

from harness.reports.model import RunReport


def report_to_badge(*reports: RunReport) -> str:
    """Return the JSON of one badge for all documents, with a line feed at the end."""
    every = [report.counts for report in reports]
    supported = sum(counts.verified + counts.signed for counts in every)
    total = sum(counts.total for counts in every)
    lost = any(item.has_lost_support for report in reports for item in report.items)
    is_wrong = lost or any(counts.failed for counts in every)
    value = {
        "schemaVersion": 1,
        "label": "workflow",
        "message": f"{supported} of {total} items" if total else "no items",
        "color": "red" if is_wrong else _color(supported, total),
    }
    return json.dumps(value, ensure_ascii=False) + "\n"


def _color(supported: int, total: int) -> str:
    """Return how far the work is; red is for what is known to be wrong."""
    if not total:
        return "lightgrey"
    if supported == total:
        return "brightgreen"
    return "green" if supported * 2 >= total else "yellow"
