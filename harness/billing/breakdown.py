"""What a figure of the bill is made of: requests -> lines, the largest part first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.billing.usage import RequestUse, by_shape

_SHOWN = 6
_LINES_SHOWN = 3


def breakdown(
    requests: Iterable[RequestUse], words: str, of: Callable[[RequestUse], float]
) -> list[str]:
    """Return a line for each shape of requests that has a part in a figure.

    Example: `5 reads: RunQuery things order by n  at checks/test_feed.py:12`.

    Args:
        words: What is counted, such as `reads`.
        of: A request's part.
    """
    groups: dict[str, list[RequestUse]] = {}
    for request in requests:
        if of(request):
            groups.setdefault(request.label, []).append(request)
    parts = sorted(
        ((sum(map(of, group)), label, group) for label, group in groups.items()),
        key=lambda part: (-part[0], part[1]),
    )
    lines = []
    for figure, label, group in parts[:_SHOWN]:
        (shape,) = by_shape(group)
        times = f"{shape.requests} × " if shape.requests > 1 else ""
        by = f" (function {', '.join(shape.functions)})" if shape.functions else ""
        where = f"  at {', '.join(shape.at[:_LINES_SHOWN])}" if shape.at else ""
        lines.append(f"{figure:g} {words}: {times}{label}{by}{where}")
    if len(parts) > _SHOWN:
        rest = sum(figure for figure, _, _ in parts[_SHOWN:])
        lines.append(f"{rest:g} {words}: {len(parts) - _SHOWN} other shapes of requests")
    return lines
