"""The work is the same wherever it is done: here, in processes, on a dask cluster."""

from __future__ import annotations

import importlib.util
import pickle
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from harness.access.decide import record_cells
from harness.errors import EnvironmentLacking
from harness.mutation.run import run_mutation
from harness.mutation.work import WorkItem, examine, split
from harness.review.mutants import find_mutants
from harness.review.scoring import Evidence, Finding, tally
from tests.access.tables import matrix_of
from tests.review.test_scoring import MATRIX, RULESET

EVIDENCE = Evidence(record_cells(matrix_of(MATRIX), RULESET))
MUTANTS = find_mutants(RULESET)


def outcomes(findings: tuple[Finding, ...]) -> list[tuple[str, str, str | None]]:
    return [(each.mutant.id, each.standing.value, each.noticed_by) for each in findings]


@pytest.fixture(scope="module")
def alone() -> list[tuple[str, str, str | None]]:
    return outcomes(run_mutation(RULESET, EVIDENCE, jobs=1).findings)


def test_this_process_alone(alone: list[Any]) -> None:
    assert [one[0] for one in alone] == [mutant.id for mutant in MUTANTS]
    assert {one[1] for one in alone} == {"killed", "survived"}


def test_processes_of_this_machine(alone: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.mutation.run._FEWEST_FOR_PROCESSES", 1)
    seen: list[tuple[int, int]] = []
    run = run_mutation(
        RULESET, EVIDENCE, jobs=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert outcomes(run.findings) == alone
    assert seen[-1] == (len(MUTANTS), len(MUTANTS))


def test_any_executor(alone: list[Any]) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert outcomes(run_mutation(RULESET, EVIDENCE, executor=executor).findings) == alone


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask.distributed is not installed"
)
# Its own warnings are not ours to mend.
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster(alone: list[Any]) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, processes=False
        ) as cluster,
        Client(cluster, timeout="30s") as client,
    ):
        run = run_mutation(RULESET, EVIDENCE, executor=client.get_executor(), jobs=2, limit_s=60.0)
    assert outcomes(run.findings) == alone


def test_chosen_mutants_only() -> None:
    run = run_mutation(RULESET, EVIDENCE, mutants=MUTANTS[:3], jobs=1)
    assert [each.mutant for each in run.findings] == list(MUTANTS[:3])
    assert run_mutation(RULESET, EVIDENCE, mutants=(), jobs=1).findings == ()


def test_a_part_needs_nothing_but_itself() -> None:
    source = RULESET.source
    item = WorkItem(source.file_name, source.text, "key", EVIDENCE, MUTANTS[:5], True)
    done = examine(pickle.loads(pickle.dumps(item)))
    assert [each.mutant for each in done.findings] == list(MUTANTS[:5])


def test_parts_hold_every_mutant_once() -> None:
    for count in (0, 1, 5, len(MUTANTS)):
        for parts in (1, 3, 100):
            cut = split(MUTANTS[:count], parts)
            assert tuple(one for part in cut for one in part) == MUTANTS[:count]
            assert len(cut) <= parts


def test_an_executor_that_never_answers_is_not_waited_for() -> None:
    class Silent(Executor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            return Future()

    with pytest.raises(EnvironmentLacking, match=r"not examined within 0\.01 s"):
        run_mutation(RULESET, EVIDENCE, executor=Silent(), limit_s=0.01)


def test_the_score_of_the_small_matrix() -> None:
    counted = tally(run_mutation(RULESET, EVIDENCE, jobs=1, with_examples=False).findings)
    assert counted.score is not None
    assert 40 < counted.score < 100
