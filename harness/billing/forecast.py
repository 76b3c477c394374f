"""What an app's actions will cost a month: operations of one run × traffic × prices -> Forecast.

Free quota counts by the day for operations and by the month for the rest, as Firestore bills. Days
are taken to be alike: a busy Saturday that exceeds the quota of a day costs a little more than is
said here. Amounts are exact decimals of assumptions that are not; whoever prints them rounds.

Source: Firestore pricing, "Free tier" and "Pricing by location"; Cloud Run pricing, "Request-based
    billing".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from harness.billing.operations import NOTHING, Operations
from harness.billing.prices import OPERATIONS_PER_PRICE, PriceList
from harness.billing.traffic import DAYS_A_MONTH, TrafficModel

GIB = 1 << 30
MONTHS_SHOWN = 12
FACTORS = (0.8, 1.2, 2.0)
"""What each assumption is multiplied with, to see how much depends on it."""
_ACTIONS_VARIED = 3


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a month's bill.

    Attributes:
        what: Such as `document reads`.
        used: In a month.
        billed: What of it is not free.
        price: US dollars for `unit` of them.
        amount: US dollars a month.
    """

    what: str
    used: float
    billed: float
    unit: int
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """A month's bill."""

    lines: tuple[BillLine, ...]

    @property
    def total(self) -> Decimal:
        """US dollars a month."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class ActionForecast:
    """One action of the users.

    Attributes:
        operations: Of one run.
        runs_a_month: Over all users.
        one_run: US dollars at list price, nothing free.
        a_month: US dollars at list price, nothing free: free quota belongs to the whole app.
    """

    name: str
    operations: Operations
    runs_a_month: float
    one_run: Decimal
    a_month: Decimal


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What the month would cost if one assumption were another.

    Attributes:
        totals: For each of `FACTORS`, the month's total with so many times the assumption.
    """

    assumption: str
    totals: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the app will cost.

    Attributes:
        actions: The dearest first.
        months: The bill's total of this month and those that follow.
        unmeasured: Actions of the traffic model that no check has measured: not in the bill.
        unused: Measured scenarios that the traffic model does not name: not in the bill either.
        notes: What the reader must know of the figures, such as prices of another location.
    """

    traffic: TrafficModel
    bill: Bill
    actions: tuple[ActionForecast, ...]
    months: tuple[Decimal, ...]
    sensitivity: tuple[Sensitivity, ...]
    unmeasured: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def per_user(self) -> Decimal:
        """US dollars a month for one active user."""
        users = Decimal(repr(self.traffic.users))
        return self.bill.total / users if users else Decimal(0)


_Vary = Callable[[float], tuple[Mapping[str, Operations], TrafficModel, PriceList]]


def forecast(
    measured: Mapping[str, Operations], traffic: TrafficModel, prices: PriceList
) -> Forecast:
    """Say what a month will cost.

    Args:
        measured: Scenario -> what one run of it uses.
    """
    counted = {name: use for name, use in measured.items() if name in traffic.actions_a_session}
    actions = [_action(name, use, traffic, prices) for name, use in counted.items()]
    actions.sort(key=lambda action: (-action.a_month, action.name))
    return Forecast(
        traffic=traffic,
        bill=monthly_bill(counted, traffic, prices),
        actions=tuple(actions),
        months=tuple(
            monthly_bill(counted, traffic, prices, month).total for month in range(MONTHS_SHOWN)
        ),
        sensitivity=tuple(_sensitivity(counted, actions, traffic, prices)),
        unmeasured=tuple(name for name in traffic.actions_a_session if name not in measured),
        unused=tuple(name for name in measured if name not in traffic.actions_a_session),
        notes=tuple(_notes(traffic, prices)),
    )


def monthly_bill(
    measured: Mapping[str, Operations], traffic: TrafficModel, prices: PriceList, month: int = 0
) -> Bill:
    """Return the bill of a month.

    Args:
        month: How many months from now: users have grown, and what was stored is still there.
    """
    day = _a_day(measured, traffic, month)
    location, free = prices.at(traffic.location), prices.free
    lines = [
        _operations_line("document reads", day.reads, free.reads_per_day, location.reads),
        _operations_line("document writes", day.writes, free.writes_per_day, location.writes),
        _operations_line("document deletes", day.deletes, free.deletes_per_day, location.deletes),
        # Never free. Source: Firestore pricing, "Free tier".
        *(
            [_operations_line("TTL deletes", day.ttl_deletes, 0, location.deletes)]
            if day.ttl_deletes
            else []
        ),
        _gib_line(
            "storage, GiB",
            _stored_gib(measured, traffic, month),
            free.storage_gib,
            location.storage,
        ),
        _gib_line(
            "egress, GiB",
            day.egress_bytes * DAYS_A_MONTH / GIB,
            free.egress_gib_per_month,
            prices.egress,
        ),
        *_function_lines(day, traffic, prices),
    ]
    return Bill(tuple(lines))


def price_of(operations: Operations, traffic: TrafficModel, prices: PriceList) -> Decimal:
    """Return what operations cost at list price, nothing of them free, in US dollars."""
    location, functions = prices.at(traffic.location), prices.functions
    by_hundred_thousand = (
        _exact(operations.reads) * location.reads
        + _exact(operations.writes) * location.writes
        + _exact(operations.deletes + operations.ttl_deletes) * location.deletes
    ) / OPERATIONS_PER_PRICE
    by_gib = (
        _exact(operations.egress_bytes) * prices.egress
        + _exact(operations.stored_bytes) * location.storage
    ) / GIB
    seconds = _exact(_compute_seconds(operations, traffic, prices))
    by_second = seconds * (
        _exact(traffic.function_vcpu) * functions.per_vcpu_second
        + _exact(traffic.function_memory_gib) * functions.per_gib_second
    )
    calls = _exact(operations.invocations) * functions.per_million_invocations / 1_000_000
    return by_hundred_thousand + by_gib + by_second + calls


def _a_day(measured: Mapping[str, Operations], traffic: TrafficModel, month: int = 0) -> Operations:
    grown = (1 + traffic.growth_a_month / 100) ** month
    return sum(
        (use * (traffic.runs_a_day(name) * grown) for name, use in measured.items()), NOTHING
    )


def _stored_gib(measured: Mapping[str, Operations], traffic: TrafficModel, month: int) -> float:
    """Return what is stored on average in a month: the middle between its beginning and its end."""
    added = [_a_day(measured, traffic, each).stored_bytes * DAYS_A_MONTH for each in range(month)]
    this_month = _a_day(measured, traffic, month).stored_bytes * DAYS_A_MONTH
    return traffic.stored_gib + (sum(added) + this_month / 2) / GIB


def _action(name: str, use: Operations, traffic: TrafficModel, prices: PriceList) -> ActionForecast:
    runs = traffic.runs_a_day(name) * DAYS_A_MONTH
    one_run = price_of(use, traffic, prices)
    return ActionForecast(name, use, runs, one_run, one_run * _exact(runs))


def _sensitivity(
    measured: Mapping[str, Operations],
    actions: Sequence[ActionForecast],
    traffic: TrafficModel,
    prices: PriceList,
) -> Iterable[Sensitivity]:
    """Vary one assumption after the other; those on which nothing depends are left out."""
    now = monthly_bill(measured, traffic, prices).total
    for words, vary in _assumptions(measured, actions, traffic, prices):
        totals = tuple(monthly_bill(*vary(factor)).total for factor in FACTORS)
        if any(total != now for total in totals):
            yield Sensitivity(words, totals)


def _assumptions(
    measured: Mapping[str, Operations],
    actions: Sequence[ActionForecast],
    traffic: TrafficModel,
    prices: PriceList,
) -> Iterator[tuple[str, _Vary]]:
    def of_traffic(key: str) -> _Vary:
        return lambda factor: (
            measured,
            replace(traffic, **{key: getattr(traffic, key) * factor}),
            prices,
        )

    def often(name: str) -> _Vary:
        times = traffic.actions_a_session
        return lambda factor: (
            measured,
            replace(traffic, actions_a_session={**times, name: times[name] * factor}),
            prices,
        )

    def dear(name: str) -> _Vary:
        use = measured[name]
        return lambda factor: (
            {**measured, name: replace(use, reads=use.reads * factor)},
            traffic,
            prices,
        )

    yield "users", of_traffic("users")
    yield "sessions a day", of_traffic("sessions_a_day")
    for action in actions[:_ACTIONS_VARIED]:
        yield f'how often "{action.name}"', often(action.name)
        yield f'reads of "{action.name}"', dear(action.name)
    yield "what is stored already", of_traffic("stored_gib")
    yield "how long a function runs", of_traffic("function_ms")
    yield "list prices of Firestore", lambda factor: (measured, traffic, _times(prices, factor))


def _times(prices: PriceList, factor: float) -> PriceList:
    """Return a list with Firestore's prices multiplied."""
    exact = _exact(factor)
    locations = {
        name: replace(
            at,
            reads=at.reads * exact,
            writes=at.writes * exact,
            deletes=at.deletes * exact,
            storage=at.storage * exact,
        )
        for name, at in prices.locations.items()
    }
    return replace(prices, locations=locations)


def _notes(traffic: TrafficModel, prices: PriceList) -> Iterable[str]:
    location = prices.at(traffic.location)
    if location.location != traffic.location:
        near = prices.near(traffic.location)
        yield (
            f"{prices.file_name} has no prices for {traffic.location}: "
            f"those of {location.location} are used, as an upper bound"
            + (f"; did you mean {near}?" if near else "")
        )
    elif location.confidence != "high":
        yield (
            f"the prices for {location.location} are of {location.confidence} confidence: compare "
            "them with the price page"
        )


def _operations_line(what: str, a_day: float, free_a_day: int, price: Decimal) -> BillLine:
    billed = max(0.0, a_day - free_a_day) * DAYS_A_MONTH
    return _line(what, a_day * DAYS_A_MONTH, billed, OPERATIONS_PER_PRICE, price)


def _gib_line(what: str, used: float, free: Decimal, price: Decimal) -> BillLine:
    return _line(what, used, max(0.0, used - float(free)), 1, price)


def _function_lines(
    day: Operations, traffic: TrafficModel, prices: PriceList
) -> Iterable[BillLine]:
    functions = prices.functions
    seconds = _compute_seconds(day, traffic, prices) * DAYS_A_MONTH
    for what, used, free, unit, price in (
        (
            "function invocations",
            day.invocations * DAYS_A_MONTH,
            functions.free_invocations,
            1_000_000,
            functions.per_million_invocations,
        ),
        (
            "function vCPU seconds",
            seconds * traffic.function_vcpu,
            functions.free_vcpu_seconds,
            1,
            functions.per_vcpu_second,
        ),
        (
            "function GiB seconds",
            seconds * traffic.function_memory_gib,
            functions.free_gib_seconds,
            1,
            functions.per_gib_second,
        ),
    ):
        yield _line(what, used, max(0.0, used - free), unit, price)


def _compute_seconds(operations: Operations, traffic: TrafficModel, prices: PriceList) -> float:
    step = max(1, prices.functions.rounding_ms)
    return operations.invocations * ceil(traffic.function_ms / step) * step / 1000


def _line(what: str, used: float, billed: float, unit: int, price: Decimal) -> BillLine:
    return BillLine(what, used, billed, unit, price, _exact(billed) / unit * price)


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))
