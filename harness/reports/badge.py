"""RunReport -> JSON for an endpoint badge: how many items are supported, in one colour.

Source: shields.io, "Endpoint Badge"."""

from __future__ import annotations

import json

from harness.reports.model import RunReport


def report_to_badge(report: RunReport) -> str:
    """Return the badge's JSON, with a line feed at the end."""
    counts = report.counts
    supported = counts.verified + counts.signed
    is_wrong = counts.failed > 0 or any(item.has_lost_support for item in report.items)
    value = {
        "schemaVersion": 1,
        "label": "workflow",
        "message": f"{supported} of {counts.total} items" if counts.total else "no items",
        "color": "red" if is_wrong else _color(supported, counts.total),
    }
    return json.dumps(value, ensure_ascii=False) + "\n"


def _color(supported: int, total: int) -> str:
    """Return how far the work is; red is for what is known to be wrong."""
    if not total:
        return "lightgrey"
    if supported == total:
        return "brightgreen"
    return "green" if supported * 2 >= total else "yellow"
