"""The access matrix in checks: decided in process, and a sample of it asked of the emulators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from harness.access.decide import record_cells
from harness.access.model import AccessMatrix
from harness.access.sample import DEFAULT_SIZE, sample_cells
from harness.access.table import DecidedMatrix, blind_spots, unseen_statements
from harness.access.table_text import render_text, to_table
from harness.access_table import decide_matrix, read_access_matrix
from harness.firestore.values import Timestamp
from harness.project import load_project
from harness.project_rules import ProjectRulesets, load_rulesets
from harness.pytest_plugin.outcome import not_verified
from harness.pytest_plugin.recorder import Findings
from harness.rules.request import STORAGE

if TYPE_CHECKING:
    from harness.emulators.access_clients import AccessClients, Disagreement
    from harness.emulators.storage import StorageEmulator
    from harness.pytest_plugin.context import CheckContext

_MILLISECOND_MICROS = 1_000


class AskOverTheWire(Protocol):
    """How `access_over_the_wire` is called."""

    def __call__(self, size: int = DEFAULT_SIZE) -> None:
        """Ask at most so many cells; fail where an answer is not the one in process."""


@dataclass(frozen=True, slots=True)
class DecidedProject:
    """A project's matrix with its answers; `decided` is None where harness.yaml names none."""

    rulesets: ProjectRulesets
    decided: DecidedMatrix | None

    def required(self) -> DecidedMatrix:
        """Return the decided matrix; without one the check is not verified."""
        __tracebackhide__ = True
        if self.decided is None:
            not_verified("harness.yaml names no access matrix")
        return self.decided


class CheckedMatrix:
    """What `access_matrix` gives."""

    def __init__(self, project: DecidedProject, findings: Findings) -> None:
        self._project = project
        self._findings = findings

    @property
    def decided(self) -> DecidedMatrix:
        """The whole table with its answers."""
        __tracebackhide__ = True
        return self._project.required()

    def check(self) -> None:
        """Fail where the rules do not decide as the table says; else record how many agreed.

        The report shows the table either way.
        """
        __tracebackhide__ = True
        decided = self.decided
        self._findings.tables.append(to_table(decided))
        if decided.surprises:
            pytest.fail(
                f"{_surprises(decided)}\n\n{render_text(decided, only_surprises=True)}",
                pytrace=False,
            )
        self._findings.add_proof(decided.summary())

    def blind_spots(self) -> tuple[str, ...]:
        """Return what the table would not notice: for each method it must expect both answers."""
        __tracebackhide__ = True
        return blind_spots(self.decided.matrix, self._project.rulesets.by_service())

    def unseen_statements(self) -> tuple[str, ...]:
        """Return which allow statements never grant, or never refuse, anything in the table."""
        __tracebackhide__ = True
        return tuple(
            f"{ruleset.source.file_name}: {spot}"
            for ruleset in self._project.rulesets.by_service().values()
            for spot in unseen_statements(self.decided.cells, ruleset)
        )


_DECIDED = pytest.StashKey[DecidedProject]()


def decided_project(config: pytest.Config, folder: Path) -> DecidedProject:
    """Read and decide a project's access matrix, once in a run.

    Raises:
        HarnessError: It, or a ruleset, does not load.
    """
    decided = config.stash.get(_DECIDED, None)
    if decided is None:
        project = load_project(folder)
        matrix = read_access_matrix(project)
        rulesets = load_rulesets(project)
        decided = DecidedProject(
            rulesets, None if matrix is None else decide_matrix(matrix, rulesets)
        )
        config.stash[_DECIDED] = decided
    return decided


def known_project(config: pytest.Config) -> DecidedProject | None:
    """Return the decided matrix of this run, if a check has asked for it by now."""
    return config.stash.get(_DECIDED, None)


def ask_over_the_wire(
    project: DecidedProject, context: CheckContext, record_proof: Callable[[str], None]
) -> AskOverTheWire:
    """Return the function that `access_over_the_wire` gives."""

    def ask(size: int = DEFAULT_SIZE) -> None:
        __tracebackhide__ = True
        # Servers have no other time than the present, and it is the same question at another time.
        now = time.time_ns() // 1_000
        matrix = replace(project.required().matrix, now=Timestamp(now - now % _MILLISECOND_MICROS))
        cells = record_cells(matrix, project.rulesets.firestore, project.rulesets.storage)
        clients = _clients(matrix, context)
        sample = sample_cells(matrix, [cell for cell in cells if clients.can_ask(cell)], size)
        services = {cell.recorded.service for cell in sample}
        # No function shall change the documents between two questions.
        quiet = (
            context.without_background_triggers()
            if STORAGE in services
            else context.without_events()
        )
        with quiet:
            disagreements = clients.disagreements(sample)
        if disagreements:
            pytest.fail(_disagreement_text(disagreements, len(sample)), pytrace=False)
        emulators = "Firestore and Storage" if STORAGE in services else "Firestore"
        record_proof(
            f"{len(sample)} of {len(cells)} decisions were the same over the wire ({emulators})"
        )

    return ask


def _clients(matrix: AccessMatrix, context: CheckContext) -> AccessClients:
    from harness.emulators.access_clients import AccessClients
    from harness.emulators.storage import StorageEmulator
    from harness.emulators.tokens import ADMIN_TOKEN

    def token(persona: str) -> str | None:
        who = matrix.personas[persona]
        return context.token(who.uid, who.claims)

    def storage(persona: str) -> StorageEmulator:
        return StorageEmulator(context.endpoints, token=token(persona))

    has_storage = context.endpoints.storage is not None
    return AccessClients(
        matrix,
        lambda persona: context.client(token(persona)),
        context.admin_client,
        context.firestore.clear,
        storage if has_storage else None,
        StorageEmulator(context.endpoints, token=ADMIN_TOKEN) if has_storage else None,
    )


def _surprises(decided: DecidedMatrix) -> str:
    count = len(decided.cells) - decided.agreed
    first = decided.surprises[0].headline
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"the rules surprise the access matrix: {first}{more}"


def _disagreement_text(disagreements: Iterable[Disagreement], asked: int) -> str:
    lines = [str(disagreement) for disagreement in disagreements]
    head = f"{len(lines)} of {asked} decisions are not the same over the wire and in process"
    return "\n  ".join([head, *lines])
