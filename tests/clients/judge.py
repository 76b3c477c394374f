"""What clients' steps gave, against what their tables expect and against another server."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

from tests.clients.tables import Case, Fails, Gives, LeftOut, Step, Table

# firebase/firestore/lite knows of these two only that HTTP answered with 400.
_BAD_REQUEST = "HTTP 400"
_BAD_REQUESTS = {"invalid-argument", "failed-precondition"}
# How far a value may be from now: a run takes minutes on a slow machine.
_NOW = timedelta(minutes=10)

# Client, table, case.
CaseKey = tuple[str, str, str]
# For each case, what each step gave: {"gives": value} or {"fails": {"code", "message"}}.
Outcomes = Mapping[CaseKey, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that gave something else.

    Args:
        step: Which of the case's, from 1, and its verb.
    """

    client: str
    table: str
    case: str
    step: str
    expected: str
    given: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run went: `assertions` by client count steps that ran and whose result was judged."""

    assertions: Mapping[str, int]
    cases: Mapping[str, int]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A step that two servers answer in two ways, and whom of them the table agrees with."""

    clients: tuple[str, ...]
    table: str
    case: str
    step: str
    expected: str
    ours: str
    theirs: str


def read_outcomes(lines: Iterable[str]) -> Outcomes:
    rows = [json.loads(line) for line in lines if line.strip()]
    return {(row["client"], row["table"], row["case"]): row["outcomes"] for row in rows}


def judge(
    planned: Mapping[CaseKey, Case], outcomes: Outcomes, now: datetime | None = None
) -> Verdict:
    """Hold outcomes against expectations. A planned case that is missing is a failure."""
    now = now or datetime.now(UTC)
    assertions: Counter[str] = Counter()
    failures: list[Failure] = []
    for key, case in planned.items():
        for number, step, outcome in _steps(case, outcomes.get(key, ())):
            if step.expected is not None and outcome is not None:
                assertions[key[0]] += 1
            if not is_as_expected(step.expected, outcome, now):
                label = f"{number} {step.verb}"
                failures.append(
                    Failure(*key, label, describe_expected(step.expected), describe(outcome))
                )
    return Verdict(assertions, Counter(client for client, _, _ in planned), tuple(failures))


def compare(
    planned: Mapping[CaseKey, Case], ours: Outcomes, theirs: Outcomes, now: datetime | None = None
) -> tuple[Difference, ...]:
    """Find the steps that two servers answer in two ways; clients that agree share a difference."""
    now = now or datetime.now(UTC)
    found: dict[tuple[str, ...], list[str]] = {}
    for key, case in planned.items():
        answers = zip_longest(case.steps, ours.get(key, ()), theirs.get(key, ()))
        for number, (step, our, their) in enumerate(answers, start=1):
            if step is None or _is_alike(step, our, their, now):
                continue
            row = (
                *key[1:],
                f"{number} {step.verb}",
                describe_expected(step.expected),
                describe(our),
                describe(their),
            )
            found.setdefault(row, []).append(key[0])
    return tuple(Difference(tuple(clients), *row) for row, clients in found.items())


def is_as_expected(
    expected: Gives | Fails | None, outcome: Mapping[str, Any] | None, now: datetime
) -> bool:
    if outcome is None:
        return False
    if expected is None:
        return "gives" in outcome
    if isinstance(expected, Gives):
        return "gives" in outcome and _matches(expected.value, outcome["gives"], now)
    failure = outcome.get("fails")
    if failure is None:
        return False
    is_bad_request = failure["code"] == _BAD_REQUEST and not _BAD_REQUESTS.isdisjoint(
        expected.codes
    )
    return (failure["code"] in expected.codes or is_bad_request) and re.search(
        expected.message, failure["message"], re.DOTALL
    ) is not None


def _is_alike(
    step: Step, ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None, now: datetime
) -> bool:
    """Whether answers are the same, or both as expected where that leaves room: times, ids."""
    if ours is None or theirs is None:
        return ours is theirs
    if step.expected is None:
        # What a write gives is nothing; only whether it fails, and how.
        return _code(ours) == _code(theirs)
    both = [is_as_expected(step.expected, each, now) for each in (ours, theirs)]
    return all(both) or _text(ours) == _text(theirs)


def _code(outcome: Mapping[str, Any]) -> Any:
    return outcome.get("fails", {}).get("code")


def _matches(expected: Any, given: Any, now: datetime) -> bool:
    """Compare JSON: maps in any order, numbers by value, `$now` and `$text` by what they allow."""
    if isinstance(expected, dict):
        if expected.keys() == {"$now"}:
            return _is_now(given, now)
        if expected.keys() == {"$text"}:
            return isinstance(given, str) and bool(
                re.fullmatch(expected["$text"], given, re.DOTALL)
            )
        return (
            isinstance(given, dict)
            and expected.keys() == given.keys()
            and all(_matches(expected[key], given[key], now) for key in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(given, list)
            and len(expected) == len(given)
            and all(_matches(each, other, now) for each, other in zip(expected, given, strict=True))
        )
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    return bool(expected == given)


def _is_now(given: Any, now: datetime) -> bool:
    if not isinstance(given, dict) or given.keys() != {"$timestamp"}:
        return False
    return abs(datetime.fromisoformat(given["$timestamp"]) - now) < _NOW


def _steps(
    case: Case, outcomes: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, Step, Mapping[str, Any] | None]]:
    for number, step in enumerate(case.steps, start=1):
        yield number, step, outcomes[number - 1] if number <= len(outcomes) else None


# In words


def describe_expected(expected: Gives | Fails | None) -> str:
    if expected is None:
        return "success"
    if isinstance(expected, Gives):
        return _text(expected.value)
    return " or ".join(expected.codes) + (f": /{expected.message}/" if expected.message else "")


def describe(outcome: Mapping[str, Any] | None) -> str:
    if outcome is None:
        return "(it did not get so far)"
    if "gives" in outcome:
        return _text(outcome["gives"])
    return f"{outcome['fails']['code']}: {outcome['fails']['message']}"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def render(verdict: Verdict, left_out: Sequence[LeftOut], titles: Mapping[str, str]) -> str:
    """What ran, by client; what a client was not asked, and why; what went wrong."""
    lines = [
        f"{titles[client]}: {verdict.assertions.get(client, 0)} assertions"
        f" in {verdict.cases[client]} cases"
        for client in titles
        if client in verdict.cases
    ]
    lines.append(f"assertions: {sum(verdict.assertions.values())}")
    reasons = Counter((each.client, each.reason) for each in left_out)
    lines += [
        f"not asked of {titles[client]}: {count} cases: {reason}"
        for (client, reason), count in reasons.items()
    ]
    for each in verdict.failures:
        lines += [
            f"FAILED {each.table}: {each.case}: step {each.step} ({each.client})",
            f"  expected {each.expected}",
            f"  given    {each.given}",
        ]
    return "\n".join(lines) + "\n"


def render_differences(differences: Sequence[Difference], theirs: str) -> str:
    """The differences, a case at a time."""
    if not differences:
        return f"no difference from {theirs}\n"
    lines = [f"{len(differences)} differences from {theirs}:"]
    for each in differences:
        lines += [
            f"{each.table}: {each.case}: step {each.step} ({', '.join(each.clients)})",
            f"  expected {each.expected}",
            f"  ours     {each.ours}",
            f"  theirs   {each.theirs}",
        ]
    return "\n".join(lines) + "\n"


def planned_cases(tables: Sequence[Table], plans: Mapping[str, Any]) -> dict[CaseKey, Case]:
    """The cases that each client's plan has."""
    by_name = {(table.name, case.name): case for table in tables for case in table.cases}
    return {
        (client, table["name"], case["name"]): by_name[table["name"], case["name"]]
        for client, plan in plans.items()
        for table in plan
        for case in table["cases"]
    }
