"""The cost report: a forecast and what was measured -> text, Markdown or JSON.

Amounts are printed with two digits: the assumptions carry no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from harness.billing.findings import Finding
from harness.billing.forecast import FACTORS, Forecast, monthly_bill
from harness.billing.operations import FIGURES, Operations
from harness.billing.prices import PriceList
from harness.billing.scenarios import GrowthCost, ScenarioCost

SHOWN_SAVINGS = 3
_BAR = 40
_DIGITS = 2

Table = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Saving:
    """A change and what it would take off a month's bill, in US dollars."""

    scenario: str
    finding: Finding
    a_month: Decimal


@dataclass(frozen=True, slots=True)
class WhenGrown:
    """An action that reads more where there is more data than the check that measured it had.

    Attributes:
        size: How much data there was, in documents.
        reads: Of one run, there.
        measured: Of one run, as the forecast counts it.
        total: US dollars a month with `reads` for all runs.
    """

    action: str
    size: int
    reads: float
    measured: float
    total: Decimal


@dataclass(frozen=True, slots=True)
class CostReport:
    """What there is to say of costs.

    Attributes:
        savings: What would save most, at most `SHOWN_SAVINGS`, each on top of those before it;
            those that save nothing beyond what is free are left out.
        when_grown: What the month costs with the reads of more data, for each action of which that
            was measured.
    """

    forecast: Forecast
    prices: PriceList
    savings: tuple[Saving, ...]
    when_grown: tuple[WhenGrown, ...]


def cost_report(
    measured: Mapping[str, ScenarioCost],
    forecast: Forecast,
    prices: PriceList,
    growth: Sequence[GrowthCost] = (),
) -> CostReport:
    """Put a report together."""
    return CostReport(
        forecast,
        prices,
        _savings(measured, forecast, prices),
        tuple(_when_grown(forecast, prices, growth)),
    )


def _when_grown(
    forecast: Forecast, prices: PriceList, growth: Sequence[GrowthCost]
) -> Iterator[WhenGrown]:
    counted = {action.name: action.operations for action in forecast.actions}
    for each in growth:
        use, reads = counted.get(each.name), each.growth.get("reads")
        if use is not None and reads is not None and reads.figures[-1] > use.reads:
            grown = {**counted, each.name: replace(use, reads=reads.figures[-1])}
            total = monthly_bill(grown, forecast.traffic, prices).total
            yield WhenGrown(each.name, reads.sizes[-1], reads.figures[-1], use.reads, total)


def _savings(
    measured: Mapping[str, ScenarioCost], forecast: Forecast, prices: PriceList
) -> tuple[Saving, ...]:
    """Choose the change that saves most, then the one that saves most of what is left, and so on:
    together they save what they say.
    """
    left = {action.name: action.operations for action in forecast.actions}
    open_ = [(name, finding) for name in left for finding in measured[name].findings]
    total = forecast.bill.total
    chosen: list[Saving] = []
    while open_ and len(chosen) < SHOWN_SAVINGS:
        totals = [
            monthly_bill(
                {**left, name: _without(left[name], finding.saves)}, forecast.traffic, prices
            ).total
            for name, finding in open_
        ]
        best = min(range(len(open_)), key=lambda index: totals[index])
        name, finding = open_[best]
        if totals[best] >= total:
            break
        chosen.append(Saving(name, finding, total - totals[best]))
        left[name], total = _without(left[name], finding.saves), totals[best]
        # Several findings about the same requests are one change.
        open_ = [each for each in open_ if (each[0], each[1].subject) != (name, finding.subject)]
    return tuple(chosen)


def _without(operations: Operations, saved: Operations) -> Operations:
    return replace(
        operations,
        **{
            name: max(0, getattr(operations, name) - getattr(saved, name))
            for name in FIGURES
            if getattr(saved, name)
        },
    )


def money(amount: Decimal) -> str:
    """Return US dollars with two digits: `$4.3`, `$1,200`, `$0.0000069`."""
    if not amount:
        return "$0"
    exponent = amount.adjusted() - (_DIGITS - 1)
    rounded = amount.quantize(Decimal(1).scaleb(exponent))
    return f"${rounded:,f}" if exponent < 0 else f"${int(rounded):,}"


def count(number: float) -> str:
    """Return a count: whole where it is large."""
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:,.2g}"


# Text and Markdown


def report_text(report: CostReport, *, markdown: bool = False) -> str:
    """Return the report for people."""
    head = "## " if markdown else ""
    lines: list[str] = []
    for title, body in _sections(report):
        lines.append(f"{head}{title}")
        lines.append("")
        if isinstance(body, str):
            lines += ["```", body, "```"] if markdown else [body]
        elif markdown:
            lines += _markdown_table(body)
        else:
            lines += aligned(body)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _sections(report: CostReport) -> Iterator[tuple[str, str | Table]]:
    forecast = report.forecast
    traffic = forecast.traffic
    location = report.prices.at(traffic.location)
    yield (
        f"A month: {count(traffic.users)} users, {count(traffic.sessions_a_day)} sessions a day, "
        f"prices of {location.location} ({location.date})",
        [
            ("", "used", "billed", "each", "USD"),
            *(
                (
                    line.what,
                    count(line.used),
                    count(line.billed),
                    f"{money(line.price)} / {line.unit:,}",
                    money(line.amount),
                )
                for line in forecast.bill.lines
            ),
            ("total", "", "", f"{money(forecast.per_user)} a user", money(forecast.bill.total)),
        ],
    )
    yield (
        "By action, at list price (nothing free)",
        [
            ("", "runs a month", "reads", "writes", "deletes", "functions", "one run", "a month"),
            *(
                (
                    action.name,
                    count(action.runs_a_month),
                    count(action.operations.reads),
                    count(action.operations.writes),
                    count(action.operations.deletes + action.operations.ttl_deletes),
                    count(action.operations.invocations),
                    money(action.one_run),
                    money(action.a_month),
                )
                for action in forecast.actions
            ),
        ],
    )
    if len(forecast.actions) > 1:
        yield (
            "Where it goes, at list price",
            bars([(action.name, action.a_month) for action in forecast.actions]),
        )
    if traffic.growth_a_month or any(action.operations.stored_bytes for action in forecast.actions):
        months = enumerate(forecast.months, start=1)
        yield "The coming year", bars([(f"month {number}", total) for number, total in months])
    yield "What would save most", _savings_text(report.savings)
    yield (
        "If an assumption is wrong",
        [
            (
                "USD a month",
                *(f"{factor - 1:+.0%}" if factor < 2 else "twice" for factor in FACTORS),
            ),
            *((each.assumption, *map(money, each.totals)) for each in forecast.sensitivity),
        ],
    )
    notes = [*forecast.notes, *map(_grown_text, report.when_grown), *_unmeasured(forecast)]
    if notes:
        yield "Not in these figures, or not certain", "\n".join(notes)


def bars(amounts: Sequence[tuple[str, Decimal]]) -> str:
    """Return amounts as bars, a line each."""
    largest = max(amount for _, amount in amounts)
    widest = max(len(name) for name, _ in amounts)
    return "\n".join(
        f"{name:<{widest}}  {'█' * _width(amount, largest):<{_BAR}}  {money(amount)}"
        for name, amount in amounts
    )


def _width(amount: Decimal, largest: Decimal) -> int:
    return round(_BAR * amount / largest) if largest else 0


def _savings_text(savings: Sequence[Saving]) -> str:
    if not savings:
        return "nothing that was seen would make this bill smaller"
    return "\n".join(
        f"{number}. about {money(saving.a_month)} a month: {saving.scenario}: {saving.finding}"
        for number, saving in enumerate(savings, start=1)
    )


def _grown_text(grown: WhenGrown) -> str:
    return (
        f'"{grown.action}" has {count(grown.reads)} reads with {grown.size:,} documents, and '
        f"{count(grown.measured)} as counted here: with those, a month costs {money(grown.total)}"
    )


def _unmeasured(forecast: Forecast) -> Iterator[str]:
    for name in forecast.unmeasured:
        yield (
            f'"{name}" is in the traffic model, and no check has measured it: '
            f'with query_cost("{name}")'
        )
    for name in forecast.unused:
        yield f'"{name}" was measured, and the traffic model does not say how often it happens'


def aligned(table: Table, *, left: int = 1) -> list[str]:
    """Return the lines of a table, so many columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def _markdown_table(table: Table) -> list[str]:
    head, *rows = table
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in escaped),
    ]


# JSON


def report_json(report: CostReport) -> dict[str, Any]:
    """Return the report for programs. Amounts are texts: exact decimals of US dollars."""
    forecast = report.forecast
    return {
        "location": forecast.traffic.location,
        "users": forecast.traffic.users,
        "total": _amount(forecast.bill.total),
        "perUser": _amount(forecast.per_user),
        "bill": [
            {
                "what": line.what,
                "used": line.used,
                "billed": line.billed,
                "unit": line.unit,
                "price": _amount(line.price),
                "amount": _amount(line.amount),
            }
            for line in forecast.bill.lines
        ],
        "actions": [
            {
                "name": action.name,
                "runsAMonth": action.runs_a_month,
                "operations": action.operations.to_json(),
                "oneRun": _amount(action.one_run),
                "aMonth": _amount(action.a_month),
            }
            for action in forecast.actions
        ],
        "months": [_amount(total) for total in forecast.months],
        "sensitivity": [
            {
                "assumption": each.assumption,
                "totals": {
                    f"{factor:g}": _amount(total)
                    for factor, total in zip(FACTORS, each.totals, strict=True)
                },
            }
            for each in forecast.sensitivity
        ],
        "savings": [
            {
                "scenario": saving.scenario,
                "finding": saving.finding.id,
                "subject": saving.finding.subject,
                "change": saving.finding.change,
                "aMonth": _amount(saving.a_month),
            }
            for saving in report.savings
        ],
        "whenGrown": [
            {
                "action": grown.action,
                "documents": grown.size,
                "reads": grown.reads,
                "total": _amount(grown.total),
            }
            for grown in report.when_grown
        ],
        "unmeasured": list(forecast.unmeasured),
        "unused": list(forecast.unused),
        "notes": list(forecast.notes),
    }


def _amount(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
