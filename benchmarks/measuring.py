"""Rows of the table that `make bench` prints, and what all that is measured shares."""

import json
import sys
from dataclasses import asdict, dataclass
from statistics import median

import psutil

from benchmarks.servers import NotMeasured

MISSING = "not measured"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        ours: None: not measured, `note` says why.
        unit: `ms`, `µs`, `s` or `MB`, of which less is better; `/s` or `/CPU s`, of which more is.
        target: In words; empty for what has none.
        met: None: there is no target, or what it speaks of was not measured.
    """

    what: str
    ours: float | None
    unit: str = ""
    peer: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self):
        """How many times as good as the peer's ours is."""
        if not self.ours or not self.peer:
            return None
        return self.ours / self.peer if self.unit.startswith("/") else self.peer / self.ours

    def cells(self):
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        return (
            self.what,
            figure(self.ours, self.unit) if self.ours is not None else MISSING,
            figure(self.peer, self.unit) if self.peer is not None else "",
            ratio,
            self.target,
            verdict,
            self.note,
        )


HEADS = ("what", "ours", "peer", "ratio", "target", "", "note")


def figure(number, unit):
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f} {unit}".rstrip()


def table(rows):
    """Return rows as a Markdown table."""
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def in_turns(rounds, measures):
    """Measure in turns, so that what disturbs one disturbs all.

    Args:
        measures: Name to a function that returns one figure.
    Returns:
        The median of each by its name.
    """
    found = {name: [] for name in measures}
    for number in range(rounds):
        # The other way round each time: who comes second finds a warmer machine.
        for name in list(measures)[:: 1 if number % 2 else -1]:
            found[name].append(measures[name]())
    return {name: median(figures) for name, figures in found.items()}


def run_part(rows):
    """Print what a part of the benchmark yields: as a table, or with `--json` a row a line."""
    if "--json" not in sys.argv:
        print(table(list(rows())))
        return
    for row in rows():
        print(json.dumps(asdict(row)), flush=True)


def missing(what, error, target=""):
    """Return the row of what could not be measured."""
    text = str(error) if isinstance(error, NotMeasured) else f"{type(error).__name__}: {error}"
    return Row(what, None, target=target, note=text.splitlines()[0][:120] if text else "")


def machine():
    """Describe the machine in general words."""
    memory = psutil.virtual_memory().total / 2**30
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, CPython {version}"
