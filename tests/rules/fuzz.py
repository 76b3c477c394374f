"""Looks for disagreements and crashes for as long as it is told: `make fuzz`.

    python -m tests.rules.fuzz [--seconds 600] [--seed 0] [--rules FOLDER]

First come the texts of `pathological.py`, as long as rules may be; `--seconds 0` leaves them out.
Then each case has a number, its seed: half of them are generated rulesets, a quarter damaged ones
from the committed tables, a quarter damaged files from FOLDER (every `*.rules` below it), or large
rulesets put together from the tables. Prints each kind of failure once with its seed; `--seed N
--seconds 0` runs that one alone, with a traceback. The ordinary suite looks at the same properties
through Hypothesis in `test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic, process_time

from harness.rules import nodes
from harness.rules.request import FIRESTORE
from harness.rules.ruleset import LoadedRuleset
from harness.rules.runtime import NO_DOCUMENTS
from tests.rules.agreement import (
    check_agreement,
    check_commit,
    check_metering,
    check_round_trip,
    load,
)
from tests.rules.corpus import get_request
from tests.rules.generated import Choose, Generator, words_of
from tests.rules.mutations import altered, composed, corpus_texts, mutated
from tests.rules.pathological import pathological_texts

REQUESTS = 5
# What `pathological_texts` is asked for; a few come out longer, and are refused for that.
LONGEST = 250_000
# No case takes more of the processor unless something is quadratic, or worse: the largest, 3,000
# lines and five requests, each compiled in four ways, take a third of it.
SLOW_S = 15.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.rules.fuzz")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rules", type=Path, help="a folder with rules files to damage")
    options = parser.parse_args(arguments)
    files: list[str] = []
    if options.rules is not None:
        found = sorted(options.rules.rglob("*.rules"))
        files = [path.read_text(encoding="utf-8", errors="replace") for path in found]
    failures: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    start = monotonic()

    def attempt(name: str, run: Callable[[], None]) -> None:
        began = process_time()
        try:
            run()
            if process_time() - began > SLOW_S:
                raise AssertionError(f"slow: {process_time() - began:.1f} s")
        except Exception as error:
            key = failure_key(error)
            failures[key] += 1
            if failures[key] == 1:
                print(f"{name}: {key}", flush=True)
                if options.seconds == 0:
                    traceback.print_exc()

    if options.seconds:
        for name, text in pathological_texts(LONGEST).items():
            attempt(name, partial(run_text, text))
    seed = options.seed
    while True:
        attempt(f"seed {seed}", partial(run_case, random.Random(seed), files, outcomes))
        seed += 1
        if monotonic() - start >= options.seconds:
            break
    print(f"{seed - options.seed:,} rulesets; {dict(outcomes)}; {sum(failures.values())} failures")
    return 1 if failures else 0


def run_text(text: str) -> None:
    """Load a text and ask it something. What a tree walker would say is not waited for."""
    ruleset = load(text).ruleset
    if ruleset is not None and FIRESTORE in ruleset.services:
        ruleset.decide(get_request(), NO_DOCUMENTS)
        str(ruleset.explain(get_request(), NO_DOCUMENTS))


def failure_key(error: Exception) -> str:
    """Say what failed and where, the same for each case of one cause."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).partition("\n")[0][:100]
    return f"{type(error).__name__} in {at.name} line {at.lineno}: {text}"


def run_case(choices: random.Random, files: list[str], outcomes: Counter[str]) -> None:
    choose = choices.choice
    generator = Generator(choose, depth=choose((1, 2, 3, 4)), wild=choose((8, 25, 100)))
    kind = choose(("generated", "generated", "tables", "files" if files else "large"))
    if kind == "generated":
        text = nodes.unparse(generator.ruleset())
        loaded = load(text)
        check_round_trip(text)
    else:
        loaded = load(damaged_text(kind, choose, files))
    if loaded.ruleset is None:
        outcomes["refused"] += 1
        return
    if kind != "generated":
        generator.words = words_of(loaded.ruleset.tree)
    decide(loaded, generator, outcomes)


def damaged_text(kind: str, choose: Choose, files: list[str]) -> str:
    if kind == "files":
        text = choose(files)
        other = choose(files)
    elif kind == "tables":
        text, other = choose(corpus_texts()), choose(corpus_texts())
    else:
        text = nodes.unparse(composed(choose, choose((300, 1000, 3000))))
        other = ""
    damage = choose(("altered", "altered", "mutated"))
    changes = choose((1, 2, 3, 10, 30))
    if damage == "altered":
        return altered(text, choose, changes)
    return mutated(text, choose, other, min(changes, 3))


def decide(loaded: LoadedRuleset, generator: Generator, outcomes: Counter[str]) -> None:
    assert loaded.ruleset is not None
    requests = [generator.request(loaded.ruleset.tree) for _ in range(REQUESTS)]
    check_commit(loaded.ruleset, requests * 3, generator.documents())
    for request in requests:
        documents = generator.documents()
        decision = check_agreement(loaded.ruleset, request, documents)
        check_metering(loaded.ruleset, request, documents)
        reasons = decision.reasons
        said = reasons[0].text if reasons else "no match"
        outcome = "allowed" if decision.allowed else said if said == "no match" else "error"
        outcomes["false" if said.startswith("false for") else outcome] += 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
