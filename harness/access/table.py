"""A decided access matrix: what agreed, what did not and why, and what the table cannot notice.

Records and counting; text is made in `table_text.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.access.model import AccessMatrix, AccessRow, MatrixCell
from harness.rules.recorded import ReplaySource
from harness.rules.request import FIRESTORE, STORAGE, Method
from harness.rules.ruleset import CompiledRuleset
from harness.source import SourcePosition

SERVICE_NAMES = {FIRESTORE: "Firestore", STORAGE: "Storage"}


@dataclass(frozen=True, slots=True)
class Surprise:
    """Where rules and table disagree about a row, for one reason.

    Args:
        personas: As whom the request got the answer that was not expected.
        allowed: That answer.
        at: Where the row stands.
        reasons: What granted, or each condition that denied, with its place. One line each.
    """

    row: str
    personas: tuple[str, ...]
    allowed: bool
    at: SourcePosition
    reasons: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The row, the personas, and both answers."""
        got, expected = ("allowed", "denied") if self.allowed else ("denied", "allowed")
        return f"{self.row}, as {', '.join(self.personas)}: {got}, expected {expected}"

    def __str__(self) -> str:
        return "\n  ".join([self.headline, *self.reasons, f"the row: {self.at}"])


def grouped(surprises: Iterable[Surprise]) -> tuple[Surprise, ...]:
    """Join surprises of one row that have the same answer and the same reasons."""
    groups: dict[object, Surprise] = {}
    for surprise in surprises:
        key = (surprise.row, surprise.allowed, surprise.reasons)
        known = groups.get(key)
        personas = (*known.personas, *surprise.personas) if known else surprise.personas
        groups[key] = replace(surprise, personas=personas)
    return tuple(groups.values())


@dataclass(frozen=True, slots=True)
class DecidedMatrix:
    """The whole table with its answers.

    Args:
        cells: Row by row, each in the order of the personas.
    """

    matrix: AccessMatrix
    cells: tuple[MatrixCell, ...]
    surprises: tuple[Surprise, ...]

    @property
    def agreed(self) -> int:
        """How many decisions are as the table says."""
        return sum(not cell.is_surprise for cell in self.cells)

    def by_row(self) -> list[tuple[AccessRow, Mapping[str, MatrixCell]]]:
        """Return the cells of each row by persona, in the table's order."""
        cells: dict[str, dict[str, MatrixCell]] = {}
        for cell in self.cells:
            cells.setdefault(cell.row, {})[cell.persona] = cell
        return [(row, cells[row.name]) for row in self.matrix.rows if row.name in cells]

    def summary(self) -> str:
        """Return the outcome in one line."""
        requests = _number(len(self.by_row()), "request")
        personas = _number(len(self.matrix.personas), "persona")
        counts = f"{len(self.cells)} decisions ({requests} as {personas})"
        if not self.surprises:
            return f"{counts} agree with the access matrix"
        return f"{self.agreed} of {counts} agree with the access matrix"


def blind_spots(matrix: AccessMatrix, rulesets: Mapping[str, CompiledRuleset]) -> tuple[str, ...]:
    """Return what a table cannot notice because one of the two answers is never expected.

    Rules that allow everything are noticed by a denial that the table expects, rules that deny
    everything by an allowance. Both are wanted for each service and method that the rules name in
    an `allow`; a method that they never allow needs a denial only.

    Args:
        rulesets: By service; services without rows are blind spots themselves.
    """
    found = []
    for service, ruleset in rulesets.items():
        rules = ruleset.resolved.rules.get(service, ())
        name = SERVICE_NAMES[service]
        rows = [row for row in matrix.rows if row.service == service]
        if not rows:
            if rules:
                found.append(f"no row asks anything of {name}")
            continue
        granted = frozenset(method for rule in rules for method in rule.granted)
        for method in Method:
            asking = [row for row in rows if method in row.methods]
            if not any(len(row.allowed) < len(matrix.personas) for row in asking):
                found.append(f"no {method.value} of {name} is expected to be denied")
            if method in granted and not any(row.allowed for row in asking):
                found.append(f"no {method.value} of {name} is expected to be allowed")
    return tuple(found)


def unseen_statements(cells: Iterable[MatrixCell], ruleset: CompiledRuleset) -> tuple[str, ...]:
    """Return which allow statements of a ruleset no cell shows from both sides."""
    granted: set[int] = set()
    refused: set[int] = set()
    service = set(ruleset.services)
    for cell in cells:
        recorded = cell.recorded
        if recorded.service not in service:
            continue
        source = ReplaySource(recorded.documents)
        for asked in recorded.decisions:
            decision = ruleset.decide(asked.request, source)
            if decision.allowed_by is not None:
                granted.add(decision.allowed_by.line)
            refused.update(reason.line for reason in decision.reasons)
    lines = ruleset.allow_lines
    found = [f"line {line} never allows" for line in lines if line not in granted]
    found += [f"line {line} never denies" for line in lines if line not in refused]
    return tuple(found)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
