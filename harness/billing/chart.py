"""The cost report's figures as a picture: SVG, which Markdown and HTML show alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from harness.billing.report import CostReport, money

_WIDTH, _ROW, _NAMES, _AMOUNTS = 720, 24, 220, 90
_BARS = _WIDTH - _NAMES - _AMOUNTS

Bars = Sequence[tuple[str, Decimal]]


def report_svg(report: CostReport) -> str:
    """Return where the money goes, and the coming year, as horizontal bars."""
    forecast = report.forecast
    groups: list[tuple[str, Bars]] = []
    if forecast.actions:
        actions = [(action.name, action.a_month) for action in forecast.actions]
        groups.append(("By action, a month at list price", actions))
    months = [(f"month {number}", each) for number, each in enumerate(forecast.months, start=1)]
    groups.append((f"The coming year, {money(forecast.bill.total)} in the first month", months))
    lines: list[str] = []
    row = 0
    for title, amounts in groups:
        lines += [_text(0, row, title, 'font-weight="bold"'), *_bars(amounts, row + 1)]
        row += len(amounts) + 2
    height = (row - 1) * _ROW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" font-family="sans-serif" '
            'font-size="13">',
            f"<title>What a month costs: {escape(money(forecast.bill.total))}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _bars(amounts: Bars, row: int) -> Iterator[str]:
    largest = max(amount for _, amount in amounts)
    for at, (name, amount) in enumerate(amounts, start=row):
        width = round(float(_BARS * amount / largest), 1) if largest else 0
        yield _text(0, at, name)
        yield (
            f'<rect x="{_NAMES}" y="{at * _ROW + 5}" width="{width}" height="{_ROW - 10}" '
            'fill="#3b6ea8"/>'
        )
        yield _text(_NAMES + width + 6, at, money(amount))


def _text(x: float, row: int, words: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{row * _ROW + 16}" {more}>{escape(words)}</text>'.replace(" >", ">")
