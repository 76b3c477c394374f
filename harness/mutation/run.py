"""All mutants of a ruleset, asked in process: on the cores of this machine, or wherever an executor
takes the work.

    run_mutation(ruleset, Evidence(cells, recorded), executor=client.get_executor())

Any `concurrent.futures.Executor` does, such as dask.distributed's. Running checks against what is
still open then: `confirm.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeout
from contextlib import ExitStack
from dataclasses import dataclass

from harness.errors import EnvironmentLacking
from harness.mutation.work import Examined, WorkItem, examine, split
from harness.review.mutants import Mutant, find_mutants
from harness.review.scoring import Evidence, Finding
from harness.rules.ruleset import CompiledRuleset

DEFAULT_LIMIT_S = 3600.0
_FEWEST_FOR_PROCESSES = 100  # fewer are done before processes have started
_PARTS_EACH = 6  # parts take different times


@dataclass(frozen=True, slots=True)
class MutationRun:
    """What is known of the mutants of one ruleset.

    Args:
        ruleset: It.
        findings: In the order of its text.
        surprises: Cells of the access matrix that the ruleset itself answers wrongly.
        stale: Recorded requests that it answers otherwise than it did, or not with certainty.
    """

    ruleset: CompiledRuleset
    findings: tuple[Finding, ...]
    surprises: int = 0
    stale: int = 0


def run_mutation(
    ruleset: CompiledRuleset,
    evidence: Evidence,
    *,
    mutants: Sequence[Mutant] | None = None,
    executor: Executor | None = None,
    jobs: int | None = None,
    with_examples: bool = True,
    limit_s: float = DEFAULT_LIMIT_S,
    on_progress: Callable[[int, int], None] | None = None,
) -> MutationRun:
    """Examine mutants of a ruleset.

    Args:
        evidence: What they are asked.
        mutants: Some of `find_mutants(ruleset)`; by default all.
        executor: Who does the work; by default processes on this machine, which end with the call.
        jobs: How many processes, or for an executor how many workers it has; by default the
            machine's cores. 1 without an executor: this process.
        with_examples: Look for a request that tells a survivor from the ruleset; takes most of the
            time where many survive.
        limit_s: Seconds for all of it.
        on_progress: Called with how many mutants are done, and how many there are.
    Raises:
        EnvironmentLacking: The limit was passed.
    """
    chosen = tuple(find_mutants(ruleset) if mutants is None else mutants)
    workers = jobs or os.cpu_count() or 1
    if executor is None and len(chosen) < _FEWEST_FOR_PROCESSES:
        workers = 1
    source = ruleset.source
    key = uuid.uuid4().hex
    parts = split(chosen, workers * _PARTS_EACH)
    items = [
        WorkItem(source.file_name, source.text, key, evidence, part, with_examples)
        for part in parts
    ]
    done: list[Examined] = []
    if executor is None and workers == 1:
        for item in items:
            done.append(examine(item))
            _tell(on_progress, done, len(chosen))
    else:
        with ExitStack() as stack:
            if executor is None:
                # Not by fork: a child would inherit this process's threads' locks.
                context = multiprocessing.get_context("spawn")
                executor = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            done = _spread(executor, items, limit_s, on_progress, len(chosen))
    findings = tuple(finding for part in done for finding in part.findings)
    surprises, stale = (done[0].surprises, done[0].stale) if done else (0, 0)
    return MutationRun(ruleset, findings, surprises, stale)


def _spread(
    executor: Executor,
    items: Sequence[WorkItem],
    limit_s: float,
    on_progress: Callable[[int, int], None] | None,
    total: int,
) -> list[Examined]:
    futures: list[Future[Examined]] = [executor.submit(examine, item) for item in items]
    finished: list[Examined] = []
    ends = time.monotonic() + limit_s
    try:
        for future in futures:
            finished.append(future.result(timeout=max(0.0, ends - time.monotonic())))
            _tell(on_progress, finished, total)
    except FuturesTimeout as error:
        raise EnvironmentLacking(
            f"the mutants were not examined within {limit_s:g} s",
            fix="choose some with --only, or use more cores or machines",
        ) from error
    finally:
        for future in futures:
            future.cancel()
    return finished


def _tell(
    on_progress: Callable[[int, int], None] | None, done: Sequence[Examined], total: int
) -> None:
    if on_progress is not None:
        on_progress(sum(len(part.findings) for part in done), total)
